"""What a model believes of the unlabeled images it was trained on, for the record of a round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from stages.models import Network
    from stages.rounds.context import Round

DIGITS = 6  # of numbers in a record: rounding noise is far below


def believed(network: Network, round: Round, threshold: float = 0.0) -> dict[str, Any]:
    """The classes that a model gives unlabeled images whose largest p_c reaches ``threshold``.

    Returns:
        Parts of a :class:`stages.rounds.context.Learned`: ``pseudo_labeled``, rows and classes
        (int64), of which the record counts the wrong ones; ``signature``, numbers by name: the
        share of the unlabeled images that reach the threshold, and the mean of max_c p_c of all.
    """
    from stages.rounds.context import Learned, Pool

    pool = Pool(round=round, learned=Learned(network), candidates=round.unlabeled)
    surest, classes = [np.empty(0)], [np.empty(0, np.int64)]
    for _, chances in pool.in_blocks():
        surest.append(chances.max(1))
        classes.append(chances.argmax(1))
    sure = np.concatenate(surest)
    kept = np.round(sure, 2 * DIGITS) >= threshold
    signature = {
        "share_believed": float(kept.mean()) if len(kept) else 0.0,
        "confidence": float(sure.mean()) if len(sure) else 0.0,
    }
    return {
        "pseudo_labeled": {"rows": round.unlabeled[kept], "labels": np.concatenate(classes)[kept]},
        "signature": {name: rounded(value) for name, value in signature.items()},
    }


def rounded(value: float) -> float:
    """As many digits as a record has."""
    return float(np.round(value, DIGITS))

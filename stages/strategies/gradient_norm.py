"""Length of the gradient for the predicted class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.catalogue.strategy import Strategy
from stages.strategies.handshake import Scores

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "gradient_norm": Strategy(
        scorer="stages.strategies.gradient_norm:score",
        source="Ash et al. 2020: the length of BADGE's gradient embedding",
        family="uncertainty",
        cost="N (C + D)",
        formula="|(p - onehot(argmax_c p_c)) x^T|, x the embedding",
    ),
}


def gradient_norm_of(p_N_C: np.ndarray, x_N_D: np.ndarray) -> np.ndarray:
    """|p - onehot(argmax p)| |x|: length of BADGE's gradient embedding, in [0, sqrt(2) |x|], (N,).

    The gradient of the cross-entropy against the predicted class with respect to the classifier's
    weights (Ash et al. 2020): a lower bound of its length under the unknown label (their
    proposition 1).
    """
    top = p_N_C.argmax(1)[:, None]
    others = p_N_C.copy()
    np.put_along_axis(others, top, 0, axis=1)
    # 1 - p of the predicted class as a sum of what is left: no cancellation where p is near 1.
    squares = (others * others).sum(1) + others.sum(1) ** 2
    return np.sqrt(squares * np.einsum("nd,nd->n", x_N_D, x_N_D, dtype=np.float64))


def score(pool: Pool) -> Scores:
    """:func:`gradient_norm_of` the network as it is."""
    return np.concatenate([gradient_norm_of(p, x) for x, p in pool.in_blocks()])

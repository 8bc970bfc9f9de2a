"""TCM: TypiClust while there are few labels, then margins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stages.catalogue.kinds import Amount
from stages.catalogue.parts import with_settings_of
from stages.catalogue.strategy import Strategy
from stages.strategies import typiclust, uncertainty
from stages.strategies.features import embedding_and_labeled
from stages.strategies.handshake import Known
from stages.strategies.top import top

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "tcm": Strategy(
        scorer="stages.strategies.tcm:staged",
        selector="stages.strategies.tcm:typical_then_uncertain",
        source="Doucet et al. 2024 (TCM), on the round's embeddings",
        family="hybrid",
        cost="that of typiclust, then that of margin",
        formula="as typiclust while there are fewer than switch labels a class, then as margin",
    ),
}


class Staged(NamedTuple):
    """What TCM selects from.

    Attributes:
        typical: what TypiClust works on, while labels are few.
        margins: after that, float, shape (N,).
    """

    typical: Known | None
    margins: np.ndarray | None


def staged(pool: Pool, *, switch: Amount = 5.0) -> Staged:
    """What TypiClust works on while labels are few; then margins.

    Args:
        switch: labels a class, on average over all classes, from which on margins decide. In the
            paper they do after the first queries by TypiClust, the earlier the better the
            representation is: the number is a study's to choose.
    """
    if len(pool.labeled) < switch * pool.classes:
        return Staged(embedding_and_labeled(pool), None)
    return Staged(None, uncertainty.margin(pool))


@with_settings_of(typiclust.typical)
def typical_then_uncertain(
    scored: Staged, b: int, rng: np.random.Generator, **settings: Any
) -> np.ndarray:
    """Doucet et al. 2024: TypiClust or margin, as the scorer has decided.

    Args:
        settings: of :func:`stages.strategies.typiclust.typical`.

    Returns:
        Positions, int64, shape (b,), in order of selection.

    Raises:
        UserError: a number is not finite, or b is larger than N.
    """
    if scored.typical is not None:
        return typiclust.typical(scored.typical, b, rng, **settings)
    return top(scored.margins, b, rng)

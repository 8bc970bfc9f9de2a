"""Random sampling: scores that know nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.catalogue.strategy import Strategy
from stages.strategies.handshake import Scores

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "random": Strategy(
        scorer="stages.strategies.random:constant",
        source="Uniform sampling",
        family="baseline",
        cost="N",
        formula="every set of b candidates is as likely as any other",
    ),
}


def constant(pool: Pool) -> Scores:
    """All alike, shape (N,): ties are broken by the generator, so the choice is uniform."""
    return np.zeros(len(pool.candidates))

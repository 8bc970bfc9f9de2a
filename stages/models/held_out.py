"""Rows that a network of a learner is not trained on, to see what it says of new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stages.machine.randomness import Purpose

if TYPE_CHECKING:
    from stages.rounds.context import Round

UNLABELED = 10  # held-out unlabeled rows for each labeled one, where there are as many
MOST = 0.1  # of the pool that is held out


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows.

    Attributes:
        labeled, unlabeled: int64, rising; both empty if either is.
    """

    labeled: np.ndarray
    unlabeled: np.ndarray

    def __bool__(self) -> bool:
        return len(self.labeled) > 0

    def kept(self, rows: np.ndarray) -> np.ndarray:
        """Which of ``rows`` are trained on, bool."""
        return ~np.isin(rows, np.concatenate([self.labeled, self.unlabeled]))


def held_out(round: Round, share: float) -> HeldOut:
    """A random ``share`` of the labeled rows, and ten times as many unlabeled ones.

    Of the unlabeled ones at most a tenth; of fewer labeled rows than 1 / share none.
    """
    rng = round.generator(Purpose.HELD_OUT)
    labeled = int(share * len(round.labeled))
    unlabeled = min(UNLABELED * labeled, int(MOST * len(round.unlabeled)))
    if not labeled or not unlabeled:
        return HeldOut(round.labeled[:0], round.unlabeled[:0])
    return HeldOut(
        np.sort(rng.choice(round.labeled, labeled, replace=False)),
        np.sort(rng.choice(round.unlabeled, unlabeled, replace=False)),
    )

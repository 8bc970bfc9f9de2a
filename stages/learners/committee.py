"""A committee: further networks, trained like the model that is evaluated but from other draws."""

from __future__ import annotations

import dataclasses

from stages.learners import supervised
from stages.rounds.context import Learned, Problem


def train(problem: Problem, members: int = 5) -> Learned:
    """Train the task's model as :func:`supervised.train` does, and ``members`` further networks.

    Each has an initialisation, an order of batches, augmentations and dropout masks of its own. The
    committee only chooses; the model that is evaluated is no member, so its result is that of every
    other strategy (Beluch et al. 2018; 5 members there and in Munjal et al. 2022).

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    learned = supervised.train(problem)
    committee = tuple(
        supervised.train(dataclasses.replace(problem, part=part)).network
        for part in range(1, members + 1)
    )
    return dataclasses.replace(learned, members=committee)

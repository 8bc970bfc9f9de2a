"""A committee: further networks, trained like the model that is evaluated but from other draws."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from stages.catalogue.parts import continues, makes
from stages.learners import supervised

if TYPE_CHECKING:
    from stages.rounds.context import Learned, Round

# A training each, and all weights are in memory together; one alone never disagrees.
Members = Annotated[int, Field(ge=2, le=1000)]


@continues
@makes("members")
def train(round: Round, *, members: Members = 5) -> Learned:
    """Train the task's model as :func:`supervised.train` does, and ``members`` further networks.

    Each has an initialisation, an order of batches, augmentations and dropout masks of its own. The
    committee only chooses; the model that is evaluated is no member, so its result is that of every
    other strategy (Beluch et al. 2018; 5 members there and in Munjal et al. 2022).

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    learned = supervised.train(round)
    others = [
        supervised.train(dataclasses.replace(round, part=part)) for part in range(1, members + 1)
    ]
    committee = tuple(other.network for other in others)
    carry = {name: value for one in (learned, *others) for name, value in one.carry.items()}
    return dataclasses.replace(learned, parts={"members": committee}, carry=carry)

"""The weights that a round's training starts from: fresh ones, or those of the last round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.models import Network, restore, state
from stages.models.fit import fresh

if TYPE_CHECKING:
    from stages.rounds.context import Round

WEIGHTS = "weights"


def begun(round: Round) -> Network:
    """A network to be trained: :func:`fresh`, or as the last round's learner handed it on.

    The latter where the task says ``initialise: last`` (Gashi et al. 2024), from round 1 on. It
    is the network that was evaluated: with ``averaging`` the average.
    """
    network = fresh(round)
    prefix = f"{WEIGHTS}/{round.part}/"
    handed = round.carry.get("learner", {}) if round.task.initialise == "last" else {}
    arrays = {
        name.removeprefix(prefix): value
        for name, value in handed.items()
        if name.startswith(prefix)
    }
    if arrays:
        restore(network, arrays)
    return network


def handed_on(network: Network, round: Round) -> dict[str, np.ndarray]:
    """What the learner carries so that the next round can go on from these weights; {} unasked."""
    if round.task.initialise != "last":
        return {}
    return {f"{WEIGHTS}/{round.part}/{name}": value for name, value in state(network).items()}

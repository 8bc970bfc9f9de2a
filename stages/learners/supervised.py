"""Supervised training on the labeled set, from fresh weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.parts import repeatable

if TYPE_CHECKING:
    from stages.rounds.context import Learned, Round


@repeatable
def train(round: Round) -> Learned:
    """Train a new network on the labeled rows.

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    from stages.models.fit import fit, fresh
    from stages.rounds.context import Learned

    network = fresh(round)
    fit(network, round)
    return Learned(network)

"""Supervised training on the labeled set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.parts import continues

if TYPE_CHECKING:
    from stages.rounds.context import Learned, Round


@continues
def train(round: Round) -> Learned:
    """Train a new network on the labeled rows, or the last round's where the task says so.

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    from stages.models.beginning import begun, handed_on
    from stages.models.fit import fit
    from stages.rounds.context import Learned

    network = begun(round)
    fit(network, round)
    return Learned(network, carry=handed_on(network, round))

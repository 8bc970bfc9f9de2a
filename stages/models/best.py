"""The epoch that the validation set chooses."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from stages.machine.errors import UserError
from stages.models import Network
from stages.models.averaging import take_over
from stages.models.batches import classify, embed

if TYPE_CHECKING:
    from stages.rounds.context import Round


class BestEpoch:
    """A hook that keeps the weights of the epoch with the most right answers on validation rows.

    Ties go to the earlier epoch.

    Args:
        evaluated: the network that is kept: the one that is trained, or an average of it.
        beside: modules that are trained along, and kept with it.

    Raises:
        UserError: the round has no validation rows.
    """

    def __init__(self, round: Round, evaluated: Network, beside: Sequence[nn.Module] = ()) -> None:
        if not len(round.validation_labels):
            raise UserError(
                "choose_epoch: best needs validation rows; raise split.validation above 0"
            )
        self.round, self.evaluated, self.beside = round, evaluated, beside
        self.right, self.kept = -1, ()

    def after_step(self, network: nn.Module) -> None:
        """Nothing is looked at between epochs."""

    def after_epoch(self, _network: nn.Module, _epoch: int) -> None:
        """Keep the weights if they are better than any before."""
        round = self.round
        embeddings = embed(self.evaluated, round.batches, round.validation)
        predicted = classify(self.evaluated, embeddings, round.compute).argmax(1)
        right = int((predicted == round.validation_labels).sum())
        if right > self.right:
            self.right = right
            self.kept = tuple(copy.deepcopy(one) for one in (self.evaluated, *self.beside))

    def restore(self, network: Network, beside: Sequence[nn.Module] = ()) -> None:
        """Give modules the weights that were kept, in place."""
        for module, kept in zip((network, *beside), self.kept, strict=True):
            take_over(module, kept)

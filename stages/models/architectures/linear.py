"""A linear classifier: what is trained on frozen features of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.architecture import INPUTS, Architecture
from stages.catalogue.kinds import Rate

if TYPE_CHECKING:
    from stages.models.networks import Network

ENTRIES = {"linear": Architecture("stages.models.architectures.linear:build", width=INPUTS)}


def build(shape: tuple[int, int, int], classes: int, *, dropout: Rate = 0.0) -> Network:
    """The classifier alone; the embedding is what goes in, row by row. No blocks.

    Args:
        shape: of an image, (C, H, W); of D features (D, 1, 1).
        dropout: rate of the dropout before the classifier.
    """
    from math import prod

    from torch import nn

    from stages.models.networks import Network

    return Network(nn.Flatten(), prod(shape), classes, dropout)

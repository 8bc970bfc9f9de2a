"""A classifier with one hidden layer, for frozen features of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stages.catalogue.architecture import Architecture
from stages.catalogue.kinds import Rate, Width

if TYPE_CHECKING:
    from stages.models.networks import Network


def width(settings: dict[str, Any]) -> int:
    """Numbers in an embedding."""
    return settings["units"]


ENTRIES = {"mlp": Architecture("stages.models.architectures.mlp:build", width=width)}


def build(
    shape: tuple[int, int, int], classes: int, *, dropout: Rate = 0.0, units: Width = 128
) -> Network:
    """A hidden layer with ReLU, whose outputs are the embedding. No blocks.

    Args:
        shape: of an image, (C, H, W); of D features (D, 1, 1).
        dropout: rate of the dropout before the classifier.
        units: of the hidden layer.
    """
    from math import prod

    from torch import nn

    from stages.models.networks import Network

    body = nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), units), nn.ReLU())
    return Network(body, units, classes, dropout)

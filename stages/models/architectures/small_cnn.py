"""A small convolutional network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.architecture import Architecture
from stages.catalogue.kinds import Rate

if TYPE_CHECKING:
    from stages.models.networks import Network

ENTRIES = {
    "small_cnn": Architecture("stages.models.architectures.small_cnn:build", smallest=4, width=128)
}


def build(shape: tuple[int, int, int], classes: int, *, dropout: Rate = 0.0) -> Network:
    """Two 3x3 convolutions (32 and 64 maps), each with ReLU and 2x2 max-pooling; 128 units.

    Blocks: the two pooled maps.

    Args:
        shape: of an image, (C, H, W).
        dropout: rate of the dropout before the classifier.
    """
    from torch import nn

    from stages.models.networks import Network

    channels, height, width = shape
    body = nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * (height // 4) * (width // 4), 128),
        nn.ReLU(),
    )
    return Network(body, 128, classes, dropout, blocks=("2", "5"))

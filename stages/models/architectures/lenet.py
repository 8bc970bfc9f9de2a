"""LeNet-5 (LeCun et al. 1998)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.architecture import Architecture
from stages.catalogue.kinds import Rate

if TYPE_CHECKING:
    from stages.models.networks import Network

ENTRIES = {"lenet": Architecture("stages.models.architectures.lenet:build", smallest=12, width=84)}


def build(shape: tuple[int, int, int], classes: int, *, dropout: Rate = 0.0) -> Network:
    """LeNet-5 as today's code has it: ReLU and max-pooling; 84 units.

    Images of 28x28 are padded by 2, as in the paper (32x32 inputs). Blocks: the two pooled maps.

    Args:
        shape: of an image, (C, H, W).
        dropout: rate of the dropout before the classifier.
    """
    from torch import nn

    from stages.models.networks import Network

    channels, height, width = shape
    pad = 2 if min(height, width) < 32 else 0
    rows, columns = (((side + 2 * pad - 4) // 2 - 4) // 2 for side in (height, width))
    body = nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=pad),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * rows * columns, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
    )
    return Network(body, 84, classes, dropout, blocks=("2", "5"))

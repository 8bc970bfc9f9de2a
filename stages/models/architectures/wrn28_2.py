"""Wide residual network WRN-28-2 (Zagoruyko & Komodakis 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.architecture import Architecture
from stages.catalogue.kinds import Rate

if TYPE_CHECKING:
    from stages.models.networks import Network

MAPS = (32, 64, 128)  # of the three groups: twice 16, 32, 64
BLOCKS = 4  # of a group, each of two convolutions

ENTRIES = {
    "wrn28_2": Architecture("stages.models.architectures.wrn28_2:build", smallest=8, width=MAPS[-1])
}


def build(shape: tuple[int, int, int], classes: int, *, dropout: Rate = 0.0) -> Network:
    """WRN-28-2: 3x3 convolution to 16 maps, three groups of four blocks with norms first.

    No pooling before the last maps are averaged, and no dropout inside the blocks. Blocks: the
    three groups, as they are before the last batch norm.

    Args:
        shape: of an image, (C, H, W).
        dropout: rate of the dropout before the classifier.
    """
    from torch import nn

    from stages.models.networks import Network
    from stages.models.preactivated import Block

    layers, inputs = [nn.Conv2d(shape[0], 16, 3, padding=1, bias=False)], 16
    for at, maps in enumerate(MAPS):
        first = Block(inputs, maps, stride=2 if at else 1)
        layers.append(nn.Sequential(first, *(Block(maps, maps, 1) for _ in range(BLOCKS - 1))))
        inputs = maps
    layers += [nn.BatchNorm2d(inputs), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return Network(nn.Sequential(*layers), inputs, classes, dropout, blocks=("1", "2", "3"))

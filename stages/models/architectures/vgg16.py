"""VGG-16 (Simonyan & Zisserman 2015, configuration D) with batch norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.architecture import Architecture
from stages.catalogue.kinds import Rate, Whole

if TYPE_CHECKING:
    from stages.models.networks import Network

LAST = 512  # maps
SIDE = 7  # of the last maps of an image of 224x224

ENTRIES = {"vgg16": Architecture("stages.models.architectures.vgg16:build", smallest=32)}


def build(
    shape: tuple[int, int, int], classes: int, *, dropout: Rate = 0.0, units: Whole = 0
) -> Network:
    """torchvision's VGG-16 with batch norm; ImageNet's has two layers of 4096 units.

    Thirteen 3x3 convolutions in five groups, each of which ends in 2x2 max-pooling. With ``units``
    0 the last maps are averaged, as today's code does for images of 32x32: the embedding has 512
    numbers. Blocks: the pooled maps of the last four groups.

    Args:
        shape: of an image, (C, H, W).
        dropout: rate of the dropout before the classifier; after each of two layers of units.
        units: of each of two layers over maps averaged to 7x7; 0 for no such layers.
    """
    from torch import nn
    from torchvision.models import vgg16_bn

    from stages.models.dropout import Body, Dropout
    from stages.models.networks import Network

    maps = vgg16_bn(weights=None).features
    maps[0] = nn.Conv2d(shape[0], 64, 3, padding=1)
    pools = [str(at) for at, layer in enumerate(maps) if isinstance(layer, nn.MaxPool2d)]
    layers = [*maps, nn.AdaptiveAvgPool2d(SIDE if units else 1), nn.Flatten()]
    if units:
        for inputs in (LAST * SIDE * SIDE, units):
            layers += [nn.Linear(inputs, units), nn.ReLU(), Dropout(dropout)]
    outside = 0 if units else dropout
    return Network(Body(*layers), units or LAST, classes, outside, blocks=pools[1:])

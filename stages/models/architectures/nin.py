"""Network in Network (Lin et al. 2013), of five and of ten layers, as Li et al. 2022 (hybrid)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.architecture import CLASSES, Architecture
from stages.catalogue.kinds import Rate

if TYPE_CHECKING:
    from torch import nn

    from stages.models.networks import Network

# Of images larger than the largest, the last maps are larger than the classifier.
ENTRIES = {
    "nin": Architecture(
        "stages.models.architectures.nin:build", smallest=28, largest=43, width=512
    ),
    "nin_10": Architecture(
        "stages.models.architectures.nin:build_10", smallest=32, largest=63, width=CLASSES
    ),
}


def build(shape: tuple[int, int, int], classes: int, *, dropout: Rate = 0.0) -> Network:
    """Five layers: 3x3 convolution to 64 maps (padding 3) and one to 128, each with 4x4 pooling.

    Each with batch norm, ReLU, dropout and max-pooling. The fifth layer, a 2x2 convolution over
    what are now 2x2 maps, is the classifier. Blocks: the two pooled maps.

    Args:
        shape: of an image, (C, H, W).
        dropout: rate of the dropout after each convolution of the body.
    """
    from torch import nn

    from stages.models.dropout import Body
    from stages.models.networks import Network

    layers = [*_dropped(shape[0], 64, 3, dropout), nn.MaxPool2d(4)]
    layers += [*_dropped(64, 128, 1, dropout), nn.MaxPool2d(4)]
    body, blocks = Body(*layers, nn.Flatten()), _pooled(layers)
    return Network(body, 128 * 2 * 2, classes, dropout=0, blocks=blocks)


def build_10(shape: tuple[int, int, int], classes: int, *, dropout: Rate = 0.0) -> Network:
    """Ten layers: 3x3 convolutions to 64, 128, 256, 512 maps and one a class.

    Each with batch norm, ReLU, dropout and 2x2 max-pooling, the last one too, so the logits are
    not negative. What comes out is both the embedding and the logits. Blocks: the pooled maps of
    the first four.

    Args:
        shape: of an image, (C, H, W).
        dropout: rate of the dropout after each convolution.
    """
    from torch import nn

    from stages.models.dropout import Body
    from stages.models.networks import Network

    layers, channels = [], shape[0]
    for maps in (64, 128, 256, 512, classes):
        layers += [*_dropped(channels, maps, 1, dropout), nn.MaxPool2d(2)]
        channels = maps
    body, blocks = Body(*layers, nn.Flatten()), _pooled(layers)[:4]  # the fifth are the logits
    network = Network(body, classes, classes, dropout=0, blocks=blocks)
    network.classifier = nn.Identity()
    return network


def _dropped(channels: int, maps: int, padding: int, rate: float) -> list[nn.Module]:
    from torch import nn

    from stages.models.dropout import Dropout

    convolution = nn.Conv2d(channels, maps, 3, padding=padding)
    return [convolution, nn.BatchNorm2d(maps), nn.ReLU(), Dropout(rate)]


def _pooled(layers: list[nn.Module]) -> list[str]:
    """Names of the layers that pool, in a row of layers."""
    from torch import nn

    return [str(at) for at, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]

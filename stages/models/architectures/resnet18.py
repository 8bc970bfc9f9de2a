"""ResNet-18 (He et al. 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stages.catalogue.architecture import Architecture
from stages.catalogue.kinds import Rate

if TYPE_CHECKING:
    from stages.models.networks import Network

STAGES = ("layer1", "layer2", "layer3", "layer4")  # of residual blocks

ENTRIES = {
    "resnet18": Architecture("stages.models.architectures.resnet18:build", smallest=8, width=512)
}


def build(
    shape: tuple[int, int, int],
    classes: int,
    *,
    dropout: Rate = 0.0,
    stem: Literal["7x7", "3x3"] = "3x3",
    max_pool: bool = False,
) -> Network:
    """torchvision's ResNet-18; ImageNet's stem is 7x7 with max-pooling.

    Blocks: the outputs of the four stages.

    Args:
        shape: of an image, (C, H, W).
        dropout: rate of the dropout before the classifier.
        stem: the first convolution: 7x7 with stride 2, or 3x3 with stride 1.
        max_pool: whether max-pooling follows it.
    """
    from torch import nn
    from torchvision.models import resnet18

    from stages.models.networks import Network

    net = resnet18(weights=None)
    kernel, stride = (7, 2) if stem == "7x7" else (3, 1)
    net.conv1 = nn.Conv2d(shape[0], 64, kernel, stride, padding=kernel // 2, bias=False)
    if not max_pool:
        net.maxpool = nn.Identity()
    size, net.fc = net.fc.in_features, nn.Identity()
    return Network(net, size, classes, dropout, blocks=STAGES)

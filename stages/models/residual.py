"""torchvision's residual networks, made ready for images of any size."""

from __future__ import annotations

from torch import nn
from torchvision.models import ResNet

from stages.models.networks import Network

STAGES = ("layer1", "layer2", "layer3", "layer4")  # of residual blocks


def adapted(
    net: ResNet, channels: int, classes: int, dropout: float, stem: str, max_pool: bool
) -> Network:
    """A network with the body of ``net``, and its four stages as blocks.

    Args:
        channels: of an image.
        stem: the first convolution: "7x7" with stride 2, or "3x3" with stride 1.
        max_pool: whether max-pooling follows it.
    """
    kernel, stride = (7, 2) if stem == "7x7" else (3, 1)
    net.conv1 = nn.Conv2d(channels, 64, kernel, stride, padding=kernel // 2, bias=False)
    if not max_pool:
        net.maxpool = nn.Identity()
    size, net.fc = net.fc.in_features, nn.Identity()
    return Network(net, size, classes, dropout, blocks=STAGES)

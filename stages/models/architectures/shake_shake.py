"""Shake-shake 26 2x32d (Gastaldi 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.architecture import Architecture
from stages.catalogue.kinds import Rate

if TYPE_CHECKING:
    from stages.models.networks import Network

MAPS = (32, 64, 128)  # of the three stages
BLOCKS = 4  # of a stage, each of two convolutions

ENTRIES = {
    "shake_shake": Architecture(
        "stages.models.architectures.shake_shake:build", smallest=8, width=MAPS[-1]
    )
}


def build(shape: tuple[int, int, int], classes: int, *, dropout: Rate = 0.0) -> Network:
    """Shake-Shake-Image 26 2x32d: 3x3 convolution to 16 maps, three stages of four blocks.

    In training each block adds its two branches in shares alpha and 1 - alpha, and hands gradients
    back in shares beta and 1 - beta; alpha and beta ~ U(0, 1) are drawn for each image. Evaluation
    adds halves. No pooling before the last maps are averaged. Blocks: the three stages.

    Args:
        shape: of an image, (C, H, W).
        dropout: rate of the dropout before the classifier.
    """
    from torch import nn

    from stages.models.networks import Network
    from stages.models.shaking import Block, Shaken, Stage

    layers, inputs = [nn.Conv2d(shape[0], 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)], 16
    for at, maps in enumerate(MAPS):
        first = Block(inputs, maps, stride=2 if at else 1)
        layers.append(Stage(first, *(Block(maps, maps, 1) for _ in range(BLOCKS - 1))))
        inputs = maps
    body = Shaken(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Network(body, inputs, classes, dropout, blocks=("2", "3", "4"))

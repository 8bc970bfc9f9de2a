"""ResNet-50 (He et al. 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stages.catalogue.architecture import Architecture
from stages.catalogue.kinds import Rate

if TYPE_CHECKING:
    from stages.models.networks import Network

ENTRIES = {
    "resnet50": Architecture(
        "stages.models.architectures.resnet50:build",
        smallest=8,
        width=2048,
        published={
            "IMAGENET1K_V1": "resnet50-0676ba61.pth",
            "IMAGENET1K_V2": "resnet50-11ad3fa6.pth",
        },
        keys={"fc.": "classifier.", "": "body."},
    )
}


def build(
    shape: tuple[int, int, int],
    classes: int,
    *,
    dropout: Rate = 0.0,
    stem: Literal["7x7", "3x3"] = "3x3",
    max_pool: bool = False,
) -> Network:
    """torchvision's ResNet-50; ImageNet's stem is 7x7 with max-pooling.

    Blocks: the outputs of the four stages.

    Args:
        shape: of an image, (C, H, W).
        dropout: rate of the dropout before the classifier.
        stem: the first convolution: 7x7 with stride 2, or 3x3 with stride 1.
        max_pool: whether max-pooling follows it.
    """
    from torchvision.models import resnet50

    from stages.models.residual import adapted

    return adapted(resnet50(weights=None), shape[0], classes, dropout, stem, max_pool)

"""Operations one after another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stages.catalogue import augmentation
from stages.models.augmentation import operations

if TYPE_CHECKING:
    from torch import Tensor

    from stages.models.augmentation.draws import Draws

MOVING = {"crop", "flip"}  # they leave pixels what they are, of any type


@dataclass(frozen=True)
class Augmentation:
    """How an image is changed at random each time it is drawn.

    ``crop``: pad by ``padding`` black pixels, cut the old size out at a random place;
    ``crop_flip``: and mirror left-right with probability 1/2 (Krizhevsky et al. 2012, section 4.1);
    ``none``: not at all; or a list of operations, as in params.yaml.

    Raises:
        UserError: an unknown operation, or a setting that is not allowed.
    """

    setting: Any = "none"
    padding: int = 4

    def __post_init__(self) -> None:
        self._steps  # noqa: B018 - what is wrong is said now

    @cached_property
    def _steps(self) -> list[tuple[str, dict[str, Any]]]:
        return augmentation.steps(self.setting, self.padding)

    def __call__(self, raw: Tensor, draws: Draws) -> Tensor:
        """Augment uint8 images (B, C, H, W); shape and type stay.

        Images in float (0 to 255) are rounded to uint8 first, if more than moved.
        """
        if raw.is_floating_point() and not {name for name, _ in self._steps} <= MOVING:
            import torch

            raw = raw.round().clamp(0, 255).to(torch.uint8)
        for at, (name, settings) in enumerate(self._steps):
            raw = getattr(operations, name)(raw, draws.at(at), **settings)
        return raw

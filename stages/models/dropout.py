"""Dropout inside a network's body, by masks that a generator of the study draws."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from stages.machine.errors import UserError

STEPS = 1 << 16


def draw_mask(like: Tensor, rate: float, rng: np.random.Generator) -> Tensor:
    """0 with probability ``rate`` (to 1/65,536), else 1 / (1 - rate); shape and place of ``like``.

    Four units share a draw of 64 bits: the maps of a convolution have many.
    """
    draws = rng.integers(0, 2**64 - 1, -(-like.numel() // 4), np.uint64, endpoint=True)
    units = draws.astype("<u8", copy=False).view("<u2")[: like.numel()]
    kept = torch.from_numpy(units.reshape(tuple(like.shape)) >= round(rate * STEPS))
    return kept.to(like.device).to(like.dtype).div_(1 - rate)


class Dropout(nn.Module):
    """Units dropped at ``rate``; nothing is where no generator of masks is given.

    Training without masks is an error: it would be another network, and nobody would notice.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, values: Tensor, masks: np.random.Generator | None = None) -> Tensor:
        """``values``, masked if ``masks`` is given."""
        if masks is not None and self.rate:
            return values * draw_mask(values, self.rate, masks)
        if self.training and self.rate:
            raise UserError(
                "this model has dropout inside its body, and the learner draws no masks for it; "
                "allowed with it: strategies that train by stages.learners.supervised"
            )
        return values


class Body(nn.Sequential):
    """Layers in a row, some of them :class:`Dropout`."""

    @property
    def drops(self) -> bool:
        """Whether any unit is ever dropped."""
        return any(isinstance(layer, Dropout) and layer.rate for layer in self)

    def forward(self, images: Tensor, masks: np.random.Generator | None = None) -> Tensor:
        """Embeddings of ``images``."""
        return self.after(self.before(images), masks)

    def before(self, images: Tensor) -> Tensor:
        """What comes before the first dropout: the same in every pass."""
        for layer in self._parts()[0]:
            images = layer(images)
        return images

    def after(self, values: Tensor, masks: np.random.Generator | None = None) -> Tensor:
        """The rest, from what :meth:`before` gave."""
        for layer in self._parts()[1]:
            values = layer(values, masks) if isinstance(layer, Dropout) else layer(values)
        return values

    def _parts(self) -> tuple[list[nn.Module], list[nn.Module]]:
        layers = list(self)
        first = next((at for at, layer in enumerate(layers) if isinstance(layer, Dropout)), 0)
        return layers[:first], layers[first:]

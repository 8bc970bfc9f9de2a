"""Shake-shake (Gastaldi 2017): two branches are added in random shares, drawn for each image."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from stages.machine.errors import UserError


class _Shake(Function):
    """a x + (1 - a) y forward, b g and (1 - b) g backward."""

    @staticmethod
    def forward(ctx, one, other, forward, backward):
        ctx.save_for_backward(backward)
        return forward * one + (1 - forward) * other

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (share,) = ctx.saved_tensors
        return share * gradient, (1 - share) * gradient, None, None


def shake(one: Tensor, other: Tensor, rng: np.random.Generator) -> Tensor:
    """alpha x + (1 - alpha) y of maps (B, C, H, W); gradients are beta g and (1 - beta) g.

    Shake-Shake-Image: alpha and beta ~ U(0, 1), drawn apart and for each image.
    """
    forward, backward = (_shares(one, rng) for _ in range(2))
    return _Shake.apply(one, other, forward, backward)


def _shares(like: Tensor, rng: np.random.Generator) -> Tensor:
    """A number from U(0, 1) for each image, shape (B, 1, 1, 1)."""
    return torch.from_numpy(rng.random((len(like), 1, 1, 1))).to(like.device, like.dtype)


def mean(one: Tensor, other: Tensor) -> Tensor:
    """(x + y) / 2, what evaluation has in place of :func:`shake`."""
    return (one + other) / 2


class Shortcut(nn.Module):
    """What a block adds where the number of maps changes: two halves that see other pixels.

    ReLU; every ``stride``-th pixel, and every ``stride``-th of the maps shifted by one pixel right
    and down, each through a 1x1 convolution to half of the maps; batch norm of both.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.relu = nn.ReLU()
        self.plain = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.shifted = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, outputs, H / stride, W / stride)."""
        maps = self.relu(maps)
        shifted = nn.functional.pad(maps, (1, -1, 1, -1))
        halves = [
            convolution(seen[:, :, :: self.stride, :: self.stride])
            for convolution, seen in ((self.plain, maps), (self.shifted, shifted))
        ]
        return self.norm(torch.cat(halves, 1))


class Block(nn.Module):
    """x + alpha F_1(x) + (1 - alpha) F_2(x); F: ReLU, 3x3, batch norm, ReLU, 3x3, batch norm."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.one, self.other = (_branch(inputs, outputs, stride) for _ in range(2))
        plain = inputs == outputs
        self.shortcut = nn.Identity() if plain else Shortcut(inputs, outputs, stride)

    def forward(self, maps: Tensor, masks: np.random.Generator | None = None) -> Tensor:
        """Maps; ``masks`` draws the shares in training."""
        one, other = self.one(maps), self.other(maps)
        both = shake(one, other, masks) if self.training else mean(one, other)
        return self.shortcut(maps) + both


def _branch(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Shaken(nn.Sequential):
    """Layers in a row; its stages are rows of :class:`Block`."""

    def forward(self, images: Tensor, masks: np.random.Generator | None = None) -> Tensor:
        """Embeddings. ``masks`` draws the shares in training; evaluation adds branches in halves.

        Raises:
            UserError: training without ``masks``: it would be another network.
        """
        if self.training and masks is None:
            raise UserError(
                "this model adds branches in random shares, and the learner draws none for it; "
                "allowed with it: strategies that train by stages.learners.supervised"
            )
        for layer in self:
            images = layer(images, masks) if isinstance(layer, Stage) else layer(images)
        return images


class Stage(nn.Sequential):
    """Blocks in a row."""

    def forward(self, maps: Tensor, masks: np.random.Generator | None = None) -> Tensor:
        """Maps of the last block."""
        for block in self:
            maps = block(maps, masks)
        return maps

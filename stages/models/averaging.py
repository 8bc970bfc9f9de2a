"""Averages of a network's weights along its training."""

from __future__ import annotations

import copy

import torch
from torch import nn


class _Average:
    """A copy of a network that is never trained, only moved.

    Attributes:
        network: the copy, on the same device; buffers are those of the network that is followed.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network)
        self.network.requires_grad_(False)

    @torch.no_grad()
    def _move(self, network: nn.Module, share: float) -> None:
        """Go ``share`` of the way to ``network``: (1 - share) old + share new, elementwise."""
        ours, theirs = list(self.network.parameters()), list(network.parameters())
        torch._foreach_mul_(ours, 1 - share)
        torch._foreach_add_(ours, torch._foreach_mul(theirs, share))
        for own, new in zip(self.network.buffers(), network.buffers(), strict=True):
            own.copy_(new)

    def after_step(self, network: nn.Module) -> None:
        """A step was made."""

    def after_epoch(self, network: nn.Module, epoch: int) -> None:
        """An epoch (from 0) has ended."""


class EMA(_Average):
    """Exponential moving average: after each step, decay old + (1 - decay) new (Polyak style)."""

    def __init__(self, network: nn.Module, decay: float = 0.999) -> None:
        super().__init__(network)
        self.decay = decay

    def after_step(self, network: nn.Module) -> None:
        """Move a little."""
        self._move(network, 1 - self.decay)


class Mean(_Average):
    """The mean of the weights at the end of each epoch from ``start`` on (Izmailov et al. 2018).

    The statistics of batch norm are those of the last epoch: whoever uses the mean for predictions
    computes them anew.
    """

    def __init__(self, network: nn.Module, start: int = 0) -> None:
        super().__init__(network)
        self.start, self.count = start, 0

    def after_epoch(self, network: nn.Module, epoch: int) -> None:
        """Take the weights into the mean."""
        if epoch >= self.start:
            self.count += 1
            self._move(network, 1 / self.count)

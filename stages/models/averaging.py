"""Averages of a network's weights along its training."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from stages.models.batches import Batches, batches_of
from stages.models.networks import Network


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


class _Mean(_Average):
    """The mean of all weights that were taken."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.count = 0

    def _take(self, network: nn.Module) -> None:
        self.count += 1
        self._move(network, 1 / self.count)


class Mean(_Mean):
    """The mean of the weights at the end of each epoch from ``start`` on (Izmailov et al. 2018).

    The statistics of batch norm are those of the last epoch: whoever uses the mean for predictions
    computes them anew, by :func:`renew_statistics`.
    """

    def __init__(self, network: nn.Module, start: int = 0) -> None:
        super().__init__(network)
        self.start = start

    def after_epoch(self, network: nn.Module, epoch: int) -> None:
        """Take the weights into the mean."""
        if epoch >= self.start:
            self._take(network)


class MeanOfSteps(_Mean):
    """The mean of the weights after every ``every`` steps (Munjal et al. 2022: 50)."""

    def __init__(self, network: nn.Module, every: int) -> None:
        super().__init__(network)
        self.every, self.steps = every, 0

    def after_step(self, network: nn.Module) -> None:
        """Take the weights into the mean if it is their turn."""
        self.steps += 1
        if self.steps % self.every == 0:
            self._take(network)


@torch.no_grad()
def renew_statistics(network: Network, batches: Batches, rows: np.ndarray, size: int) -> None:
    """Give batch norm the means over batches of the statistics of ``rows``, in place.

    As ``torch.optim.swa_utils.update_bn``: batch k moves the running ones by 1 / k. Images are not
    augmented and no unit is dropped. The network is left in evaluation mode.

    Args:
        rows: int64, shape (n,), in batches of ``size`` in this order.
    """
    network.eval()
    norms = [one for one in network.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    for at, chosen in enumerate(batches_of(rows, size), start=1):
        for norm in norms:
            norm.momentum = 1 / at
        network.embed(batches.normalise(batches.raw(chosen)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


@torch.no_grad()
def take_over(network: nn.Module, other: nn.Module) -> None:
    """Give ``network`` the weights and buffers of ``other``, in place."""
    for ours, theirs in (
        (network.parameters(), other.parameters()),
        (network.buffers(), other.buffers()),
    ):
        for one, value in zip(ours, theirs, strict=True):
            one.copy_(value)

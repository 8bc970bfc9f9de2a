"""What MixMatch and FixMatch are made of: guesses, mixtures, losses; batch norm in its place.

With ``exact`` every result is the same on any processor: sums are those of
:mod:`stages.models.exact`, and powers and logarithms are made of +, -, * and / alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from stages.catalogue.augmentation import steps
from stages.models.augmentation import Augmentation
from stages.models.averaging import EMA
from stages.models.best import BestEpoch
from stages.models.exact import exact_sum, exp
from stages.models.exact import softmax as exact_softmax
from stages.models.fit import Loss, fit
from stages.models.losses import entropy_against
from stages.models.networks import Network

if TYPE_CHECKING:
    from stages.rounds.context import Round
    from stages.study.settings import Task

SHARE_BITS = 16  # of lambda: C libraries disagree in the last of 53; pixels have 8
LN_2 = math.log(2)
STRONG = ({"randaugment": {"variant": "fixmatch"}}, {"cutout": {"size": 0.5, "fill": 127}})
ODD = range(27, 0, -2)  # degrees of the series of log; the last is below 1e-16


def weak(task: Task, name: str) -> Augmentation:
    """The augmentation ``name``; "task": the task's own, or a crop where the task has none."""
    setting = task.augmentation if name == "task" else name
    return Augmentation("crop" if setting == "none" and name == "task" else setting, task.padding)


def strong(task: Task, name: str) -> Augmentation:
    """After :func:`weak` RandAugment, two operations of any magnitude, and a grey square.

    Sohn et al. 2020, section 2.3 and Table 12; the square has half of the image's width.
    """
    before = [{name: given} for name, given in steps(weak(task, name).setting, task.padding)]
    return Augmentation([*before, *STRONG], task.padding)


def chances(logits: Tensor, exact: bool) -> Tensor:
    """Probabilities (B, C) of logits (B, C)."""
    return exact_softmax(logits) if exact else torch.softmax(logits.float(), 1)


def log(values: Tensor) -> Tensor:
    """The natural logarithm of float64 numbers above 0, to about 1e-15; the same bits everywhere.

    log(2^e m) = e log 2 + 2 artanh(s), s = (m - 1) / (m + 1), by the series s + s^3 / 3 + ...
    """
    part, exponent = torch.frexp(values)
    small = part < math.sqrt(0.5)
    part = torch.where(small, part * 2, part)
    exponent = (exponent - small.to(exponent.dtype)).to(values.dtype)
    s = (part - 1) / (part + 1)
    square, series = s * s, torch.zeros_like(s)
    for degree in ODD:
        series = series * square + 1 / degree
    return exponent * LN_2 + series * s * 2


def power(values: Tensor, exponent: float, exact: bool) -> Tensor:
    """Numbers in [0, 1], float64 if ``exact``, to a power above 0."""
    if exponent == 2:
        return values * values
    if not exact:
        return values**exponent
    result = exp(log(values.clamp_min(1e-300)) * exponent)
    return torch.where(values > 0, result, torch.zeros_like(values))


def sharpen(guesses: Tensor, temperature: float, exact: bool) -> Tensor:
    """p_c^(1/T) / sum_c p_c^(1/T) of chances (B, C) (Berthelot et al. 2019, eq. 7).

    Examples:
        >>> sharpen(torch.tensor([[0.6, 0.4]], dtype=torch.float64), 0.5, True).tolist()
        [[0.6923076923076923, 0.3076923076923077]]
    """
    # The largest becomes 1, so that a low temperature leaves at least one class.
    powers = power(guesses / guesses.amax(1, keepdim=True), 1 / temperature, exact)
    total = exact_sum(powers, (1,))[:, None] if exact else powers.sum(1, keepdim=True)
    return powers / total


def shares(alpha: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """lambda' = max(lambda, 1 - lambda), lambda ~ Beta(alpha, alpha) for each of ``count`` samples.

    Multiples of 2^-16 in [0.5, 1], shape (count,) (Berthelot et al. 2019, eqs. 8 and 9).
    """
    drawn = rng.beta(alpha, alpha, count)
    return np.round(np.maximum(drawn, 1 - drawn) * 2**SHARE_BITS) / 2**SHARE_BITS


def mixed(values: Tensor, others: Tensor, share: Tensor) -> Tensor:
    """share values + (1 - share) others, a share for each sample: (B, ...), (B, ...), (B,)."""
    share = share.view(-1, *([1] * (values.dim() - 1)))
    return values * share + others * (1 - share)


def interleaved(groups: int, size: int) -> np.ndarray:
    """Positions that spread the first of ``groups`` groups of ``size`` samples over all of them.

    The i-th part of the first group and the i-th part of group i change places, so that every group
    has its part of labeled samples, and batch norm sees alike ones. It is its own inverse. int64,
    shape (groups size,).

    Examples:
        >>> interleaved(3, 3).reshape(3, 3).tolist()
        [[0, 4, 8], [3, 1, 5], [6, 7, 2]]
    """
    order = np.arange(groups * size).reshape(groups, size)
    for group, part in enumerate(np.array_split(np.arange(size), groups)):
        order[0, part], order[group, part] = order[group, part], order[0, part].copy()
    return order.ravel()


class _SquaredError(Function):
    """Of a softmax, with sums over classes that are the same in any order."""

    @staticmethod
    def forward(ctx, logits, targets):
        found = exact_softmax(logits)
        ctx.save_for_backward(found, targets)
        gap = found - targets
        return exact_sum((gap * gap).flatten(), (0,)) / gap.numel()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        found, targets = ctx.saved_tensors
        slope = (found - targets) * 2 / found.numel()
        mean = exact_sum(found * slope, (1,))[:, None]
        return found * (slope - mean) * gradient, None


def squared_error(logits: Tensor, targets: Tensor, exact: bool) -> Tensor:
    """Mean over samples and classes of (softmax(logits) - targets)^2, both (B, C); eq. 4 there."""
    if exact:
        return _SquaredError.apply(logits, targets)
    return (torch.softmax(logits.float(), 1) - targets).square().mean()


def sure_entropy(logits: Tensor, guesses: Tensor, threshold: float, exact: bool) -> Tensor:
    """Mean over samples of 1[max_c q_c >= threshold] CE(logits, argmax_c q_c).

    Sohn et al. 2020, eq. 4. 0, without a gradient, where no guess reaches the threshold.

    Args:
        logits: (B, C).
        guesses: chances q, (B, C), without a gradient.
    """
    surest, labels = guesses.max(1)
    sure = surest >= threshold
    count = int(sure.sum())
    if not count:
        return torch.zeros((), dtype=logits.dtype, device=logits.device)
    return entropy_against(logits[sure], labels[sure], exact) * (count / len(guesses))


@contextmanager
def statistics_kept(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Batch norm may use a batch's statistics here, but its running ones stay as they are."""
    layers = [layer for module in modules for layer in module.modules()]
    before = [dict(layer._buffers) for layer in layers]
    for layer, buffers in zip(layers, before, strict=True):
        for name, value in buffers.items():
            layer._buffers[name] = None if value is None else value.clone()
    try:
        yield
    finally:
        for layer, buffers in zip(layers, before, strict=True):
            layer._buffers.update(buffers)


class WarmEMA(EMA):
    """An exponential moving average that begins short: min(decay, (1 + t) / (10 + t)) in step t.

    With a decay of 0.999 it is the plain one from step 8,990 on; after a few hundred steps the
    plain one would be little more than the weights that training began with.
    """

    def __init__(self, network: nn.Module, decay: float = 0.999) -> None:
        super().__init__(network, decay)
        self.most, self.steps = decay, 0

    def after_step(self, network: nn.Module) -> None:
        """Move a little."""
        self.steps += 1
        self.decay = min(self.most, (1 + self.steps) / (10 + self.steps))
        super().after_step(network)


def fit_averaged(network: Network, round: Round, loss: Loss, decay: float, **how: Any) -> Network:
    """Train ``network`` in place, and give the moving average of its weights.

    It takes the place of the task's ``averaging``; of an epoch that is chosen it is that epoch's.

    Args:
        decay: of :class:`WarmEMA`.
        how: of :func:`stages.models.fit.fit`.
    """
    average = WarmEMA(network, decay)
    hooks: list[Any] = [average]
    if round.task.choose_epoch == "best":
        hooks.append(BestEpoch(round, average.network))
    fit(network, round, loss, hooks=hooks, averaging="none", choose_epoch="last", **how)
    for best in hooks[1:]:
        best.restore(average.network)
    return average.network

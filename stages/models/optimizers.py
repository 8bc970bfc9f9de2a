"""SGD and Adam as single elementwise operations.

torch.optim fuses multiplications and additions where the processor can, so its last bits depend on
the processor; these do not, and that is the only reason for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.models.exact import sqrt


class SGD:
    """Stochastic gradient descent with momentum, as ``torch.optim.SGD``.

    v = momentum v + (g + weight_decay w);  w = w - lr v  (with Nesterov: w - lr (g + momentum v)).
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self.parameters = list(parameters)
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay
        self.velocity = [torch.zeros_like(parameter) for parameter in self.parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """One update with ``gradients``, in the order of the parameters."""
        gradients = _decayed(self.parameters, gradients, self.weight_decay)
        direction = gradients
        if self.momentum:
            torch._foreach_mul_(self.velocity, self.momentum)
            torch._foreach_add_(self.velocity, gradients)
            direction = self.velocity
            if self.nesterov:
                ahead = torch._foreach_mul(self.velocity, self.momentum)
                direction = torch._foreach_add(ahead, gradients)
        torch._foreach_sub_(self.parameters, torch._foreach_mul(direction, learning_rate))


class Adam:
    """Adam (Kingma & Ba 2015, Algorithm 1), as ``torch.optim.Adam`` with its default betas."""

    BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, parameters: Iterable[Tensor], weight_decay: float = 0.0) -> None:
        self.parameters = list(parameters)
        self.weight_decay = weight_decay
        self.first = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.second = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.power_1 = self.power_2 = 1.0

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """One update with ``gradients``, in the order of the parameters."""
        gradients = _decayed(self.parameters, gradients, self.weight_decay)
        self.power_1 *= self.BETA_1
        self.power_2 *= self.BETA_2
        torch._foreach_mul_(self.first, self.BETA_1)
        torch._foreach_add_(self.first, torch._foreach_mul(gradients, 1 - self.BETA_1))
        torch._foreach_mul_(self.second, self.BETA_2)
        squares = torch._foreach_mul(gradients, gradients)
        torch._foreach_add_(self.second, torch._foreach_mul(squares, 1 - self.BETA_2))
        spread = [sqrt(value) for value in torch._foreach_div(self.second, 1 - self.power_2)]
        torch._foreach_add_(spread, self.EPSILON)
        update = torch._foreach_mul(self.first, learning_rate / (1 - self.power_1))
        torch._foreach_sub_(self.parameters, torch._foreach_div(update, spread))


def _decayed(
    parameters: Sequence[Tensor], gradients: Sequence[Tensor], weight_decay: float
) -> Sequence[Tensor]:
    """g + weight_decay w."""
    if weight_decay == 0:
        return gradients
    return torch._foreach_add(torch._foreach_mul(parameters, weight_decay), gradients)


@dataclass(frozen=True)
class Steps:
    """A learning rate that is multiplied by ``decay`` at each of the ``milestones`` (epochs)."""

    rate: float
    milestones: tuple[int, ...] = ()
    decay: float = 0.1

    def __call__(self, epoch: int) -> float:
        """The rate of an epoch (from 0)."""
        rate = self.rate
        for _ in range(sum(epoch >= milestone for milestone in self.milestones)):
            rate *= self.decay
        return rate

"""SGD and Adam as single elementwise operations.

torch.optim fuses multiplications and additions where the processor can, so its last bits depend on
the processor; these do not, and that is the only reason for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stages.models.exact import sqrt
from stages.study.settings import Task


class SGD:
    """Stochastic gradient descent with momentum, as ``torch.optim.SGD``.

    v = momentum v + (g + weight_decay w);  w = w - lr v  (with Nesterov: w - lr (g + momentum v)).
    """

    def __init__(self, parameters: Sequence[Tensor], task: Task) -> None:
        self.parameters = list(parameters)
        self.task = task
        self.velocity = [torch.zeros_like(parameter) for parameter in self.parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """One update with ``gradients``, in the order of the parameters."""
        gradients = _decayed(self.parameters, gradients, self.task.weight_decay)
        direction = gradients
        if self.task.momentum:
            torch._foreach_mul_(self.velocity, self.task.momentum)
            torch._foreach_add_(self.velocity, gradients)
            direction = self.velocity
            if self.task.nesterov:
                ahead = torch._foreach_mul(self.velocity, self.task.momentum)
                direction = torch._foreach_add(ahead, gradients)
        torch._foreach_sub_(self.parameters, torch._foreach_mul(direction, learning_rate))


class Adam:
    """Adam (Kingma & Ba 2015, Algorithm 1), as ``torch.optim.Adam`` with its default betas."""

    BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, parameters: Sequence[Tensor], task: Task) -> None:
        self.parameters = list(parameters)
        self.task = task
        self.first = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.second = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.power_1 = self.power_2 = 1.0

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """One update with ``gradients``, in the order of the parameters."""
        gradients = _decayed(self.parameters, gradients, self.task.weight_decay)
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


OPTIMIZERS = {"sgd": SGD, "adam": Adam}


def learning_rate(task: Task, epoch: int) -> float:
    """The rate of an epoch (from 0): multiplied by ``decay`` at each milestone that has passed."""
    passed = sum(epoch >= milestone for milestone in task.milestones)
    rate = task.learning_rate
    for _ in range(passed):
        rate *= task.decay
    return rate

"""Logistic loss with a weight for each sample, and the optimizer of a scorer's own small model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from stages.machine.errors import UserError
from stages.models.compute import Compute
from stages.models.exact import exp
from stages.models.optimizers import Adam


class _Logistic(Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(logits, targets, weights)
        return (weights * F.softplus(torch.where(targets, -logits, logits))).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        logits, targets, weights = ctx.saved_tensors
        return weights * (sigmoid(logits) - targets.to(logits.dtype)) * gradient, None, None


def logistic(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """sum_i w_i log(1 + e^(-+z_i)): the weighted binary cross-entropy of sigmoid(z).

    The gradient of float64 logits is the same on every processor; the value, used for display only,
    holds to about 1e-15.

    Args:
        logits, weights: shape (B,).
        targets: bool, shape (B,).
    """
    return _Logistic.apply(logits, targets, weights)


def sigmoid(logits: Tensor) -> Tensor:
    """1 / (1 + e^-z), in float64 the same on every processor."""
    if logits.dtype != torch.float64:
        return torch.sigmoid(logits)
    return 1 / (1 + exp(-logits))


class Trainer:
    """Adam on a small model that a scorer trains for itself."""

    def __init__(self, model: nn.Module, learning_rate: float, weight_decay: float = 0.0) -> None:
        self.parameters = list(model.parameters())
        self.learning_rate = learning_rate
        self._adam = Adam(self.parameters, weight_decay)

    def step(self, loss: Tensor) -> None:
        """One update."""
        gradients: Sequence[Tensor] = torch.autograd.grad(loss, self.parameters)
        self._adam.step(gradients, self.learning_rate)

    def check(self, what: str) -> None:
        """Raise a UserError unless every weight is finite."""
        if not all(torch.isfinite(parameter).all() for parameter in self.parameters):
            raise UserError(
                f"training of the {what} diverged (weights are not finite); lower its "
                f"learning_rate {self.learning_rate}"
            )


def tensor(values: Any, compute: Compute) -> Tensor:
    """An array on the device in the precision of the study."""
    return torch.as_tensor(values).to(device=compute.device, dtype=compute.dtype)

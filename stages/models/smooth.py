"""Functions with a gradient, in float64 the same bits on every processor.

torch hands float64 exponentials to a vector library whose last bit differs between processors, and
a norm sums in an order of its own. In any other precision these are torch's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from stages.models import exact


class _Exponential(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        result = exact.exp(values)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * ctx.saved_tensors[0]


class _Sigmoid(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        result = 1 / (1 + exact.exp(-values))
        ctx.save_for_backward(result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        return gradient * (result * (1 - result))


class _Norm(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        squares = rows * rows
        total = exact.exact_sum(squares, (1,)) if rows.dtype == torch.float64 else squares.sum(1)
        norms = exact.sqrt(total)
        ctx.save_for_backward(rows, norms)
        return norms

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        rows, norms = ctx.saved_tensors
        return torch.where(norms > 0, gradient / norms, 0)[:, None] * rows


def exponential(values: Tensor) -> Tensor:
    """e^x, elementwise."""
    return _Exponential.apply(values) if values.dtype == torch.float64 else torch.exp(values)


def sigmoid(values: Tensor) -> Tensor:
    """1 / (1 + e^-x), elementwise."""
    return _Sigmoid.apply(values) if values.dtype == torch.float64 else torch.sigmoid(values)


def norm(rows: Tensor) -> Tensor:
    """Euclidean norms (B,) of rows (B, D); the gradient at a row of zeros is 0."""
    return _Norm.apply(rows)

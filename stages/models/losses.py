"""Cross-entropies: of labels or of chances, smoothed, with a weight for each class."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from stages.models.exact import cross_entropy as exact_cross_entropy
from stages.models.exact import exact_sum, softmax


def entropy_against(
    logits: Tensor,
    targets: Tensor,
    exact: bool,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy of logits (B, C) and labels (B,), or chances of each class (B, C).

    As ``torch.nn.functional.cross_entropy``: with weights the mean over labels is a weighted one,
    and that over chances is not.

    Args:
        exact: whether sums must not depend on the processor.
        smoothing: s: targets become (1 - s) t + s / C (Szegedy et al. 2016, section 7).
        weights: of the classes, shape (C,); None for all alike.
    """
    if not exact:
        return F.cross_entropy(logits.float(), targets, weights, label_smoothing=smoothing)
    if not smoothing and weights is None:
        return exact_cross_entropy(logits, targets)
    classes = logits.shape[1]
    if weights is None:
        weights = torch.ones(classes, dtype=logits.dtype, device=logits.device)
    count: Tensor | float = len(targets)
    if targets.dim() == 1:
        count = exact_sum(weights[targets], (0,))
        targets = F.one_hot(targets, classes).to(logits.dtype)
    smooth = targets * (1.0 - smoothing) + smoothing / classes
    return _Weighted.apply(logits, smooth * weights / count)


class _Weighted(Function):
    """- sum over rows and classes of v log p, of logits and v, both (B, C)."""

    @staticmethod
    def forward(ctx, logits, values):
        chances = softmax(logits)
        ctx.save_for_backward(chances, values)
        return -(values * chances.clamp_min(1e-300).log()).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        chances, values = ctx.saved_tensors
        return (chances * exact_sum(values, (1,))[:, None] - values) * gradient, None


def balanced(labels: np.ndarray, classes: int) -> np.ndarray:
    """A weight for each class, float64, shape (C,): n / (C' n_c), C' the classes among ``labels``.

    As scikit-learn's ``class_weight="balanced"``: the weights of all ``labels`` (int64, (n,)) have
    the mean 1. A class that has no label, which there has no weight, has 1.
    """
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts > 0, len(labels) / (np.count_nonzero(counts) * counts.clip(1)), 1.0)

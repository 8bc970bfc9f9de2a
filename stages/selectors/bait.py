"""The batch that tells most about the classifier's weights, by its Fisher information."""

from __future__ import annotations

import numpy as np

from stages.errors import UserError
from stages.progress import progress
from stages.selectors.bait_lazy import Forward
from stages.selectors.fisher import Fisher, State, best

GIB = 2**30

__all__ = ["Fisher", "check_memory", "forward_backward"]


def forward_backward(
    scored: Fisher,
    b: int,
    rng: np.random.Generator,
    regularisation: float = 1.0,
    oversample: float = 2.0,
    memory: float = 4.0,
) -> np.ndarray:
    """Ash et al. 2021, Algorithm 1 (BAIT).

    The Fisher information of the classifier's weights at x is I(x) = (diag p - p p^T) (x) x x^T.
    With M_0 = regularisation 1 + the mean of I over the labeled set, oversample b candidates are
    added one by one, each the one with the smallest tr((M + I(x))^-1 F), then all but b are taken
    out again, each the one with the smallest tr((M - I(x))^-1 F). F is the mean of I over pool and
    labeled set. Of one column of confidences (c, 1), I(x) = c (1 - c) x x^T: the binary
    approximation of Huseljic et al. 2024.

    I(x) = V V^T has rank C, so by Woodbury's identity the trace falls by tr((1 + K)^-1 H) with
    K = V^T A V, H = V^T A F A V and A = M^-1. K and H are kept for every candidate and follow the
    rank-C changes of A: a step costs N C^2 D at most, not N (C D)^2. Most of it is put off, and for
    most candidates for good, by upper bounds of the gain (:mod:`stages.selectors.bait_lazy`): the
    picks are those of a full search.

    Args:
        regularisation: lambda, above 0.
        oversample: how many times b the forward pass takes, 1 or more; never more than N.
        memory: GiB that the matrices may take.

    Raises:
        UserError: a number is not finite, b is larger than N, or more memory is needed.
    """
    features, chances = (np.asarray(part, np.float64) for part in scored[:2])
    count, (classes, size) = len(features), (chances.shape[1], features.shape[1])
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    if not all(np.isfinite(part).all() for part in scored):
        raise UserError("an embedding or a probability is not a finite number")
    check_memory(count, classes, size, memory)
    state = State.of(features, chances, scored, regularisation)
    order = rng.permutation(count)  # ties go to the first of a random order
    search = Forward(state, order)
    wanted = min(count, max(b, round(oversample * b)))
    picks = [search.take() for _ in progress(range(wanted), "BAIT", "candidate")]
    kept = state.only(np.array(picks))
    order = rng.permutation(len(picks))
    left = np.ones(len(picks), bool)
    for _ in range(len(picks) - b):
        losses = np.full(len(picks), np.inf)
        rows = np.flatnonzero(left)
        kept.catch_up(rows)
        losses[rows] = kept.gains(rows, -1)[0]
        out = best(-losses, order)
        kept.change(out, -1)
        left[out] = False
    return np.array(picks, np.int64)[left]


def check_memory(count: int, classes: int, size: int, memory: float) -> None:
    """Raise unless three (C, C) matrices for each candidate and five (C D, C D) ones fit.

    Raises:
        UserError: they need more than ``memory`` GiB.
    """
    needed = 8 * (3 * count * classes**2 + 5 * (classes * size) ** 2) / GIB
    if needed > memory:
        raise UserError(
            f"bait needs {needed:.1f} GiB for {count} candidates, {classes} classes and embeddings "
            f"of {size}, but memory is {memory}; set fisher: binary, candidates, or memory"
        )

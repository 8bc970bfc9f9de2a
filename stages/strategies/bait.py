"""BAIT: the batch that tells most about the classifier's weights, by its Fisher information."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Factor, Positive
from stages.catalogue.strategy import Strategy
from stages.geometry.bait_lazy import Forward
from stages.geometry.fisher import Fisher, State, best
from stages.geometry.probabilities import softmax
from stages.machine.errors import UserError
from stages.machine.progress import progress

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "bait": Strategy(
        scorer="stages.strategies.bait:score",
        selector="stages.strategies.bait:forward_backward",
        source="Ash et al. 2021, Algorithm 1 (BAIT); fisher: binary as in Huseljic et al. 2024",
        family="hybrid",
        cost="oversample N b C^2 (C + D)",
        formula="argmin_S tr((M_0 + sum_(x in S) I(x))^-1 F), greedily forward, then backward; "
        "I(x) = (diag p - p p^T) (x) x x^T",
    ),
}
GIB = 2**30
# Trace of the information of one image over the regularisation. Gains lose its square in bits of
# float64 (2^-53 1e12 = 1e-4 is left); below the least they are too small for float64 at all.
LARGEST, LEAST = 1e6, 1e-60

# GiB; the largest machines have some ten thousand.
Memory = Annotated[float, Field(gt=0, le=10**6)]


def score(pool: Pool, *, fisher: Literal["full", "binary"] = "full") -> Fisher:
    """Embeddings and chances of pool and labeled set.

    Args:
        fisher: ``full``: all class probabilities; ``binary``: the largest one alone.
    """
    from stages.models.batches import classify

    labeled = softmax(classify(pool.network, pool.labeled_embeddings, pool.batches.compute))
    embeddings, chances = pool.outputs
    if fisher == "binary":
        chances, labeled = chances.max(1, keepdims=True), labeled.max(1, keepdims=True)
    return Fisher(embeddings, chances, pool.labeled_embeddings, labeled)


def forward_backward(
    scored: Fisher,
    b: int,
    rng: np.random.Generator,
    *,
    regularisation: Positive = 1.0,
    oversample: Factor = 2.0,
    memory: Memory = 4.0,
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
    most candidates for good, by upper bounds of the gain (:mod:`stages.geometry.bait_lazy`): the
    picks are those of a full search.

    Args:
        regularisation: lambda, above 0.
        oversample: how many times b the forward pass takes, 1 or more; never more than N.
        memory: GiB that the matrices may take.

    Raises:
        UserError: a number is not finite, b is larger than N, more memory is needed, or the
            embeddings are too large, or too small, for the regularisation.
    """
    features, chances = (np.asarray(part, np.float64) for part in scored[:2])
    count, (classes, size) = len(features), (chances.shape[1], features.shape[1])
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    if not all(np.isfinite(part).all() for part in scored):
        raise UserError("an embedding or a probability is not a finite number")
    check_memory(count, classes, size, memory)
    check_scale(scored, regularisation)
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


def check_scale(scored: Fisher, regularisation: float) -> None:
    """Raise unless tr I(x) = |x|^2 tr(diag p - p p^T) is in proportion to the regularisation.

    Raises:
        UserError: the largest is more than LARGEST times the regularisation, or less than LEAST.
    """
    with np.errstate(over="ignore", under="ignore"):
        largest = max(_largest(*scored[:2]), _largest(*scored[2:]))
        share = np.float64(largest) / regularisation
    if largest and not LEAST <= share <= LARGEST:
        raise UserError(
            f"bait: the largest |x|^2 tr(diag p - p p^T) of an embedding x is {largest:.3g}, "
            f"{share:.3g} times regularisation ({regularisation:g}); allowed: {LEAST:g} to "
            f"{LARGEST:g} times: a regularisation from {largest / LARGEST:.3g} to "
            f"{largest / LEAST:.3g}"
        )


def _largest(features: np.ndarray, chances: np.ndarray) -> float:
    """The largest tr I(x), 0 of no rows."""
    traces = (chances * (1 - chances)).sum(1, dtype=np.float64)
    traces *= np.einsum("nd,nd->n", features, features, dtype=np.float64)
    return float(traces.max(initial=0))

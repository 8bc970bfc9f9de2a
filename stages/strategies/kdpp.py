"""k-DPP: a random set of b candidates, the likelier the more volume their features span."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import DRAWN, SIDE, Amount
from stages.catalogue.strategy import Strategy
from stages.geometry.distances import Points, pieces, squared
from stages.geometry.grid import check_finite
from stages.machine.errors import UserError
from stages.strategies.handshake import Embeddings

SAMPLE = 1000
RELATIVE_ZERO = 1e-10

Features = Callable[[np.ndarray], np.ndarray]
log = logging.getLogger(__name__)

# Cosines and sines in pairs; a matrix has so many rows.
Rank = Annotated[int, Field(ge=0, le=SIDE, multiple_of=2), DRAWN]

ENTRIES = {
    "kdpp": Strategy(
        scorer="stages.strategies.features:embedding",
        selector="stages.strategies.kdpp:sample",
        source="Kulesza & Taskar 2011 (k-DPP); kernel as in Biyik et al. 2019",
        family="diversity",
        cost="N R (R + b)",
        formula="P(S) = det(K_S) / sum over |S'| = b of det(K_S'), "
        "K_ij = exp(-gamma |x_i - x_j|^2)",
    ),
}


def sample(
    features: Embeddings,
    b: int,
    rng: np.random.Generator,
    *,
    kernel: Literal["rbf", "linear"] = "rbf",
    rank: Rank = 0,
    gamma: Amount = 0.0,
) -> np.ndarray:
    """Draw a set Y of b candidates with probability det(L_Y) / sum over all sets of that size.

    Kulesza & Taskar 2011, k-DPPs: Fixed-Size Determinantal Point Processes, in the dual
    representation (Kulesza & Taskar 2012): L = B B^T is never written out, only C = B^T B, R x R.
    The draw is exact for this L.

    The rank of L bounds b. ``linear`` is L = X X^T of the embeddings themselves, of rank D or less.
    ``rbf`` is exp(-gamma |x - x'|^2) as in Biyik et al. 2019, by R random Fourier features (Rahimi
    & Recht 2007, the paired cosine and sine), whose error falls with 1 / sqrt(R). Where the pool
    has fewer independent features than b (duplicates), every set of b has probability 0: then a set
    as large as the rank is drawn, the rest uniformly, and one line of the log says so.

    Memory: N (D + b) and blocks of N' x R. Time: N R (R + b).

    Args:
        features: embeddings of the pool, shape (N, D).
        kernel: ``rbf`` or ``linear``.
        rank: R of ``rbf``, even; 0: twice b, and at least 1024.
        gamma: of ``rbf``; 0: one over the median squared distance of 1,000 candidates.

    Raises:
        UserError: a feature is not finite, b is larger than N, or the kernel's rank is below b.
    """
    if kernel not in ("rbf", "linear"):
        raise UserError(f"kernel is {kernel!r}; allowed: rbf, linear")
    if b > len(features):
        raise UserError(f"cannot take {b} of {len(features)} candidates")
    check_finite(features)
    rank = features.shape[1] if kernel == "linear" else (rank or max(2 * b, 1024))
    if kernel == "rbf" and rank % 2:
        raise UserError(f"rank is {rank}; allowed: an even number (cosines and sines in pairs)")
    if rank < b:
        raise UserError(
            f"a k-DPP with kernel {kernel} of rank {rank} has no set of {b}; allowed: kernel rbf "
            f"with rank 0, or {b} or more"
        )
    if kernel == "linear":
        largest = np.abs(features).max(initial=0) or 1.0
        rows = _linear(largest)
    else:
        rows = _fourier(features, rank, gamma or _median_gamma(features, rng), rng)
    values, vectors = _spectrum(features, rows, rank)
    size = min(b, len(values))
    chosen = _choose_eigenvectors(values, size, rng)
    basis = vectors[:, chosen] / np.sqrt(values[chosen])
    picks = _sample_projection(features, rows, basis, rng)
    if size < b:
        log.warning("k-DPP: the kernel has rank %d < b = %d; the rest is drawn uniformly", size, b)
        rest = np.setdiff1d(np.arange(len(features)), picks)
        picks = np.concatenate([picks, rng.choice(rest, b - size, replace=False)])
    return picks


def _linear(largest: float) -> Features:
    """The embeddings, scaled so that squares neither overflow nor vanish: the draw is the same."""
    return lambda rows: np.asarray(rows, np.float64) / largest


def _fourier(features: np.ndarray, rank: int, gamma: float, rng: np.random.Generator) -> Features:
    """z(x) with z(x) . z(x') near exp(-gamma |x - x'|^2) and exactly 1 for x = x'."""
    frequencies = rng.normal(size=(features.shape[1], rank // 2)) * np.sqrt(2 * gamma)
    middle = features.max(0) / 2 + features.min(0) / 2

    def rows(part: np.ndarray) -> np.ndarray:
        phases = (np.asarray(part, np.float64) - middle) @ frequencies
        return np.concatenate([np.cos(phases), np.sin(phases)], 1) * np.sqrt(2 / rank)

    return rows


def _median_gamma(features: np.ndarray, rng: np.random.Generator) -> float:
    """1 / the median squared distance between different points of a sample; 1 if all coincide."""
    some = rng.choice(len(features), min(len(features), SAMPLE), replace=False)
    points = Points.of(features[some])
    squares = squared(points, points)
    squares = squares[squares > 0]
    return points.frame.scale**2 / float(np.median(squares)) if len(squares) else 1.0


def _spectrum(features: np.ndarray, rows: Features, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvalues of C = B^T B that are not zero, rising, and their vectors (R, r)."""
    from scipy.linalg import eigh

    dual = np.zeros((rank, rank))
    for part in pieces(len(features), rank):
        block = rows(features[part])
        dual += block.T @ block
    values, vectors = eigh(dual)
    real = values > RELATIVE_ZERO * max(values[-1], 0)
    return values[real], vectors[:, real]


def log_elementary_symmetric(logs: np.ndarray, k: int) -> np.ndarray:
    """log e_l of the first n numbers, shape (len(logs) + 1, k + 1), from their logarithms.

    Kulesza & Taskar 2012: e_l^n = e_l^(n-1) + lambda_n e_(l-1)^(n-1). In logarithms,
    because e_l of a few hundred eigenvalues leaves the range of float64.
    """
    table = np.full((len(logs) + 1, k + 1), -np.inf)
    table[:, 0] = 0
    for n, value in enumerate(logs, 1):
        table[n, 1:] = np.logaddexp(table[n - 1, 1:], value + table[n - 1, :-1])
    return table


def _choose_eigenvectors(values: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Which k eigenvectors span the draw: sets of k with probability prod lambda / e_k."""
    logs = np.log(values)
    table = log_elementary_symmetric(logs, k)
    draws, chosen, left = rng.random(len(values)), [], k
    for n in range(len(values), 0, -1):
        if left == 0:
            break
        if np.log(draws[n - 1]) < logs[n - 1] + table[n - 1, left - 1] - table[n, left]:
            chosen.append(n - 1)
            left -= 1
    return np.array(chosen, np.int64)


def _sample_projection(
    features: np.ndarray, rows: Features, basis: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The second phase: draws from the projection DPP with kernel Y Y^T, Y = B ``basis``.

    The chance of a candidate is what is left of its row's squared length after projection away from
    the rows drawn before (Gram-Schmidt on k numbers a row). Each draw is a race of exponential
    times: unlike a threshold on cumulated chances it is all but blind to rounding.
    """
    count, k = len(features), basis.shape[1]
    projected = np.empty((count, k))
    for part in pieces(count, len(basis)):
        projected[part] = rows(features[part]) @ basis
    chances = np.einsum("nk,nk->n", projected, projected)
    directions, picks = np.zeros((k, k)), np.empty(k, np.int64)
    for at in range(k):
        times = rng.exponential(size=count)
        with np.errstate(divide="ignore"):
            times /= np.maximum(chances, 0)
        picks[at] = np.argmin(times)
        row = projected[picks[at]]
        for _ in range(2):  # twice is enough (Giraud et al. 2005)
            row = row - (directions[:at] @ row) @ directions[:at]
        directions[at] = row / np.sqrt(row @ row)
        chances -= (projected @ directions[at]) ** 2
        chances[picks[: at + 1]] = 0
    return picks

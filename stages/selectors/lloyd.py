"""Weighted k-means whose every sum is exact: the same clusters on any processor.

Points are whole numbers (see grid.py) and so are the weights, hence a weighted sum of points is
exact in any order; centres are rounded to the grid. SciPy's k-means knows no weights, and
scikit-learn's gives the same up to rounding noise, which depends on processor and threads.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from stages.selectors.grid import BLOCK, MANTISSA, squared_distances, squares


def kmeans(
    points: np.ndarray,
    weights: np.ndarray,
    clusters: int,
    rng: np.random.Generator,
    iterations: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's algorithm on points (N, D) with weights (N,) of 0 or more.

    Starts from weighted k-means++ (Arthur & Vassilvitskii 2007). A cluster without weight keeps its
    centre. Stops when no point changes its cluster.

    Returns:
        centres (clusters, D) on the grid; the cluster of each point, int64, shape (N,).
    """
    weights = whole(weights, len(points), float(np.abs(points).max(initial=0)))
    centres = points[seeds(points, weights, clusters, rng)]
    nearest = assign(points, centres)
    for _ in range(iterations):
        centres = _means(points, weights, nearest, centres)
        before, nearest = nearest, assign(points, centres)
        if (before == nearest).all():
            break
    return centres, nearest


def whole(weights: np.ndarray, count: int, largest: float) -> np.ndarray:
    """Weights as whole numbers, such that a weighted sum of ``count`` points is exact.

    All equal where none is above 0.
    """
    top = float(weights.max(initial=0))
    if top <= 0:
        return np.ones(count)
    used = max(1, int(np.frexp(largest)[1])) + max(1, (count - 1).bit_length())
    return np.rint(weights / top * 2.0 ** max(1, MANTISSA - 1 - used))


def seeds(
    points: np.ndarray, weights: np.ndarray, clusters: int, rng: np.random.Generator
) -> np.ndarray:
    """Rows drawn by weight times squared distance to the rows drawn before, int64, (clusters,)."""
    picks = np.empty(clusters, np.int64)
    free = np.ones(len(points), bool)
    lengths = squares(points)
    nearest = np.ones(len(points))
    for at in range(clusters):
        chances = np.where(free, weights * nearest, 0.0)
        if not chances.any():  # all that is left coincides with a seed, or weighs nothing
            chances = free.astype(float)
        cumulated = np.cumsum(chances)
        pick = int(np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right"))
        picks[at], free[pick] = pick, False
        distances = lengths - 2 * (points @ points[pick]) + lengths[pick]
        nearest = distances if at == 0 else np.minimum(nearest, distances)
    return picks


def assign(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The nearest centre of each point (the first among equals), int64, shape (N,)."""
    parts = [
        squared_distances(points[start : start + BLOCK], centres).argmin(1)
        for start in range(0, len(points), BLOCK)
    ]
    return np.concatenate(parts)


def _means(
    points: np.ndarray, weights: np.ndarray, nearest: np.ndarray, centres: np.ndarray
) -> np.ndarray:
    count = len(points)
    member = sparse.csr_array((weights, (nearest, np.arange(count))), (len(centres), count))
    total = np.bincount(nearest, weights, len(centres))
    means = np.rint((member @ points) / np.maximum(total, 1)[:, None])
    return np.where(total[:, None] > 0, means, centres)

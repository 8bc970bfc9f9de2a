"""k-means that gives the same clusters on every processor."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from stages.selectors.distances import Points


def kmeans(points: Points, k: int, rng: np.random.Generator, iterations: int) -> np.ndarray:
    """Lloyd's algorithm from k-means++ seeds (Arthur & Vassilvitskii 2007).

    Centres are rounded to the grid of ``points``, so every distance is exact and no assignment
    depends on the processor. A centre that loses all its members stays where it is.

    Args:
        k: number of clusters, at least 1.
        iterations: at most; it stops when no assignment changes.

    Returns:
        The cluster of each point, int64, shape (N,), below k; some may be empty.
    """
    centres = points.coordinates[_seeds(points, min(k, len(points)), rng)].copy()
    labels = points.nearest(centres)
    for _ in range(iterations):
        centres = _means(points.coordinates, labels, centres)
        before, labels = labels, points.nearest(centres)
        if (labels == before).all():
            break
    return labels


def _seeds(points: Points, k: int, rng: np.random.Generator) -> np.ndarray:
    """Rows drawn with probability proportional to their squared distance to those before."""
    count = len(points)
    rows = np.empty(k, np.int64)
    rows[0] = rng.integers(count)
    nearest = np.full(count, np.inf)
    for at in range(1, k):
        np.minimum(nearest, points.squared(rows[at - 1])[0], out=nearest)
        cumulated = np.cumsum(nearest)
        if cumulated[-1] == 0:  # every point coincides with a seed
            rows[at] = rng.integers(count)
            continue
        bar = rng.random() * cumulated[-1]
        rows[at] = np.searchsorted(cumulated, bar, side="right")
    return rows


def _means(coordinates: np.ndarray, labels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The mean of each cluster's members, rounded to the grid."""
    count, k = len(labels), len(centres)
    ones = np.ones(count, coordinates.dtype)
    members = csr_array((ones, labels, np.arange(count + 1)), shape=(count, k)).T
    sums, sizes = members @ coordinates, np.bincount(labels, minlength=k)
    means = sums / np.maximum(sizes, 1).astype(coordinates.dtype)[:, None]
    if coordinates.dtype == np.float64:
        np.rint(means, out=means)
    return np.where(sizes[:, None] > 0, means, centres)

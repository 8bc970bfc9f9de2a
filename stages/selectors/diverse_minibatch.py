"""The most informative candidates, clustered; the one nearest to each centre."""

from __future__ import annotations

import math

import numpy as np

from stages.errors import UserError
from stages.selectors.grid import on_grid, squares
from stages.selectors.lloyd import kmeans
from stages.selectors.top import top


def weighted_kmeans(
    features: tuple[np.ndarray, np.ndarray],
    b: int,
    rng: np.random.Generator,
    beta: float = 10.0,
    iterations: int = 20,
) -> np.ndarray:
    """Zhdanov 2019: keep the beta b most informative, k-means weighted by
    informativeness into b clusters, take the nearest different candidate to each centre.

    Exact up to the grid of grid.py. Where all informativeness is 0, all weights are equal.

    Args:
        features: embeddings (N, D) and informativeness (N,), 0 or more.
        beta: pre-filter factor; beta b of more than N candidates keeps all.
        iterations: of Lloyd's algorithm at most.

    Raises:
        UserError: a number is not finite, or b is larger than N.
    """
    embeddings, informativeness = features
    if b > len(embeddings):
        raise UserError(f"cannot take {b} of {len(embeddings)} candidates")
    kept = top(informativeness, min(max(b, math.ceil(beta * b)), len(embeddings)), rng)
    # `kept` is in an order that breaks ties at random, so the first of equals is a fair choice.
    points = on_grid(embeddings[kept])
    centres, _ = kmeans(points, informativeness[kept], b, rng, iterations)
    return kept[nearest_different(points, centres)]


def nearest_different(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """For each centre in turn the nearest point not yet taken, int64, shape (len(centres),)."""
    lengths = squares(points)
    picks = np.empty(len(centres), np.int64)
    for at, centre in enumerate(centres):
        distances = lengths - 2 * (points @ centre)
        distances[picks[:at]] = np.inf
        picks[at] = distances.argmin()
    return picks

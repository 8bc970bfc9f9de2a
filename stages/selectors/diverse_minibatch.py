"""The most informative candidates, clustered; the one nearest to each centre."""

from __future__ import annotations

import math

import numpy as np

from stages.geometry.distances import Points
from stages.geometry.lloyd import kmeans
from stages.machine.errors import UserError
from stages.selectors.kmeans import nearest_free
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

    Exact up to the grids of :mod:`stages.geometry.grid`. Where all informativeness is 0, all
    weights are equal.

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
    points = Points.of(embeddings[kept])
    centres, _ = kmeans(points, b, rng, iterations, informativeness[kept])
    return kept[nearest_free(points, centres, np.arange(len(kept)))]

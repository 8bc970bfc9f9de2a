"""Diverse mini-batches: the most informative candidates, clustered; one nearest to each centre."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stages.catalogue.kinds import Factor, Steps
from stages.catalogue.strategy import Strategy
from stages.geometry.distances import Points
from stages.geometry.lloyd import kmeans
from stages.geometry.measures import margin_of
from stages.geometry.nearest_free import nearest_free
from stages.machine.errors import UserError
from stages.strategies.top import top

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "diverse_minibatch": Strategy(
        scorer="stages.strategies.diverse_minibatch:score",
        selector="stages.strategies.diverse_minibatch:weighted_kmeans",
        source="Zhdanov 2019 (diverse mini-batches)",
        family="hybrid",
        cost="iterations beta b^2 D",
        formula="of the beta b of highest u = 1 - (p_(1) - p_(2)) the one nearest to each of the "
        "centres m_1, ..., m_b that minimise sum_i u_i min_j |x_i - m_j|^2",
    ),
}


class Informative(NamedTuple):
    """What diverse mini-batches are selected from.

    Attributes:
        embeddings: of the pool, float, shape (N, D).
        informativeness: of the pool, 0 or more, shape (N,).
    """

    embeddings: np.ndarray
    informativeness: np.ndarray


def score(pool: Pool) -> Informative:
    """Embeddings (N, D), and 1 - (p_(1) - p_(2)), in [0, 1], of the pool, shape (N,)."""
    embeddings, chances = pool.outputs
    return Informative(embeddings, 1 + margin_of(chances))


def weighted_kmeans(
    features: Informative,
    b: int,
    rng: np.random.Generator,
    *,
    beta: Factor = 10.0,
    iterations: Steps = 20,
) -> np.ndarray:
    """Zhdanov 2019: of the beta b most informative those nearest to the centres of b clusters.

    k-means is weighted by informativeness; of each centre the nearest free candidate is taken.
    Exact up to the grids of :mod:`stages.geometry.grid`. Where all informativeness is 0, all
    weights are equal.

    Args:
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

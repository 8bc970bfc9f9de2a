"""Margins of the mean prediction for an image and an augmented one of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stages.catalogue.kinds import Count, Steps
from stages.catalogue.strategy import Strategy
from stages.geometry.distances import Points
from stages.geometry.lloyd import kmeans
from stages.geometry.measures import margin_of
from stages.machine.errors import UserError
from stages.strategies.consistency import MIXMATCH, Views, augmented
from stages.strategies.handshake import Scores
from stages.strategies.top import top

if TYPE_CHECKING:
    from stages.rounds.context import Pool

MARGIN = "-(p_(1) - p_(2)), p = (p(x) + p(augmented x)) / 2"

ENTRIES = {
    "ssl_diff2aug_direct": Strategy(
        learner=MIXMATCH,
        scorer="stages.strategies.diff2aug:score",
        source="Song et al. 2019 (diff2.aug-direct); SSLDiff2AugDirect in Li et al. 2022",
        family="uncertainty",
        cost="2 passes of the network",
        formula=MARGIN,
    ),
    "ssl_diff2aug_kmeans": Strategy(
        learner=MIXMATCH,
        scorer="stages.strategies.diff2aug:score_with_embeddings",
        selector="stages.strategies.diff2aug:of_each_cluster",
        source="Song et al. 2019 (diff2.aug-kmeans); SSLDiff2AugKmeans in Li et al. 2022",
        family="hybrid",
        cost="2 passes of the network; iterations N clusters D",
        formula=f"of each cluster a floor(b |cluster| / N) largest {MARGIN}; the rest in turn",
    ),
}


class Placed(NamedTuple):
    """Scores and places of the candidates.

    Attributes:
        scores: float, shape (N,): higher is more wanted.
        embeddings: float, shape (N, D).
    """

    scores: np.ndarray
    embeddings: np.ndarray


def score(pool: Pool, *, view: Views = "task") -> Scores:
    """Minus the margin of the mean of p(x) and p(augmented x), in [-1, 0], shape (N,).

    Args:
        view: the augmentation, see :func:`stages.models.mixing.weak`.
    """
    other = np.concatenate([p[0] for p in augmented(pool, 1, view)])
    return margin_of((pool.probabilities + other) / 2)


def score_with_embeddings(pool: Pool, *, view: Views = "task") -> Placed:
    """:func:`score`, and the embeddings of the candidates.

    Args:
        view: the augmentation, see :func:`stages.models.mixing.weak`.
    """
    embeddings = pool.embeddings  # first, so that probabilities are computed from them
    return Placed(score(pool, view=view), embeddings)


def of_each_cluster(
    placed: Placed,
    b: int,
    rng: np.random.Generator,
    *,
    clusters: Count = 20,
    iterations: Steps = 20,
) -> np.ndarray:
    """Cluster the candidates and take of each cluster as large a share as it has of them.

    Song et al. 2019: floor(b |C_k| / N) best scores of each cluster C_k, then one of each in turn,
    in a random order of the clusters, until there are b. Exact up to the grids of
    :mod:`stages.geometry.grid`.

    Args:
        clusters: of k-means over the embeddings.
        iterations: of Lloyd's algorithm at most.

    Raises:
        UserError: a number is not finite, or b is larger than N.
    """
    scores, embeddings = placed
    count = len(scores)
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    points = Points.of(embeddings)
    _, cluster = kmeans(points, min(clusters, count), rng, iterations)
    order = top(scores, count, rng)
    return order[in_turn(cluster[order], b, rng)]


def in_turn(clusters: np.ndarray, b: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of those taken, from the clusters of candidates that are sorted, best first.

    Examples:
        >>> in_turn(np.array([0, 0, 0, 0, 1, 1]), 3, np.random.default_rng(0)).tolist()
        [0, 1, 4]
    """
    _, cluster, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    quotas = b * sizes // len(clusters)
    turn = rng.permutation(len(sizes))
    by_cluster = np.argsort(cluster, kind="stable")
    place = np.empty(len(clusters), np.int64)  # how many of its cluster are better
    place[by_cluster] = np.arange(len(clusters)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    lap = np.maximum(place - quotas[cluster], -1)  # -1: by its quota
    return np.lexsort((turn[cluster], lap))[:b]

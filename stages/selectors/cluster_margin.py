"""The least certain candidates, in turn from the clusters of the whole pool, small ones first."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from stages.geometry.agglomerative import average_linkage
from stages.machine.errors import UserError
from stages.selectors import Selection
from stages.selectors.top import top


class ClusteredMargins(NamedTuple):
    """What Cluster-Margin selects from.

    Attributes:
        margins: -(p_(1) - p_(2)) of the candidates, shape (N,); higher is more uncertain.
        rows: their rows in the training array, int64, shape (N,), rising.
        clustered: rows that have a cluster, or are to be given one, int64, shape (M,), rising.
        clusters: the cluster of each of these, int64; None in the first round.
        features: their embeddings (M, D) in the first round, else None.
    """

    margins: np.ndarray
    rows: np.ndarray
    clustered: np.ndarray
    clusters: np.ndarray | None
    features: np.ndarray | None


def cluster_margin(
    scored: ClusteredMargins,
    b: int,
    rng: np.random.Generator,
    margin_factor: float = 10.0,
    cluster_size: float = 10.0,
    part: int = 2000,
) -> Selection:
    """Citovsky et al. 2021 (Cluster-Margin): the margin_factor b (k_m) candidates with the smallest
    margin, then round-robin over their clusters (:func:`round_robin`).

    The clusters are those of the first round for the whole run; the carry hands them on.

    Args:
        cluster_size, part: of :func:`stages.geometry.agglomerative.average_linkage`.

    Raises:
        UserError: a number is not finite, b is larger than N, or a candidate has no cluster.
    """
    margins, rows, clustered, clusters, features = scored
    if b > len(margins):
        raise UserError(f"cannot take {b} of {len(margins)} candidates")
    if clusters is None:
        clusters = average_linkage(features, cluster_size, part, rng)
    at = np.searchsorted(clustered, rows)
    if not (clustered[np.minimum(at, len(clustered) - 1)] == rows).all():
        raise UserError("the clusters that the last round handed on do not cover the pool")
    uncertain = top(margins, min(max(b, math.ceil(margin_factor * b)), len(margins)), rng)
    positions = uncertain[round_robin(clusters[at[uncertain]], b, rng)]
    carry = {"cluster_margin_rows": clustered, "cluster_margin_clusters": clusters}
    return Selection(positions, carry)


def round_robin(clusters: np.ndarray, b: int, rng: np.random.Generator) -> np.ndarray:
    """One random member of each cluster in turn, the smallest cluster first, again and again.

    A cluster that is used up is passed over. Clusters of one size are in a random order.

    Args:
        clusters: the cluster of each candidate, int64, shape (M,) with M of b or more.
    """
    _, cluster, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    turn = np.empty(len(sizes), np.int64)
    shuffled = rng.permutation(len(sizes))
    turn[shuffled[np.argsort(sizes[shuffled], kind="stable")]] = np.arange(len(sizes))
    order = rng.permutation(len(clusters))
    by_cluster = order[np.argsort(cluster[order], kind="stable")]
    lap = np.empty(len(clusters), np.int64)  # how many of its cluster are taken before it
    lap[by_cluster] = np.arange(len(clusters)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.lexsort((turn[cluster], lap))[:b]

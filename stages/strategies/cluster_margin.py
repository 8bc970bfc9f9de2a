"""Cluster-Margin: the least certain candidates, in turn from clusters of the pool, small first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import WHOLE, Factor
from stages.catalogue.strategy import Strategy
from stages.geometry.measures import margin_of
from stages.machine.errors import UserError
from stages.strategies.handshake import Selection
from stages.strategies.top import top

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "cluster_margin": Strategy(
        scorer="stages.strategies.cluster_margin:score",
        selector="stages.strategies.cluster_margin:select",
        source="Citovsky et al. 2021 (Cluster-Margin); average linkage within parts",
        family="hybrid",
        cost="N part D once a run, then N C",
        formula="of the k_m = margin_factor b of smallest margin p_(1) - p_(2), one of each "
        "cluster in turn, small clusters first",
    ),
}


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


def score(pool: Pool) -> ClusteredMargins:
    """Margins of the pool, with the clusters of the first round (Citovsky et al. 2021).

    In the first round all unlabeled rows are embedded, even those that ``candidates`` leaves out:
    a later round may draw them.
    """
    known = pool.carry.get("selector", {})
    if "rows" in known:
        margins = margin_of(pool.probabilities)
        return ClusteredMargins(margins, pool.candidates, known["rows"], known["clusters"], None)
    from stages.models.batches import embed

    everything = pool.unlabeled
    whole = len(everything) == len(pool.candidates)
    features = pool.embeddings if whole else embed(pool.network, pool.batches, everything)
    margins = margin_of(pool.probabilities)
    return ClusteredMargins(margins, pool.candidates, everything, None, features)


def select(
    scored: ClusteredMargins,
    b: int,
    rng: np.random.Generator,
    *,
    margin_factor: Factor = 10.0,
    cluster_size: Factor = 10.0,
    part: Annotated[int, Field(ge=2, le=WHOLE)] | Literal[0] = 2000,
) -> Selection:
    """Citovsky et al. 2021 (Cluster-Margin): the least certain, in turn from their clusters.

    The margin_factor b (k_m) candidates with the smallest margin, then :func:`round_robin`. The
    clusters are those of the first round for the whole run; the carry hands them on.

    Args:
        cluster_size, part: of :func:`stages.geometry.agglomerative.average_linkage`.

    Raises:
        UserError: a number is not finite, b is larger than N, or a candidate has no cluster.
    """
    margins, rows, clustered, clusters, features = scored
    if b > len(margins):
        raise UserError(f"cannot take {b} of {len(margins)} candidates")
    if clusters is None:
        from stages.geometry.agglomerative import average_linkage

        clusters = average_linkage(features, cluster_size, part, rng)
    at = np.searchsorted(clustered, rows)
    if not (clustered[np.minimum(at, len(clustered) - 1)] == rows).all():
        raise UserError("the clusters that the last round handed on do not cover the pool")
    uncertain = top(margins, min(max(b, math.ceil(margin_factor * b)), len(margins)), rng)
    positions = uncertain[round_robin(clusters[at[uncertain]], b, rng)]
    return Selection(positions, {"rows": clustered, "clusters": clusters})


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

"""TypiClust: the most typical candidate of each large cluster that has no label yet."""

from __future__ import annotations

from collections import deque

import numpy as np

from stages.catalogue.kinds import Count, Steps
from stages.catalogue.strategy import Strategy
from stages.geometry.distances import Points, pieces, squared
from stages.geometry.grid import unit_rows
from stages.geometry.lloyd import kmeans
from stages.machine.errors import UserError
from stages.strategies.handshake import Known
from stages.strategies.top import round_to_ties

ENTRIES = {
    "typiclust": Strategy(
        scorer="stages.strategies.features:embedding_and_labeled",
        selector="stages.strategies.typiclust:typical",
        source="Hacohen et al. 2022 (TypiClust), on the round's embeddings",
        family="diversity",
        cost="iterations N (L + b) D",
        formula="from the clusters with fewest labels, large ones first, the candidate of the "
        "highest typicality ((1 / K) sum over its K nearest neighbours of |x - x_i|)^-1",
    ),
}
SMALL = 5


def typical(
    features: Known,
    b: int,
    rng: np.random.Generator,
    *,
    clusters: Count = 500,
    neighbours: Count = 20,
    iterations: Steps = 20,
) -> np.ndarray:
    """Hacohen et al. 2022 (TypiClust), on the embeddings of the round's network.

    Pool and labeled set together are clustered into min(L + b, ``clusters``). Clusters are taken in
    order of how many labels they hold (few first), then of their size (large first), one candidate
    each, over again while candidates are left; clusters of 5 or fewer members come last. The
    candidate is the one of the highest typicality, 1 / (mean distance to its nearest neighbours),
    among the cluster's candidates not yet taken. As in the authors' code, rows are divided by their
    length first, and a cluster of m candidates counts min(``neighbours``, m // 2) neighbours.

    The paper takes self-supervised embeddings; a scorer that gives such arrays can stand before
    this selector.

    Args:
        features: embeddings of the pool (N, D) and of the labeled set (L, D).
        clusters: at most this many.
        neighbours: K.
        iterations: of Lloyd's algorithm at most.

    Raises:
        UserError: a feature is not finite, or b is larger than N.
    """
    pool, labeled = features
    if b > len(pool):
        raise UserError(f"cannot take {b} of {len(pool)} candidates")
    points = Points.of(unit_rows(pool, labeled, dtype=np.float32))
    _, own = kmeans(points, min(len(labeled) + b, clusters, len(points)), rng, iterations)
    order = rng.permutation(len(pool))  # ties go to the first of a random order
    members = _members(own[: len(pool)][order], order, int(own.max()) + 1)
    queue, small = (deque(some) for some in _by_need(own, len(pool)))
    picks: list[int] = []
    while len(picks) < b:
        if not queue:
            queue = small
        cluster = queue.popleft()
        if not len(members[cluster]):
            continue
        at = _most_typical(points, members[cluster], neighbours)
        picks.append(members[cluster][at])
        members[cluster] = np.delete(members[cluster], at)
        queue.append(cluster)
    return np.array(picks, np.int64)


def _members(labels: np.ndarray, positions: np.ndarray, k: int) -> list[np.ndarray]:
    """The positions of each cluster, in the order given."""
    sort = np.argsort(labels, kind="stable")
    return np.split(positions[sort], np.cumsum(np.bincount(labels, minlength=k))[:-1])


def _by_need(own: np.ndarray, candidates: int) -> tuple[list[int], list[int]]:
    """Clusters of more than SMALL members, and the others: few labels first, then large ones."""
    sizes = np.bincount(own)
    labels = np.bincount(own[candidates:], minlength=len(sizes))
    order = np.lexsort((-sizes, labels)).tolist()
    return [c for c in order if sizes[c] > SMALL], [c for c in order if sizes[c] <= SMALL]


def _most_typical(points: Points, rows: np.ndarray, neighbours: int) -> int:
    """Which of ``rows`` has the smallest mean distance to its neighbours among them."""
    near = min(neighbours, len(rows) // 2)
    if near == 0:
        return 0
    inside, means = points[rows], []
    for part in pieces(len(rows), len(rows)):
        nearest = np.partition(squared(inside[part], inside), near, axis=1)[
            :, : near + 1
        ]  # with itself, at 0
        means.append(np.sqrt(np.sort(nearest, axis=1)).sum(1))
    return int(np.argmin(round_to_ties(np.concatenate(means))))

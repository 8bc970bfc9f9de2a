"""Average-linkage clusters of many points, within parts of bounded size.

Average linkage over N points needs all N (N - 1) / 2 distances: 1 GB at 16,000 points, 2 TB at
700,000. So a larger set is first split in two again and again, each time along the line between the
centres of a 2-means, until no part is larger than allowed; each part gets its own exact dendrogram,
and one threshold cuts all of them. What is lost is merges across a border between parts. Clusters
are meant to hold about ten points, a part thousands, so few are near a border. A set that fits into
one part is clustered exactly.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from stages.geometry.distances import Frame, Points, squared
from stages.geometry.grid import FEW, blocks, check_finite, ground
from stages.geometry.lloyd import kmeans
from stages.machine.errors import UserError
from stages.machine.progress import progress
from stages.machine.threads import in_threads

SAMPLE = 1000  # points that decide where a set is split
PATIENCE = 5  # iterations of 2-means on them


def average_linkage(
    features: np.ndarray, cluster_size: float, part: int, rng: np.random.Generator
) -> np.ndarray:
    """Clusters of ``features`` (N, D) of ``cluster_size`` points on average: int64, shape (N,).

    The distance threshold (epsilon of Citovsky et al. 2021) is the height that leaves
    ceil(N / cluster_size) clusters, or fewer where merges at that height are tied. Distances are
    Euclidean and exact up to the grids of :mod:`stages.geometry.grid`. Memory is that of part^2
    distances.

    Args:
        part: points of a part at most, 2 or more; 0: one part, however large.

    Raises:
        UserError: a feature is not finite, or part is 1.

    Examples:
        >>> features = np.array([[0.0], [9.0], [1.0], [8.0]])
        >>> average_linkage(features, 2, 0, np.random.default_rng(0)).tolist()
        [0, 1, 0, 1]
    """
    if part == 1:
        raise UserError("part is 1; allowed: 0 (one part) or 2 or more")
    check_finite(features)
    frame = Frame(features)
    parts = split(features, frame, part or len(features), rng)
    trees: list[np.ndarray] = [np.empty((0, 4))] * len(parts)

    def grow(at: int) -> None:
        trees[at] = _tree(features, frame, parts[at])

    in_threads(grow, progress(range(len(parts)), "cluster", "part"))
    heights = np.sort(np.concatenate([tree[:, 2] for tree in trees]))
    merges = min(len(features) - math.ceil(len(features) / cluster_size), len(heights))
    return _cut(parts, trees, heights[merges - 1] if merges > 0 else -1.0, len(features))


def _cut(
    parts: list[np.ndarray], trees: list[np.ndarray], threshold: float, count: int
) -> np.ndarray:
    clusters, used = np.empty(count, np.int64), 0
    for rows, tree in zip(parts, trees, strict=True):
        own = np.arange(len(rows))
        if len(rows) > 1 and threshold >= 0:
            own = fcluster(tree, threshold, "distance") - 1
        clusters[rows] = own + used
        used += int(own.max()) + 1
    return clusters


def _tree(features: np.ndarray, frame: Frame, rows: np.ndarray) -> np.ndarray:
    """SciPy's linkage matrix of some rows; its heights do not fall from merge to merge."""
    if len(rows) == 1:
        return np.empty((0, 4))
    points = Points.of(features[rows], frame)
    distances = np.sqrt(squared(points, points))
    return linkage(squareform(distances, checks=False), "average")


def split(
    features: np.ndarray, frame: Frame, largest: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Rows of ``features`` in parts of at most ``largest``; near rows tend to stay together.

    Examples:
        >>> features = np.array([[0.0], [9.0], [1.0], [8.0]])
        >>> parts = split(features, Frame(features), 2, np.random.default_rng(0))
        >>> sorted(sorted(rows.tolist()) for rows in parts)
        [[0, 2], [1, 3]]
    """
    done, waiting = [], [rng.permutation(len(features))]  # so ties are broken at random
    while waiting:
        rows = waiting.pop()
        if len(rows) <= largest:
            done.append(rows)
            continue
        centres, _ = kmeans(Points.of(features[rows[:SAMPLE]], frame), 2, rng, PATIENCE)
        ends = centres.rows.astype(np.float64)
        direction = ground(np.diff(ends, axis=0))[0]
        along = _project(features, frame, rows, direction)
        order = np.argsort(along, kind="stable")
        border = np.searchsorted(along[order], (ends @ direction).mean())
        # A very small side would make the recursion deep for nothing.
        least = max(1, len(rows) // 4)
        at = int(np.clip(border, least, len(rows) - least))
        waiting += [rows[order[at:]], rows[order[:at]]]
    return done


def _project(
    features: np.ndarray, frame: Frame, rows: np.ndarray, direction: np.ndarray
) -> np.ndarray:
    """Dot products with a direction on its grid, so exact, shape (len(rows),)."""
    along = np.empty(len(rows))
    for part in blocks(len(rows), FEW):
        along[part] = frame.on_grids(features[rows[part]]) @ direction
    return along

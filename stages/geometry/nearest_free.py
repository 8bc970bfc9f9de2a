"""The free point nearest to each centre in turn."""

from __future__ import annotations

import numpy as np

from stages.geometry.distances import Points, squared
from stages.geometry.grid import blocks
from stages.machine.threads import in_threads

BLOCK = 2048
GROUP = 64  # candidates that share a bound


def nearest_free(points: Points, centres: Points, order: np.ndarray) -> np.ndarray:
    """For each centre in turn the nearest point not yet taken, int64, shape (len(centres),).

    Of equally near ones the first in ``order`` (positions). Float32 products bound the distances
    from below, for groups of points; the groups that may hold the nearest are looked at exactly.

    Examples:
        >>> points = Points.of(np.array([[0.0], [1.0], [8.0]]))
        >>> nearest_free(points, points[np.array([1, 1, 0])], np.arange(3)).tolist()
        [1, 0, 2]
    """
    count = len(points)
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    bounds = _group_bounds(points, centres)
    taken = np.zeros(count, bool)
    picks = np.empty(len(centres), np.int64)
    for at in range(len(centres)):
        best, looked = (np.inf, count), 0
        groups, size = np.argsort(bounds[at], kind="stable"), 1
        while looked < len(groups) and bounds[at, groups[looked]] <= best[0]:
            some = groups[looked : looked + size]
            looked, size = looked + size, size * 2
            rows = (some[:, None] * GROUP + np.arange(GROUP)).ravel()
            rows = rows[rows < count]
            rows = rows[~taken[rows]]
            if len(rows) == 0:
                continue
            distances = squared(points[rows], centres[[at]])[:, 0]
            first = np.lexsort((rank[rows], distances))[0]
            if (distances[first], rank[rows[first]]) < best:
                best, picks[at] = (distances[first], rank[rows[first]]), rows[first]
        taken[picks[at]] = True
    return picks


def _group_bounds(points: Points, centres: Points) -> np.ndarray:
    """Lower bounds of the squared distances of each centre to each group, (b, groups)."""
    count = len(points)
    bounds = np.full((len(centres), -(-count // GROUP)), np.inf, np.float32)

    def fill(part: slice) -> None:
        values = centres.rough(points[part])
        starts = np.arange(0, part.stop - part.start, GROUP)
        groups = slice(part.start // GROUP, part.start // GROUP + len(starts))
        bounds[:, groups] = np.minimum.reduceat(values, starts, axis=1)

    in_threads(fill, blocks(count, BLOCK))
    return bounds + (centres.norms - centres.off()).astype(np.float32)[:, None]

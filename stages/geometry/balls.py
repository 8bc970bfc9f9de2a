"""How much balls of one radius hold, each pair of points looked at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stages.geometry.distances import Points, within

ROWS, COLUMNS = 1024, 8192  # of a block of products


def tiles(start: int, end: int, size: int) -> Iterator[slice]:
    """start .. end in pieces of ``size``.

    Examples:
        >>> list(tiles(3, 8, 2))
        [slice(3, 5, None), slice(5, 7, None), slice(7, 8, None)]
    """
    return (slice(at, min(at + size, end)) for at in range(start, end, size))


def held(points: Points, others: Points, radius: float) -> np.ndarray:
    """Which others the ball around each point holds, bool, shape (N, M).

    Examples:
        >>> points = Points.of(np.array([[0.0], [1.0], [3.0]]))
        >>> held(points, points[:2], points.frame.scale**2).tolist()
        [[True, True], [True, True], [False, False]]
    """
    parts = [within(points, others[part], radius) for part in tiles(0, len(others), COLUMNS)]
    return np.concatenate([np.zeros((len(points), 0), bool), *parts], axis=1)


def reaches(points: Points, wanted: int, radius: float) -> np.ndarray:
    """How many of the first ``wanted`` points the ball around each point holds, int64, shape (N,).

    Args:
        radius: squared; a ball holds what is at most that far.

    Examples:
        >>> points = Points.of(np.array([[0.0], [1.0], [2.0], [9.0]]))
        >>> reaches(points, 3, points.frame.scale**2).tolist()
        [2, 3, 2, 0]
    """
    counts = np.zeros(len(points), np.int64)
    for rows in tiles(0, wanted, ROWS):
        counts[rows] += np.count_nonzero(within(points[rows], points[rows], radius), axis=1)
        for columns in tiles(rows.stop, len(points), COLUMNS):
            inside = within(points[rows], points[columns], radius)
            counts[columns] += np.count_nonzero(inside, axis=0)
            counts[rows] += np.count_nonzero(inside[:, : max(0, wanted - columns.start)], axis=1)
    return counts


def slack(points: Points) -> float:
    """How far :func:`strangers` may be off.

    Examples:
        >>> slack(Points.of(np.array([[0.0], [1.0], [2.0]]))) < 1e-5
        True
    """
    return 8 * float(points.off().max(initial=0))


def strangers(points: Points, ends: np.ndarray) -> np.ndarray:
    """The squared distance of each point to the nearest of another group, to within the slack.

    Args:
        ends: where the group of each point ends; points are in the order of their groups, int64.

    Returns:
        float64, shape (N,); inf where there is one group alone.

    Examples:
        >>> points = Points.of(np.array([[0.0], [1.0], [3.0]]))  # the groups: two points, and one
        >>> found = strangers(points, np.array([2, 2, 3])) / points.frame.scale**2
        >>> found.round(3).tolist()
        [9.0, 4.0, 4.0]
    """
    nearest = np.full(len(points), np.inf)
    for end in np.unique(ends):
        start = int(np.searchsorted(ends, end))
        for rows in tiles(start, int(end), ROWS):
            for columns in tiles(int(end), len(points), COLUMNS):
                squares = points[rows].rough(points[columns])
                squares += points.norms[rows, None].astype(np.float32)
                np.minimum(nearest[rows], squares.min(1), out=nearest[rows])
                np.minimum(nearest[columns], squares.min(0), out=nearest[columns])
    return nearest

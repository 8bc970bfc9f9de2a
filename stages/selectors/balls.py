"""Which points lie in which balls: decided exactly, by float32 products nearly always."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stages.selectors.distances import Points

ROWS, COLUMNS = 1024, 8192  # of a block of products
PAIRS = 1 << 14  # that are decided exactly at once


class Balls:
    """Points whose squared distances are compared in float32.

    Coordinates of float64 :class:`Points` are whole numbers that float32 holds without loss, and
    their squared distances are exact in float64. A float32 product of K terms is off by at most
    K 2^-24 |x| |y| in any order of summation, so it decides unless it is within that of the border.

    Args:
        points: of float64.
    """

    def __init__(self, points: Points) -> None:
        self.exact = points.coordinates
        self.norms = np.einsum("nd,nd->n", self.exact, self.exact)
        count, size = self.exact.shape
        self._wide = np.empty((count, size + 1), np.float32)
        self._wide[:, :size], self._wide[:, size] = self.exact, self.norms
        self.slack = 2 * (size + 9) * 2.0**-24 * float(self.norms.max(initial=0))

    def __len__(self) -> int:
        return len(self.norms)

    def among(self, rows: np.ndarray | slice) -> Balls:
        """These points alone."""
        result = object.__new__(Balls)
        result.exact, result.norms, result.slack = self.exact[rows], self.norms[rows], self.slack
        result._wide = self._wide[rows]
        return result

    def _products(self, rows: np.ndarray | slice, others: np.ndarray) -> np.ndarray:
        """x . y - |y|^2 / 2 of these rows x and rows (y, |y|^2), float32."""
        left = self._wide[rows].copy()
        left[:, -1] = -0.5
        return left @ others.T

    def half_squares(self, rows: slice, columns: slice) -> np.ndarray:
        """Half of the squared distances, each to within the slack, float32."""
        values = self._products(rows, self._wide[columns])
        return np.subtract(self.norms[rows, None].astype(np.float32) / 2, values, out=values)

    def hold(
        self, rows: np.ndarray | slice, others: Balls, columns: slice, radius: float
    ) -> np.ndarray:
        """Whether the squared distances of these rows to ``columns`` of ``others`` are below
        ``radius``, bool, shape (rows, columns)."""
        values = self._products(rows, others._wide[columns])
        border = ((self.norms[rows] - radius) / 2)[:, None]
        slack = max(self.slack, others.slack)
        inside = values > (border + slack).astype(np.float32)
        open_ = values > (border - slack).astype(np.float32)
        open_ ^= inside
        at, to = np.nonzero(open_)
        here, there = self.exact[rows], others.exact[columns]
        for start in range(0, len(at), PAIRS):
            some = slice(start, start + PAIRS)
            apart = here[at[some]] - there[to[some]]
            inside[at[some], to[some]] = np.einsum("nd,nd->n", apart, apart) < radius
        return inside

    def tiles(self, start: int) -> Iterator[slice]:
        """The points from ``start`` on in blocks."""
        return tiles(start, len(self), COLUMNS)


def tiles(start: int, end: int, size: int) -> Iterator[slice]:
    """start .. end in pieces of ``size``."""
    return (slice(at, min(at + size, end)) for at in range(start, end, size))


def reaches(balls: Balls, wanted: int, radius: float) -> np.ndarray:
    """How many of the first ``wanted`` points the ball around each point holds, int64, shape (N,).

    Each pair is looked at once.
    """
    counts = np.zeros(len(balls), np.int64)
    for rows in tiles(0, wanted, ROWS):
        counts[rows] += balls.hold(rows, balls, rows, radius).sum(1)
        for columns in balls.tiles(rows.stop):
            inside = balls.hold(rows, balls, columns, radius)
            counts[columns] += inside.sum(0)
            counts[rows] += inside[:, : max(0, wanted - columns.start)].sum(1)
    return counts


def strangers(balls: Balls, ends: np.ndarray) -> np.ndarray:
    """Half the squared distance of each point to the nearest of another group, to within the slack.

    Args:
        ends: where the group of each point ends; points are in the order of their groups, int64.

    Returns:
        float64, shape (N,); inf where there is one group alone. Each pair is looked at once.
    """
    nearest = np.full(len(balls), np.inf)
    for end in np.unique(ends):
        start = int(np.searchsorted(ends, end))
        for rows in tiles(start, int(end), ROWS):
            for columns in balls.tiles(int(end)):
                halves = balls.half_squares(rows, columns)
                np.minimum(nearest[rows], halves.min(1), out=nearest[rows])
                np.minimum(nearest[columns], halves.min(0), out=nearest[columns])
    return nearest

"""Greedy coverage by a kernel: the point that raises what the taken ones cover the most."""

from __future__ import annotations

import numpy as np

from stages.geometry.balls import tiles
from stages.geometry.grid import bits, blocks, squares
from stages.geometry.kernels import Kernel

ROWS, COLUMNS = 512, 2048  # of a block of distances
MANTISSA = 53


def apart(
    units: np.ndarray, norms: np.ndarray, others: np.ndarray, of_others: np.ndarray
) -> np.ndarray:
    """Squared distances of rows of :func:`stages.geometry.grid.unit_rows`, float64, (N, M).

    Copies are exactly 0 apart, and no value depends on what else is in the arrays.

    Examples:
        >>> rows = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> apart(rows, squares(rows), rows, squares(rows)).tolist()
        [[0.0, 2.0], [2.0, 0.0]]
    """
    result = units.astype(np.float64) @ others.astype(np.float64).T
    result *= -2
    result += norms[:, None] + of_others
    return np.maximum(result, 0, out=result)


def smallest_gap(units: np.ndarray) -> float:
    """The smallest distance between two rows that do not coincide; 0 if there are none.

    Rows closer than their grids tell apart (about 1e-5 with 512 columns) coincide: copies of an
    image may differ in their last bits.

    Examples:
        >>> smallest_gap(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])) ** 2
        2.0000000000000004
    """
    norms = _norms(units)
    least, columns = np.inf, units.shape[1]
    noise = 4 * columns * 4.0 ** -bits(columns)
    for rows in tiles(0, len(units), ROWS):
        for others in tiles(rows.start, len(units), COLUMNS):
            found = apart(units[rows], norms[rows], units[others], norms[others])
            least = min(least, found[found > noise].min(initial=np.inf))
    return float(np.sqrt(least)) if np.isfinite(least) else 0.0


def _norms(units: np.ndarray) -> np.ndarray:
    parts = [squares(units[part].astype(np.float64)) for part in blocks(len(units), ROWS)]
    return np.concatenate([np.zeros(0), *parts])


class Herding:
    """The state of the greedy algorithm on N points.

    What the point x adds is g(x) = sum_n w_n max(0, k(x, x_n) - m_n), m_n the largest kernel of x_n
    with a labeled or taken point. Each term is a whole number, and sums stay below 2^53: a gain is
    the same in any order, and can follow the few m_n that a pick changes. So the picks are those of
    the plain algorithm, for one pass over all pairs and about ln(1 + b / L) further ones. The N x N
    kernel is never held: memory is N D and a block.

    Args:
        units: rows of :func:`stages.geometry.grid.unit_rows`, shape (N, D).
        labeled: the same of what is known, shape (L, D).
        weights: 0 or more, shape (N,); all alike where none is above 0.
        kernel: falls with the squared distance.

    Attributes:
        nearest: squared distance of each point to the nearest labeled or taken one, shape (N,).
        held: the kernel of that, m, shape (N,).
        gains: g in an arbitrary unit, shape (N,).

    Examples:
        >>> from stages.geometry.kernels import top_hat
        >>> rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> Herding(rows, rows[:0], np.ones(3), top_hat(1.0)).run(2).tolist()
        [1, 0]
    """

    def __init__(
        self, units: np.ndarray, labeled: np.ndarray, weights: np.ndarray, kernel: Kernel
    ) -> None:
        self.units, self.norms, self.kernel = units, _norms(units), kernel
        count, top = len(units), float(weights.max(initial=0))
        relative = weights / top if top > 0 else np.ones(count)
        self.weights = relative * 2.0 ** (MANTISSA - max(1, count.bit_length()))
        self.nearest, norms = np.full(count, np.inf), _norms(labeled)
        for part in blocks(len(labeled), ROWS):
            for points in tiles(0, count, COLUMNS):
                found = apart(self.units[points], self.norms[points], labeled[part], norms[part])
                np.minimum(self.nearest[points], found.min(1), out=self.nearest[points])
        self.held = kernel(self.nearest)
        self.gains = np.zeros(count)
        self._count()

    def run(self, b: int) -> np.ndarray:
        """The picks, int64, shape (b,); of equal gains the first row, also where none is left."""
        picks, free = np.empty(b, np.int64), np.ones(len(self.units), bool)
        for at in range(b):
            picks[at] = np.where(free, self.gains, -1).argmax()
            free[picks[at]] = False
            if self.gains[picks[at]] > 0:
                self._take(picks[at])
        return picks

    def _count(self) -> None:
        """The gains, by each pair of points once."""
        for rows in tiles(0, len(self.units), ROWS):
            for columns in (rows, *tiles(rows.stop, len(self.units), COLUMNS)):
                found = self._between(rows, columns)
                reach = np.maximum(self.nearest[rows, None], self.nearest[columns])
                at, to = np.nonzero(found < reach)
                values = self.kernel(found[at, to])
                self._add(rows, at, self._terms(values, columns, to))
                if columns != rows:
                    self._add(columns, to, self._terms(values, rows, at))

    def _take(self, pick: int) -> None:
        """Let the points know of a pick, and the gains of what it leaves them to gain."""
        found = np.concatenate(
            [self._between([pick], part)[0] for part in tiles(0, len(self.units), COLUMNS)]
        )
        closer = np.flatnonzero(found < self.nearest)
        held = self.kernel(found[closer])
        for part in blocks(len(closer), ROWS):
            changed = closer[part]
            for rows in tiles(0, len(self.units), COLUMNS):
                between = self._between(rows, changed)
                at, to = np.nonzero(between < self.nearest[changed])
                values = self.kernel(between[at, to])
                self._add(rows, at, -self._terms(values, changed, to))
                left = np.maximum(values - held[part][to], 0) * self.weights[changed][to]
                self._add(rows, at, np.rint(left))
        self.nearest[closer], self.held[closer] = found[closer], held

    def _terms(self, values: np.ndarray, points: slice | np.ndarray, to: np.ndarray) -> np.ndarray:
        """w_n max(0, k - m_n), whole numbers; n: ``to`` among ``points``."""
        above = np.maximum(values - self.held[points][to], 0)
        return np.rint(above * self.weights[points][to])

    def _add(self, rows: slice, at: np.ndarray, terms: np.ndarray) -> None:
        self.gains[rows] += np.bincount(at, terms, rows.stop - rows.start)

    def _between(self, rows: slice | list | np.ndarray, others: slice | np.ndarray) -> np.ndarray:
        return apart(self.units[rows], self.norms[rows], self.units[others], self.norms[others])

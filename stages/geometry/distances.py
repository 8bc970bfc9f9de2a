"""Squared distances between points, the same on every processor, and fast.

Points are rows on grids (:mod:`stages.geometry.grid`): float64 products of them are exact. Where
only a comparison counts, float32 products decide, which are off by a bounded amount in whatever
order they are summed; what lies within that bound is computed again in float64. So every decision
is that of the exact distances.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stages.geometry.grid import BLOCK, FEW, LEAST, bits, blocks, check_finite, ground, squares
from stages.machine.threads import in_threads

SAMPLE = 500  # points, at least, that a median is taken of
CELLS = 2**22  # distances held at a time
PAIRS = 1024
MANY = 1 / 16  # share of distances from which all are computed exactly
FARTHEST = 1e30  # above every squared distance in a frame
TINY = 1e-30  # what float32 may lose below its smallest numbers


class Frame:
    """Moves points to the median of the first array, and scales all to magnitudes of at most 1.

    Args:
        arrays: of shapes (N_i, D), finite, float32 or float64; the first is not empty.

    Attributes:
        shift, scale: a row x is (x - shift) scale in the frame; scale is a power of two.
        noise: s, such that a squared distance by float32 products of rows on grids is off by at
            most s (|x|^2 + |y|^2), in any order of summation.
        slack: the same for one rough row and one on its grid.

    Examples:
        >>> frame = Frame(np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 5.0]]))
        >>> frame.shift.tolist(), frame.scale, frame.on_grids(np.array([[4.0, 5.0]])).tolist()
        ([2.0, 1.0], 0.125, [[0.25, 0.5]])
    """

    def __init__(self, *arrays: np.ndarray) -> None:
        columns = arrays[0].shape[1]
        low, high = np.full((2, columns), [[np.inf], [-np.inf]])
        for rows in arrays:
            for part in blocks(len(rows), FEW):
                np.minimum(low, rows[part].min(0), out=low)
                np.maximum(high, rows[part].max(0), out=high)
        # Any shift near most points will do. A median is found without arithmetic, and an outlier
        # does not move it.
        sample = arrays[0][:: len(arrays[0]) // SAMPLE + 1]
        self.shift = np.partition(sample, len(sample) // 2, axis=0)[len(sample) // 2]
        largest = np.maximum(high - self.shift, self.shift - low).max(initial=0)
        self.scale = float(np.ldexp(1.0, -max(int(np.frexp(largest)[1]), LEAST)))
        self.noise = 1.01 * (columns + 8) * 2.0**-24
        sums = 2 * (columns + 8) * 2.0**-24
        rounding = 3 * (columns**0.5 * 2.0 ** -bits(columns) + 2.0**-23)
        self.slack = 1.01 * (sums + rounding)

    def exactly(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows on their grids, float64, and their squared lengths."""
        values = self.on_grids(rows)
        return values, squares(values)

    def on_grids(self, rows: np.ndarray) -> np.ndarray:
        """The rows on their grids, float64."""
        return ground(np.subtract(rows, self.shift, dtype=np.float64), self.scale)

    def roughly(self, rows: np.ndarray) -> np.ndarray:
        """The rows in float32."""
        return ((rows - self.shift) * rows.dtype.type(self.scale)).astype(np.float32, copy=False)


class Points:
    """Points on grids in a frame.

    Attributes:
        rows: float32 without loss, shape (N, D).
        norms: squared lengths, float64, shape (N,).

    Examples:
        >>> points = Points.of(np.array([[0.0], [3.0], [5.0]]))
        >>> len(points), points.norms.tolist(), points[1:].rows.tolist()
        (3, [0.5625, 0.0, 0.25], [[0.0], [0.5]])
    """

    def __init__(self, frame: Frame, rows: np.ndarray, norms: np.ndarray) -> None:
        self.frame, self.rows, self.norms = frame, rows, norms

    @classmethod
    def of(cls, features: np.ndarray, frame: Frame | None = None) -> Points:
        """``features`` (N, D) in a frame, by default their own.

        Raises:
            UserError: a feature is not finite.
        """
        check_finite(features)
        frame = frame or Frame(features)
        result = cls(frame, np.empty(features.shape, np.float32), np.empty(len(features)))

        def fill(part: slice) -> None:
            result.rows[part], result.norms[part] = frame.exactly(features[part])

        in_threads(fill, blocks(len(features), FEW))
        return result

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice | np.ndarray) -> Points:
        """Some of the points."""
        return Points(self.frame, self.rows[rows], self.norms[rows])

    def rough(self, others: Points) -> np.ndarray:
        """Squared distances r without |x|^2, by float32 products, shape (N, M).

        Each true one is at least r + (1 - noise) |x|^2 and at most
        r + (1 + noise) |x|^2 + 2 noise |y|^2.
        """
        if len(self) < len(others):
            values = (-2 * self.rows) @ others.rows.T
        else:
            values = self.rows @ (-2 * others.rows).T
        values += (others.norms * (1 - self.frame.noise) - TINY).astype(np.float32)
        return values

    def off(self) -> np.ndarray:
        """noise |x|^2, shape (N,)."""
        return self.frame.noise * self.norms + TINY


def squared(points: Points, others: Points) -> np.ndarray:
    """Squared distances, exact but for two roundings, float64, shape (N, M).

    Examples:
        >>> points = Points.of(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]]))
        >>> (squared(points, points[:2]) / points.frame.scale**2).tolist()
        [[0.0, 25.0], [25.0, 0.0], [16.0, 9.0]]
    """
    left = points.rows.astype(np.float64)
    if others is points:
        result = left @ left.T  # a product with itself costs half
    else:
        result = np.empty((len(points), len(others)))
        for part in blocks(len(others), BLOCK):
            result[:, part] = left @ others.rows[part].astype(np.float64).T
    for part in blocks(len(points), FEW):
        result[part] *= -2
        result[part] += points.norms[part, None] + others.norms
        np.maximum(result[part], 0, out=result[part])
    return result


def of_pairs(points: Points, others: Points, at: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Squared distances of points ``at`` to others ``to``, as :func:`squared` has them, (P,).

    Examples:
        >>> points = Points.of(np.array([[0.0], [1.0], [3.0]]))
        >>> found = of_pairs(points, points, np.array([0, 1]), np.array([1, 2]))
        >>> (found / points.frame.scale**2).tolist()
        [1.0, 4.0]
    """
    result = points.norms[at] + others.norms[to]
    for part in blocks(len(at), PAIRS):
        left, right = points.rows[at[part]], others.rows[to[part]]
        result[part] -= 2 * np.einsum("ij,ij->i", left.astype(np.float64), right.astype(np.float64))
    return np.maximum(result, 0, out=result)


def within(points: Points, others: Points, limit: float) -> np.ndarray:
    """Whether squared distances are at most ``limit``, bool, shape (N, M).

    Examples:
        >>> points = Points.of(np.array([[0.0], [1.0], [3.0]]))
        >>> within(points, points, 4 * points.frame.scale**2).tolist()
        [[True, True, False], [True, True, True], [False, True, True]]
    """
    limit = min(limit, FARTHEST)
    values, off = points.rough(others), points.off()
    result = values <= (limit - points.norms + off).astype(np.float32)[:, None]
    off += 2 * others.off().max(initial=0)
    sure = values <= (limit - points.norms - off).astype(np.float32)[:, None]
    open_ = np.flatnonzero(result != sure)
    if len(open_) > MANY * result.size:
        return squared(points, others) <= limit
    result.ravel()[open_] = of_pairs(points, others, *np.divmod(open_, len(others))) <= limit
    return result


def nearest(
    points: Points, others: Points, known: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Of each point the nearest other, of equally near ones the first; and how far it is.

    Args:
        known: squared distances, shape (N,): others that are farther need not be found.

    Returns:
        positions, int64, shape (N,); squared distances, float64, shape (N,). -1 and infinity where
        there is none.

    Examples:
        >>> points = Points.of(np.array([[0.0], [2.0], [4.0], [5.0]]))
        >>> own, distances = nearest(points, points[[0, 2]])
        >>> own.tolist(), (distances / points.frame.scale**2).tolist()
        ([0, 0, 1, 1], [0.0, 4.0, 0.0, 1.0])
    """
    own, least = np.full(len(points), -1), np.full(len(points), np.inf)
    if not len(others):
        return own, least
    for part in pieces(len(points), len(others)):
        some = points[part]
        values, off = some.rough(others), some.off()
        place = values.argmin(1)
        limit = values[np.arange(len(some)), place] + 2 * (off + others.off()[place])
        if known is not None:
            limit = np.minimum(limit, known[part] - some.norms + off)
        open_ = np.flatnonzero(values <= limit.astype(np.float32)[:, None])
        if len(open_) > MANY * values.size + len(some):
            exact = squared(some, others)
            own[part], least[part] = exact.argmin(1), exact.min(1)
        else:
            at, to = np.divmod(open_, len(others))
            distances = of_pairs(some, others, at, to)
            first = np.lexsort((to, distances, at))
            first = first[np.flatnonzero(np.diff(at, prepend=-1))]
            own[part.start + at[first]] = to[first]
            least[part.start + at[first]] = distances[first]
    return own, least


def pieces(count: int, others: int) -> Iterator[slice]:
    """0 .. count in pieces of which the distances to ``others`` points take a bounded memory.

    Examples:
        >>> list(pieces(3, CELLS // 2))
        [slice(0, 2, None), slice(2, 3, None)]
    """
    return blocks(count, max(1, CELLS // max(others, 1)))

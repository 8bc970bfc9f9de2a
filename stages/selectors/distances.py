"""Distances between many points, in blocks, the same on every processor.

float64 points are moved to whole numbers small enough that every squared distance is a whole number
below 2^53: float64 holds it exactly, in whatever order the processor adds (see models/exact.py for
the idea). So what is compared with a radius, and what is nearest, never depends on the processor.
float32 points stay float32.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stages.errors import UserError

BLOCK_BYTES = 64 * 2**20
MANTISSA = 53


def unit_rows(points: np.ndarray) -> np.ndarray:
    """Rows of (N, D) divided by their Euclidean length; a row of zeros stays zero.

    Raises:
        UserError: a value is not finite.
    """
    check_finite(points)
    rounded = _rounded(points, _power_of_two(points))
    lengths = np.sqrt((rounded * rounded).sum(1))
    return rounded / np.where(lengths > 0, lengths, 1)[:, None]


def check_finite(points: np.ndarray) -> None:
    """Raise a UserError unless every value is finite."""
    if not np.isfinite(points).all():
        raise UserError("an embedding is not a finite number")


class Points:
    """N points whose squared distances come in blocks, in multiples of ``unit`` squared.

    One matrix product gives a block: (-2 y, 1, |y|^2) . (x, |x|^2, 1) = |x - y|^2.

    Args:
        points: float64 or float32, shape (N, D), finite.

    Attributes:
        unit: a power of two; a squared distance times ``unit``^2 is in the units of ``points``.
    """

    def __init__(self, points: np.ndarray) -> None:
        check_finite(points)
        if points.dtype not in (np.float32, np.float64):
            points = points.astype(np.float64)
        count, size = points.shape
        self._left = np.empty((count, size + 2), points.dtype)
        if count:  # in the middle of the range the grid is finest
            middle = points.max(0) / 2 + points.min(0) / 2
            np.subtract(points, middle, out=self._left[:, :size])
        self.unit = _power_of_two(self._left[:, :size])
        self._left[:, :size] = _rounded(self._left[:, :size], self.unit)
        coordinates = self._left[:, :size]
        self._left[:, size] = np.einsum("nd,nd->n", coordinates, coordinates)
        self._left[:, size + 1] = 1

    def __len__(self) -> int:
        return len(self._left)

    @property
    def coordinates(self) -> np.ndarray:
        """The points in multiples of ``unit``, shape (N, D)."""
        return self._left[:, :-2]

    def among(self, rows: np.ndarray) -> Points:
        """These points alone, on the same grid."""
        result = object.__new__(Points)
        result.unit, result._left = self.unit, self._left[rows]
        return result

    def squared(self, rows: np.ndarray | slice | int) -> np.ndarray:
        """Squared distances of these rows to all points, shape (len(rows), N)."""
        return self.squared_to(np.atleast_2d(self.coordinates[rows]))

    def squared_to(self, others: np.ndarray, part: slice = slice(None)) -> np.ndarray:
        """Squared distances of coordinates (M, D) to the points of ``part``, shape (M, N)."""
        squares = self._right(others) @ self._left[part].T
        return np.maximum(squares, 0, out=squares)  # float32 alone can fall below

    def nearest(self, centres: np.ndarray) -> np.ndarray:
        """The nearest of the centres (k, D) of each point, int64; of equally near ones the first.

        A centre has coordinates as the points have them, in multiples of ``unit``.
        """
        right = self._right(centres)
        found = [
            (self._left[part] @ right.T).argmin(1)
            for part in blocks(np.arange(len(self)), len(centres))
        ]
        return np.concatenate(found)

    def _right(self, others: np.ndarray) -> np.ndarray:
        """(-2 y, 1, |y|^2) of coordinates y (M, D)."""
        right = np.empty((len(others), others.shape[1] + 2), self._left.dtype)
        np.multiply(others, -2, out=right[:, :-2])
        right[:, -2] = 1
        right[:, -1] = np.einsum("nd,nd->n", others, others)
        return right

    def blocks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """``rows`` in pieces whose distances to all points take a bounded memory."""
        return blocks(rows, len(self))


def blocks(rows: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """``rows`` in pieces of which ``count`` float64 numbers a row fit into BLOCK_BYTES."""
    size = max(1, BLOCK_BYTES // (8 * max(count, 1)))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _power_of_two(values: np.ndarray) -> float:
    """The grid: float64 keeps b bits with 2 b + log2 D + 2 <= 53; float32 is only scaled to 1."""
    largest = max(-values.min(initial=0), values.max(initial=0))
    if largest == 0:
        return 1.0
    exponent = int(np.frexp(np.float64(largest))[1])
    if values.dtype != np.float64:
        return float(np.ldexp(1.0, exponent))
    terms = max(1, (values.shape[1] - 1).bit_length())
    return float(np.ldexp(1.0, exponent - (MANTISSA - 2 - terms) // 2))


def _rounded(values: np.ndarray, unit: float) -> np.ndarray:
    """``values`` in whole multiples of ``unit`` (float32: multiples)."""
    scaled = values / values.dtype.type(unit)
    return np.rint(scaled, out=scaled) if values.dtype == np.float64 else scaled

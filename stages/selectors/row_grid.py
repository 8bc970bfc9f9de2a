"""Rows on a grid, so that dot products of rows are the same on every processor.

Distances decide which candidates are taken, and the last bits of a floating-point dot product
depend on the library, its threads and the vector unit. Here every row is rounded to multiples of a
power of two of its own, chosen so that each product and each partial sum of a dot product of two
rows is a whole number of grid steps below 2^53: float64 holds it exactly, in any order. Copies of a
row then have a distance of exactly 0, and ties are ties. (Error-free splitting with one slice, as
in :mod:`stages.models.exact`.)

The price: coordinates keep 22 bits (D = 512) below the largest magnitude of their row; float32 has
24 bits below each coordinate. Rows on the grid fit into float32 without loss.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

FLOAT32_BITS = 23
LEAST = -900  # exponent of a row of zeros
SAMPLE = 500  # points, at least, that a median is taken of


def bits(columns: int) -> int:
    """n: entries of a row of this many columns are whole multiples of 2^-n of its magnitude."""
    return min(FLOAT32_BITS, (53 - max(columns - 1, 1).bit_length()) // 2)


def on_grid(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows rounded to their grids, and scaled to magnitudes of at most 1.

    Args:
        rows: float64, shape (R, D). Changed in place.

    Returns:
        the rows, float64; and the exponents e, int32, shape (R,): row i stands for 2^e_i times it.
    """
    largest = np.maximum(rows.max(1, initial=0), -rows.min(1, initial=0))
    # A subnormal row would need a scale beyond the largest float64.
    exponents = np.where(largest > 0, np.maximum(np.frexp(largest)[1], LEAST), LEAST)
    count = bits(rows.shape[1])
    rows *= np.ldexp(1.0, count - exponents)[:, None]
    np.rint(rows, out=rows)
    rows *= 2.0**-count
    return rows, exponents


def blocks(count: int, size: int) -> Iterator[slice]:
    """0 .. count in pieces of ``size``; the last may be smaller."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


class Exact:
    """Points (N, D) moved to their median and scaled, for squared distances on grids.

    Attributes:
        pool: the points as given.
        slack: s, such that a squared distance by float32 products, of one rough and one exact row,
            is off by at most s (|x|^2 + |y|^2), in any order of summation.
    """

    def __init__(self, pool: np.ndarray, further: np.ndarray, block: int = 1024) -> None:
        self.pool = pool
        low, high = np.full((2, pool.shape[1]), [[np.inf], [-np.inf]])
        for rows in (pool, further):
            for part in blocks(len(rows), block):
                np.minimum(low, rows[part].min(0), out=low)
                np.maximum(high, rows[part].max(0), out=high)
        # Any shift near most points will do. A median is found without arithmetic, and an outlier
        # does not move it.
        sample = pool[:: len(pool) // SAMPLE + 1]
        self.shift = np.partition(sample, len(sample) // 2, axis=0)[len(sample) // 2]
        largest = np.maximum(high - self.shift, self.shift - low).max(initial=0)
        self.scale = np.ldexp(1.0, -max(int(np.frexp(largest)[1]), LEAST))
        columns = pool.shape[1]
        sums = 2 * (columns + 8) * 2.0**-24
        rounding = 3 * (columns**0.5 * 2.0 ** -bits(columns) + 2.0**-23)
        self.slack = 1.01 * (sums + rounding)

    def exactly(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows on their grids, float64, and their squared lengths, whose dot products and
        lengths are the same on every processor."""
        values = rows.astype(np.float64)
        values -= self.shift
        values *= self.scale
        values = self.ground(values)
        return values, np.einsum("ij,ij->i", values, values)

    def ground(self, values: np.ndarray) -> np.ndarray:
        """Rows that are moved and scaled already on their grids, float64; changed in place."""
        values, exponents = on_grid(values)
        values *= np.ldexp(1.0, exponents)[:, None]
        return values

    def roughly(self, rows: np.ndarray) -> np.ndarray:
        """The rows in float32."""
        return ((rows - self.shift) * rows.dtype.type(self.scale)).astype(np.float32, copy=False)

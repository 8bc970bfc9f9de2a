"""Rows on grids, so that dot products of rows are the same on every processor.

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

from stages.machine.errors import UserError

BLOCK = 1024  # rows of a product
FEW = 128  # rows that stay in the cache from one operation to the next
FLOAT32_BITS, MANTISSA = 23, 53
LEAST = -900  # exponent of a row of zeros


def blocks(count: int, size: int) -> Iterator[slice]:
    """0 .. count in pieces of ``size``; the last may be smaller.

    Examples:
        >>> list(blocks(5, 2))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def check_finite(*arrays: np.ndarray) -> None:
    """Raise a UserError unless every value is finite.

    Examples:
        >>> check_finite(np.ones((2, 2)))
        >>> check_finite(np.array([[1.0, np.inf]]))
        Traceback (most recent call last):
            ...
        stages.machine.errors.UserError: an embedding is not a finite number
    """
    for rows in arrays:
        if not all(np.isfinite(rows[part]).all() for part in blocks(len(rows), FEW)):
            raise UserError("an embedding is not a finite number")


def bits(columns: int) -> int:
    """n: entries of a row of this many columns are whole multiples of 2^-n of its magnitude.

    Examples:
        >>> bits(2), bits(512), bits(4096)
        (23, 22, 20)
    """
    return min(FLOAT32_BITS, (MANTISSA - max(columns - 1, 1).bit_length()) // 2)


def on_grid(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows rounded to their grids, and scaled to magnitudes of at most 1.

    Args:
        rows: float64, shape (R, D). Changed in place.

    Returns:
        the rows, float64; and the exponents e, int32, shape (R,): row i stands for 2^e_i times it.

    Examples:
        >>> rows, exponents = on_grid(np.array([[3.0, -1.0], [0.5, 0.0]]))
        >>> rows.tolist(), exponents.tolist()
        ([[0.75, -0.25], [0.5, 0.0]], [2, 0])
    """
    rows, exponents = _whole(rows)
    count = bits(rows.shape[1])
    rows *= 2.0**-count
    return rows, exponents + count


def ground(rows: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Rows (R, D) rounded to their grids, times a power of two, float64; changed in place.

    Examples:
        >>> ground(np.array([[1.0, 2.0**-30], [1.0, 0.25]]), 2.0).tolist()
        [[2.0, 0.0], [2.0, 0.5]]
    """
    rows, exponents = _whole(rows)
    rows *= np.ldexp(scale, exponents)[:, None]
    return rows


def _whole(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers, in place, and the exponents of their steps, int32, shape (R,)."""
    largest = np.maximum(rows.max(1, initial=0), -rows.min(1, initial=0))
    # A subnormal row would need a scale beyond the largest float64.
    exponents = np.where(largest > 0, np.maximum(np.frexp(largest)[1], LEAST), LEAST)
    exponents -= bits(rows.shape[1])
    rows *= np.ldexp(1.0, -exponents)[:, None]
    return np.rint(rows, out=rows), exponents


def squares(rows: np.ndarray) -> np.ndarray:
    """Squared length of each row, shape (R,): exact for float64 rows on grids.

    Examples:
        >>> squares(np.array([[3.0, 4.0], [1.0, 2.0]])).tolist()
        [25.0, 5.0]
    """
    return np.einsum("ij,ij->i", rows, rows)


def exact_sum(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Sum of float64 values along an axis, the same in any order, without that axis.

    Every term is first rounded to a 2^-n part of the largest magnitude (at least 2^-900, at most
    2^900) of all, with n + ceil(log2 terms) <= 53: no partial sum is rounded. The bits are those of
    :func:`stages.models.exact.exact_sum`.

    Examples:
        >>> exact_sum(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).tolist()
        [9.0, 12.0]
        >>> exact_sum(np.array([2.0**60, 1.0, -(2.0**60)])).item()  # 1 is far below the grid
        0.0
    """
    steps = MANTISSA - max(1, (values.shape[axis] - 1).bit_length())
    exponent = int(np.frexp(np.abs(values).max())[1])
    exponent = min(max(exponent, LEAST), -LEAST)
    whole = values * np.ldexp(1.0, steps - exponent)
    np.rint(whole, out=whole)
    whole *= np.ldexp(1.0, exponent - steps)
    return whole.sum(axis)


def unit_rows(*arrays: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """The rows of all arrays (N_i, D), one after another, at length 1 on their grids.

    A row of zeros stays zero: it is similar to nothing.

    Args:
        dtype: of the result, float64 or float32, which holds them without loss.

    Returns:
        shape (sum of N_i, D).

    Raises:
        UserError: a value is not finite.

    Examples:
        >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[0.0, -2.0]])).round(4).tolist()
        [[0.6, 0.8], [0.0, 0.0], [0.0, -1.0]]
    """
    check_finite(*arrays)
    result = np.empty((sum(map(len, arrays)), arrays[0].shape[1]), dtype)
    start = 0
    for rows in arrays:
        for part in blocks(len(rows), FEW):
            values, _ = on_grid(rows[part].astype(np.float64))
            lengths = np.sqrt(squares(values))
            values /= np.where(lengths > 0, lengths, 1)[:, None]
            result[start + part.start : start + part.stop] = ground(values)
        start += len(rows)
    return result


def cosines(units: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Cosines of the angles between rows of results of :func:`unit_rows`, exact in any order.

    Returns:
        float64, shape (N, M), or (N,) for a single other row.

    Examples:
        >>> units = unit_rows(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, -5.0]]))
        >>> cosines(units, units[:2]).round(4).tolist(), cosines(units, units[0]).round(4).tolist()
        ([[1.0, 0.7071], [0.7071, 1.0], [0.0, -0.7071]], [1.0, 0.7071, 0.0])
    """
    return units.astype(np.float64, copy=False) @ others.astype(np.float64, copy=False).T

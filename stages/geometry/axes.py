"""Products and principal axes of float64 numbers, the same bits on every processor.

A product of matrices depends on the order in which a library sums, and an eigensolver on many such
products. Here each operand is cut into two slices on grids (:mod:`stages.geometry.grid`), whose
products are exact in any order (Ozaki et al. 2012); the eigensolver takes its sums in one order.
"""

from __future__ import annotations

import math

import numpy as np

from stages.geometry.grid import BLOCK, blocks, on_grid


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``left`` (n, m) times ``right`` (m, k), float64, to about 2^-40 of the rows' magnitudes.

    Examples:
        >>> product(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])).tolist()
        [[11.0]]
    """
    (a, b), (c, d) = _slices(left), _slices(right.T)
    result = a @ d.T
    result += b @ c.T
    result += a @ c.T
    return result


def square(left: np.ndarray) -> np.ndarray:
    """``product(left, left.T)``, bit for bit, for two thirds of the price.

    Examples:
        >>> square(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
        [[5.0, 11.0], [11.0, 25.0]]
    """
    a, b = _slices(left)
    across = a @ b.T
    across = across + across.T
    across += a @ a.T
    return across


def _slices(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two terms of which products with other slices are exact: rows on grids, and what is left."""
    first, exponents = on_grid(rows.astype(np.float64))
    first *= np.ldexp(1.0, exponents)[:, None]
    second, exponents = on_grid(rows - first)
    second *= np.ldexp(1.0, exponents)[:, None]
    return first, second


def principal(
    pool: np.ndarray, labeled: np.ndarray, components: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both (N, D) and (L, D) on the leading principal axes of the two together, float64.

    Examples:
        >>> pool, labeled = np.array([[-2.0, 1.0], [0.0, 1.0]]), np.array([[2.0, 1.0]])
        >>> [np.abs(rows).round(4).tolist() for rows in principal(pool, labeled, 1)]
        [[[2.0], [0.0]], [[2.0]]]
    """
    count = len(pool) + len(labeled)
    mean = (np.cumsum(_sums(pool), 0)[-1] + np.cumsum(_sums(labeled), 0)[-1]) / count
    scatter = np.zeros((pool.shape[1], pool.shape[1]))
    for rows in (pool, labeled):
        for part in blocks(len(rows), BLOCK):
            scatter += square((rows[part] - mean).T)
    axes = leading(scatter, components)
    none = np.empty((0, components))
    return tuple(
        np.concatenate(
            [none, *(product(rows[part] - mean, axes) for part in blocks(len(rows), BLOCK))]
        )
        for rows in (pool, labeled)
    )


def principal_components(
    pool: np.ndarray, labeled: np.ndarray, components: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both on the leading principal axes of the two together, shapes (N, k) and (L, k).

    float64 embeddings, those of ``portable``: the same bits on every processor. float32 ones, which
    are not, by BLAS and LAPACK.

    Examples:
        >>> pool, labeled = np.array([[-2.0, 1.0], [0.0, 1.0]]), np.array([[2.0, 1.0]])
        >>> both = principal_components(pool.astype(np.float32), labeled.astype(np.float32), 1)
        >>> [np.abs(rows).round(4).tolist() for rows in both], both[0].dtype
        ([[[2.0], [0.0]], [[2.0]]], dtype('float32'))
    """
    count, kind = len(pool) + len(labeled), pool.dtype
    if kind == np.float64:
        return principal(pool, labeled, components)
    mean = (pool.sum(0, dtype=np.float64) + labeled.sum(0, dtype=np.float64)) / count
    mean = mean.astype(kind)
    scatter = np.zeros((pool.shape[1], pool.shape[1]))
    for rows in (pool, labeled):
        for part in blocks(len(rows), BLOCK):
            centred = rows[part] - mean
            scatter += centred.T @ centred
    _, vectors = np.linalg.eigh(scatter)
    vectors = np.ascontiguousarray(vectors[:, ::-1][:, :components]).astype(kind)
    return tuple(
        np.concatenate([(rows[part] - mean) @ vectors for part in blocks(len(rows), BLOCK)])
        if len(rows)
        else np.empty((0, components), kind)
        for rows in (pool, labeled)
    )


def _sums(rows: np.ndarray) -> np.ndarray:
    """Sums of the columns, block by block, shape (blocks + 1, D): no row is none."""
    parts = [np.zeros(rows.shape[1])]
    parts += [
        product(np.ones((1, part.stop - part.start)), rows[part])[0]
        for part in blocks(len(rows), BLOCK)
    ]
    return np.array(parts)


def leading(matrix: np.ndarray, components: int) -> np.ndarray:
    """Orthonormal eigenvectors of the largest eigenvalues of a symmetric matrix, shape (D, k).

    Householder's reduction to tridiagonal form (Golub & Van Loan 2013, section 8.3.1), whose sums
    are taken row by row, and LAPACK's implicit QL method for what is left. The latter (``stev``)
    calls no routine of BLAS that adds or multiplies, and those alone differ between processors.

    Examples:
        >>> np.abs(leading(np.array([[2.0, 1.0], [1.0, 2.0]]), 1)).round(4).tolist()
        [[0.7071], [0.7071]]
    """
    from scipy.linalg import eigh_tridiagonal

    rest, size = (matrix + matrix.T) / 2, len(matrix)
    largest = float(np.abs(rest).max(initial=0))
    if largest == 0:
        return np.eye(size)[:, :components]
    rest *= np.ldexp(1.0, -int(np.frexp(largest)[1]))  # squares neither overflow nor vanish
    beside, mirrors = np.zeros(size - 1), []
    for at in range(size - 1):
        column = rest[at + 1 :, at].copy()
        length = math.sqrt(math.fsum(column * column))
        beside[at] = length if column[0] < 0 else -length
        column[0] -= beside[at]
        half = math.fsum(column * column) / 2
        if half == 0:
            mirrors.append(None)
            continue
        mirrors.append((column, half))
        inner = rest[at + 1 :, at + 1 :]
        image = _weighted_sum(column, inner) / half
        image -= math.fsum(image * column) / (2 * half) * column
        inner -= column[:, None] * image
        inner -= image[:, None] * column
    _, vectors = eigh_tridiagonal(np.diagonal(rest).copy(), beside, lapack_driver="stev")
    vectors = np.ascontiguousarray(vectors[:, ::-1][:, :components])
    for at in range(size - 2, -1, -1):
        if mirrors[at]:
            column, half = mirrors[at]
            below = vectors[at + 1 :]
            below -= column[:, None] * (_weighted_sum(column, below) / half)
    return vectors


def _weighted_sum(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``weights @ rows``, one row after the other."""
    return np.add.reduce(weights[:, None] * rows, axis=0)

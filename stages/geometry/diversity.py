"""How far a candidate is from what is labeled, in [0, 1] (Li et al. 2022, hybrid, section 3.2.2).

Each score takes embeddings of the candidates (N, D) and of the labeled set (L, D), float32 or
float64, normalises them, and returns float64, shape (N,). All work in blocks of candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from stages.geometry.grid import blocks, exact_sum
from stages.machine.errors import UserError
from stages.machine.threads import in_threads

BLOCK = 2048
ROWS = 256
COLUMNS = 32
NOISE = 1e-12  # of the squared norms: cancellation leaves some 1e-15 where a distance is 0
GRID = 2.0**-24


@dataclass(frozen=True)
class Standard:
    """Every feature with mean 0 and standard deviation 1 over candidates and labeled set together.

    Then the squared distance of two rows is 2 D on average. Attributes: of shape (D,).

    Examples:
        >>> standard = Standard.of(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[2.0, 5.0]]))
        >>> standard.mean.tolist(), standard.deviation.round(4).tolist()
        ([2.0, 5.0], [0.8165, 1.0])
        >>> standard(np.array([[2.0, 6.0]])).tolist()
        [[0.0, 1.0]]
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, pool: np.ndarray, labeled: np.ndarray) -> Standard:
        """The statistics of two embeddings, by sums that are the same on every processor.

        Raises:
            UserError: an embedding is not finite.
        """
        size = pool.shape[1]
        mean, deviation, rows = np.empty(size), np.ones(size), len(pool) + len(labeled)
        for part in blocks(size, COLUMNS):
            values = np.concatenate([pool[:, part], labeled[:, part]]).astype(np.float64)
            if not np.isfinite(values).all():
                raise UserError("an embedding is not a finite number")
            mean[part] = exact_sum(values) / rows
            varies = values.max(0) > values.min(0)  # a constant feature is divided by 1
            values -= mean[part]
            squares = exact_sum(values * values) / rows
            deviation[part] = np.where(varies & (squares > 0), np.sqrt(squares), 1.0)
        return cls(mean, deviation)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """``values`` (rows, D) normalised, float64."""
        return (values - self.mean) / self.deviation


def posterior_variance(pool: np.ndarray, labeled: np.ndarray, jitter: float = 1e-8) -> np.ndarray:
    """1 - k(x, Y) K(Y)^-1 k(Y, x): variance of a Gaussian process that was told Y's values.

    k(a, b) = exp(-|a - b|^2 / (2 D)). Clipped to [0, 1] and rounded to 2^-24.

    Args:
        jitter: added to the diagonal of K, which without it has no inverse where two labeled rows
            coincide; the paper does not say.

    Raises:
        UserError: an embedding is not finite.

    Examples:
        >>> posterior_variance(np.array([[0.0], [1.0], [9.0]]), np.array([[0.0]])).round(4).tolist()
        [0.0, 0.0678, 0.9966]
    """
    standard = Standard.of(pool, labeled)
    anchors = standard(labeled)
    covariance = _kernel(anchors, anchors)
    covariance[np.diag_indices(len(anchors))] = 1 + jitter
    factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    # (x, |x|^2, 1) . (y, -1/2, -|y|^2 / 2) / D is the exponent: the product alone goes over it all.
    size = pool.shape[1]
    right = np.column_stack([anchors, np.full(len(anchors), -0.5), _squares(anchors) / -2]) / size
    # A product with the inverse, unlike a solution, runs in threads; blocks leave out its zeros.
    inverse = solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False)
    result = np.ones(len(pool))

    def score(part: slice) -> None:
        rows = standard(pool[part])
        between = np.column_stack([rows, _squares(rows), np.ones(len(rows))]) @ right.T
        np.exp(np.minimum(between, 0, out=between), out=between)
        for block in blocks(len(inverse), ROWS):
            half = between[:, : block.stop] @ inverse[block, : block.stop].T
            result[part] -= _squares(half)

    in_threads(score, blocks(len(pool), BLOCK))
    return np.round(result.clip(0, 1) / GRID) * GRID


def minimum_distance(pool: np.ndarray, labeled: np.ndarray) -> np.ndarray:
    """min_i |x - y_i| / max_x min_i |x - y_i|; all 0 where every candidate coincides with a label.

    Raises:
        UserError: an embedding is not finite.

    Examples:
        >>> pool, labeled = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [9.0]])
        >>> minimum_distance(pool, labeled).round(4).tolist()
        [0.0, 0.5, 1.0]
    """
    standard = Standard.of(pool, labeled)
    result = np.empty(len(pool))
    largest = max(_squares(standard(labeled)).max(), 0)
    for part in blocks(len(pool), BLOCK):
        rows = standard(pool[part])
        nearest = np.full(len(rows), np.inf)
        for block in blocks(len(labeled), BLOCK):
            np.minimum(nearest, _distances(rows, standard(labeled[block])).min(1), out=nearest)
        result[part] = np.where(nearest > NOISE * (_squares(rows) + largest), nearest, 0)
    reach = np.sqrt(result)
    return reach / (reach.max() or 1.0)


def _squares(rows: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", rows, rows)


def _distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, shape (len(rows), len(others))."""
    result = rows @ others.T
    result *= -2
    result += _squares(rows)[:, None]
    result += _squares(others)
    return result


def _kernel(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    result = _distances(rows, others)
    np.maximum(result, 0, out=result)
    result /= -2 * rows.shape[1]
    return np.exp(result, out=result)

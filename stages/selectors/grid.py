"""Features on a grid of whole numbers, so that every distance between them is exact.

The last bits of a product of two matrices depend on the processor; of whole numbers, as long as all
sums stay below 2^53, they do not (the idea of models/exact.py). Duplicates are then at distance 0
exactly, ties are ties, and the same candidates are chosen everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.errors import UserError

MANTISSA = 53
BLOCK = 4096
COSINE = 2.0**25  # length of a unit vector on its grid


@dataclass(frozen=True)
class Grid:
    """x -> round((x - centre) / step); step is a power of two.

    Attributes:
        centre: shape (D,).
        step: the distance 1 on the grid in the features' own unit.
    """

    centre: np.ndarray
    step: float

    @classmethod
    def of(cls, features: np.ndarray) -> Grid:
        """The finest grid on which a squared distance between rows of (N, D) stays below 2^53.

        At D = 512 a coordinate keeps 20 bits of half the widest range.

        Raises:
            UserError: a feature is not finite.
        """
        low, high = features.min(0), features.max(0)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise UserError("an embedding is not a finite number")
        low, high = low.astype(np.float64), high.astype(np.float64)
        centre = low / 2 + high / 2
        reach = float((high / 2 - low / 2).max(initial=0))
        terms = max(1, (features.shape[1] - 1).bit_length())
        bits = (MANTISSA - 3 - terms) // 2
        return cls(centre, float(np.ldexp(1.0, int(np.frexp(reach)[1]) - bits)))

    def snap(self, features: np.ndarray) -> np.ndarray:
        """Whole numbers as float64, same shape."""
        snapped = features - self.centre  # float64, whatever the features are
        snapped /= self.step or 1.0
        return np.rint(snapped, out=snapped)


def on_grid(features: np.ndarray) -> np.ndarray:
    """``features`` (N, D) as whole numbers on their own grid, float64."""
    return Grid.of(features).snap(features)


def squares(points: np.ndarray) -> np.ndarray:
    """Squared length of each row, shape (N,)."""
    return np.einsum("nd,nd->n", points, points)


def squared_distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Between rows of two arrays on one grid: exact, shape (N, M)."""
    result = points @ others.T
    result *= -2
    result += squares(points)[:, None]
    result += squares(others)
    return result


def unit_vectors(features: np.ndarray, span: float | None = None) -> np.ndarray:
    """Rows of (N, D) at length 1, times 2^25, as whole numbers: cosines are exact products of them.

    A row of zeros stays zero: it is similar to nothing.

    Args:
        span: the largest magnitude of all that these rows are compared with; None: of ``features``.

    Raises:
        UserError: a feature is not finite.
    """
    span = magnitude(features) if span is None else span
    if not np.isfinite(span):
        raise UserError("an embedding is not a finite number")
    terms = max(1, (features.shape[1] - 1).bit_length())
    step = float(np.ldexp(1.0, int(np.frexp(span)[1]) - (MANTISSA - 3 - terms) // 2))
    points = Grid(np.zeros(features.shape[1]), step).snap(features)
    lengths = np.sqrt(squares(points))
    points /= np.where(lengths > 0, lengths, 1)[:, None]
    points *= COSINE
    return np.rint(points, out=points)


def magnitude(features: np.ndarray) -> float:
    """The largest absolute value; NaN or infinite where a feature is."""
    return float(np.maximum(features.max(initial=0), -features.min(initial=0)))


def cosines(units: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of rows of two results of :func:`unit_vectors`, shape (N, M), or (N,) for a single one."""
    result = units @ others.T
    result /= COSINE**2
    return result

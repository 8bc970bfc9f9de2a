"""Kernels of squared distances that are the same bits on every processor."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from stages.geometry.correct import exp

STEPS = 256  # entries of the table for each unit
LARGEST = 40  # e^-40 is below the last bit of 1

Kernel = Callable[[np.ndarray], np.ndarray]  # squared distances -> values in [0, 1], falling


@cache
def _table() -> np.ndarray:
    """e^-(i / 256), i from 0 to 256 * 40."""
    fine = np.array([exp(-i / STEPS) for i in range(STEPS)])
    coarse = np.array([exp(-i) for i in range(LARGEST + 1)])
    return (coarse[:, None] * fine).ravel()[: STEPS * LARGEST + 1]


def decay(values: np.ndarray) -> np.ndarray:
    """e^-t of numbers of 0 or more, to about 1e-16; 0 beyond 40, where less than 1e-17 is left.

    A table and a polynomial (Taylor, degree 4): +, *, / and rounding alone, which IEEE 754 defines
    to the last bit. A math library's exp differs between processors.

    Examples:
        >>> decay(np.array([0.0, 1.0, 50.0, np.inf])).tolist()
        [1.0, 0.36787944117144233, 0.0, 0.0]
    """
    steps = np.minimum(values, LARGEST) * STEPS
    whole = np.rint(steps)
    rest = (steps - whole) / STEPS
    result = _table()[whole.astype(np.int64)]
    result *= 1 - rest * (1 - rest / 2 * (1 - rest / 3 * (1 - rest / 4)))
    result[values >= LARGEST] = 0.0
    return result


def gaussian(sigma: float) -> Kernel:
    """exp(-d^2 / sigma^2).

    Examples:
        >>> gaussian(2.0)(np.array([0.0, 4.0])).round(4).tolist()
        [1.0, 0.3679]
    """
    return lambda squares: decay(squares / sigma**2)


def top_hat(sigma: float) -> Kernel:
    """1 where d is below sigma, else 0.

    Examples:
        >>> top_hat(2.0)(np.array([0.0, 3.9, 4.0])).tolist()
        [1.0, 1.0, 0.0]
    """
    return lambda squares: (squares < sigma**2).astype(np.float64)

"""The b best scores."""

from __future__ import annotations

import numpy as np

from stages.machine.errors import UserError
from stages.strategies.handshake import Scores

TIE_BITS = 40


def top(scores: Scores, b: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of the ``b`` highest of ``scores`` (float, shape (N,)), best first.

    Scores that differ by less than about 1e-12 of the largest magnitude count as equal; ties are
    broken by ``rng``, never by position.

    Raises:
        UserError: a score is not finite, or b is larger than N.
    """
    if b > len(scores):
        raise UserError(f"cannot take {b} of {len(scores)} candidates")
    shuffled = rng.permutation(len(scores))
    rounded = round_to_ties(scores)
    return shuffled[np.argsort(-rounded[shuffled], kind="stable")][:b]


def round_to_ties(values: np.ndarray) -> np.ndarray:
    """Values on a grid of 2^-40 of their magnitude, so that rounding noise makes no difference."""
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise UserError(f"score of candidate {at} is {values[at]}, not a finite number")
    step = np.ldexp(1.0, int(np.frexp(np.abs(values).max(initial=0))[1]) - TIE_BITS)
    return np.round(values / step)

"""Scores that know nothing."""

from __future__ import annotations

import numpy as np

from stages.rounds.pool import Pool


def constant(pool: Pool) -> np.ndarray:
    """All alike, shape (N,): ties are broken by the generator, so the choice is uniform."""
    return np.zeros(len(pool.rows))

"""Points and distances that tests of geometry and of strategies share."""

from __future__ import annotations

import numpy as np

from stages.geometry.distances import Points


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def apart(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return ((rows[:, None].astype(np.float64) - others[None]) ** 2).sum(2)


def adversary(seed: int):
    """Products of float32 that are off by much of what they may be, to either side."""
    rough = Points.rough

    def off(self: Points, others: Points) -> np.ndarray:
        sides = rng(seed).choice([-0.4, 0.4], (len(self), len(others)))
        noise = self.frame.noise * (self.norms[:, None] + others.norms)
        return (rough(self, others) + sides * noise).astype(np.float32)

    return off

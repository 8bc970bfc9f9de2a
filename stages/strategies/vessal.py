"""VeSSAL: one pass over the pool, in which a gradient is taken by what it adds to those taken."""

from __future__ import annotations

import numpy as np

from stages.catalogue.kinds import Positive
from stages.catalogue.strategy import Strategy
from stages.geometry.grid import blocks, exact_sum
from stages.machine.errors import UserError
from stages.strategies.badge import Factors, Gradients

ENTRIES = {
    "vessal": Strategy(
        scorer="stages.strategies.badge:gradient_factors",
        selector="stages.strategies.vessal:stream",
        source="Saran et al. 2023, Algorithm 1 (VeSSAL)",
        family="hybrid",
        cost="N b (C + D + b)",
        formula="x_t is taken with chance r_t q_t / mean_{s <= t} q_s, q = g^T (lambda 1 + sum of "
        "g g^T over those taken)^-1 g, r_t = (left to take) / (left to come), g as in badge",
    ),
}
BLOCK, FARTHEST = 4096, 900


def stream(
    factors: Factors, b: int, rng: np.random.Generator, *, regularisation: Positive = 0.01
) -> np.ndarray:
    """Saran et al. 2023, Algorithm 1: volume sampling from a stream, here the pool in random order.

    Each candidate is seen once and taken with a chance in proportion to q, its quadratic form with
    the inverse second moment of those taken; divided by its mean over all that were seen, the
    chance is the rate on average at which b are reached at the end of the stream. A chance above 1
    counts as 1. Where the stream ends before b are taken, the rest is drawn uniformly, and it ends
    with the b-th: both as in the authors' code.

    Gradients are never written out. With r = lambda q, a pick u lowers the r of x by c_x^2, c_x =
    (g_x . g_u - sum over earlier picks of c_x c_u) / sqrt(lambda + r_u), as in a Cholesky
    decomposition; sums are taken pick by pick, so they are the same on every processor. Memory
    beyond the factors: 8 N b bytes.

    Args:
        factors: of the gradients, a (N, C) and x (N, D).
        regularisation: lambda; the authors' inverse begins as 100 times the identity.

    Returns:
        Positions, int64, shape (b,), in order of selection.

    Raises:
        UserError: a factor is not finite, or b is larger than N.
    """
    count = len(factors[0])
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    order = rng.permutation(count)
    volume = Volume(Gradients(*(part[order] for part in factors)), b, regularisation)
    draws = rng.random(count)
    picks: list[int] = []
    seen = 0.0  # sum of r over those seen
    for at in range(count):
        if len(picks) == b:
            break
        seen += volume.left[at]
        rate = (b - len(picks)) / (count - at)
        if draws[at] * seen < rate * volume.left[at] * (at + 1):
            picks.append(at)
            volume.take(at)
            seen = float(exact_sum(volume.left[: at + 1]))
    rest = rng.permutation(np.setdiff1d(np.arange(count), picks))[: b - len(picks)]
    return order[np.array([*picks, *rest], np.int64)]


class Volume:
    """What each gradient adds to the volume of those taken.

    Attributes:
        left: r = lambda g^T (lambda 1 + sum of g g^T)^-1 g, shape (N,), in the gradients' unit; the
            squared length at first.
    """

    def __init__(self, gradients: Gradients, most: int, regularisation: float) -> None:
        self.gradients = gradients
        # lambda in the unit in which the lengths are; far outside it is none, or all there is.
        exponent = np.clip(-2 * gradients.exponent, -FARTHEST, FARTHEST)
        self.regularisation = float(np.ldexp(regularisation, exponent))
        self.left = gradients.lengths.copy()
        self._columns = np.empty((most, len(self.left)))
        self._taken = 0

    def take(self, pick: int) -> None:
        """Take a gradient, and lower what the others add."""
        known, scale = self._columns[: self._taken], np.sqrt(self.regularisation + self.left[pick])
        own = known[:, pick].copy()
        for part in blocks(len(self.left), BLOCK):
            column = self.gradients.products(np.array([pick]), part)[0]
            for row, value in zip(known[:, part], own, strict=True):
                column -= row * value
            column /= scale
            self._columns[self._taken, part] = column
            left = self.left[part]
            left -= column * column
            # Below this part of the length it is what cancellation leaves of 0.
            left[left <= self.gradients.noise * self.gradients.lengths[part]] = 0.0
        self._taken += 1

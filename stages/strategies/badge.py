"""BADGE: k-means++ seeding on gradient embeddings that are never written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stages.catalogue.strategy import Strategy
from stages.geometry import seeding
from stages.geometry.grid import blocks, on_grid, squares
from stages.machine.errors import UserError

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "badge": Strategy(
        scorer="stages.strategies.badge:gradient_factors",
        selector="stages.strategies.badge:kmeans_plus_plus",
        source="Ash et al. 2020, Algorithm 1 (BADGE)",
        family="hybrid",
        cost="N b (C + D)",
        formula="k-means++ draws, in proportion to the squared distance to those taken, of "
        "g = (p - onehot(argmax_c p_c)) x^T",
    ),
}
BLOCK = 2048


class Factors(NamedTuple):
    """Gradient embeddings a_i x_i^T in two factors.

    Attributes:
        errors: a, float, shape (N, C).
        features: x, float, shape (N, D).
    """

    errors: np.ndarray
    features: np.ndarray


def gradient_factors(pool: Pool) -> Factors:
    """The gradient embedding of BADGE in two factors: p - onehot(argmax p), (N, C), and z, (N, D).

    The gradient of the cross-entropy against the predicted class with respect to the classifier's
    weights is their outer product (Ash et al. 2020); it is never written out.
    """
    embeddings, chances = pool.outputs
    errors = chances.copy()
    errors[np.arange(len(errors)), errors.argmax(1)] -= 1
    return Factors(errors, embeddings)


def kmeans_plus_plus(factors: Factors, b: int, rng: np.random.Generator) -> np.ndarray:
    """Ash et al. 2020, Algorithm 1: D^2 sampling (Arthur & Vassilvitskii 2007) on a_i x_i^T.

    |a x^T - a' x'^T|^2 = |a|^2 |x|^2 + |a'|^2 |x'|^2 - 2 (a . a') (x . x'), so gradients are never
    written out; they are drawn by :func:`stages.geometry.seeding.draw`. The first pick is the
    longest embedding, as in the authors' code. Once every candidate coincides with a pick the rest
    is drawn uniformly. Memory beyond the factors: N (D + 2 C) * 4 bytes.

    Args:
        factors: a (N, C) and x (N, D). x in float64: the picks are the same on every processor;
            in float32: dot products are float32, and gradients that differ by less than about 0.4%
            of their length coincide.

    Raises:
        UserError: a factor is not finite, or b is larger than N.
    """
    count = len(factors[0])
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    gradients = Gradients(*factors)
    if b == 0:
        return np.zeros(0, np.int64)
    first = _longest(gradients.lengths, rng)
    return seeding.draw(gradients, count, b, first, rng, np.ones(count))


def _longest(lengths: np.ndarray, rng: np.random.Generator) -> int:
    """The longest; among equals one at random."""
    return int(rng.choice(np.flatnonzero(lengths >= lengths.max() * (1 - 1e-12))))


class Gradients:
    """The embeddings a_i x_i^T in two factors on grids (:mod:`stages.geometry.grid`).

    Attributes:
        lengths: squared, float64, shape (N,), in units of 4^exponent.
        exponent: of about the longest.
    """

    def __init__(self, errors: np.ndarray, features: np.ndarray) -> None:
        count = len(errors)
        single = features.dtype == np.float32
        self.work = np.dtype(np.float32 if single else np.float64)
        # Below this part of the length a squared distance is what cancellation leaves of 0.
        self.noise = 2.0**-17 if single else 2.0**-48
        self.errors = np.empty(errors.shape, np.float32)
        self.features = np.empty(features.shape, np.float32)
        self.lengths = np.empty(count)
        exponents = np.zeros(count, np.int64)
        for part in blocks(count, BLOCK):
            self.lengths[part] = 1.0
            for given, kept in ((errors, self.errors), (features, self.features)):
                rows = given[part].astype(np.float64)
                if not np.isfinite(rows.sum()):
                    raise UserError("a gradient embedding is not a finite number")
                kept[part], exponent = on_grid(rows)
                exponents[part] += exponent
                self.lengths[part] *= squares(rows)
        # Lengths count in units of about the longest, so that none overflows.
        self.exponent = int(exponents.max(initial=-2000))
        self.scales = np.ldexp(1.0, exponents - self.exponent)
        self.lengths *= self.scales**2

    def approach(self, nearest: np.ndarray, picks: np.ndarray) -> None:
        """Lower ``nearest`` (N,) to the squared distances to ``picks``, in place."""
        for part in blocks(len(nearest), BLOCK):
            reach = np.minimum.reduce(self._beyond(picks, part), axis=0) + self.lengths[part]
            reach[reach <= self.noise * self.lengths[part]] = 0.0
            np.minimum(nearest[part], reach, out=nearest[part])

    def between(self, rows: np.ndarray) -> np.ndarray:
        """Squared distances among ``rows``, shape (R, R)."""
        reach = self._beyond(rows, rows) + self.lengths[rows]
        reach[reach <= self.noise * self.lengths[rows]] = 0.0
        return reach

    def _beyond(self, picks: np.ndarray, rows: slice | np.ndarray) -> np.ndarray:
        """Squared distances less the squared length of the row, shape (picks, rows)."""
        overlap = self.products(picks, rows)
        overlap *= -2
        overlap += self.lengths[picks, None]
        return overlap

    def products(self, picks: np.ndarray, rows: slice | np.ndarray) -> np.ndarray:
        """Dot products of embeddings, in the unit of the lengths, shape (picks, rows)."""
        overlap = self.features[picks].astype(self.work) @ self.features[rows].astype(self.work).T
        # Powers of two: scaling is exact.
        left = self.errors[picks] * self.scales[picks, None]
        right = self.errors[rows] * self.scales[rows, None]
        return (left @ right.T) * overlap

"""k-means++ seeding on gradient embeddings that are never written out."""

from __future__ import annotations

import numpy as np

from stages.errors import UserError


def kmeans_plus_plus(
    factors: tuple[np.ndarray, np.ndarray], b: int, rng: np.random.Generator
) -> np.ndarray:
    """Ash et al. 2020, Algorithm 1: D^2 sampling (Arthur & Vassilvitskii 2007) on a_i x_i^T.

    |a x^T - a' x'^T|^2 = |a|^2 |x|^2 + |a'|^2 |x'|^2 - 2 (a . a') (x . x'), so a pick costs
    N (C + D) operations and N numbers of memory. The first pick is the longest embedding, as in the
    authors' code. Once every candidate coincides with a pick the rest is drawn uniformly.

    Args:
        factors: a (N, C) and x (N, D).

    Raises:
        UserError: a factor is not finite, or b is larger than N.
    """
    errors, features = (np.asarray(part, np.float64) for part in factors)
    count = len(errors)
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    lengths = (errors * errors).sum(1) * (features * features).sum(1)
    if not np.isfinite(lengths).all():
        raise UserError("a gradient embedding is not a finite number")
    nearest = np.full(count, np.inf)
    taken = np.zeros(count, bool)
    # Cancellation leaves noise of about 1e-15 of the lengths where the distance is 0.
    noise = 1e-12 * lengths.max(initial=0)
    picks = np.empty(b, np.int64)
    for at in range(b):
        pick = _longest(lengths, rng) if at == 0 else _draw(nearest, taken, noise, rng)
        picks[at], taken[pick] = pick, True
        overlap = (errors @ errors[pick]) * (features @ features[pick])
        np.minimum(nearest, lengths + lengths[pick] - 2 * overlap, out=nearest)
    return picks


def _longest(lengths: np.ndarray, rng: np.random.Generator) -> int:
    """The longest; among equals one at random."""
    tolerance = 1e-12 * lengths.max(initial=0)
    return int(rng.choice(np.flatnonzero(lengths >= lengths.max() - tolerance)))


def _draw(nearest: np.ndarray, taken: np.ndarray, noise: float, rng: np.random.Generator) -> int:
    """One candidate with probability proportional to its squared distance to the picks."""
    weights = np.where(taken | (nearest <= noise), 0.0, nearest)
    cumulated = np.cumsum(weights)
    if cumulated[-1] == 0:
        return int(rng.choice(np.flatnonzero(~taken)))
    return int(np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right"))

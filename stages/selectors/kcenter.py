"""k-center greedy: the candidate farthest from all that is labeled, again and again."""

from __future__ import annotations

import numpy as np

from stages.errors import UserError
from stages.selectors.top import round_to_ties

BLOCK = 1024


def greedy(
    features: tuple[np.ndarray, np.ndarray], b: int, rng: np.random.Generator, pca: int = 0
) -> np.ndarray:
    """Sener & Savarese 2018, Algorithm 1: u = argmax_i min_j d(x_i, x_j), b times.

    Holds one running minimum of squared distances, shape (N,), and blocks of distances to the
    labeled set. Once every candidate is covered (distance 0) the rest is drawn uniformly.

    Args:
        features: embeddings of the pool (N, D) and of the labeled set (L, D).
        pca: number of principal components to keep (of pool and labeled set together); 0: all.

    Raises:
        UserError: a feature is not finite, or b is larger than N.
    """
    pool, labeled = (np.asarray(part, np.float64) for part in features)
    if b > len(pool):
        raise UserError(f"cannot take {b} of {len(pool)} candidates")
    if not (np.isfinite(pool).all() and np.isfinite(labeled).all()):
        raise UserError("an embedding is not a finite number")
    if 0 < pca < pool.shape[1]:
        pool, labeled = principal_components(pool, labeled, pca)
    norms = (pool * pool).sum(1)
    nearest = np.full(len(pool), np.inf)
    for start in range(0, len(labeled), BLOCK):
        block = labeled[start : start + BLOCK]
        distances = norms[:, None] - 2 * (pool @ block.T) + (block * block).sum(1)
        np.minimum(nearest, distances.min(1), out=nearest)
    # Cancellation leaves noise of about 1e-15 of the norms where the distance is 0.
    noise = 1e-12 * (norms.max() + (labeled * labeled).sum(1).max(initial=0))
    return _farthest_first(pool, norms, nearest, noise, b, rng)


def _farthest_first(
    pool: np.ndarray,
    norms: np.ndarray,
    nearest: np.ndarray,
    noise: float,
    b: int,
    rng: np.random.Generator,
) -> np.ndarray:
    taken = np.zeros(len(pool), bool)
    order = rng.permutation(len(pool))  # ties go to the first of a random order
    picks = np.empty(b, np.int64)
    for at in range(b):
        reach = np.where(taken, -1.0, np.where(nearest > noise, nearest, 0.0))
        if np.isinf(reach).any():
            reach = np.where(taken, -1.0, 0.0)
        pick = order[np.argmax(round_to_ties(reach)[order])]
        picks[at], taken[pick] = pick, True
        distances = norms - 2 * (pool @ pool[pick]) + norms[pick]
        np.minimum(nearest, distances, out=nearest)
    return picks


def principal_components(
    pool: np.ndarray, labeled: np.ndarray, components: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both on the leading principal axes of the two together, shapes (N, k) and (L, k)."""
    count = len(pool) + len(labeled)
    mean = (pool.sum(0) + labeled.sum(0)) / count
    pool, labeled = pool - mean, labeled - mean
    _, axes = np.linalg.eigh(pool.T @ pool + labeled.T @ labeled)
    axes = axes[:, ::-1][:, :components]
    return pool @ axes, labeled @ axes

"""k-means with b centres; the candidate nearest to each."""

from __future__ import annotations

import numpy as np

from stages.errors import UserError
from stages.selectors.top import round_to_ties


def nearest_to_centres(
    features: np.ndarray,
    b: int,
    rng: np.random.Generator,
    iterations: int = 20,
    backend: str = "auto",
) -> np.ndarray:
    """Cluster ``features`` (N, D) into b and take the nearest free candidate of each.

    Args:
        iterations: of Lloyd's algorithm at most.
        backend: ``faiss`` (float32, CPU or GPU), ``scipy`` (float64), or ``auto``: scipy where
            the features are float64 (as under ``reproducible: portable``), else faiss. Both start
            from b rows that ``rng`` draws.

    Raises:
        UserError: a feature is not finite, b is larger than N, or an unknown backend.
    """
    if backend not in ("auto", "faiss", "scipy"):
        raise UserError(f"backend is {backend!r}; allowed: auto, faiss, scipy")
    if b > len(features):
        raise UserError(f"cannot take {b} of {len(features)} candidates")
    if not np.isfinite(features).all():
        raise UserError("an embedding is not a finite number")
    if backend == "auto":
        backend = "scipy" if features.dtype == np.float64 else "faiss"
    seeds = features[np.sort(rng.choice(len(features), b, replace=False))]
    find = _faiss_centres if backend == "faiss" else _scipy_centres
    return _nearest_free(np.asarray(features, np.float64), find(features, seeds, iterations), rng)


def _scipy_centres(features: np.ndarray, seeds: np.ndarray, iterations: int) -> np.ndarray:
    """Lloyd in float64: rounding noise is far below any gap between distances."""
    import warnings

    from scipy.cluster.vq import kmeans2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a centre without members stays where it is
        return kmeans2(features, seeds, iter=iterations, minit="matrix", missing="warn")[0]


def _faiss_centres(features: np.ndarray, seeds: np.ndarray, iterations: int) -> np.ndarray:
    try:
        import faiss
    except ImportError:
        raise UserError(
            "backend faiss needs the package faiss-gpu or faiss-cpu, which is not "
            "installed; set backend: scipy"
        ) from None
    features = np.ascontiguousarray(features, np.float32)
    kmeans = faiss.Kmeans(
        features.shape[1],
        len(seeds),
        niter=iterations,
        seed=1,
        min_points_per_centroid=1,
        max_points_per_centroid=len(features),
        gpu=faiss.get_num_gpus() > 0,
    )
    kmeans.train(features, init_centroids=np.ascontiguousarray(seeds, np.float32))
    return kmeans.centroids.astype(np.float64)


def _nearest_free(
    features: np.ndarray, centres: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """For each centre the nearest candidate not yet taken; ties go to a random order."""
    norms = (features * features).sum(1)
    order = rng.permutation(len(features))
    taken = np.zeros(len(features), bool)
    picks = np.empty(len(centres), np.int64)
    for at, centre in enumerate(centres):
        distances = norms - 2 * (features @ centre) + centre @ centre
        closeness = np.where(taken, -np.inf, -round_to_ties(distances))
        picks[at] = order[np.argmax(closeness[order])]
        taken[picks[at]] = True
    return picks

"""k-means with b centres; the candidate nearest to each."""

from __future__ import annotations

import numpy as np

from stages.errors import UserError
from stages.selectors import bounded_lloyd
from stages.selectors.row_grid import blocks

BACKENDS = ("auto", "exact", "faiss", "scipy", "sklearn")
GROUP = 64  # candidates that share a bound


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
        backend: ``exact`` (:mod:`stages.selectors.bounded_lloyd`: the same picks on every
            processor), ``faiss`` (float32, CPU or GPU), ``scipy`` or ``sklearn`` (the precision of
            the features), or ``auto``: exact where the features are float64 (as under
            ``reproducible: portable``), else faiss. All run Lloyd's algorithm from the same b
            rows, which ``rng`` draws; a cluster that loses all its points stays where it is (exact,
            scipy) or starts anew (faiss, sklearn).

    Raises:
        UserError: a feature is not finite, b is larger than N, or an unknown backend.
    """
    if backend not in BACKENDS:
        raise UserError(f"backend is {backend!r}; allowed: {', '.join(BACKENDS)}")
    if b > len(features):
        raise UserError(f"cannot take {b} of {len(features)} candidates")
    if not all(
        np.isfinite(features[part]).all() for part in blocks(len(features), bounded_lloyd.BLOCK)
    ):
        raise UserError("an embedding is not a finite number")
    if backend == "auto":
        backend = "exact" if features.dtype == np.float64 else "faiss"
    seeds = np.sort(rng.choice(len(features), b, replace=False))
    points = bounded_lloyd.Points(features)
    if backend == "exact":
        centres = bounded_lloyd.centres(points, seeds, iterations)
    else:
        find = {"faiss": _faiss_centres, "scipy": _scipy_centres, "sklearn": _sklearn_centres}
        centres = find[backend](features, features[seeds], iterations)
        centres, _ = points.frame.exactly(np.asarray(centres, np.float64))
    return _nearest_free(points, centres, rng)


def _scipy_centres(features: np.ndarray, seeds: np.ndarray, iterations: int) -> np.ndarray:
    import warnings

    from scipy.cluster.vq import kmeans2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a centre without members stays where it is
        return kmeans2(features, seeds, iter=iterations, minit="matrix", missing="warn")[0]


def _sklearn_centres(features: np.ndarray, seeds: np.ndarray, iterations: int) -> np.ndarray:
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = KMeans(len(seeds), init=seeds, n_init=1, max_iter=iterations, tol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than centres
        return model.fit(features).cluster_centers_


def _faiss_centres(features: np.ndarray, seeds: np.ndarray, iterations: int) -> np.ndarray:
    try:
        import faiss
    except ImportError:
        raise UserError(
            "backend faiss needs the package faiss-gpu or faiss-cpu, which is not "
            "installed; set backend: exact"
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
    return kmeans.centroids


def _nearest_free(
    points: bounded_lloyd.Points, centres: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """For each centre in turn the nearest candidate not yet taken; ties go to a random order.

    Float32 products bound the distances from below, for groups of candidates; the groups that may
    hold the nearest are looked at on grids, in float64.
    """
    count = len(points.rows)
    rank = np.empty(count, np.int64)
    rank[rng.permutation(count)] = np.arange(count)
    norms = np.einsum("ij,ij->i", centres, centres)
    bounds = _group_bounds(points, centres, norms)
    taken = np.zeros(count, bool)
    picks = np.empty(len(centres), np.int64)
    for at, centre in enumerate(centres):
        best, looked = (np.inf, count), 0
        order, size = np.argsort(bounds[at], kind="stable"), 1
        while looked < len(order) and bounds[at, order[looked]] <= best[0]:
            groups = order[looked : looked + size]
            rows = (groups[:, None] * GROUP + np.arange(GROUP)).ravel()
            rows = rows[rows < count]
            rows = rows[~taken[rows]]
            looked, size = looked + size, size * 2
            if len(rows) == 0:
                continue
            overlap = points.rows[rows].astype(np.float64) @ centre
            distances = np.maximum(points.norms[rows] + norms[at] - 2 * overlap, 0)
            first = np.lexsort((rank[rows], distances))[0]
            if (distances[first], rank[rows[first]]) < best:
                best = (distances[first], rank[rows[first]])
                picks[at] = rows[first]
        taken[picks[at]] = True
    return picks


def _group_bounds(
    points: bounded_lloyd.Points, centres: np.ndarray, norms: np.ndarray
) -> np.ndarray:
    """Lower bounds of the squared distances of each centre to each group, (b, groups)."""
    count = len(points.rows)
    single = (-2 * centres).astype(np.float32)
    bounds = np.full((len(centres), -(-count // GROUP)), np.inf, np.float32)
    for part in blocks(count, bounded_lloyd.BLOCK):
        beyond = single @ points.rows[part].T
        beyond += (points.norms[part] * (1 - points.slack)).astype(np.float32)
        starts = np.arange(0, part.stop - part.start, GROUP)
        groups = slice(part.start // GROUP, part.start // GROUP + len(starts))
        bounds[:, groups] = np.minimum.reduceat(beyond, starts, axis=1)
    return bounds + (norms * (1 - points.slack) - 1e-30).astype(np.float32)[:, None]

"""k-means with b centres; the candidate nearest to each."""

from __future__ import annotations

import numpy as np

from stages.geometry import lloyd
from stages.geometry.distances import Points, squared
from stages.geometry.grid import blocks
from stages.machine.errors import UserError
from stages.machine.threads import in_threads

BACKENDS = ("auto", "exact", "faiss", "scipy", "sklearn")
BLOCK = 2048
GROUP = 64  # candidates that share a bound


def nearest_to_centres(
    features: np.ndarray,
    b: int,
    rng: np.random.Generator,
    iterations: int = 20,
    backend: str = "auto",
) -> np.ndarray:
    """Cluster ``features`` (N, D) into b and take the nearest free candidate of each.

    All backends run Lloyd's algorithm from the same b rows, k-means++ (Arthur & Vassilvitskii
    2007): each drawn in proportion to its squared distance to those before. scikit-learn's default,
    with which Zhan et al. 2022 cluster, tries 2 + log b such draws each time and keeps the best.

    Args:
        iterations: of Lloyd's algorithm at most.
        backend: ``exact`` (:mod:`stages.geometry.lloyd`: the same picks on every processor),
            ``faiss`` (float32, CPU or GPU), ``scipy`` or ``sklearn`` (the precision of the
            features), or ``auto``: faiss where the features are float32 and there is a GPU, else
            exact, the fastest on a CPU. A cluster that loses all its points stays where it is
            (exact, scipy) or starts anew (faiss, sklearn).

    Raises:
        UserError: a feature is not finite, b is larger than N, or an unknown backend.
    """
    if backend not in BACKENDS:
        raise UserError(f"backend is {backend!r}; allowed: {', '.join(BACKENDS)}")
    if b > len(features):
        raise UserError(f"cannot take {b} of {len(features)} candidates")
    if backend == "auto":
        backend = "faiss" if features.dtype != np.float64 and _gpus() else "exact"
    points = Points.of(features)
    seeds = lloyd.plus_plus(points, b, rng)
    if backend == "exact":
        centres = lloyd.centres_from(points, seeds, iterations)
    else:
        find = {"faiss": _faiss_centres, "scipy": _scipy_centres, "sklearn": _sklearn_centres}
        found = find[backend](features, features[seeds], iterations)
        centres = Points.of(np.asarray(found, np.float64), points.frame)
    return nearest_free(points, centres, rng.permutation(len(points)))


def _gpus() -> int:
    """How many GPUs faiss can use; 0 where it is not installed."""
    try:
        import faiss
    except ImportError:
        return 0
    return faiss.get_num_gpus()


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


def nearest_free(points: Points, centres: Points, order: np.ndarray) -> np.ndarray:
    """For each centre in turn the nearest point not yet taken, int64, shape (len(centres),).

    Of equally near ones the first in ``order`` (positions). Float32 products bound the distances
    from below, for groups of points; the groups that may hold the nearest are looked at exactly.
    """
    count = len(points)
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    bounds = _group_bounds(points, centres)
    taken = np.zeros(count, bool)
    picks = np.empty(len(centres), np.int64)
    for at in range(len(centres)):
        best, looked = (np.inf, count), 0
        groups, size = np.argsort(bounds[at], kind="stable"), 1
        while looked < len(groups) and bounds[at, groups[looked]] <= best[0]:
            some = groups[looked : looked + size]
            looked, size = looked + size, size * 2
            rows = (some[:, None] * GROUP + np.arange(GROUP)).ravel()
            rows = rows[rows < count]
            rows = rows[~taken[rows]]
            if len(rows) == 0:
                continue
            distances = squared(points[rows], centres[[at]])[:, 0]
            first = np.lexsort((rank[rows], distances))[0]
            if (distances[first], rank[rows[first]]) < best:
                best, picks[at] = (distances[first], rank[rows[first]]), rows[first]
        taken[picks[at]] = True
    return picks


def _group_bounds(points: Points, centres: Points) -> np.ndarray:
    """Lower bounds of the squared distances of each centre to each group, (b, groups)."""
    count = len(points)
    bounds = np.full((len(centres), -(-count // GROUP)), np.inf, np.float32)

    def fill(part: slice) -> None:
        values = centres.rough(points[part])
        starts = np.arange(0, part.stop - part.start, GROUP)
        groups = slice(part.start // GROUP, part.start // GROUP + len(starts))
        bounds[:, groups] = np.minimum.reduceat(values, starts, axis=1)

    in_threads(fill, blocks(count, BLOCK))
    return bounds + (centres.norms - centres.off()).astype(np.float32)[:, None]

"""k-means with b centres; the candidate nearest to each."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from stages.catalogue.kinds import Steps
from stages.catalogue.strategy import Strategy
from stages.geometry import lloyd
from stages.geometry.distances import Points
from stages.geometry.nearest_free import nearest_free
from stages.machine.errors import UserError
from stages.strategies.handshake import Embeddings

Backend = Literal["auto", "exact", "faiss", "scipy", "sklearn"]
BACKENDS = get_args(Backend)

ENTRIES = {
    "kmeans": Strategy(
        scorer="stages.strategies.features:embedding",
        selector="stages.strategies.kmeans:nearest_to_centres",
        source="Zhan et al. 2022 (KMeans), from k-means++ (Arthur & Vassilvitskii 2007)",
        family="diversity",
        cost="iterations N b D",
        formula="the candidate nearest to each of the centres m_1, ..., m_b that minimise "
        "sum_i min_j |x_i - m_j|^2",
    ),
}


def nearest_to_centres(
    features: Embeddings,
    b: int,
    rng: np.random.Generator,
    *,
    iterations: Steps = 20,
    backend: Backend = "auto",
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

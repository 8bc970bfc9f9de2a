"""k-center greedy: the candidate farthest from all that is labeled, again and again."""

from __future__ import annotations

import numpy as np

from stages.catalogue.kinds import Whole
from stages.catalogue.strategy import Strategy
from stages.geometry.farthest import farthest_first
from stages.strategies.handshake import Known

ENTRIES = {
    "kcenter": Strategy(
        scorer="stages.strategies.features:embedding_and_labeled",
        selector="stages.strategies.kcenter:greedy",
        source="Sener & Savarese 2018, Algorithm 1 (k-center greedy); PCA as in Zhan et al. 2022",
        family="diversity",
        cost="N (L + b) D",
        formula="argmax_i min_j |x_i - x_j|, j labeled or taken, b times",
    ),
}


def greedy(features: Known, b: int, rng: np.random.Generator, *, pca: Whole = 32) -> np.ndarray:
    """Sener & Savarese 2018, Algorithm 1: :func:`stages.geometry.farthest.farthest_first`.

    Args:
        features: embeddings of the pool (N, D) and of the labeled set (L, D).
        pca: number of principal components to keep (of pool and labeled set together); 0: all.

    Returns:
        Positions, int64, shape (b,), in order of selection.

    Raises:
        UserError: a feature is not finite, or b is larger than N.
    """
    pool, labeled = features
    return farthest_first(pool, labeled, b, rng, pca)

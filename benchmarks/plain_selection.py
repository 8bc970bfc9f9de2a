"""What our selectors are measured against: one pick at a time, and scikit-activeml."""

from __future__ import annotations

import numpy as np

from benchmarks.selection_methods import Inputs, softmax


def badge(factors: tuple[np.ndarray, np.ndarray], b: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++ on factorised gradients, all distances to the last pick before the next."""
    errors, features = factors
    lengths = (errors**2).sum(1) * np.einsum("ij,ij->i", features, features)
    nearest, picks = np.full(len(errors), np.inf), [int(lengths.argmax())]
    while True:
        overlap = (errors @ errors[picks[-1]]) * (features @ features[picks[-1]])
        np.minimum(nearest, lengths + lengths[picks[-1]] - 2 * overlap, out=nearest)
        nearest[picks] = 0
        if len(picks) == b:
            return np.array(picks)
        total = np.cumsum(np.maximum(nearest, 0))
        picks.append(int(np.searchsorted(total, rng.random() * total[-1], side="right")))


def kcenter(features: tuple[np.ndarray, np.ndarray], b: int, rng: object) -> np.ndarray:
    """k-center greedy, all distances to the last pick before the next."""
    pool, labeled = features
    norms, nearest = np.einsum("ij,ij->i", pool, pool), np.full(len(pool), np.inf)
    for start in range(0, len(labeled), 256):
        block = labeled[start : start + 256]
        distances = norms[:, None] - 2 * (pool @ block.T) + (block**2).sum(1)
        np.minimum(nearest, distances.min(1), out=nearest)
    picks = np.empty(b, np.int64)
    for at in range(b):
        picks[at] = pick = nearest.argmax()
        np.minimum(nearest, norms - 2 * (pool @ pool[pick]) + norms[pick], out=nearest)
        nearest[pick] = -np.inf
    return picks


def skactiveml_badge(inputs: Inputs, b: int, rng: np.random.Generator) -> np.ndarray:
    """scikit-activeml's Badge, given the same probabilities."""
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.pool import Badge

    class Given(SkactivemlClassifier):
        def fit(self, x, y, sample_weight=None):
            return self

        def predict_proba(self, x):
            return softmax(x @ inputs.head)

    rows, labels = _together(inputs)
    classifier = Given(classes=list(range(inputs.size.c)))
    query = Badge(random_state=int(rng.integers(2**31)))
    picks = query.query(rows, labels, classifier, fit_clf=False, batch_size=b)
    return np.array(picks) - inputs.size.labeled


def skactiveml_kcenter(inputs: Inputs, b: int, rng: np.random.Generator) -> np.ndarray:
    """scikit-activeml's k-center greedy."""
    from skactiveml.pool import CoreSet

    rows, labels = _together(inputs)
    query = CoreSet(random_state=int(rng.integers(2**31)))
    return np.array(query.query(rows, labels, batch_size=b)) - inputs.size.labeled


def _together(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """Labeled rows, then the pool; NaN where there is no label."""
    labels = np.concatenate([inputs.labels, np.full(inputs.size.n, np.nan)])
    return np.concatenate([inputs.labeled, inputs.pool]), labels

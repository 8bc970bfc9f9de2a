"""What `benchmarks.selection` measures: inputs, and a table of methods with one entry each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from stages.geometry.diversity import minimum_distance, posterior_variance
from stages.strategies.cluster_margin import ClusteredMargins
from stages.strategies.top import top

ITERATIONS = 20


@dataclass(frozen=True)
class Size:
    """Candidates, embedding size, classes, candidates to select, labeled images."""

    n: int = 49_000
    d: int = 512
    c: int = 10
    b: int = 500
    labeled: int = 1000

    @classmethod
    def read(cls, text: str) -> Size:
        """``N:D:C:b:labeled``; what is left out has its default."""
        given = [int(part) for part in text.split(":")]
        return cls(*given, **dict(list(vars(cls()).items())[len(given) :]))


@dataclass
class Inputs:
    """Embeddings after a ReLU of a mixture of C Gaussians, and a linear head on them."""

    size: Size
    pool: np.ndarray
    labeled: np.ndarray
    labels: np.ndarray
    head: np.ndarray
    probabilities: np.ndarray


def make(size: Size, dtype: str, seed: int = 0) -> Inputs:
    """The inputs of one measurement; made in blocks, so that they are what memory is held by."""
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((size.c, size.d), dtype=np.float32)
    head = (0.05 * rng.standard_normal((size.d, size.c)) + 0.03 * means.T).astype(dtype)
    arrays = []
    for count in (size.n, size.labeled):
        rows, labels = np.empty((count, size.d), dtype), rng.integers(0, size.c, count)
        for start in range(0, count, 4096):
            part = slice(start, start + 4096)
            noise = rng.standard_normal((len(labels[part]), size.d), dtype=np.float32)
            rows[part] = np.maximum(means[labels[part]] + noise, 0)
        arrays.append((rows, labels))
    (pool, _), (labeled, labels) = arrays
    chances = np.empty((size.n, size.c))
    for start in range(0, size.n, 4096):
        chances[start : start + 4096] = softmax(pool[start : start + 4096] @ head)
    return Inputs(size, pool, labeled, labels, head, chances)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of probabilities, float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


# what a selector is given, by inputs


def embedding(inputs: Inputs) -> np.ndarray:
    return inputs.pool


def with_labeled(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    return inputs.pool, inputs.labeled


def gradient_factors(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    errors = inputs.probabilities
    errors[np.arange(len(errors)), errors.argmax(1)] -= 1
    return errors, inputs.pool


def everything(inputs: Inputs) -> Inputs:
    return inputs


def margins_in_a_first_round(inputs: Inputs) -> ClusteredMargins:
    best = np.partition(inputs.probabilities, -2, axis=1)[:, -2:]
    rows = np.arange(inputs.size.n)
    return ClusteredMargins(best[:, 0] - best[:, 1], rows, rows, None, inputs.pool)


def dropout_passes(inputs: Inputs, passes: int = 10) -> np.ndarray:
    """Probabilities (T, N, C) of the head with half of the embedding dropped, scaled up."""
    rng, size = np.random.default_rng(1), inputs.size
    result = np.empty((passes, size.n, size.c))
    for chances in result:
        kept = 2 * (rng.random(size.d) < 0.5).astype(inputs.pool.dtype)
        for start in range(0, size.n, 4096):
            part = slice(start, start + 4096)
            chances[part] = softmax((inputs.pool[part] * kept) @ inputs.head)
    return result


# scores that are measured like selectors


def most_variance(
    embeddings: tuple[np.ndarray, np.ndarray], b: int, rng: np.random.Generator
) -> np.ndarray:
    """The b candidates of the largest posterior variance."""
    return top(posterior_variance(*embeddings), b, rng)


def most_distant(
    embeddings: tuple[np.ndarray, np.ndarray], b: int, rng: np.random.Generator
) -> np.ndarray:
    """The b candidates of the largest minimum distance."""
    return top(minimum_distance(*embeddings), b, rng)


# multiplications of the plain algorithm


def _distances(size: Size) -> float:
    return size.n * size.b * size.d


def _badge(size: Size) -> float:
    return size.n * size.b * (size.c + size.d)


def _kcenter(size: Size) -> float:
    return size.n * (size.labeled + size.b) * size.d


def _kcenter_pca(size: Size) -> float:
    return size.n * (size.d * size.d / 2 + 32 * (size.d + size.labeled + size.b))


def _kmeans(size: Size) -> float:
    return (ITERATIONS + 1) * _distances(size)


def _linkage(size: Size, part: int = 2000) -> float:
    return size.n * min(part, size.n) / 2 * size.d


def _variance(size: Size) -> float:
    """The kernel, and a triangular solve for each candidate."""
    return size.n * size.labeled * (size.d + size.labeled / 2)


def _to_labeled(size: Size) -> float:
    return size.n * size.labeled * size.d


def _batchbald(size: Size, passes: int = 10) -> float:
    """Mutual information of each candidate, once; what the batch adds depends on the data."""
    return size.n * size.c * passes


@dataclass(frozen=True)
class Method:
    """A selector ``f(scored, b, rng, **options)``.

    Attributes:
        path: its import path, loaded in the process that measures it.
        build: from the inputs to what it is given; not timed.
        products: multiplications of the plain algorithm, for the floor.
    """

    path: str
    build: Callable[[Inputs], Any]
    products: Callable[[Size], float]
    options: dict[str, Any] = field(default_factory=dict)

    def load(self) -> Callable[..., np.ndarray]:
        """The function."""
        module, _, name = self.path.partition(":")
        return getattr(import_module(module), name)


OURS, PLAIN, HERE = (
    "stages.strategies.",
    "benchmarks.plain_selection:",
    "benchmarks.selection_methods:",
)
BADGE, KCENTER, KMEANS = (
    OURS + path
    for path in ("badge:kmeans_plus_plus", "kcenter:greedy", "kmeans:nearest_to_centres")
)

# One entry for each method; a strategy's selector needs no more than its import path, what it is
# given, and its cost.
METHODS: dict[str, Method] = {
    "badge": Method(BADGE, gradient_factors, _badge),
    "kcenter": Method(KCENTER, with_labeled, _kcenter, {"pca": 0}),
    "kcenter_pca32": Method(KCENTER, with_labeled, _kcenter_pca, {"pca": 32}),
    "kmeans": Method(KMEANS, embedding, _kmeans),
    "kmeans_exact": Method(KMEANS, embedding, _kmeans, {"backend": "exact"}),
    "kmeans_faiss": Method(KMEANS, embedding, _kmeans, {"backend": "faiss"}),
    "kmeans_scipy": Method(KMEANS, embedding, _kmeans, {"backend": "scipy"}),
    "kmeans_sklearn": Method(KMEANS, embedding, _kmeans, {"backend": "sklearn"}),
    "cluster_margin": Method(OURS + "cluster_margin:select", margins_in_a_first_round, _linkage),
    "posterior_variance": Method(HERE + "most_variance", with_labeled, _variance),
    "minimum_distance": Method(HERE + "most_distant", with_labeled, _to_labeled),
    "batchbald": Method(OURS + "batchbald:greedy", dropout_passes, _batchbald),
    "plain_badge": Method(PLAIN + "badge", gradient_factors, _badge),
    "plain_kcenter": Method(PLAIN + "kcenter", with_labeled, _kcenter),
    "skactiveml_badge": Method(PLAIN + "skactiveml_badge", everything, _badge),
    "skactiveml_kcenter": Method(PLAIN + "skactiveml_kcenter", everything, _kcenter),
}
DEFAULT = ["badge", "kcenter", "kcenter_pca32", "kmeans"]
COMPARED = ["badge", "skactiveml_badge", "kcenter", "skactiveml_kcenter"]

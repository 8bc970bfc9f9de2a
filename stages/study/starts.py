"""How rows are drawn for a set: uniformly, the classes in turn, or in given shares. numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.study import drawn

MUNJAL = (100, 400, -0.046)  # of 100 classes: a + b exp(alpha (i + 0.5)), i from 1


def start_weights(start: Any, classes: int) -> np.ndarray:
    """Relative sizes of the classes in an initial set, float64, shape (C,).

    ``munjal``: a + b exp(alpha (i + 0.5)) of class i = 1, 2, ..., a = 100, b = 400, alpha = -0.046
    (Munjal et al. 2022, Class Imbalance, for CIFAR-100).
    """
    if start == "munjal":
        a, b, alpha = MUNJAL
        return a + b * np.exp(alpha * (np.arange(1, classes + 1) + 0.5))
    return drawn.weights(start, classes)


def draw_uniform(rows: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """``size`` of ``rows`` (int64, shape (N,)) without replacement; labels play no part."""
    return rng.permutation(rows)[:size]


def draw_balanced(
    rows: np.ndarray, labels: np.ndarray, size: int, rng: np.random.Generator
) -> np.ndarray:
    """``size`` of ``rows``, the classes in turn, so that class counts differ by one at most.

    A class that runs out leaves its turns to the others. ``labels`` is int64, shape (all rows,).
    """
    shuffled = rng.permutation(rows)
    classes = labels[shuffled]
    turn = np.empty(len(shuffled), np.int64)
    for value in np.unique(classes):
        turn[classes == value] = np.arange((classes == value).sum())
    # Within a turn the order of the shuffle decides, so a remainder favours no class.
    return shuffled[np.argsort(turn, kind="stable")][:size]


def draw_weighted(
    rows: np.ndarray,
    labels: np.ndarray,
    size: int,
    weights: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """``size`` of ``rows``, of each class its share, by largest remainders, in shuffled order.

    What a class lacks the others give in their shares. ``weights`` is float64, shape (C,).
    """
    shuffled = rng.permutation(rows)
    classes = labels[shuffled]
    there = np.bincount(classes, minlength=len(weights))
    counts = np.zeros(len(weights), np.int64)
    while (missing := min(size, int(there.sum())) - int(counts.sum())) > 0:
        share = np.where(counts < there, weights, 0.0)
        counts = np.minimum(counts + apportioned(share, missing), there)
    place = np.empty(len(shuffled), np.int64)
    for value in range(len(weights)):
        place[classes == value] = np.arange((classes == value).sum())
    return shuffled[place < counts[classes]]


def apportioned(weights: np.ndarray, size: int) -> np.ndarray:
    """``size`` in proportion to ``weights``, int64: largest remainders, the first of equals."""
    exact = np.round(size * weights / weights.sum(), 9)
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(-np.round(exact - counts, 9), kind="stable")
    counts[order[: size - counts.sum()]] += 1
    return counts

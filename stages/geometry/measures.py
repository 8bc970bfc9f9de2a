"""Uncertainty of single candidates, by the chances of classes that a model gives them.

Axes: T dropout passes or members of a committee, N candidates, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from stages.geometry import probabilities

Measure = Callable[[np.ndarray], np.ndarray]
# In symbols, for the catalogue.
LEAST_CONFIDENCE, MARGIN = "1 - max_c p_c", "-(p_(1) - p_(2)), p_(k) the k-th largest p_c"
ENTROPY = "-sum_c p_c log p_c"
BALD = "H[mean_t p_t] - mean_t H[p_t], H the entropy"
MEAN_STD = "(1 / C) sum_c sqrt(mean_t p_tc^2 - (mean_t p_tc)^2)"
VARIATION_RATIO = "1 - f / T, f of the T predictions being of the most frequent class"


def least_confidence_of(p_N_C: np.ndarray) -> np.ndarray:
    """1 - max_c p_c, in [0, 1 - 1/C], shape (N,).

    Examples:
        >>> least_confidence_of(np.array([[0.75, 0.25], [0.5, 0.5]])).tolist()
        [0.25, 0.5]
    """
    return 1 - p_N_C.max(1)


def margin_of(p_N_C: np.ndarray) -> np.ndarray:
    """Minus the gap between the two largest probabilities, in [-1, 0], shape (N,).

    Examples:
        >>> margin_of(np.array([[0.75, 0.25, 0.0], [0.5, 0.5, 0.0]])).tolist()
        [-0.5, 0.0]
    """
    if p_N_C.shape[1] < 2:
        return np.zeros(len(p_N_C))
    two = np.partition(p_N_C, -2, axis=1)[:, -2:]
    return two[:, 0] - two[:, 1]


def entropy_of(p_N_C: np.ndarray) -> np.ndarray:
    """-sum_c p_c log p_c, in [0, log C] nats, shape (N,).

    Examples:
        >>> entropy_of(np.array([[0.75, 0.25], [0.5, 0.5]])).round(4).tolist()
        [0.5623, 0.6931]
    """
    return probabilities.entropy(p_N_C)


def bald_of(p_T_N_C: np.ndarray) -> np.ndarray:
    """Mutual information of prediction and weights, H[mean p] - mean H[p], nats, shape (N,).

    Examples:
        >>> bald_of(np.array([[[1.0, 0.0]], [[0.0, 1.0]]])).round(4).tolist()
        [0.6931]
    """
    total = probabilities.entropy(p_T_N_C.mean(0))
    expected = probabilities.entropy(p_T_N_C).mean(0)
    return np.maximum(total - expected, 0)  # rounding alone can make it negative


def mean_std_of(p_T_N_C: np.ndarray) -> np.ndarray:
    """Mean over classes of the population standard deviation over passes, shape (N,).

    Examples:
        >>> mean_std_of(np.array([[[1.0, 0.0]], [[0.0, 1.0]]])).tolist()
        [0.5]
    """
    return p_T_N_C.std(0).mean(1)


def variation_ratio_of(p_T_N_C: np.ndarray) -> np.ndarray:
    """1 - (passes that vote for the most voted class) / T, in [0, 1 - 1/T], shape (N,).

    Examples:
        >>> votes = np.array([[[0.9, 0.1]], [[0.8, 0.2]], [[0.3, 0.7]], [[0.6, 0.4]]])
        >>> variation_ratio_of(votes).tolist()
        [0.25]
    """
    passes, _, classes = p_T_N_C.shape
    votes = p_T_N_C.argmax(2)
    most = np.stack([(votes == c).sum(0) for c in range(classes)]).max(0)
    return 1 - most / passes


def of_mean(measure: Measure) -> Measure:
    """``measure`` of the mean over passes.

    Examples:
        >>> of_mean(least_confidence_of)(np.array([[[1.0, 0.0]], [[0.5, 0.5]]])).tolist()
        [0.25]
    """
    return lambda p_T_N_C: measure(p_T_N_C.mean(0))


def over_blocks(measure: Measure, blocks: Iterable[np.ndarray]) -> np.ndarray:
    """``measure`` of consecutive candidates, block by block, shape (N,).

    Examples:
        >>> over_blocks(margin_of, [np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])]).tolist()
        [-1.0, 0.0]
    """
    return np.concatenate([measure(block) for block in blocks])

"""Uncertainty of single candidates.

Each score has a pure form on probabilities (``..._of``) and a form over a :class:`Pool`. Axes:
T passes, N candidates, C classes. The ``mc_`` forms take the mean of the passes' probabilities.
"""

from __future__ import annotations

import numpy as np

from stages.scorers import probabilities
from stages.scorers.pool import Pool


def least_confidence_of(p_N_C: np.ndarray) -> np.ndarray:
    """1 - max_c p_c, in [0, 1 - 1/C], shape (N,)."""
    return 1 - p_N_C.max(1)


def margin_of(p_N_C: np.ndarray) -> np.ndarray:
    """Minus the gap between the two largest probabilities, in [-1, 0], shape (N,)."""
    if p_N_C.shape[1] < 2:
        return np.zeros(len(p_N_C))
    two = np.partition(p_N_C, -2, axis=1)[:, -2:]
    return two[:, 0] - two[:, 1]


def entropy_of(p_N_C: np.ndarray) -> np.ndarray:
    """-sum_c p_c log p_c, in [0, log C] nats, shape (N,)."""
    return probabilities.entropy(p_N_C)


def bald_of(p_T_N_C: np.ndarray) -> np.ndarray:
    """Mutual information of prediction and weights, H[mean p] - mean H[p], nats, shape (N,)."""
    total = probabilities.entropy(p_T_N_C.mean(0))
    expected = probabilities.entropy(p_T_N_C).mean(0)
    return np.maximum(total - expected, 0)  # rounding alone can make it negative


def mean_std_of(p_T_N_C: np.ndarray) -> np.ndarray:
    """Mean over classes of the population standard deviation over passes, shape (N,)."""
    return p_T_N_C.std(0).mean(1)


def variation_ratio_of(p_T_N_C: np.ndarray) -> np.ndarray:
    """1 - (passes that vote for the most voted class) / T, in [0, 1 - 1/T], shape (N,)."""
    passes, _, classes = p_T_N_C.shape
    votes = p_T_N_C.argmax(2)
    most = np.stack([(votes == c).sum(0) for c in range(classes)]).max(0)
    return 1 - most / passes


def least_confidence(pool: Pool) -> np.ndarray:
    """:func:`least_confidence_of` without dropout."""
    return least_confidence_of(pool.probabilities)


def margin(pool: Pool) -> np.ndarray:
    """:func:`margin_of` without dropout."""
    return margin_of(pool.probabilities)


def entropy(pool: Pool) -> np.ndarray:
    """:func:`entropy_of` without dropout."""
    return entropy_of(pool.probabilities)


def mc_least_confidence(pool: Pool, passes: int) -> np.ndarray:
    """:func:`least_confidence_of` the mean of ``passes`` dropout passes."""
    return least_confidence_of(pool.dropout_probabilities(passes).mean(0))


def mc_margin(pool: Pool, passes: int) -> np.ndarray:
    """:func:`margin_of` the mean of ``passes`` dropout passes."""
    return margin_of(pool.dropout_probabilities(passes).mean(0))


def mc_entropy(pool: Pool, passes: int) -> np.ndarray:
    """:func:`entropy_of` the mean of ``passes`` dropout passes."""
    return entropy_of(pool.dropout_probabilities(passes).mean(0))


def bald(pool: Pool, passes: int) -> np.ndarray:
    """:func:`bald_of` ``passes`` dropout passes."""
    return bald_of(pool.dropout_probabilities(passes))


def mean_std(pool: Pool, passes: int) -> np.ndarray:
    """:func:`mean_std_of` ``passes`` dropout passes."""
    return mean_std_of(pool.dropout_probabilities(passes))


def variation_ratio(pool: Pool, passes: int) -> np.ndarray:
    """:func:`variation_ratio_of` ``passes`` dropout passes."""
    return variation_ratio_of(pool.dropout_probabilities(passes))

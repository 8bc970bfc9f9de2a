"""Uncertainty of single candidates: a measure times a source of probabilities.

A measure (``..._of``) is pure; the sources are the network as it is, its dropout passes (``mc_``),
and the members of a committee (``committee_``). Axes: T passes or members, N candidates, C classes.
Measures of one prediction take the mean over T.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from stages.geometry import probabilities
from stages.rounds.pool import Pool

Measure = Callable[[np.ndarray], np.ndarray]


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


def of_mean(measure: Measure) -> Measure:
    """``measure`` of the mean over passes."""
    return lambda p_T_N_C: measure(p_T_N_C.mean(0))


def over_blocks(measure: Measure, blocks: Iterable[np.ndarray]) -> np.ndarray:
    """``measure`` of consecutive candidates, block by block, shape (N,)."""
    return np.concatenate([measure(block) for block in blocks])


def _plain(measure: Measure) -> Callable[[Pool], np.ndarray]:
    def score(pool: Pool) -> np.ndarray:
        return over_blocks(measure, (chances for _, chances in pool.in_blocks()))

    score.__doc__ = f"{measure.__doc__}\n\n    Over a pool, without dropout."
    return score


def _mc(measure: Measure, about: str | None = None) -> Callable[[Pool, int], np.ndarray]:
    def score(pool: Pool, passes: int) -> np.ndarray:
        return over_blocks(measure, pool.dropout_blocks(passes))

    score.__doc__ = f"{about or measure.__doc__}\n\n    Over ``passes`` dropout passes of a pool."
    return score


def _committee(measure: Measure, about: str | None = None) -> Callable[[Pool], np.ndarray]:
    def score(pool: Pool) -> np.ndarray:
        return over_blocks(measure, pool.committee_blocks())

    score.__doc__ = f"{about or measure.__doc__}\n\n    Over the members of a committee."
    return score


SINGLE = (least_confidence_of, margin_of, entropy_of)
least_confidence, margin, entropy = (_plain(measure) for measure in SINGLE)
mc_least_confidence, mc_margin, mc_entropy = (
    _mc(of_mean(measure), measure.__doc__) for measure in SINGLE
)
committee_least_confidence, committee_margin, committee_entropy = (
    _committee(of_mean(measure), measure.__doc__) for measure in SINGLE
)

MANY = (bald_of, mean_std_of, variation_ratio_of)
bald, mean_std, variation_ratio = (_mc(measure) for measure in MANY)
committee_bald, committee_mean_std, committee_variation_ratio = (
    _committee(measure) for measure in MANY
)


def gradient_norm_of(p_N_C: np.ndarray, x_N_D: np.ndarray) -> np.ndarray:
    """|p - onehot(argmax p)| |x|: length of BADGE's gradient embedding, in [0, sqrt(2) |x|], (N,).

    The gradient of the cross-entropy against the predicted class with respect to the classifier's
    weights (Ash et al. 2020): a lower bound of its length under the unknown label (their
    proposition 1).
    """
    top = p_N_C.argmax(1)[:, None]
    others = p_N_C.copy()
    np.put_along_axis(others, top, 0, axis=1)
    # 1 - p of the predicted class as a sum of what is left: no cancellation where p is near 1.
    squares = (others * others).sum(1) + others.sum(1) ** 2
    return np.sqrt(squares * np.einsum("nd,nd->n", x_N_D, x_N_D, dtype=np.float64))


def gradient_norm(pool: Pool) -> np.ndarray:
    """:func:`gradient_norm_of` the network as it is."""
    return np.concatenate([gradient_norm_of(p, x) for x, p in pool.in_blocks()])


def passes_of_dropout(pool: Pool, passes: int) -> np.ndarray:
    """Probabilities of ``passes`` dropout passes, shape (T, N, C): what batch strategies need.

    8 T N C bytes: where that is too much, ``candidates`` makes N smaller.
    """
    return pool.dropout_probabilities(passes)

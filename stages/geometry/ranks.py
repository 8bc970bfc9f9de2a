"""What ranks say of two sets of numbers: sums of whole and half numbers, so nothing is rounded."""

from __future__ import annotations

import numpy as np

TIE_BITS = 40


def auc(higher: np.ndarray, lower: np.ndarray) -> float:
    """The chance that one of ``higher`` (n,) exceeds one of ``lower`` (m,); ties count one half.

    Area under the ROC curve (Hanley & McNeil 1982).

    Examples:
        >>> import numpy as np
        >>> auc(np.array([3.0, 2.0]), np.array([1.0, 2.0]))  # 3 of 4 pairs and a tie
        0.875
    """
    n, m = len(higher), len(lower)
    placed = ranks(np.concatenate([higher, lower]))
    return float((placed[:n].sum() - n * (n + 1) / 2) / (n * m))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rho of two arrays (n,), with mean ranks for ties; 0 where one is constant.

    Examples:
        >>> import numpy as np
        >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 9.0, 4.0]))
        0.5
    """
    centre = (len(one) + 1) / 2
    first, second = ranks(one) - centre, ranks(other) - centre
    scale = np.sqrt((first * first).sum() * (second * second).sum())
    return float((first * second).sum() / scale) if scale else 0.0


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, float, shape (n,); values within 2^-40 of the largest magnitude are tied.

    Examples:
        >>> import numpy as np
        >>> ranks(np.array([0.5, 0.25, 0.5])).tolist()
        [2.5, 1.0, 2.5]
    """
    from scipy.stats import rankdata

    values = np.asarray(values, np.float64)
    largest = np.abs(values).max(initial=0)
    step = np.ldexp(1.0, int(np.frexp(largest)[1]) - TIE_BITS)
    return rankdata(np.round(values / step))

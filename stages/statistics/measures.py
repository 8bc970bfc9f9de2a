"""Measures of one run and of several runs of one strategy."""

import numpy as np
import pandas as pd


def aubc(labeled, accuracy) -> float:
    """Area under the accuracy-budget curve, as a mean accuracy over the budget range.

    With budgets x_0 < ... < x_m and accuracies y_0 ... y_m this is

        sum_i (x_i - x_(i-1)) (y_i + y_(i-1)) / 2  /  (x_m - x_0),

    the measure of Zhan et al. 2022 ("A Comparative Survey of Deep Active Learning"), taken over
    the real labeled counts with round 0 included, so that unequal batches are weighed rightly.

    Args:
        labeled: (rounds,) labeled images of each round, strictly increasing.
        accuracy: (rounds,) test accuracy of each round, a fraction in [0, 1].

    Returns:
        A float in [0, 1]; with a single budget, the accuracy at that budget.

    Raises:
        ValueError: for no rounds, lengths that differ, or counts that do not increase.
    """
    x = np.asarray(labeled, dtype=np.float64)
    y = np.asarray(accuracy, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or x.size == 0:
        raise ValueError("labeled and accuracy must be vectors of one length, at least 1")
    if x.size == 1:
        return float(y[0])
    steps = np.diff(x)
    if not (steps > 0).all():
        raise ValueError("labeled counts must be strictly increasing")
    # Weights that sum to one keep a constant curve at its constant.
    return float(np.average((y[1:] + y[:-1]) / 2, weights=steps))


def describe(values) -> tuple[float, float, int]:
    """Mean, sample standard deviation (ddof = 1) and number of values.

    Args:
        values: (n,) floats, in any unit; the results are in the same unit.

    Returns:
        (mean, std, n); the mean is NaN for n = 0, the deviation is NaN for n < 2, and exactly 0
        where all values are equal.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        return float("nan"), float("nan"), 0
    if x.size > 1 and np.ptp(x) == 0:
        # The rounded mean of equal numbers can differ from them in the last bit.
        return float(x[0]), 0.0, int(x.size)
    std = float(x.std(ddof=1)) if x.size > 1 else float("nan")
    return float(x.mean()), std, int(x.size)


def ranks(values, decimals: int = 6) -> pd.Series:
    """Competition ranks of values, 1 for the highest; equal values share the better rank.

    Args:
        values: (n,) floats or a Series; NaN gets no rank.
        decimals: digits after the point that count, so that float noise breaks no tie.

    Returns:
        Series of Int64 (missing where the value is NaN), with the index of `values`.
    """
    rounded = pd.Series(values, dtype="float64").round(decimals)
    return rounded.rank(method="min", ascending=False).astype("Int64")

"""Tests of what an analysis of variance assumes: normal groups with equal variances."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

NOT_COMPUTABLE = (float("nan"), float("nan"))


def shapiro_wilk(values) -> tuple[float, float]:
    """Shapiro-Wilk test that a sample comes from a normal distribution.

    Shapiro and Wilk 1965, "An analysis of variance test for normality"; p by Royston 1995.

    Args:
        values: (n,) floats.

    Returns:
        (W, p); (NaN, NaN) for fewer than three values or values that are all equal.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size < 3 or np.ptp(x) == 0:
        return NOT_COMPUTABLE
    result = stats.shapiro(x)
    return float(result.statistic), float(result.pvalue)


def brown_forsythe(groups: Sequence) -> tuple[float, float]:
    """Levene's test of equal variances with the median as centre.

    Brown and Forsythe 1974, "Robust tests for the equality of variances": with
    z_ij = |y_ij - median_i| and N values in k groups,

        W = (N - k)/(k - 1) * sum_i n_i (zbar_i - zbar)^2 / sum_ij (z_ij - zbar_i)^2,

    referred to the F distribution with k - 1 and N - k degrees of freedom.

    Args:
        groups: k sequences of floats.

    Returns:
        (W, p); (NaN, NaN) for fewer than two groups, a group of fewer than three values (two
        values always lie equally far from their median), or no spread of z within any group.
    """
    samples = [np.asarray(group, dtype=np.float64) for group in groups]
    if len(samples) < 2 or min(sample.size for sample in samples) < 3:
        return NOT_COMPUTABLE
    distances = [np.abs(sample - np.median(sample)) for sample in samples]
    # Differences of equal spacings are float noise, not spread.
    if max(float(np.ptp(z)) for z in distances) < 1e-12:
        return NOT_COMPUTABLE
    result = stats.levene(*samples, center="median")
    return float(result.statistic), float(result.pvalue)

"""Tests of what an analysis of variance assumes: normal groups with equal variances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special, stats

from stages.statistics.finite import computed, deviations, finite

LEAST_LILLIEFORS = 5
NOT_COMPUTABLE = (float("nan"), float("nan"))


def shapiro_wilk(values) -> tuple[float, float]:
    """Shapiro-Wilk test that a sample comes from a normal distribution.

    Shapiro and Wilk 1965, "An analysis of variance test for normality"; p by Royston 1995.

    Args:
        values: (n,) floats.

    Returns:
        (W, p); (NaN, NaN), undefined, for fewer than three values or values that are all equal.

    Raises:
        ValueError: for a value that is not finite.

    Examples:
        >>> [round(x, 4) for x in shapiro_wilk([1, 2, 3, 4, 10])]
        [0.8358, 0.1536]
    """
    x = finite(values, "values")
    if x.size < 3 or np.ptp(x) == 0:
        return NOT_COMPUTABLE
    # W has no unit, yet a range below 1e-19 counts as none: a power of two changes no digit.
    _, exponent = np.frexp(computed(x.max() / 2 - x.min() / 2, "the range"))
    result = stats.shapiro(np.ldexp(x, -exponent))
    return computed((float(result.statistic), float(result.pvalue)), "Shapiro-Wilk's test")


def kolmogorov_smirnov(values) -> tuple[float, float]:
    """Kolmogorov-Smirnov test of normality with mean and deviation taken from the sample.

    D is the largest distance between the empirical distribution and the normal one with the
    sample's mean and deviation (ddof = 1). As both are estimated, the Kolmogorov distribution
    would reject far too rarely; p is for the distribution of Lilliefors 1967, by the formula of
    Dallal and Wilkinson 1986 up to p = 0.1 and the polynomials of Stephens' modified statistic
    above, as in R's `nortest::lillie.test`.

    Args:
        values: (n,) floats.

    Returns:
        (D, p); (NaN, NaN), undefined, for fewer than five values or values that are all equal.

    Raises:
        ValueError: for a value that is not finite.

    Examples:
        >>> [round(x, 4) for x in kolmogorov_smirnov([1, 2, 3, 4, 10])]
        [0.3, 0.146]
    """
    x = np.sort(finite(values, "values"))
    n = x.size
    if n < LEAST_LILLIEFORS or np.ptp(x) == 0:
        return NOT_COMPUTABLE
    with np.errstate(all="ignore"):
        cdf = computed(special.ndtr((x - x.mean()) / x.std(ddof=1)), "Lilliefors' test")
    steps = np.arange(n + 1) / n
    d = float(max((steps[1:] - cdf).max(), (cdf - steps[:-1]).max()))
    scaled, size = (d, n) if n <= 100 else (d * (n / 100) ** 0.49, 100)
    p = np.exp(
        -7.01256 * scaled**2 * (size + 2.78019)
        + 2.99587 * scaled * np.sqrt(size + 2.78019)
        - 0.122119
        + 0.974598 / np.sqrt(size)
        + 1.67997 / size
    )
    if p > 0.1:
        p = _above_a_tenth((np.sqrt(n) - 0.01 + 0.85 / np.sqrt(n)) * d)
    return d, float(np.clip(p, 0.0, 1.0))


def _above_a_tenth(modified: float) -> float:
    pieces = (
        (0.5, (2.76773, -19.828315, 80.709644, -138.55152, 81.218052)),
        (0.9, (-4.901232, 40.662806, -97.490286, 94.029866, -32.355711)),
        (1.31, (6.198765, -19.558097, 23.186922, -12.234627, 2.423045)),
    )
    if modified <= 0.302:
        return 1.0
    for bound, coefficients in pieces:
        if modified <= bound:
            return float(np.polynomial.polynomial.polyval(modified, coefficients))
    return 0.0


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

    Raises:
        ValueError: for a value that is not finite.

    Examples:
        >>> [round(x, 4) for x in brown_forsythe([[1, 2, 3, 4], [0, 4, 8, 12]])]
        [6.3529, 0.0453]
    """
    samples = [finite(group, "values") for group in groups]
    if len(samples) < 2 or min(sample.size for sample in samples) < 3:
        return NOT_COMPUTABLE
    distances = [np.abs(sample - np.median(sample)) for sample in samples]
    # Differences of equal spacings are float noise, not spread.
    if max(float(np.ptp(z)) for z in distances) < 1e-12:
        return NOT_COMPUTABLE
    with np.errstate(all="ignore"):
        result = stats.levene(*samples, center="median")
    return computed((float(result.statistic), float(result.pvalue)), "Levene's test")


def bartlett_from_summary(stds, counts) -> tuple[float, float]:
    """Bartlett's test of equal variances, from deviations and counts alone.

    Bartlett 1937, "Properties of sufficiency and statistical tests": with f_i = n_i - 1,
    f = sum f_i and s^2 = sum f_i s_i^2 / f,

        B = (f ln s^2 - sum f_i ln s_i^2) / (1 + (sum 1/f_i - 1/f)/(3 (k - 1))),

    referred to chi^2 with k - 1 degrees of freedom. It stands in for Levene's test where the
    single values are not known, and unlike it assumes normal groups: it also rejects for tails.

    Args:
        stds, counts: (k,) deviations (ddof = 1) and numbers of values.

    Returns:
        (B, p); (NaN, NaN) for fewer than two groups, a count below two or a deviation of zero.

    Raises:
        ValueError: for a negative deviation or one that is not finite.

    Examples:
        >>> [round(x, 4) for x in bartlett_from_summary([1.0, 2.0], [5, 5])]
        [1.5868, 0.2078]
    """
    f = finite(counts, "counts") - 1
    stds = deviations(stds, counts)
    if stds.size < 2 or f.min() < 1 or not (stds > 0).all():
        return NOT_COMPUTABLE
    # The statistic has no unit: in units of the largest deviation no square overflows.
    variances = (stds / stds.max()) ** 2
    pooled = (f * variances).sum() / f.sum()
    b = f.sum() * np.log(pooled) - 2 * (f * np.log(stds / stds.max())).sum()
    b /= 1 + ((1 / f).sum() - 1 / f.sum()) / (3 * (f.size - 1))
    b = max(computed(float(b), "Bartlett's test"), 0.0)
    return b, float(stats.chi2.sf(b, f.size - 1))

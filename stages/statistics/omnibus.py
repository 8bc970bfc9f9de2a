"""Whether several strategies differ at all: Kruskal-Wallis and Welch's analysis of variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from stages.statistics.finite import computed, deviations, finite, means_of
from stages.statistics.measures import describe

NAN = float("nan")
FEW = "a strategy has fewer than two runs"
ONE = "there is one strategy"
EQUAL = "all values are equal"
FLAT = "a strategy has no variance"


def kruskal_wallis(groups: Mapping[str, Sequence]) -> dict:
    """Kruskal-Wallis one-way analysis of variance by ranks.

    Kruskal and Wallis 1952, "Use of ranks in one-criterion variance analysis": with N values in
    k groups, n_i values and rank sum R_i in group i,

        H = 12/(N (N + 1)) * sum_i R_i^2/n_i - 3 (N + 1),

    divided by 1 - sum (t^3 - t)/(N^3 - N) for ties, referred to chi^2 with k - 1 degrees of
    freedom (an approximation that is rough below five values a group). Assumes independent
    values; as a test of medians, also distributions of one shape.

    Args:
        groups: strategy -> (n,) floats.

    Returns:
        dict with "test", "h", "df", "p" (NaN where not computable), "groups" (k), "n" (list of
        the n_i) and "reason" (why not computable, else "").

    Raises:
        ValueError: for a value that is not finite.

    Examples:
        >>> found = kruskal_wallis({"a": [1, 2, 3], "b": [4, 5, 6]})
        >>> round(found["h"], 4), found["df"], round(found["p"], 4)
        (3.8571, 1, 0.0495)
    """
    samples = [finite(values, f"values of {name}") for name, values in groups.items()]
    result = _start("kruskal_wallis", [x.size for x in samples]) | {"h": NAN, "df": NAN}
    if not result["reason"] and np.ptp(np.concatenate(samples)) == 0:
        result["reason"] = EQUAL
    if result["reason"]:
        return result
    test = stats.kruskal(*samples)
    computed(test, "Kruskal-Wallis's test")
    # Equal rank sums can give an H of minus 1e-16.
    return result | {
        "h": max(float(test.statistic), 0.0),
        "df": len(samples) - 1,
        "p": float(test.pvalue),
    }


def welch_anova(groups: Mapping[str, Sequence]) -> dict:
    """Welch's analysis of variance of raw values; see `welch_anova_from_summary`.

    Args:
        groups: strategy -> (n,) floats.

    Raises:
        ValueError: for a value that is not finite.

    Examples:
        >>> found = welch_anova({"a": [1, 2, 3], "b": [2, 4, 6], "c": [7, 8, 9]})
        >>> round(found["f"], 4), found["df1"], round(found["df2"], 4), round(found["p"], 4)
        (23.2441, 2, 3.7895, 0.0075)
    """
    summary = [describe(finite(values, f"values of {x}")) for x, values in groups.items()]
    return welch_anova_from_summary(*([row[x] for row in summary] for x in range(3)))


def welch_anova_from_summary(means, stds, counts) -> dict:
    """Welch's one-way analysis of variance, which needs no equal variances.

    Welch 1951, "On the comparison of several mean values: an alternative approach": with weights
    w_i = n_i / s_i^2, W = sum w_i, m = sum w_i mean_i / W and
    L = sum (1 - w_i/W)^2 / (n_i - 1),

        F = [sum w_i (mean_i - m)^2 / (k - 1)] / [1 + 2 (k - 2) L / (k^2 - 1)],

    with k - 1 and (k^2 - 1) / (3 L) degrees of freedom. Assumes normal groups.

    Args:
        means, stds, counts: (k,) mean, standard deviation (ddof = 1) and number of values.

    Returns:
        dict with "test", "f", "df1", "df2", "p", "groups", "n" and "reason", as for
        `kruskal_wallis`; a group without variance would have infinite weight and is a reason.

    Raises:
        ValueError: for a mean or deviation that is not finite (of a group with that many values)
            or a negative deviation.
        FloatingPointError: for deviations too unlike to be weighed against each other.

    Examples:
        >>> found = welch_anova_from_summary([2, 4, 8], [1, 2, 1], [3, 3, 3])
        >>> round(found["f"], 4), found["df1"], round(found["df2"], 4), round(found["p"], 4)
        (23.2441, 2, 3.7895, 0.0075)
    """
    n = finite(counts, "counts")
    means, stds = means_of(means, n), deviations(stds, n)
    result = _start("welch_anova", [int(count) for count in n])
    result |= {"f": NAN, "df1": NAN, "df2": NAN}
    if not result["reason"] and (stds == 0).any():
        result["reason"] = EQUAL if not stds.any() and np.ptp(means) == 0 else FLAT
    if result["reason"]:
        return result
    # F has no unit: in units of the least deviation no weight overflows.
    k, unit = len(n), stds.min()
    with np.errstate(all="ignore"):
        w = n / (stds / unit) ** 2
        share = w / w.sum()
        middle = (share * means).sum()
        spread = ((1 - share) ** 2 / (n - 1)).sum()
        between = (w * ((means - middle) / unit) ** 2).sum() / (k - 1)
        f = float(between / (1 + 2 * (k - 2) * spread / (k**2 - 1)))
        df1, df2 = k - 1, float((k**2 - 1) / (3 * spread))
        p = float(stats.f.sf(f, df1, df2))
    computed([f, df2, p], "Welch's analysis of variance")
    return result | {"f": f, "df1": df1, "df2": df2, "p": p}


def _start(test: str, sizes: list[int]) -> dict:
    reason = ONE if len(sizes) < 2 else FEW if min(sizes) < 2 else ""
    return {"test": test, "p": NAN, "groups": len(sizes), "n": sizes, "reason": reason}

"""Whether several strategies differ at all: Kruskal-Wallis and Welch's analysis of variance."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

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
    """
    samples = [np.asarray(values, dtype=np.float64) for values in groups.values()]
    result = _start("kruskal_wallis", samples) | {"h": NAN, "df": NAN}
    if not result["reason"] and np.ptp(np.concatenate(samples)) == 0:
        result["reason"] = EQUAL
    if result["reason"]:
        return result
    test = stats.kruskal(*samples)
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
    """
    samples = [np.asarray(values, dtype=np.float64) for values in groups.values()]
    return welch_anova_from_summary(
        [x.mean() if x.size else NAN for x in samples],
        [_std(x) for x in samples],
        [x.size for x in samples],
    )


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
    """
    means, stds = np.asarray(means, np.float64), np.asarray(stds, np.float64)
    n = np.asarray(counts, np.float64)
    result = _start("welch_anova", [np.empty(int(count)) for count in n])
    result |= {"f": NAN, "df1": NAN, "df2": NAN}
    if not result["reason"] and (stds == 0).any():
        result["reason"] = EQUAL if not stds.any() and np.ptp(means) == 0 else FLAT
    if result["reason"]:
        return result
    k, w = len(n), n / stds**2
    share = w / w.sum()
    middle = (share * means).sum()
    spread = ((1 - share) ** 2 / (n - 1)).sum()
    between = (w * (means - middle) ** 2).sum() / (k - 1)
    f = between / (1 + 2 * (k - 2) * spread / (k**2 - 1))
    df1, df2 = k - 1, (k**2 - 1) / (3 * spread)
    return result | {"f": float(f), "df1": df1, "df2": float(df2), "p": stats.f.sf(f, df1, df2)}


def _std(x: np.ndarray) -> float:
    if x.size < 2:
        return NAN
    return 0.0 if np.ptp(x) == 0 else float(x.std(ddof=1))


def _start(test: str, samples: Sequence[np.ndarray]) -> dict:
    sizes = [int(sample.size) for sample in samples]
    reason = ONE if len(sizes) < 2 else FEW if min(sizes) < 2 else ""
    return {"test": test, "p": NAN, "groups": len(sizes), "n": sizes, "reason": reason}

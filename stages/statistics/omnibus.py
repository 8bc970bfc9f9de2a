"""Whether several strategies differ at all: Kruskal-Wallis and Welch's analysis of variance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from math import factorial, prod

import numpy as np
from scipy import stats

from stages.statistics.finite import computed, deviations, finite, means_of
from stages.statistics.measures import describe

NAN = float("nan")
FEW = "a strategy has fewer than two runs"
ONE = "there is one strategy"
EQUAL = "all values are equal"
FLAT = "a strategy has no variance"
CHI_SQUARE, EVERY, SOME = "chi-square", "all permutations", "permutations"
SMALL = 5  # values a group below which chi^2 is rough (Kruskal and Wallis 1952)
MOST_EXACT = 20_000  # ways to share the values out that are all tried
DRAWS = 9_999  # random ones beyond that, from a fixed seed


def kruskal_wallis(groups: Mapping[str, Sequence]) -> dict:
    """Kruskal-Wallis one-way analysis of variance by ranks.

    Kruskal and Wallis 1952, "Use of ranks in one-criterion variance analysis": with N values in
    k groups, n_i values and rank sum R_i in group i,

        H = 12/(N (N + 1)) * sum_i R_i^2/n_i - 3 (N + 1),

    divided by 1 - sum (t^3 - t)/(N^3 - N) for ties, referred to chi^2 with k - 1 degrees of
    freedom. That is rough below five values a group: there p is the share of all ways to deal the
    values out to groups of these sizes that give as large an H, or, of more than 20,000 ways, of
    9,999 random ones and the one that was seen. Assumes independent values; as a test of medians,
    also distributions of one shape.

    Args:
        groups: strategy -> (n,) floats.

    Returns:
        dict with "test", "h", "df", "p" (NaN where not computable), "p_by" ("chi-square",
        "all permutations" or "permutations"), "groups" (k), "n" (list of the n_i) and "reason"
        (why not computable, else "").

    Raises:
        ValueError: for a value that is not finite.

    Examples:
        >>> found = kruskal_wallis({"a": [1, 2, 3], "b": [4, 5, 6]})
        >>> round(found["h"], 4), found["df"], found["p"], found["p_by"]  # 2 of 20 ways
        (3.8571, 1, 0.1, 'all permutations')
    """
    samples = [finite(values, f"values of {name}") for name, values in groups.items()]
    result = _start("kruskal_wallis", [x.size for x in samples])
    result |= {"h": NAN, "df": NAN, "p_by": CHI_SQUARE}
    if not result["reason"] and np.ptp(np.concatenate(samples)) == 0:
        result["reason"] = EQUAL
    if result["reason"]:
        return result
    test = stats.kruskal(*samples)
    computed(test, "Kruskal-Wallis's test")
    # Equal rank sums can give an H of minus 1e-16.
    result |= {"h": max(float(test.statistic), 0.0), "df": len(samples) - 1}
    if min(result["n"]) >= SMALL:
        return result | {"p": float(test.pvalue)}
    ranks = stats.rankdata(np.concatenate(samples))
    p, p_by = _by_permutation(np.split(ranks, np.cumsum(result["n"])[:-1]))
    return result | {"p": p, "p_by": p_by}


def _by_permutation(ranks: list[np.ndarray]) -> tuple[float, str]:
    """Share of the ways to deal ranks out to groups in which H is as large, and how it was found.

    H rises with the sum of R_i^2 / n_i, which is all that differs from way to way.
    """
    ranks = sorted(
        map(np.sort, ranks), key=lambda own: (own.size, own.tolist())
    )  # any order: one p
    sizes = tuple(own.size for own in ranks)
    exact = _ways(sizes) <= MOST_EXACT
    order = _all_orders(sizes) if exact else _some_orders(sizes)
    starts = np.cumsum((0, *sizes[:-1]))
    of_groups = np.add.reduceat(np.concatenate(ranks)[order], starts, axis=1)
    sums = (of_groups**2 / sizes).sum(1)
    share = float((sums >= sums[0] * (1 - 1e-12)).mean())
    return share, EVERY if exact else SOME


def _ways(sizes: tuple[int, ...]) -> int:
    """How many ways there are; groups of one size are alike, so their order does not count."""
    alike = prod(factorial(sizes.count(size)) for size in set(sizes))
    return factorial(sum(sizes)) // prod(map(factorial, sizes)) // alike


@lru_cache(maxsize=16)
def _all_orders(sizes: tuple[int, ...]) -> np.ndarray:
    """Positions of the values, dealt out group after group; the first row is as they are."""
    return np.array(list(_deals(list(range(sum(sizes))), sizes)), np.int64)


def _deals(free: list[int], sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every way to deal ``free`` out to groups of these sizes.

    Where all have one size, the first of ``free`` goes to the first of them.
    """
    if not sizes:
        yield ()
        return
    kept = 1 if len(set(sizes)) == 1 else 0
    for more in combinations(free[kept:], sizes[0] - kept):
        own = (*free[:kept], *more)
        left = [at for at in free if at not in own]
        yield from ((*own, *rest) for rest in _deals(left, sizes[1:]))


@lru_cache(maxsize=16)
def _some_orders(sizes: tuple[int, ...]) -> np.ndarray:
    own = np.arange(sum(sizes))
    drawn = np.random.default_rng(0).permuted(np.tile(own, (DRAWS, 1)), axis=1)
    return np.concatenate([own[None], drawn])


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

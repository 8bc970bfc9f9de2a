"""Pairs of strategies over repeated runs: Games-Howell with effect sizes, verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from stages.statistics.effects import hedges
from stages.statistics.finite import computed, deviations, finite, level, means_of
from stages.statistics.measures import describe
from stages.statistics.omnibus import kruskal_wallis
from stages.statistics.studentized import critical_of_pairs, tail

__all__ = ["games_howell", "games_howell_from_summary", "kruskal_wallis", "verdict", "verdicts"]

BETTER, WORSE, UNDETERMINED, NOT_AVAILABLE = "better", "worse", "undetermined", "n/a"
PAIR_COLUMNS = [
    "first",
    "second",
    "n_first",
    "n_second",
    "difference",
    "standard_error",
    "t",
    "df",
    "p",
    "low",
    "high",
    "g",
    "g_low",
    "g_high",
    "reason",
]
NAN = float("nan")
FEW, FLAT = "a strategy has fewer than two runs", "neither strategy has any variance"
MISSING = "the baseline is not among the strategies"


def games_howell_from_summary(
    names: Sequence[str],
    means,
    stds,
    counts,
    *,
    alpha: float = 0.05,
    baseline: str | None = None,
    interval: bool = True,
) -> pd.DataFrame:
    """Games-Howell pairwise comparisons from means, deviations and counts alone.

    Games and Howell 1976, "Pairwise multiple comparison procedures with unequal n's and/or
    variances": for groups i and j of k, with v = s^2/n,

        standard error = sqrt(v_i + v_j),    t = (mean_i - mean_j) / standard error,
        df = (v_i + v_j)^2 / (v_i^2/(n_i - 1) + v_j^2/(n_j - 1)),
        p = P(Q > |t| sqrt(2)),   Q the studentized range of k groups with df,
        interval = difference -/+ q_(1 - alpha) * standard error / sqrt(2).

    Assumes independent values and roughly normal means; variances may differ. The p values cover
    the family of all pairs. Hedges' g and its interval (of one pair, not of the family) are those
    of `effects.hedges`.

    Args:
        names: (k,) names of the groups.
        means, stds, counts: (k,) mean, standard deviation with ddof = 1, number of values.
        alpha: one minus the level of the intervals; the family is all pairs of the k groups.
        baseline: if given, only its pairs are returned, as (other - baseline).
        interval: False leaves the intervals out (NaN), which saves most of the time.

    Returns:
        DataFrame, a row for each pair (first, second), in the order of `names`, with columns
        PAIR_COLUMNS; difference = first - second in the unit of the means. A group of fewer than
        two values is left out of k and its rows are NaN. Where both deviations are zero the
        standard error is 0 and t, df, p and the intervals are NaN; `reason` says which it is.

    Raises:
        ValueError: for lengths that differ, repeated names, an unknown baseline, a mean, deviation
            or count that is not finite (of a group with that many values), a negative deviation.
        FloatingPointError: for a result that cannot be computed.

    Examples:
        >>> table = games_howell_from_summary(["a", "b", "c"], [5, 3, 3], [1, 1, 1], [4, 4, 4])
        >>> table[["first", "second", "difference"]].to_numpy().tolist()
        [['a', 'b', 2.0], ['a', 'c', 2.0], ['b', 'c', 0.0]]
        >>> table[["t", "df", "p", "low", "high"]].round(4).to_numpy().tolist()[0]
        [2.8284, 6.0, 0.0674, -0.1696, 4.1696]
    """
    names, alpha = list(names), level(alpha)
    counts = finite(counts, "counts").astype(np.int64)
    if not len(names) == np.size(means) == np.size(stds) == counts.size:
        raise ValueError("names, means, stds and counts must have one length")
    means, stds = means_of(means, counts), deviations(stds, counts)
    if len(set(names)) != len(names):
        raise ValueError("names must differ")
    if baseline is None:
        pairs = list(combinations(range(len(names)), 2))
    elif baseline in names:
        other = names.index(baseline)
        pairs = [(i, other) for i in range(len(names)) if i != other]
    else:
        raise ValueError(f"baseline {baseline!r} is none of the groups")
    i, j = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    usable = counts >= 2
    with np.errstate(over="ignore"):
        difference = means[i] - means[j]
    computed(difference[(counts[i] > 0) & (counts[j] > 0)], "a difference of means")
    t, df, p, low, high = (np.full(len(pairs), NAN) for _ in range(5))
    error = stds[i] + stds[j]  # 0 or NaN where the standard error is
    ok = error > 0
    a, b = i[ok], j[ok]
    # In units of the larger deviation no square overflows or vanishes.
    unit = np.maximum(stds[a], stds[b])
    share_a, share_b = (stds[a] / unit) ** 2 / counts[a], (stds[b] / unit) ** 2 / counts[b]
    total = share_a + share_b
    error[ok] = unit * np.sqrt(total)
    df[ok] = 1 / ((share_a / total) ** 2 / (counts[a] - 1)
                  + (share_b / total) ** 2 / (counts[b] - 1))  # fmt: skip
    k = int(usable.sum())
    if ok.any():
        with np.errstate(over="ignore", divide="ignore"):
            t[ok] = computed(difference[ok] / error[ok], "Games-Howell's t")
        p[ok] = computed(tail(np.abs(t[ok]) * np.sqrt(2), k, df[ok]), "Games-Howell's p")
        if interval:
            q = critical_of_pairs(alpha, k, df[ok], counts[usable])
            half = computed(q * error[ok] / np.sqrt(2), "Games-Howell's interval")
            low[ok], high[ok] = difference[ok] - half, difference[ok] + half
    columns = [
        [names[x] for x in i],
        [names[x] for x in j],
        counts[i],
        counts[j],
        difference,
        error,
        t,
        df,
        p,
        low,
        high,
        *hedges(means, stds, counts, i, j, alpha),
        np.where(ok, "", np.where(usable[i] & usable[j], FLAT, FEW)),
    ]
    return pd.DataFrame(dict(zip(PAIR_COLUMNS, columns, strict=True)))


def games_howell(
    groups: Mapping[str, Sequence],
    *,
    alpha: float = 0.05,
    baseline: str | None = None,
    interval: bool = True,
) -> pd.DataFrame:
    """Games-Howell pairwise comparisons of raw values.

    Args:
        groups: strategy -> (n,) floats; n may differ between strategies.
        alpha, baseline, interval: as for `games_howell_from_summary`, which does the work.

    Returns:
        DataFrame as of `games_howell_from_summary`.

    Examples:
        >>> table = games_howell({"a": [1, 2, 3], "b": [4, 5, 6]}, baseline="b")
        >>> table[["first", "second", "difference", "p"]].round(4).to_numpy().tolist()
        [['a', 'b', -3.0, 0.0213]]
    """
    summary = [describe(values) for values in groups.values()]
    means, stds, counts = ([row[x] for row in summary] for x in range(3))
    return games_howell_from_summary(
        list(groups), means, stds, counts, alpha=alpha, baseline=baseline, interval=interval
    )


def verdict(difference: float, standard_error: float, p: float, alpha: float) -> str:
    """One pair in a word, after Table 1 of Munjal et al. 2022 (better, worse, undetermined).

    Args:
        difference: first minus second, higher being better.
        standard_error: of the difference.
        p: Games-Howell p value, NaN where it could not be computed.
        alpha: level; a difference counts where p < alpha.

    Returns:
        "better", "worse", "undetermined" (also for two groups without any variance and with
        equal means) or "n/a".

    Raises:
        ValueError: for a p value outside [0, 1], or a p value without a finite difference and
            standard error.

    Examples:
        >>> [verdict(x, 0.005, p, 0.05) for x, p in ((0.02, 0.01), (-0.02, 0.01), (0.02, 0.2))]
        ['better', 'worse', 'undetermined']
    """
    level(alpha)
    if np.isnan(p):
        return UNDETERMINED if standard_error == 0 and difference == 0 else NOT_AVAILABLE
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}, allowed: 0 to 1")
    finite([difference, standard_error], "difference and standard error")
    if p >= alpha:
        return UNDETERMINED
    return BETTER if difference > 0 else WORSE


def verdicts(groups: Mapping[str, Sequence], baseline: str, alpha: float = 0.05) -> pd.DataFrame:
    """Verdict of every strategy against the baseline, by Games-Howell over all strategies.

    Args:
        groups: strategy -> (n,) floats, higher being better.
        baseline: the strategy that the others are held against.
        alpha: level of the test.

    Returns:
        DataFrame with columns strategy, difference (strategy - baseline), p, verdict, n,
        n_baseline and reason (why there is no p, else ""). Without the baseline among the groups
        all verdicts are "n/a".

    Examples:
        >>> runs = {"random": [1, 2, 3], "margin": [7, 8, 9], "entropy": [2, 3, 4]}
        >>> verdicts(runs, "random")[["strategy", "difference", "verdict"]].to_numpy().tolist()
        [['margin', 6.0, 'better'], ['entropy', 1.0, 'undetermined']]
    """
    if baseline not in groups:
        rows = [
            (name, NAN, NAN, NOT_AVAILABLE, len(values), 0, MISSING)
            for name, values in groups.items()
        ]
    else:
        table = games_howell(groups, alpha=alpha, baseline=baseline, interval=False)
        columns = ["first", "difference", "standard_error", "p", "n_first", "n_second", "reason"]
        rows = [
            (name, difference, p, verdict(difference, error, p, alpha), n, n_baseline, reason)
            for name, difference, error, p, n, n_baseline, reason in table[columns].itertuples(
                index=False
            )
        ]
    columns = ["strategy", "difference", "p", "verdict", "n", "n_baseline", "reason"]
    return pd.DataFrame(rows, columns=columns)

"""Paired comparisons: across tasks, across seeds, and over all cells of a study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special, stats

from stages.statistics.finite import computed, finite_or_missing, level

NAN = float("nan")
MOST_EXACT = 50
FEW, SAME, CONSTANT = (
    "fewer than two pairs",
    "all pairs are equal",
    "all differences are equal",
)
# Differences of fractions closer than this are float noise.
NOISE = 1e-12


def _differences(first, second) -> np.ndarray:
    x, y = finite_or_missing(first, "first"), finite_or_missing(second, "second")
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError("paired values must be vectors of one length")
    there = ~(np.isnan(x) | np.isnan(y))
    with np.errstate(over="ignore"):
        d = computed(x[there] - y[there], "a difference")
    return np.where(np.abs(d) < NOISE, 0.0, d)


def paired_t(first, second, alpha: float = 0.05) -> dict:
    """Two-sided paired t test.

    Student 1908: with differences d of n pairs, t = mean(d) / (std(d)/sqrt(n)), ddof = 1, n - 1
    degrees of freedom. Assumes independent pairs with normal differences.

    Args:
        first, second: (n,) floats; a pair with a NaN is left out.
        alpha: one minus the level of the interval.

    Returns:
        dict with "test", "n", "difference" (mean of first - second), "t", "df", "p", "low",
        "high" and "reason" (why not computable, else "").

    Raises:
        ValueError: for lengths that differ, an infinity, or a level outside (0, 1).
        FloatingPointError: for a result that cannot be computed.

    Examples:
        >>> found = paired_t([3, 5, 7, 9], [2, 3, 4, 5])
        >>> found["difference"], found["df"], round(found["t"], 4), round(found["p"], 4)
        (2.5, 3, 3.873, 0.0305)
    """
    level(alpha)
    d = _differences(first, second)
    n = int(d.size)
    result = {"test": "paired_t", "n": n, "difference": float(d.mean()) if n else NAN}
    result |= dict.fromkeys(("t", "df", "p", "low", "high"), NAN)
    if n < 2:
        return result | {"reason": FEW}
    if np.ptp(d) < NOISE:
        return result | {"reason": CONSTANT if abs(d[0]) >= NOISE else SAME}
    with np.errstate(all="ignore"):
        error = d.std(ddof=1) / np.sqrt(n)
        t = d.mean() / error
        half = -special.stdtrit(n - 1, alpha / 2) * error
    computed([error, t, half], "the paired t test")
    return result | {
        "t": float(t),
        "df": n - 1,
        "p": float(2 * special.stdtr(n - 1, -abs(t))),
        "low": float(d.mean() - half),
        "high": float(d.mean() + half),
        "reason": "",
    }


def wilcoxon(first, second) -> dict:
    """Two-sided Wilcoxon signed-rank test, exact also with ties.

    Wilcoxon 1945, "Individual comparisons by ranking methods": zero differences are dropped, the
    absolute ones get ranks (ties share the mean), W is the smaller of the sums of the ranks of
    the positive and of the negative ones. Up to 50 pairs the p value counts all assignments of
    signs to the ranks as they are; beyond it is the normal approximation. Assumes independent
    pairs with symmetric differences.

    Args:
        first, second: (n,) floats; a pair with a NaN is left out.

    Returns:
        dict with "test", "n" (pairs), "used" (without zero differences), "w", "p", "smallest_p"
        (the least p that this many pairs can give) and "reason".

    Raises:
        ValueError: for lengths that differ or an infinity.

    Examples:
        >>> found = wilcoxon([3, 5, 7, 9], [2, 3, 4, 5])
        >>> found["w"], found["p"], found["smallest_p"]
        (0.0, 0.125, 0.125)
    """
    d = _differences(first, second)
    used = d[d != 0]
    result = {"test": "wilcoxon", "n": int(d.size), "used": int(used.size)}
    result |= {"w": NAN, "p": NAN, "smallest_p": NAN}
    if d.size < 2:
        return result | {"reason": FEW}
    if used.size == 0:
        return result | {"reason": SAME}
    ranks = stats.rankdata(np.round(np.abs(used), 12))
    positive = float(ranks[used > 0].sum())
    w = min(positive, float(ranks.sum()) - positive)
    if used.size <= MOST_EXACT:
        p = min(1.0, 2 * _tail_of_signs(np.rint(2 * ranks).astype(int), int(round(2 * w))))
    else:
        n = used.size
        _, counts = np.unique(ranks, return_counts=True)
        variance = n * (n + 1) * (2 * n + 1) / 24 - (counts**3 - counts).sum() / 48
        p = min(1.0, 2 * special.ndtr((w - n * (n + 1) / 4) / np.sqrt(variance)))
    smallest = min(1.0, 2.0 ** (1 - used.size))
    return result | {"w": w, "p": float(p), "smallest_p": smallest, "reason": ""}


def _tail_of_signs(ranks: np.ndarray, most: int) -> float:
    """P(sum of the ranks with a random sign chosen positive <= most), all signs alike likely."""
    ways = np.zeros(int(ranks.sum()) + 1)
    ways[0] = 1.0
    for rank in ranks:
        ways[rank:] = (ways[rank:] + ways[:-rank]) / 2
        ways[:rank] /= 2
    return float(ways[: most + 1].sum())


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction of a family of p values.

    Holm 1979, "A simple sequentially rejective multiple test procedure": in ascending order
    p_(1) ... p_(m), adjusted p_(i) = max over j <= i of min(1, (m - j + 1) p_(j)). Holds under
    any dependence.

    Args:
        p_values: (m,) floats; NaN (tests not made) stay NaN and do not count.

    Returns:
        (m,) floats.

    Raises:
        ValueError: for a p value outside [0, 1].

    Examples:
        >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"p values must lie between 0 and 1, one is {p[(p < 0) | (p > 1)][0]}")
    adjusted = np.full(p.shape, NAN)
    made = np.flatnonzero(np.isfinite(p))
    order = made[np.argsort(p[made], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p[order]))
    return adjusted


def penalty_matrix(cells: Sequence[np.ndarray], alpha: float = 0.05) -> tuple[np.ndarray, ...]:
    """In which share of all (task, budget) cells does one strategy beat another?

    Ash et al. 2020, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds":
    i beats j in a cell where a two-sided paired t test over seeds has p < alpha and
    the mean of i is higher. Cells without a test (fewer than two common seeds, or differences
    without variance) count as not beaten.

    Args:
        cells: arrays of shape (strategies, seeds), one a (task, budget), NaN for missing runs.
        alpha: level of each test; no correction over cells, as in the paper.

    Returns:
        (penalty, tested): penalty (strategies, strategies), row i column j the share in which i
        beats j, in [0, 1], NaN without any cell and on the diagonal; tested: number of cells in
        which the pair could be tested.

    Raises:
        ValueError: for an infinity, or a level outside (0, 1).
        FloatingPointError: for a test that cannot be computed.

    Examples:
        >>> cell = np.array([[0.9, 0.8, 0.9], [0.5, 0.6, 0.4]])  # two strategies, three seeds
        >>> penalty, tested = penalty_matrix([cell, cell[:, :1]])
        >>> penalty.tolist(), tested.tolist()
        ([[nan, 0.0], [0.0, nan]], [[0, 1], [1, 0]])
    """
    level(alpha)
    k = cells[0].shape[0] if len(cells) else 0
    beats, tested = np.zeros((k, k)), np.zeros((k, k), dtype=np.int64)
    for values in cells:
        values = finite_or_missing(values, "a cell")
        with np.errstate(over="ignore"):
            d = values[:, None, :] - values[None, :, :]
        d[np.abs(d) < NOISE] = 0.0
        there = ~np.isnan(d)
        n = there.sum(-1)
        many = np.maximum(n, 2)
        d = np.where(there, d, 0.0)
        with np.errstate(all="ignore"):
            mean = d.sum(-1) / many
            spread = ((d - mean[..., None]) ** 2 * there).sum(-1)
        computed(spread, "the spread of a cell")
        ok = (n >= 2) & (spread > NOISE**2)
        t = np.where(ok, mean / np.sqrt(np.where(ok, spread, 1.0) / (many - 1) / many), 0.0)
        p = 2 * special.stdtr(many - 1, -np.abs(t))
        beats += ok & (p < alpha) & (t > 0)
        tested += ok
    penalty = beats / len(cells) if len(cells) else np.full((k, k), NAN)
    np.fill_diagonal(penalty, NAN)
    np.fill_diagonal(tested, 0)
    return penalty, tested


def paired_table(values: pd.DataFrame, pairs: Sequence[tuple[str, str]], alpha: float):
    """Paired t and Wilcoxon of pairs of columns, each corrected by Holm over the pairs.

    Args:
        values: (n, strategies) DataFrame, a row for each task or seed.
        pairs: names of columns.
        alpha: one minus the level of the intervals.

    Returns:
        DataFrame, a row for each pair: first, second, n, difference, t, df, p, p_holm, low, high,
        w, wilcoxon_p, wilcoxon_p_holm, reason.

    Examples:
        >>> scores = pd.DataFrame({"a": [3, 5, 7, 9], "b": [2, 3, 4, 5], "c": [2, 4, 5, 7]})
        >>> table = paired_table(scores, [("a", "b"), ("a", "c")], 0.05)
        >>> table[["difference", "p", "p_holm"]].round(4).to_numpy().tolist()
        [[2.5, 0.0305, 0.0305], [1.5, 0.0138, 0.0277]]
    """
    rows = []
    for first, second in pairs:
        a, b = values[first].to_numpy(np.float64), values[second].to_numpy(np.float64)
        t, w = paired_t(a, b, alpha), wilcoxon(a, b)
        rows.append(
            (first, second, t["n"], t["difference"], t["t"], t["df"], t["p"], NAN,
             t["low"], t["high"], w["w"], w["p"], NAN, t["reason"])
        )  # fmt: skip
    table = pd.DataFrame(
        rows,
        columns=["first", "second", "n", "difference", "t", "df", "p", "p_holm", "low", "high",
                 "w", "wilcoxon_p", "wilcoxon_p_holm", "reason"],
    )  # fmt: skip
    for column in ("p", "wilcoxon_p"):
        table[f"{column}_holm"] = holm(table[column])
    return table

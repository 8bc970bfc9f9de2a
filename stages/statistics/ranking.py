"""Mean ranks over blocks (tasks, or seeds): Friedman, Nemenyi, groups that do not differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import special, stats

from stages.statistics.finite import computed, finite, finite_or_missing, level
from stages.statistics.studentized import critical, tail

NAN = float("nan")
DIGITS = 9


def block_ranks(scores: pd.DataFrame) -> pd.DataFrame:
    """Ranks within each complete block, 1 for the highest score; ties share the mean rank.

    Args:
        scores: (blocks, strategies), NaN for a missing cell; incomplete blocks are left out.

    Raises:
        ValueError: for an infinity.
        FloatingPointError: for a score too large to be rounded.

    Examples:
        >>> scores = pd.DataFrame({"a": [0.9, 0.8], "b": [0.8, 0.8], "c": [0.7, 0.7]})
        >>> block_ranks(scores).to_numpy().tolist()
        [[1.0, 2.0, 3.0], [1.5, 1.5, 3.0]]
    """
    finite_or_missing(scores, "scores")
    with np.errstate(over="raise"):
        whole = scores.dropna().round(DIGITS)
    return whole.rank(axis=1, ascending=False, method="average")


def friedman(scores: pd.DataFrame) -> dict:
    """Friedman's test of equal mean ranks, with the F form of Iman and Davenport.

    Friedman 1937; with N complete blocks, k strategies and mean ranks R_j,

        chi^2 = 12 N/(k (k + 1)) * [sum_j R_j^2 - k (k + 1)^2/4],

    divided by 1 - sum (t^3 - t)/(N (k^3 - k)) for ties, k - 1 degrees of freedom; Iman and
    Davenport 1980: F = (N - 1) chi^2 / (N (k - 1) - chi^2) with k - 1 and (k - 1)(N - 1) degrees
    of freedom. Demsar 2006, "Statistical comparisons of classifiers over multiple data sets",
    recommends both. Assumes independent blocks. Where all blocks order the strategies alike F is
    infinite and its distribution would call that certain, be it two blocks; "f_p" is then the
    probability of it if in each block all orders are alike likely: (prod t!/k!)^(N - 1), t the
    sizes of the ties of a block.

    Args:
        scores: (blocks, strategies) DataFrame, higher being better, NaN for a missing cell.

    Returns:
        dict with "test", "n" (complete blocks), "left_out", "groups", "chi2", "df", "p", "f",
        "f_p" and "reason" (why they are NaN, else "").

    Raises:
        ValueError: for an infinity.

    Examples:
        >>> found = friedman(pd.DataFrame({"a": [9, 8, 9], "b": [8, 9, 8], "c": [7, 7, 7]}))
        >>> [round(found[key], 4) for key in ("chi2", "df", "p", "f", "f_p")]
        [4.6667, 2, 0.097, 7.0, 0.0494]
    """
    ranks = block_ranks(scores)
    n, k = ranks.shape
    result = {"test": "friedman", "n": n, "left_out": len(scores) - n, "groups": k}
    result |= dict.fromkeys(("chi2", "df", "p", "f", "f_p"), NAN)
    if k < 2:
        return result | {"reason": "there is one strategy"}
    if n < 2:
        return result | {"reason": "fewer than two complete blocks"}
    ties = sum(
        ((counts**3 - counts).sum())
        for counts in (np.unique(row, return_counts=True)[1] for row in ranks.to_numpy())
    )
    correction = 1 - ties / (n * (k**3 - k))
    if correction <= 0:
        return result | {"reason": "all scores are equal"}
    means = ranks.mean().to_numpy()
    chi2 = 12 * n / (k * (k + 1)) * ((means - (k + 1) / 2) ** 2).sum() / correction
    chi2 = max(float(chi2), 0.0)
    rest = n * (k - 1) - chi2
    if rest > 1e-9:
        f = (n - 1) * chi2 / rest
        f_p = float(special.fdtrc(k - 1, (k - 1) * (n - 1), f))
    else:
        _, ties = np.unique(ranks.to_numpy()[0], return_counts=True)
        alike = special.gammaln(ties + 1).sum() - special.gammaln(k + 1)
        f, f_p = float("inf"), float(np.exp((n - 1) * alike))
    p = float(stats.chi2.sf(chi2, k - 1))
    computed([chi2, p, f_p], "Friedman's test")
    return result | {
        "chi2": chi2,
        "df": k - 1,
        "p": p,
        "f": f,
        "f_p": f_p,
        "reason": "",
    }


def critical_difference(strategies: int, blocks: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks.

    Nemenyi 1963, as in Demsar 2006: q/sqrt(2) * sqrt(k (k + 1)/(6 N)), q the upper alpha point of
    the studentized range of k groups with infinite degrees of freedom.

    Args:
        strategies, blocks: k and N.
        alpha: level.

    Returns:
        A float; NaN, undefined, for fewer than two strategies or blocks.

    Raises:
        ValueError: for a level outside (0, 1).

    Examples:
        >>> round(float(critical_difference(5, 10)), 4)
        1.9288
    """
    level(alpha)
    if strategies < 2 or blocks < 2:
        return NAN
    q = float(critical(alpha, strategies, np.inf)[0])
    return q / np.sqrt(2) * np.sqrt(strategies * (strategies + 1) / (6 * blocks))


def least_blocks(strategies: int, alpha: float = 0.05) -> int:
    """Fewest blocks with which Nemenyi's test can tell two strategies apart at all.

    Mean ranks of k strategies are at most k - 1 apart; with fewer blocks the critical difference is
    as wide as that.

    Args:
        strategies: k, at least 2; alpha: level.

    Examples:
        >>> least_blocks(3), least_blocks(10)
        (3, 3)
        >>> [round(float(critical_difference(10, n)), 1) for n in (2, 3)]  # of at most 9
        [9.6, 7.8]
    """
    n = 2
    while critical_difference(strategies, n, alpha) >= strategies - 1:
        n += 1
    return n


def nemenyi(scores: pd.DataFrame) -> pd.DataFrame:
    """Nemenyi's test of all pairs of mean ranks.

    Args:
        scores: as for `friedman`.

    Returns:
        DataFrame, a row for each pair: first, second, difference (of mean ranks, first - second;
        negative: the first is better), p (NaN with fewer than two complete blocks).

    Examples:
        >>> table = nemenyi(pd.DataFrame({"a": [9, 8, 9], "b": [8, 9, 8], "c": [7, 7, 7]}))
        >>> table.round(4).to_numpy().tolist()
        [['a', 'b', -0.3333, 0.9122], ['a', 'c', -1.6667, 0.1025], ['b', 'c', -1.3333, 0.2317]]
    """
    ranks = block_ranks(scores)
    n, k = ranks.shape
    i, j = np.triu_indices(k, 1)
    means = ranks.mean().to_numpy() if n else np.full(k, NAN)
    difference = means[i] - means[j]
    p = np.full(difference.shape, NAN)
    if n >= 2 and k >= 2:
        error = np.sqrt(k * (k + 1) / (6 * n))
        p = tail(np.abs(difference) / error * np.sqrt(2), k, np.inf)
    names = np.array(scores.columns, dtype=object)
    return pd.DataFrame({"first": names[i], "second": names[j], "difference": difference, "p": p})


def cliques(mean_ranks: dict[str, float], distance: float) -> list[list[str]]:
    """Largest groups of strategies whose mean ranks lie within the critical difference.

    Args:
        mean_ranks: strategy -> mean rank.
        distance: the critical difference.

    Returns:
        Lists of at least two names, best first; a group inside another one is left out.

    Raises:
        ValueError: for a rank or distance that is not finite.

    Examples:
        >>> cliques({"a": 1.0, "b": 1.5, "c": 2.5, "d": 4.0}, 1.2)
        [['a', 'b'], ['b', 'c']]
    """
    finite([*mean_ranks.values(), distance], "mean ranks and distance")
    names = sorted(mean_ranks, key=lambda name: (round(mean_ranks[name], DIGITS), name))
    ranks = [mean_ranks[name] for name in names]
    groups = alike_runs(len(names), lambda i, j: ranks[j] - ranks[i] < distance + 1e-12)
    return [[names[at] for at in group] for group in groups]


def alike_runs(count: int, alike: Callable[[int, int], bool]) -> list[range]:
    """Largest runs of neighbours in an order of which no pair differs.

    Args:
        count: how many there are, in their order.
        alike: whether two of them, i < j, are not shown to differ.

    Returns:
        Ranges of at least two, from the first on; one inside another is left out.

    Examples:
        >>> alike_runs(4, lambda i, j: (i, j) != (0, 2) and j < 3)
        [range(0, 2), range(1, 3)]
    """
    found, reached = [], 0
    for at in range(count):
        last = at
        while last + 1 < count and all(alike(i, last + 1) for i in range(at, last + 1)):
            last += 1
        if last > at and last + 1 > reached:
            found.append(range(at, last + 1))
            reached = last + 1
    return found

"""The primary analysis: every strategy against the baseline, paired by seed, as one family.

Runs of a seed share initial set, weights and batches, so their results go up and down together; a
difference within a seed is free of that.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
from scipy import special

from stages.statistics.comparisons import BETTER, NOT_AVAILABLE, UNDETERMINED, WORSE
from stages.statistics.dunnett import dunnett_critical, dunnett_tail
from stages.statistics.finite import computed, finite_or_missing, level
from stages.statistics.paired import holm
from stages.statistics.planning import (
    AUTO,
    BLOCKED,
    FLIPS,
    METHODS,
    PAIRED,
    difference_seen,
    method_of,
)

__all__ = ["AUTO", "BLOCKED", "EQUIVALENT", "FLIPS", "METHODS", "PAIRED", "against_baseline",
           "method_of"]  # fmt: skip

EQUIVALENT = "equivalent"
MOST_EXACT = 14  # seeds up to which all assignments of signs are tried
DRAWS = 9_999  # assignments of signs beyond that, from a fixed seed
NOISE = 1e-12  # differences of fractions closer than this are float noise
NAN = float("nan")
FEW = "fewer than two seeds in common"
FLAT = "all differences are equal"
MISSING = "the baseline is not among the strategies"
COLUMNS = [
    "strategy", "n", "difference", "standard_error", "df", "t", "p", "p_adjusted", "low", "high",
    "p_equivalent", "seen", "verdict", "reason",
]  # fmt: skip


def against_baseline(
    values: pd.DataFrame,
    baseline: str,
    *,
    method: str = AUTO,
    alpha: float = 0.05,
    margin: float = 0.0,
) -> pd.DataFrame:
    """Whether each strategy is better than, equivalent to or worse than the baseline.

    Differences d of the seeds that all strategies have are tested; the family is all strategies
    but the baseline, and the level holds for it as a whole.

    - ``paired``: paired t tests (Student 1908), corrected by Holm 1979. Assumes normal differences
      of independent seeds; each strategy may have a deviation of its own.
    - ``blocked``: the seeds are blocks of a two-way layout without interaction, whose residuals
      give one deviation with (k - 1)(n - 1) degrees of freedom; Dunnett 1955, step-down (Marcus et
      al. 1976). Assumes that all strategies have the same deviation within a seed: for few seeds.
    - ``flips``: the largest |t| over all signs that the seeds' differences could have had,
      step-down (Westfall and Young 1993). Assumes differences that are symmetric around the
      difference of means, whatever their deviations; 2^(1 - n) is its smallest p.

    Equivalent is what two one-sided t tests (Schuirmann 1987), corrected by Holm too, show to
    differ by less than ``margin``; it goes before better and worse, as a difference that small is
    declared to be none.

    Args:
        values: (seeds, strategies), higher is better; seeds with a NaN are left out.
        baseline: a column.
        method: ``auto``: ``paired`` from five seeds on, else ``blocked``.
        alpha: level over the family, for differences and for equivalences, each.
        margin: differences up to it do not matter, in the unit of the values; 0: nothing is
            equivalent.

    Returns:
        DataFrame, a row for each other strategy, with columns COLUMNS: n seeds; difference
        (strategy - baseline) with standard error, df, t and p of one comparison; p_adjusted over
        the family; low and high, simultaneous intervals of the family (by Bonferroni, or
        Dunnett's where ``blocked``), so a little wider than the step-down verdicts; p_equivalent
        (adjusted); seen, the least difference that another study with as many seeds shows four
        times in five (`planning.difference_seen`); verdict "better", "equivalent", "worse",
        "undetermined" or "n/a", and why.

    Raises:
        ValueError: an infinity, a level outside (0, 1), a negative margin or an unknown method.

    Examples:
        >>> runs = pd.DataFrame({"random": [1, 3, 2, 5, 4], "a": [3.1, 5, 4.2, 7, 6.1]})
        >>> runs["b"] = runs["random"] + [0.1, -0.1, 0.05, 0, 0.02]
        >>> found = against_baseline(runs, "random", margin=0.5)
        >>> found[["strategy", "verdict"]].to_numpy().tolist()
        [['a', 'better'], ['b', 'equivalent']]
    """
    if margin < 0 or not np.isfinite(margin):
        raise ValueError(f"margin is {margin}, allowed: a finite number of at least 0")
    names = [name for name in values.columns if name != baseline]
    if baseline not in values.columns:
        return _none(list(values.columns), MISSING)
    whole = finite_or_missing(values.to_numpy(np.float64), "values")
    whole = whole[~np.isnan(whole).any(1)]
    if len(whole) < 2 or not names:
        return _none(names, FEW, len(whole))
    which = method_of(len(whole), method)
    if which not in METHODS:
        raise ValueError(f"method is {method!r}, allowed: {AUTO}, {', '.join(METHODS)}")
    d = np.stack([whole[:, list(values.columns).index(name)] for name in names], 1)
    d = d - whole[:, [list(values.columns).index(baseline)]]
    d[np.abs(d) < NOISE] = 0.0
    found = FAMILIES[which](d, level(alpha))
    bound = found.pop("bound")
    half = bound * found["standard_error"]
    found |= {"n": np.full(len(names), len(whole)), "difference": d.mean(0)}
    found |= {"low": d.mean(0) - half, "high": d.mean(0) + half}
    error, df = found["standard_error"], float(found["df"][0])
    found["seen"] = difference_seen(error, df, len(whole), len(names), method=which, alpha=alpha)
    found["p_equivalent"] = _equivalent(found, margin)
    table = pd.DataFrame({"strategy": names, **found})
    flat = ~(table["standard_error"] > 0)
    table.loc[flat, ["df", "t", "p", "p_adjusted", "low", "high", "p_equivalent", "seen"]] = NAN
    table["reason"] = np.where(flat, FLAT, "")
    table["verdict"] = [_verdict(row, alpha) for row in table.itertuples(index=False)]
    return table[COLUMNS]


def _verdict(row, alpha: float) -> str:
    if np.isnan(row.p):
        return NOT_AVAILABLE
    if row.p_equivalent < alpha:
        return EQUIVALENT
    if row.p_adjusted >= alpha:
        return UNDETERMINED
    return BETTER if row.difference > 0 else WORSE


def _paired(d: np.ndarray, alpha: float) -> dict[str, np.ndarray]:
    n, m = d.shape
    error = d.std(0, ddof=1) / np.sqrt(n)
    error[np.ptp(d, axis=0) < NOISE] = 0.0
    found = _t_tests(d.mean(0), error, n - 1)
    bound = -special.stdtrit(n - 1, alpha / m / 2)
    return found | {"p_adjusted": holm(found["p"]), "bound": bound}


def _blocked(d: np.ndarray, alpha: float) -> dict[str, np.ndarray]:
    n, m = d.shape
    values = np.column_stack([np.zeros(n), d])  # less the baseline's, which the seeds' effects hold
    residuals = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
    df = m * (n - 1)
    variance = (residuals**2).sum() / df
    error = np.full(m, np.sqrt(2 * variance / n))
    error[error < NOISE] = 0.0
    found = _t_tests(d.mean(0), error, df)
    adjusted = _stepwise(np.abs(found["t"]), lambda t, left: dunnett_tail(t, left.sum(), df)[0])
    return found | {"p_adjusted": adjusted, "bound": dunnett_critical(alpha, m, df)}


def all_signs(n: int) -> np.ndarray:
    """Assignments of signs to n seeds, (assignments, n), what was seen first.

    All of them up to MOST_EXACT seeds, mirrored ones left out as they are alike; beyond, DRAWS
    random ones from a fixed seed.

    Examples:
        >>> all_signs(2).tolist()
        [[1.0, 1.0], [1.0, -1.0]]
    """
    if n <= MOST_EXACT:
        signs = np.array(list(product((1.0, -1.0), repeat=n - 1)))
        return np.concatenate([np.ones((len(signs), 1)), signs], 1)
    drawn = np.random.default_rng(0).integers(0, 2, (DRAWS, n)) * 2.0 - 1
    return np.concatenate([np.ones((1, n)), drawn])


def _flips(d: np.ndarray, alpha: float) -> dict[str, np.ndarray]:
    n = len(d)
    signs = all_signs(n)
    # |mean| over the root mean square rises with |t| and is never infinite.
    size = np.sqrt((d**2).mean(0))
    ratio = np.abs(signs @ d) / n / np.where(size > 0, size, 1.0)
    seen = np.round(ratio, 12)

    def beyond(observed: float, left: np.ndarray) -> float:
        return float((seen[:, left].max(1) >= observed).mean())

    return _paired(d, alpha) | {"p_adjusted": _stepwise(seen[0], beyond)}


FAMILIES: dict[str, Callable] = {PAIRED: _paired, BLOCKED: _blocked, FLIPS: _flips}


def _t_tests(mean: np.ndarray, error: np.ndarray, df: int) -> dict[str, np.ndarray]:
    with np.errstate(all="ignore"):
        t = np.where(error > 0, mean / error, 0.0)
    p = computed(2 * special.stdtr(df, -np.abs(t)), "a t test")
    return {"standard_error": error, "df": np.full(len(t), df), "t": t, "p": p}


def _stepwise(statistic: np.ndarray, beyond: Callable[[float, np.ndarray], float]) -> np.ndarray:
    """From the largest statistic down: P(largest of those that are left is as large), rising."""
    adjusted, least = np.empty(len(statistic)), 0.0
    left = np.ones(len(statistic), bool)
    for at in np.argsort(-statistic, kind="stable"):
        least = adjusted[at] = max(least, beyond(statistic[at], left))
        left[at] = False
    return np.minimum(adjusted, 1.0)


def _equivalent(found: dict[str, np.ndarray], margin: float) -> np.ndarray:
    """The larger p of the two one-sided tests of |difference| >= margin, corrected by Holm."""
    if not margin:
        return np.full(len(found["t"]), NAN)
    error = np.where(found["standard_error"] > 0, found["standard_error"], 1.0)
    inside = (margin - np.abs(found["difference"])) / error
    return holm(special.stdtr(found["df"], -inside))


def _none(names: list[str], reason: str, n: int = 0) -> pd.DataFrame:
    rows = [(name, n, *([NAN] * 10), NOT_AVAILABLE, reason) for name in names]
    return pd.DataFrame(rows, columns=COLUMNS)

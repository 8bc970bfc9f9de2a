"""Along the budget: differences from the baseline at every labeled count, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special

from stages.statistics.finite import computed, finite, finite_or_missing, level

NAN = float("nan")
NOISE = 1e-12  # differences of fractions closer than this are float noise
ENOUGH_SIGNS = 10  # pairs from which the band over signs holds its level; below it is Bonferroni's
DRAWS = 9_999  # assignments of signs, from a fixed seed
BONFERRONI, SIGNS = "bonferroni", "signs"
SHARED = "shared: every difference is 0"
FLAT = "all differences are equal"
FEW = "fewer than two seeds in common"
COLUMNS = [
    "strategy", "labeled", "n", "difference", "standard_error", "t", "p", "low", "high",
    "band_low", "band_high", "band", "reason",
]  # fmt: skip


def differences_along(
    values: Mapping[str, np.ndarray], labeled, baseline: str, *, alpha: float = 0.05
) -> pd.DataFrame:
    """Differences from the baseline at every labeled count, with an interval and a band.

    The interval at a count is that of a paired t test there (Student 1908): each holds with
    1 - alpha by itself. The band holds at all counts of one strategy together, though not over
    several strategies. It is difference -/+ c standard errors with c

    - by Bonferroni the t quantile at 1 - alpha/(2 m), m counts that can differ, with fewer than
      ENOUGH_SIGNS seeds: right for normal differences, wider than need be;
    - else the 1 - alpha quantile of the largest |t| over m counts when each seed's whole curve of
      differences less the mean curve gets a random sign (the wild bootstrap of Liu 1988 with the
      single-step max-t of Westfall and Young 1993): it uses that a curve's points go up and down
      together. If two or more seeds lack a count, it is Bonferroni's.

    Where all differences are 0, as at a first budget that strategies share, there is nothing to
    test: the difference is 0, the rest NaN, and the count is not among the m.

    Args:
        values: strategy -> (seeds, counts) floats, NaN where a run has no value; row s of all of
            them is one seed.
        labeled: (counts,) labeled images.
        baseline: one of them, the strategy that others are held against.
        alpha: one minus the level.

    Returns:
        DataFrame, a row for each other strategy and count, with columns COLUMNS: n seeds that both
        have; difference (strategy - baseline) with standard error, t and p of a paired t test, in
        the unit of the values; low, high; band_low, band_high; band ("bonferroni", "signs" or "");
        reason (why not computable, else ""). Empty if the baseline is not there.

    Raises:
        ValueError: an infinity, shapes that do not fit, or a level outside (0, 1).

    Examples:
        >>> runs = {"random": [[5, 6], [5, 7], [4, 5]], "a": [[5, 8], [5, 8], [4, 8]]}
        >>> table = differences_along(runs, [10, 20], "random")
        >>> table[["labeled", "n", "difference", "reason"]].to_numpy().tolist()
        [[10, 3, 0.0, 'shared: every difference is 0'], [20, 3, 2.0, '']]
        >>> table[["p", "low", "high", "band_low"]].round(4).to_numpy().tolist()[1]
        [0.0742, -0.4841, 4.4841, -0.4841]
    """
    level(alpha)
    labeled = finite(labeled, "labeled")
    arrays = {name: _curves(own, name, labeled.size) for name, own in values.items()}
    if len({own.shape for own in arrays.values()}) > 1:
        raise ValueError("all strategies must have the same seeds and labeled counts")
    if baseline not in arrays:
        return pd.DataFrame(columns=COLUMNS)
    parts = [
        _of_one(name, own - arrays[baseline], labeled, alpha)
        for name, own in arrays.items()
        if name != baseline
    ]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _curves(values, name: str, counts: int) -> np.ndarray:
    found = finite_or_missing(values, f"values of {name}")
    if found.ndim != 2 or found.shape[1] != counts:
        raise ValueError(f"values of {name} must have the shape (seeds, {counts})")
    return found


def _of_one(name: str, d: np.ndarray, labeled: np.ndarray, alpha: float) -> pd.DataFrame:
    d = np.where(np.abs(d) < NOISE, 0.0, d)
    there = ~np.isnan(d)
    n = there.sum(0)
    many = np.maximum(n, 2)
    whole = np.where(there, d, 0.0)
    mean = np.where(n > 0, whole.sum(0) / np.maximum(n, 1), NAN)
    rest = np.where(there, d - mean, 0.0)
    ok = (n >= 2) & (np.abs(rest).max(0, initial=0.0) > NOISE)
    shared = (n >= 1) & (whole == 0).all(0)
    error = np.where(ok, np.sqrt((rest**2).sum(0) / (many - 1) / many), NAN)
    with np.errstate(invalid="ignore"):
        t = mean / error
    half = -special.stdtrit(many - 1, alpha / 2) * error
    bound, by = _band(rest[:, ok], n[ok], there[:, ok], alpha)
    wide = np.full(n.size, NAN)
    wide[ok] = bound * error[ok]
    computed(half[ok], "an interval along the budget")
    reason = np.where(ok, "", np.where(shared, SHARED, np.where(n >= 2, FLAT, FEW)))
    counts = labeled.astype(np.int64) if (labeled == labeled.astype(np.int64)).all() else labeled
    return pd.DataFrame(
        {
            "strategy": name, "labeled": counts, "n": n, "difference": mean,
            "standard_error": error, "t": t, "p": 2 * special.stdtr(many - 1, -np.abs(t)),
            "low": mean - half, "high": mean + half, "band_low": mean - wide,
            "band_high": mean + wide, "band": np.where(ok, by, ""), "reason": reason,
        }
    )  # fmt: skip


def _band(rest: np.ndarray, n: np.ndarray, there: np.ndarray, alpha: float):
    """Standard errors on each side of the differences, of all counts together, and by what."""
    m = n.size
    if not m:
        return np.zeros(0), ""
    kept = there.all(1)
    if kept.sum() < ENOUGH_SIGNS or (~kept).sum() > 1 or m == 1:
        return -special.stdtrit(n - 1, alpha / m / 2), BONFERRONI
    rest = rest[kept] - rest[kept].mean(0)
    many = len(rest)
    drawn = np.random.default_rng(0).integers(0, 2, (DRAWS, many)) * 2.0 - 1
    mean = drawn @ rest / many
    # A sign leaves the sum of squares as it is; the mean of the signed ones is taken out of it.
    variance = ((rest**2).mean(0) - mean**2) / (many - 1)
    largest = np.abs(mean / np.sqrt(np.maximum(variance, NOISE**2))).max(1)
    return np.full(m, np.quantile(largest, 1 - alpha)), SIGNS

"""Tests that need single values, on runs drawn to have the printed means and deviations."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import special, stats

from stages.published.checks import RUNS_A_SET, munjal_tables

DRAWS = 2_000
ALPHA = 0.05
COLUMNS = [
    "dataset", "labeled", "kruskal_share", "kruskal_p", "kruskal_printed", "levene_mean",
    "levene_median",
]  # fmt: skip


def conditioned(means, stds, runs: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Normal values that have exactly these means and deviations (ddof = 1).

    Args:
        means, stds: (sets,) floats.
        runs: values a set; draws: how many times; rng: a generator.

    Returns:
        (draws, sets, runs) floats.

    Examples:
        >>> found = conditioned([1.0, 2.0], [0.5, 0.0], 4, 3, np.random.default_rng(0))
        >>> found.shape, found.mean(2).round(6).tolist()[0]
        ((3, 2, 4), [1.0, 2.0])
    """
    means, stds = np.asarray(means, np.float64), np.asarray(stds, np.float64)
    z = rng.normal(size=(draws, means.size, runs))
    z -= z.mean(2, keepdims=True)
    z /= z.std(2, ddof=1, keepdims=True)
    return means[:, None] + stds[:, None] * z


def kruskal_p(values: np.ndarray) -> np.ndarray:
    """Kruskal-Wallis's p by chi-square of many studies, without ties.

    Args:
        values: (studies, groups, n) floats.
    """
    studies, k, n = values.shape
    total = k * n
    order = np.argsort(values.reshape(studies, total), axis=1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, total + 1)[None], 1)
    sums = ranks.reshape(studies, k, n).sum(2)
    h = 12 / (total * (total + 1)) * (sums.astype(np.float64) ** 2 / n).sum(1) - 3 * (total + 1)
    return stats.chi2.sf(h, k - 1)


def levene_p(values: np.ndarray, centre=np.mean) -> np.ndarray:
    """Levene's p of many studies.

    Args:
        values: (studies, groups, n) floats.
        centre: `np.mean` (Levene 1960) or `np.median` (Brown and Forsythe 1974).
    """
    _, k, n = values.shape
    z = np.abs(values - centre(values, axis=2, keepdims=True))
    groups = z.mean(2)
    between = n * ((groups - groups.mean(1, keepdims=True)) ** 2).sum(1) / (k - 1)
    within = ((z - groups[..., None]) ** 2).sum((1, 2)) / (k * (n - 1))
    return special.fdtrc(k - 1, k * (n - 1), between / within)


@lru_cache
def munjal_simulated(draws: int = DRAWS) -> pd.DataFrame:
    """Kruskal-Wallis and Levene of Munjal et al. 2022 on drawn runs.

    The 25 runs of a method (five initial sets of five runs each) are not printed; the mean and the
    deviation of each set are. Runs are drawn normal within a set, with exactly these.

    Args:
        draws: simulated studies an experiment.

    Returns:
        DataFrame with COLUMNS, a row for each of the six experiments: dataset, labeled, the share
        of draws in which Kruskal-Wallis rejects at 0.05, their median p, the printed p, the shares
        in which Levene's test rejects with the mean and with the median as centre.
    """
    rows = []
    for dataset, labeled, sets, printed in munjal_tables():
        rng = np.random.default_rng(0)
        drawn = [
            conditioned(own["mean"], own["std"], RUNS_A_SET, draws, rng).reshape(draws, -1)
            for _, own in sets.groupby("method", sort=False)
        ]
        values = np.stack(drawn, 1)
        kruskal = kruskal_p(values)
        levene = [levene_p(values, centre) for centre in (np.mean, np.median)]
        rows.append(
            (dataset, labeled, float((kruskal < ALPHA).mean()), float(np.median(kruskal)), printed,
             *(float((p < ALPHA).mean()) for p in levene))
        )  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)

"""Intervals of a mean over seeds: by Student's t, and by the bootstrap where there are enough."""

from __future__ import annotations

import numpy as np
from scipy import special

from stages.statistics.finite import computed, finite, level

NAN = float("nan")
RESAMPLES = 10_000
SEED = 20
LEAST = 10  # runs; of two values the percentile interval is [min, max], of five it covers 84 %


def bootstrap_mean(
    values, alpha: float = 0.05, resamples: int = RESAMPLES, seed: int = SEED
) -> dict:
    """Student's t, percentile and BCa intervals of a mean.

    The t interval holds for normal values, however few. The bootstrap's are those of Efron and
    Tibshirani 1993, "An Introduction to the Bootstrap", chapters 13 and 14: the percentile interval
    is between the alpha/2 and 1 - alpha/2 quantiles of the means of resamples drawn with
    replacement; BCa shifts both by the bias correction z0 = Phi^-1(share of resampled means below
    the mean, ties by half) and the acceleration a of the jackknife. The draws depend on n and
    `seed` alone, so equal data give equal intervals. Assumes independent runs; with fewer than
    LEAST of them the bootstrap's intervals are too narrow and are not given.

    Args:
        values: (n,) floats.
        alpha: one minus the level.
        resamples, seed: number of draws and seed of their generator.

    Returns:
        dict with "n", "mean", "t_low", "t_high", "low", "high" (percentile), "bca_low", "bca_high"
        and "reason"; the intervals are NaN, undefined, for fewer than two runs or equal values,
        those of the bootstrap for fewer than LEAST runs, those of BCa also where the level is too
        small for so skewed a sample (1 - a z not positive).

    Raises:
        ValueError: for a value that is not finite, or a level outside (0, 1).

    Examples:
        >>> found = bootstrap_mean([0.25, 0.5, 0.75, 1.0])
        >>> found["n"], found["mean"], round(found["t_low"], 4), round(found["t_high"], 4)
        (4, 0.625, 0.1114, 1.1386)
        >>> found["low"], found["reason"]
        (nan, 'fewer than 10 runs')
    """
    x = np.sort(finite(values, "values"))
    level(alpha)
    n = int(x.size)
    result = {"n": n, "mean": float(x.mean()) if n else NAN}
    result |= dict.fromkeys(("t_low", "t_high", "low", "high", "bca_low", "bca_high"), NAN)
    if n < 2:
        return result | {"reason": "fewer than two runs"}
    if np.ptp(x) == 0:
        return result | {"mean": float(x[0]), "reason": "all values are equal"}
    with np.errstate(all="ignore"):
        half = -special.stdtrit(n - 1, alpha / 2) * x.std(ddof=1) / np.sqrt(n)
    computed([x.mean() - half, x.mean() + half], "the t interval")
    result |= {"t_low": float(x.mean() - half), "t_high": float(x.mean() + half)}
    if n < LEAST:
        return result | {"reason": f"fewer than {LEAST} runs"}
    draws = np.random.default_rng(seed).integers(0, n, (resamples, n))
    means = x[draws].mean(axis=1)
    quantiles = [alpha / 2, 1 - alpha / 2]
    low, high = np.quantile(means, quantiles)
    result |= {"low": float(low), "high": float(high), "reason": ""}
    # Sums in another order differ in the last bit from the mean that they equal.
    below = (means < result["mean"] - 1e-12).mean()
    share = (below + (means <= result["mean"] + 1e-12).mean()) / 2
    z0 = special.ndtri(share)
    deviations = x - x.mean()  # in proportion to mean of the jackknifed means minus each of them
    deviations = deviations / np.abs(deviations).max()
    acceleration = (deviations**3).sum() / (6 * ((deviations**2).sum()) ** 1.5)
    z = z0 + special.ndtri(quantiles)
    if not np.isfinite(z).all() or (1 - acceleration * z <= 0).any():
        return result | {"reason": "the sample is too skewed for BCa at this level"}
    corrected = special.ndtr(z0 + z / (1 - acceleration * z))
    bca_low, bca_high = np.quantile(means, computed(corrected, "the BCa interval"))
    return result | {"bca_low": float(bca_low), "bca_high": float(bca_high)}

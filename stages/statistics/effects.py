"""How large a difference is, in standard deviations."""

from __future__ import annotations

import numpy as np
from scipy import special

from stages.statistics.finite import (
    computed,
    deviations,
    finite,
    level,
    means_of,
)

NAN = float("nan")


def hedges(means, stds, counts, i, j, alpha: float = 0.05) -> tuple[np.ndarray, ...]:
    """Hedges' g of pairs of groups, with an interval that needs no equal variances.

    Bonett 2008, "Confidence intervals for standardized linear contrasts of means": with
    s^2 = (s_i^2 + s_j^2)/2 and d = (mean_i - mean_j)/s,

        var d = d^2 (s_i^4/(n_i - 1) + s_j^4/(n_j - 1)) / (8 s^4)
                + (s_i^2/(n_i - 1) + s_j^2/(n_j - 1)) / s^2,

    and the correction of Hedges 1981 for small samples, g = J d with
    J = 1 - 3/(4 (n_i + n_j) - 9). Assumes normal groups.

    Args:
        means, stds, counts: (k,) of the groups, deviations with ddof = 1.
        i, j: (pairs,) numbers of the first and the second group.
        alpha: one minus the level of the interval.

    Returns:
        (g, low, high), each (pairs,); NaN for groups of fewer than two values or if both
        deviations are zero.

    Raises:
        ValueError: for a mean or deviation that is not finite, or a negative deviation.
        FloatingPointError: for an effect that cannot be computed.

    Examples:
        >>> g, low, high = hedges([3, 1], [1, 1], [5, 5], [0], [1])
        >>> [round(x.item(), 4) for x in (g, low, high)]
        [1.8065, 0.2733, 3.3396]
    """
    counts = finite(counts, "counts")
    means, stds = means_of(means, counts), deviations(stds, counts)
    alpha = level(alpha)
    n_i, n_j = counts[i], counts[j]
    # In units of the larger deviation no square overflows or vanishes.
    unit = np.fmax(stds[i], stds[j])
    ok = (n_i >= 2) & (n_j >= 2) & (unit > 0)
    g, low, high = (np.full(ok.shape, NAN) for _ in range(3))
    i, j, n_i, n_j, unit = np.asarray(i)[ok], np.asarray(j)[ok], n_i[ok], n_j[ok], unit[ok]
    v_i, v_j = (stds[i] / unit) ** 2, (stds[j] / unit) ** 2
    pooled = (v_i + v_j) / 2
    share_i, share_j = v_i / pooled, v_j / pooled
    with np.errstate(over="ignore"):
        d = (means[i] - means[j]) / unit / np.sqrt(pooled)
        variance = d**2 * (share_i**2 / (n_i - 1) + share_j**2 / (n_j - 1)) / 8
    variance += share_i / (n_i - 1) + share_j / (n_j - 1)
    computed(variance, "the variance of Hedges' g")
    correction = 1 - 3 / (4 * (n_i + n_j) - 9)
    half = -special.ndtri(alpha / 2) * np.sqrt(variance)
    g[ok], low[ok], high[ok] = (correction * x for x in (d, d - half, d + half))
    return g, low, high

"""Dunnett's test: several strategies against one baseline, with one pooled deviation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

from stages.statistics.finite import computed, finite, level

Z, Z_WEIGHTS = np.polynomial.hermite_e.hermegauss(96)
Z_WEIGHTS = Z_WEIGHTS / np.sqrt(2 * np.pi)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(160)
EDGE = 1e-17  # probability left out at each end of the scale
BISECTIONS = 60


def dunnett_tail(t, m: int, df: float) -> np.ndarray:
    """P(max |T_i| > t) of m comparisons with one baseline, all groups of one size.

    Dunnett 1955, "A multiple comparison procedure for comparing several treatments with a
    control": T_i = (Z_i - Z_0) / (sqrt(2) S) with independent standard normals and
    S = chi_df / sqrt(df), so

        P(max |T_i| <= t) = E[(Phi(Z_0 + sqrt(2) t S) - Phi(Z_0 - sqrt(2) t S))^m].

    By Gauss rules over Z_0 and S; agrees with `scipy.stats.dunnett` to the 1e-4 of its sampling.

    Args:
        t: (n,) floats, not negative.
        m: number of comparisons, at least 1.
        df: degrees of freedom of S, above 0.

    Returns:
        (n,) floats in [0, 1].

    Raises:
        ValueError: for other arguments.

    Examples:
        >>> dunnett_tail([2.0, 3.0], 1, 10).round(4).tolist()  # a plain two-sided t test
        [0.0734, 0.0133]
        >>> dunnett_tail([2.0, 3.0], 5, 10).round(4).tolist()
        [0.236, 0.0492]
    """
    t = np.atleast_1d(finite(t, "t"))
    if (t < 0).any() or m < 1 or not df > 0:
        raise ValueError("Dunnett's test needs t >= 0, one comparison or more and df > 0")
    half = df / 2
    low = np.sqrt(special.gammaincinv(half, EDGE) / half)
    high = np.sqrt(special.gammainccinv(half, EDGE) / half)
    s = (low + high) / 2 + (high - low) / 2 * NODES
    log_density = (
        np.log(2.0) + half * np.log(half) - special.gammaln(half)
        + (df - 1) * np.log(np.maximum(s, 1e-300)) - half * s**2
    )  # fmt: skip
    weight = np.exp(log_density) * WEIGHTS * (high - low) / 2
    reach = np.sqrt(2) * t[:, None, None] * s[None, :, None]
    inside = special.ndtr(Z + reach) - special.ndtr(Z - reach)
    below = (1 - inside**m) @ Z_WEIGHTS @ weight
    return np.clip(computed(below, "Dunnett's test"), 0.0, 1.0)


@lru_cache(maxsize=256)
def dunnett_critical(alpha: float, m: int, df: float) -> float:
    """The t that max |T_i| of :func:`dunnett_tail` exceeds with probability alpha.

    Examples:
        >>> round(dunnett_critical(0.05, 5, 20), 2)  # 2.73 in Dunnett 1964, two-sided
        2.73
    """
    level(alpha)
    low, high = 0.0, 1.0
    while dunnett_tail(high, m, df)[0] > alpha:
        low, high = high, 2 * high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if dunnett_tail(middle, m, df)[0] > alpha else (low, middle)
    return high

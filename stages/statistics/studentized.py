"""The studentized range: tail and critical values for many pairs at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.polynomial import Chebyshev
from scipy import special
from scipy.interpolate import BSpline, make_interp_spline

from stages.statistics.finite import computed, level

WIDEST = 16.0  # ranges of up to a thousand normals beyond it have a probability below 1e-20
KNOTS = 1025
NODES = 129
MANY_NODES = 513  # below FEW_DF the scale spreads over many powers of ten
FEW_DF = 3.0
EDGE = 1e-17  # probability left out at each end of the scale
MOST_DF = 1e8  # beyond it the scale is a constant to the last digit
BLOCK = 4096
BISECTIONS = 60
INTERPOLATION_DEGREE = 16


@lru_cache(maxsize=128)
def _range_tail(k: int) -> BSpline:
    """P(range of k standard normals > w) as a spline over 0 <= w <= WIDEST."""
    z = np.linspace(-9.0, 9.0, 361)
    w = np.linspace(0.0, WIDEST, KNOTS)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    # The smallest of the k lies at z, the others within w above it.
    inside = special.ndtr(-z[None, :]) - special.ndtr(-(z[None, :] + w[:, None]))
    below = k * (inside ** (k - 1) @ density) * (z[1] - z[0])
    return make_interp_spline(w, np.clip(1 - below, 0.0, 1.0), k=5)


def tail(q, k: int, df) -> np.ndarray:
    """P(Q > q) of the studentized range Q of k groups.

    With s = chi_df / sqrt(df) and W the range of k standard normals,

        P(Q > q) = integral of f_df(s) P(W > q s) ds,

    by the trapezoid rule in log s, which converges exponentially for this integrand. Agrees with
    `scipy.stats.studentized_range.sf` to 1e-9 and takes microseconds a value.

    Args:
        q: (n,) floats, not negative.
        k: number of groups, at least 2.
        df: (n,) degrees of freedom, above 0; infinity is allowed.

    Returns:
        (n,) floats in [0, 1].

    Raises:
        ValueError: for fewer than two groups, a negative q or df that is not positive; NaN is
            neither.

    Examples:
        >>> tail([0, 3.5, 4], 3, [10, 10, np.inf]).round(4).tolist()
        [1.0, 0.0771, 0.013]
    """
    q, df = np.broadcast_arrays(np.asarray(q, np.float64), np.asarray(df, np.float64))
    if k < 2 or not (q >= 0).all() or not (df > 0).all():
        raise ValueError("the studentized range needs k of at least 2, q >= 0 and df > 0")
    if q.size > BLOCK:
        parts = range(0, q.size, BLOCK)
        return np.concatenate([tail(q[at : at + BLOCK], k, df[at : at + BLOCK]) for at in parts])
    spline = _range_tail(int(k))
    found = np.clip(spline(np.minimum(q, WIDEST)), 0.0, 1.0)
    for chosen, nodes in (
        (df < FEW_DF, MANY_NODES),
        ((df >= FEW_DF) & (df < MOST_DF), NODES),
    ):
        if chosen.any():
            found[chosen] = _integrate(q[chosen], df[chosen], spline, nodes)
    return np.clip(computed(found, "the studentized range"), 0.0, 1.0)


def _integrate(q: np.ndarray, df: np.ndarray, spline: BSpline, nodes: int) -> np.ndarray:
    half = df / 2
    ends = [
        0.5 * np.log(np.maximum(inverse(half, EDGE), 1e-300) / half)
        for inverse in (special.gammaincinv, special.gammainccinv)
    ]
    x = np.linspace(*ends, nodes, axis=-1)
    step = (ends[1] - ends[0]) / (nodes - 1)
    constant = np.log(2.0) + half * np.log(half) - special.gammaln(half)
    weight = np.exp(constant[:, None] + half[:, None] * (2 * x - np.exp(2 * x)))
    beyond = spline(np.minimum(q[:, None] * np.exp(x), WIDEST))
    return (weight * beyond).sum(-1) * step


def critical(alpha: float, k: int, df) -> np.ndarray:
    """The q that the studentized range of k groups exceeds with probability alpha.

    Args:
        alpha: between 0 and 1.
        k: number of groups.
        df: (n,) degrees of freedom.

    Returns:
        (n,) floats, by bisection of `tail` on a logarithmic scale.

    Raises:
        ValueError: for alpha outside (0, 1), or k or df as for `tail`.
        FloatingPointError: for a value beyond 1e60.

    Examples:
        >>> critical(0.05, 3, [10, np.inf]).round(4).tolist()
        [3.8768, 3.3145]
    """
    level(alpha)
    df = np.atleast_1d(np.asarray(df, np.float64))
    low, high = np.full(df.size, 1e-6), np.full(df.size, 10.0)
    for _ in range(200):
        short = tail(high, k, df) > alpha
        if not short.any():
            break
        high[short] *= 2
    else:
        raise FloatingPointError(f"the studentized range has no point at alpha {alpha}")
    for _ in range(BISECTIONS):
        middle = np.sqrt(low * high)
        above = tail(middle, k, df) > alpha
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.sqrt(low * high)


@lru_cache(maxsize=64)
def _critical_curve(k: int, alpha: float, lowest: float, highest: float) -> Chebyshev:
    return Chebyshev.interpolate(
        lambda inverse: np.log(critical(alpha, k, 1 / inverse)),
        INTERPOLATION_DEGREE,
        [1 / highest, 1 / lowest],
    )


def critical_of_pairs(alpha: float, k: int, df: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`critical` for the pairs of groups with the given counts.

    Args:
        alpha, k: as for `critical`.
        df: (pairs,) Welch degrees of freedom.
        counts: (k,) values in each group, which bound df.

    Returns:
        (pairs,) floats.

    Examples:
        >>> df, counts = np.array([4.0, 3.2]), np.array([3, 3, 3])
        >>> critical_of_pairs(0.05, 3, df, counts).round(4).tolist()
        [5.0402, 5.6744]
    """
    if df.size <= INTERPOLATION_DEGREE:
        return critical(alpha, k, df)
    # log q is smooth in 1/df, so one curve serves all pairs of all tests of this size.
    lowest, highest = counts.min() - 1.0, 2.0 * counts.max() - 2.0
    if lowest == highest:
        lowest, highest = lowest * 0.9, highest * 1.1
    return np.exp(_critical_curve(k, alpha, lowest, highest)(1 / df))

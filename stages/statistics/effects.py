"""How large a difference is, and how many seeds it takes to see it."""

from __future__ import annotations

import numpy as np
from scipy import special

from stages.statistics.finite import (
    computed,
    deviations,
    finite,
    finite_or_missing,
    level,
    means_of,
)

NAN = float("nan")
MOST_SEEDS = 10_000
REACH = 9.0  # a normal value lies beyond it with probability 2e-19
EDGE = 1e-17  # probability left out at each end of the scale
NODES, WEIGHTS = np.polynomial.legendre.leggauss(128)


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


def welch_power(difference, std_a, std_b, n, alpha: float = 0.05) -> np.ndarray:
    """Power of Welch's two-sided t test with n runs of each of two strategies.

    With v = (std_a^2 + std_b^2)/n, nu = (n - 1)(std_a^2 + std_b^2)^2/(std_a^4 + std_b^4) and T
    noncentral t with nu degrees of freedom and noncentrality difference/sqrt(v),

        power = P(|T| > t_(1 - alpha/2, nu)).

    Assumes normal groups with these deviations. nu is taken as known, while the test estimates it
    anew each time: the power that simulated tests have differs by up to 0.33 with two runs each,
    0.10 with three and 0.02 with five (most where the deviations are alike).

    Args:
        difference, std_a, std_b, n: floats or arrays of one shape; n at least 2, deviations not
            negative and not both 0.
        alpha: level of the test.

    Returns:
        Array of powers in [0, 1], right to 1e-9.

    Raises:
        ValueError: for other arguments, among them any that is not finite.
        FloatingPointError: for a power that cannot be computed.

    Examples:
        >>> welch_power(1.0, 1.0, 1.0, [5, 10, 20]).round(4).tolist()
        [0.2863, 0.562, 0.869]
    """
    names = ("difference", "std_a", "std_b", "n")
    values = (finite(x, name) for x, name in zip((difference, std_a, std_b, n), names, strict=True))
    difference, a, b, n = np.broadcast_arrays(*values)
    if (np.minimum(a, b) < 0).any() or (np.maximum(a, b) == 0).any():
        raise ValueError("std_a and std_b must not be negative, nor both 0")
    if (n < 2).any():
        raise ValueError("n must be at least 2")
    largest = np.maximum(a, b)
    va, vb = (a / largest) ** 2, (b / largest) ** 2
    df = (n - 1) * (va + vb) ** 2 / (va**2 + vb**2)
    with np.errstate(over="ignore"):  # a difference beyond all bounds has power 1
        shift = np.abs(difference) / largest / np.sqrt((va + vb) / n)
    return _beyond(shift, df, -special.stdtrit(df, level(alpha) / 2))


def _beyond(shift: np.ndarray, df: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """P(|T| > bound) of the noncentral t distribution.

    Series for it fail at few degrees of freedom (NaN in SciPy's `nctdtr` and `nct`). T is
    (Z + shift)/S with Z normal and df S^2 chi^2, so

        P(|T| > bound) = integral of phi(z) P(S < |z + shift| / bound) dz,

    smooth but at z = -shift: the half-lines beyond it are added up, and Gauss-Legendre rules are
    set where S rises from 0 to 1 and on both sides of it.

    Args:
        shift, df, bound: arrays of one shape, not negative.
    """
    half = df / 2
    ends = [np.sqrt(special.gammaincinv(half, EDGE) / half),
            np.sqrt(special.gammainccinv(half, EDGE) / half)]  # fmt: skip
    start = np.maximum(-shift, -REACH)
    rise = [np.clip(bound * end - shift, start, REACH) for end in ends]
    total = np.zeros(shift.shape)
    for left, right in ((start, rise[0]), rise, (rise[1], np.full(shift.shape, REACH))):
        middle, width = (left + right) / 2, (right - left) / 2
        z = middle[..., None] + width[..., None] * NODES
        density = np.exp(-(z**2) / 2) + np.exp(-((z + 2 * shift[..., None]) ** 2) / 2)
        ratio = np.maximum(z + shift[..., None], 0) / bound[..., None]
        with np.errstate(over="ignore"):
            below = special.gammainc(half[..., None], half[..., None] * ratio**2)
        total += (density * below) @ WEIGHTS * width
    return np.clip(computed(total / np.sqrt(2 * np.pi), "the power"), 0.0, 1.0)


def seeds_needed(
    difference: float, std_a: float, std_b: float, alpha: float = 0.05, power: float = 0.8
) -> tuple[int | None, str]:
    """Fewest runs a strategy with which Welch's t test sees a difference.

    Args:
        difference: between the two means; std_a, std_b: deviations in the same unit, NaN for the
            undefined one of a single run.
        alpha: level of the test; power: probability to see the difference.

    Returns:
        (n, "") or (None, reason).

    Raises:
        ValueError: for a difference that is not finite, a deviation that is infinite or negative,
            or a level or power outside (0, 1).

    Examples:
        >>> seeds_needed(1.0, 1.0, 1.0), seeds_needed(0.0, 1.0, 1.0)
        ((17, ''), (None, 'there is no difference to see'))
    """
    finite(difference, "difference")
    stds = finite_or_missing([std_a, std_b], "deviation")
    _probability(power)
    if np.isnan(stds).any():
        return None, "no deviation from one run"
    if difference == 0:
        return None, "there is no difference to see"
    if not stds.any():
        return None, "neither strategy has any variance"

    def enough(n: int) -> bool:
        return bool(welch_power(difference, std_a, std_b, n, alpha) >= power)

    if not enough(MOST_SEEDS):
        return None, f"more than {MOST_SEEDS}"
    low, high = 1, 2
    while not enough(high):
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high, ""


def difference_seen(
    std_a: float, std_b: float, n: int, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Smallest difference of means that Welch's t test with n runs each sees with this power.

    Args:
        std_a, std_b: deviations, NaN for the undefined one of a single run.
        n: runs of each strategy.
        alpha: level of the test; power: at least alpha, which a difference of 0 has.

    Returns:
        A float in the unit of the deviations; NaN, undefined, for n < 2, the deviation of a single
        run or two deviations of zero.

    Raises:
        ValueError: for a deviation that is infinite or negative, or a level or power outside
            (0, 1).
        FloatingPointError: for a difference too large for a float.

    Examples:
        >>> round(difference_seen(1.0, 1.0, 17), 4)
        0.991
    """
    stds = finite_or_missing([std_a, std_b], "deviation")
    _probability(power)
    level(alpha)
    if n < 2 or np.isnan(stds).any() or not stds.any():
        return NAN
    low, high = 0.0, float(stds.max())
    while welch_power(high, std_a, std_b, n, alpha) < power:
        low, high = high, computed(2 * high, "the difference seen")
    for _ in range(60):
        middle = (low + high) / 2
        if welch_power(middle, std_a, std_b, n, alpha) < power:
            low = middle
        else:
            high = middle
    return high


def shift_seen(df: float, bound: float, power: float = 0.8) -> float:
    """Noncentrality with which a noncentral t of ``df`` degrees lies beyond -/+ ``bound``.

    Times the standard error it is the least difference that such a test shows with this power.

    Args:
        df: degrees of freedom; bound: of the test, above 0; power: above that of no difference.

    Returns:
        The noncentrality; 0 where no difference at all is needed.

    Raises:
        ValueError: for a power outside (0, 1), or df or a bound that is not positive.

    Examples:
        >>> bound = -special.stdtrit(9, 0.025)  # ten pairs, two-sided 5 %
        >>> round(shift_seen(9, bound) / 10**0.5, 3)  # Cohen 1988: d of about 1.0
        0.996
    """
    _probability(power)
    if not (df > 0 and bound > 0):
        raise ValueError("df and bound must be positive")
    of = [np.array([x], np.float64) for x in (df, bound)]

    def seen(shift: float) -> float:
        return float(_beyond(np.array([shift]), *of)[0])

    low, high = 0.0, 1.0
    if seen(low) >= power:
        return low
    while seen(high) < power:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if seen(middle) < power else (low, middle)
    return high


def _probability(power: float) -> None:
    if not 0 < power < 1:
        raise ValueError(f"power is {power}, allowed: more than 0 and less than 1")

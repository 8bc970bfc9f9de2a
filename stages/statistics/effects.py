"""How large a difference is, and how many seeds it takes to see it."""

import numpy as np
from scipy import special

NAN = float("nan")
MOST_SEEDS = 10_000


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
    """
    means, stds = np.asarray(means, np.float64), np.asarray(stds, np.float64)
    counts = np.asarray(counts, np.float64)
    n_i, n_j = counts[i], counts[j]
    v_i, v_j = stds[i] ** 2, stds[j] ** 2
    pooled = (v_i + v_j) / 2
    ok = (n_i >= 2) & (n_j >= 2) & (pooled > 0)
    g, low, high = (np.full(ok.shape, NAN) for _ in range(3))
    n_i, n_j, pooled = n_i[ok], n_j[ok], pooled[ok]
    share_i, share_j = v_i[ok] / pooled, v_j[ok] / pooled
    d = (means[i][ok] - means[j][ok]) / np.sqrt(pooled)
    variance = d**2 * (share_i**2 / (n_i - 1) + share_j**2 / (n_j - 1)) / 8
    variance += share_i / (n_i - 1) + share_j / (n_j - 1)
    correction = 1 - 3 / (4 * (n_i + n_j) - 9)
    half = special.ndtri(1 - alpha / 2) * np.sqrt(variance)
    g[ok], low[ok], high[ok] = (correction * x for x in (d, d - half, d + half))
    return g, low, high


def welch_power(difference, std_a, std_b, n, alpha: float = 0.05) -> np.ndarray:
    """Power of Welch's two-sided t test with n runs of each of two strategies.

    With v = (std_a^2 + std_b^2)/n, nu = (n - 1)(std_a^2 + std_b^2)^2/(std_a^4 + std_b^4) and T
    noncentral t with nu degrees of freedom and noncentrality difference/sqrt(v),

        power = P(|T| > t_(1 - alpha/2, nu)).

    Assumes normal groups with these deviations.

    Args:
        difference, std_a, std_b, n: floats or arrays of one shape; not both deviations 0.
        alpha: level of the test.

    Returns:
        Array of powers in [0, 1].
    """
    difference, a, b, n = (np.asarray(x, np.float64) for x in (difference, std_a, std_b, n))
    largest = np.maximum(a, b)
    va, vb = (a / largest) ** 2, (b / largest) ** 2
    df = (n - 1) * (va + vb) ** 2 / (va**2 + vb**2)
    shift = np.abs(difference) / largest / np.sqrt((va + vb) / n)
    bound = special.stdtrit(df, 1 - alpha / 2)
    # Beyond a shift of 30 the noncentral distribution lies above any bound met here.
    near = np.minimum(shift, 30 + bound)
    power = 1 - special.nctdtr(df, near, bound) + special.nctdtr(df, near, -bound)
    return np.clip(np.nan_to_num(power, nan=1.0), 0.0, 1.0)


def seeds_needed(
    difference: float, std_a: float, std_b: float, alpha: float = 0.05, power: float = 0.8
) -> tuple[int | None, str]:
    """Fewest runs a strategy with which Welch's t test sees a difference.

    Args:
        difference: between the two means; std_a, std_b: deviations in the same unit.
        alpha: level of the test; power: probability to see the difference.

    Returns:
        (n, "") or (None, reason).
    """
    values = (difference, std_a, std_b)
    if not all(np.isfinite(values)):
        return None, "no deviation from one run"
    if difference == 0:
        return None, "there is no difference to see"
    if std_a == 0 and std_b == 0:
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

    Returns:
        A float in the unit of the deviations; NaN for n < 2 or two deviations of zero.
    """
    if n < 2 or not np.isfinite([std_a, std_b]).all() or max(std_a, std_b) == 0:
        return NAN
    low, high = 0.0, max(std_a, std_b)
    while welch_power(high, std_a, std_b, n, alpha) < power:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if welch_power(middle, std_a, std_b, n, alpha) < power:
            low = middle
        else:
            high = middle
    return high

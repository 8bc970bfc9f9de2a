"""What the primary analysis can show: the least difference, and the seeds that one needs.

The deviation that a plan starts from is itself estimated from a few seeds. A plan that takes it as
known promises too much: a stated 0.8 is 0.58 to 0.73 with two or three seeds.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

from stages.statistics.dunnett import dunnett_critical
from stages.statistics.finite import computed, finite, finite_or_missing, level

NAN = float("nan")
PAIRED, BLOCKED, FLIPS, AUTO = "paired", "blocked", "flips", "auto"
METHODS = (PAIRED, BLOCKED, FLIPS)
ENOUGH = 5  # seeds from which differences of one strategy alone tell their own deviation
ENOUGH_FLIPS = 8  # seeds from which the signs see as much as the paired t test
MOST_SEEDS = 10_000
POWER = 0.8
NODES, WEIGHTS = np.polynomial.legendre.leggauss(160)
SHARES, SHARE_WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2


def method_of(seeds: int, asked: str = AUTO) -> str:
    """Which analysis is done: what was asked for, or by the number of seeds.

    Examples:
        >>> method_of(3), method_of(20), method_of(3, "paired")
        ('blocked', 'paired', 'paired')
    """
    if asked != AUTO:
        return asked
    return PAIRED if seeds >= ENOUGH else BLOCKED


@lru_cache(maxsize=4096)
def bound_of(method: str, n: int, m: int, alpha: float) -> tuple[float, int]:
    """The |t| beyond which a strategy is called different when none of the others is.

    That is the first, largest step of Holm's and of Dunnett's step-down; strategies that are seen
    besides make the next steps smaller.

    Args:
        method: of METHODS; n: seeds; m: strategies but the baseline; alpha: level of the family.

    Returns:
        (bound, degrees of freedom); the bound is infinite for ``flips`` where n seeds have no p
        below alpha.

    Examples:
        >>> [round(bound_of(method, 10, 5, 0.05)[0], 3) for method in ("paired", "blocked")]
        [3.25, 2.607]
    """
    if method == BLOCKED:
        df = m * (n - 1)
        return dunnett_critical(alpha, m, df), df
    if method == FLIPS and 2.0 ** (1 - n) >= alpha:
        return float("inf"), n - 1
    return float(-special.stdtrit(n - 1, alpha / m / 2)), n - 1


def chance(shift, bound: float, df: float, spread_df: float = float("inf")) -> np.ndarray:
    """P(|t| > bound) in a study to come, where the deviation that it was planned with is estimated.

    t = (Z + shift S)/S' with Z standard normal, S = chi/sqrt(df) of the deviation that was
    estimated before (``spread_df``), over its true value, and S' of the study to come. With an
    infinite ``spread_df`` this is the tail of the noncentral t.

    Args:
        shift: (n,) floats: the difference over the standard error as estimated.
        bound: of the test; df: its degrees of freedom; spread_df: of the estimate.

    Returns:
        (n,) floats in [0, 1], right to 1e-4.

    Examples:
        >>> chance(2.5, 2.262, 9).round(3), chance(2.5, 2.262, 9, 2).round(3)
        (array([0.606]), array([0.489]))
    """
    shift = np.atleast_1d(finite(shift, "shift"))
    if np.isinf(bound):
        return np.zeros(shift.size)
    edge = bound * _scale(df)
    moved = shift[:, None] * (_scale(spread_df) if np.isfinite(spread_df) else np.ones(1))
    weight = SHARE_WEIGHTS if np.isfinite(spread_df) else np.ones(1)
    gap = moved[:, :, None] - edge
    seen = special.ndtr(gap) + special.ndtr(-gap - 2 * edge)
    return np.clip(weight @ (seen @ SHARE_WEIGHTS).T, 0.0, 1.0)


@lru_cache(maxsize=4096)
def _scale(df: float) -> np.ndarray:
    """Points of chi_df / sqrt(df) at the nodes of a rule over its probabilities."""
    return np.sqrt(special.gammaincinv(df / 2, SHARES) / (df / 2))


@lru_cache(maxsize=4096)
def shift_needed(bound: float, df: float, spread_df: float, power: float = POWER) -> float:
    """The shift of :func:`chance` with which a difference is seen with this probability.

    Times the standard error as estimated it is the difference to be seen.

    Returns:
        A float; infinite for an infinite bound.

    Raises:
        ValueError: for a power outside (0, 1).

    Examples:
        >>> round(shift_needed(2.262, 9, float("inf")) / 10**0.5, 2)  # Cohen 1988: d of about 1
        1.0
        >>> round(shift_needed(2.262, 9, 9) / 10**0.5, 2)
        1.1
    """
    if not 0 < power < 1:
        raise ValueError(f"power is {power}, allowed: more than 0 and less than 1")
    if np.isinf(bound):
        return float("inf")
    low, high = 0.0, 1.0
    while chance(high, bound, df, spread_df)[0] < power:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle, bound, df, spread_df)[0] < power else (
            low, middle
        )  # fmt: skip
    return high


def difference_seen(
    error, df: float, n: int, m: int, *, method: str = AUTO, alpha: float = 0.05,
    power: float = POWER,
) -> np.ndarray:  # fmt: skip
    """Least difference that another study with as many seeds shows with this power.

    The power is that over both the study that gave the standard error and the one to come, normal
    values, at the level of the family, while none of the other strategies differs.

    Args:
        error: (m,) standard errors of the differences, as estimated with df degrees of freedom.
        df: of them; n: seeds; m: strategies but the baseline.
        method: of the analysis; alpha: level of the family; power: between 0 and 1.

    Returns:
        (m,) floats in the unit of the errors; NaN, not known, for an error of 0 or NaN, and for
        ``flips`` below ENOUGH_FLIPS seeds, whose few signs follow no t.

    Examples:
        >>> difference_seen([0.01], 4, 5, 1).round(4), difference_seen([0.01], 2, 3, 1).round(4)
        (array([0.0468]), array([0.0877]))
    """
    error = np.atleast_1d(finite_or_missing(error, "standard error"))
    which = method_of(n, method)
    if n < 2 or (which == FLIPS and n < ENOUGH_FLIPS):
        return np.full(error.shape, NAN)
    bound, own = bound_of(which, n, m, level(alpha))
    shift = shift_needed(bound, own, float(df), power)
    return np.where(error > 0, shift * error, NAN)


def seeds_needed(
    difference: float, deviation: float, df: float, m: int, *, method: str = AUTO,
    alpha: float = 0.05, power: float = POWER,
) -> tuple[int | None, str]:  # fmt: skip
    """Fewest seeds with which the primary analysis sees a difference with this power.

    Args:
        difference: that is to be seen.
        deviation: of the differences within seeds (the standard error times sqrt(n)), as estimated
            with df degrees of freedom.
        m: strategies but the baseline; method, alpha: of the analysis; power: between 0 and 1, over
            both the estimate and the study to come.

    Returns:
        (n, "") or (None, reason).

    Raises:
        ValueError: a difference that is not finite, an infinite or negative deviation, or a level
            or power outside (0, 1).

    Examples:
        >>> seeds_needed(0.01, 0.01, 1e9, 1), seeds_needed(0.01, 0.01, 9, 1)
        ((10, ''), (12, ''))
        >>> seeds_needed(0.01, 0.01, 9, 5), seeds_needed(0.0, 0.01, 9, 5)
        ((18, ''), (None, 'there is no difference to see'))
    """
    finite(difference, "difference")
    spread = float(finite_or_missing([deviation], "deviation")[0])
    level(alpha)
    if spread < 0:
        raise ValueError("deviation must not be negative")
    if np.isnan(spread):
        return None, "no deviation from one run"
    if difference == 0:
        return None, "there is no difference to see"
    if spread == 0:
        return None, "the differences have no variance"
    ratio = computed(abs(difference) / spread, "the difference in deviations")

    def enough(n: int) -> bool:
        which = method_of(n, method)
        if which == FLIPS and n < ENOUGH_FLIPS:
            return False
        bound, own = bound_of(which, n, m, alpha)
        if np.isinf(bound):
            return False
        shift = min(ratio * np.sqrt(n), 1e12)
        return bool(chance(shift, bound, own, float(df))[0] >= power)

    if not 0 < power < 1:
        raise ValueError(f"power is {power}, allowed: more than 0 and less than 1")
    # One analysis may see with 4 seeds what the other one does not with 5: the small n are tried.
    for n in range(2, ENOUGH):
        if enough(n):
            return n, ""
    if not enough(MOST_SEEDS):
        return None, f"more than {MOST_SEEDS}"
    low, high = ENOUGH - 1, ENOUGH
    while not enough(high):
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high, ""

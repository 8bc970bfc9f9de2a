"""Guards: nothing that is not finite becomes a verdict, a p value or a count in silence.

What comes in and is not finite is a ValueError that names it, unless the function says what a NaN
means there (a missing run). What comes out and is not finite is a FloatingPointError, unless the
function says when it is undefined.
"""

from __future__ import annotations

import numpy as np


def finite(values, what: str) -> np.ndarray:
    """Values as float64.

    Args:
        values: floats of any shape.
        what: their name in the message.

    Raises:
        ValueError: for a NaN or an infinity.

    Examples:
        >>> finite([1, 2], "values").tolist()
        [1.0, 2.0]
        >>> finite([1, float("nan")], "values")
        Traceback (most recent call last):
            ...
        ValueError: values: value 1 is nan, allowed: finite numbers
    """
    return _held(values, what, np.isfinite, "finite numbers")


def finite_or_missing(values, what: str) -> np.ndarray:
    """As `finite`, but a NaN stands for a missing value.

    Raises:
        ValueError: for an infinity.

    Examples:
        >>> finite_or_missing([1, float("nan")], "values").tolist()
        [1.0, nan]
    """
    return _held(values, what, lambda x: ~np.isinf(x), "finite numbers, or NaN for a missing one")


def deviations(values, counts, what: str = "stds") -> np.ndarray:
    """Standard deviations of groups as float64, NaN where a group has fewer than two values.

    Args:
        values, counts: one shape.
        what: their name in the message.

    Raises:
        ValueError: for a negative, missing or infinite deviation of two values or more.

    Examples:
        >>> deviations([0.5, 0.25], [3, 1]).tolist()
        [0.5, nan]
    """
    found = np.asarray(values, np.float64)
    several = np.asarray(counts) >= 2
    if (finite(found[several], what) < 0).any():
        raise ValueError(f"{what} must not be negative")
    return np.where(several, found, np.nan)


def means_of(values, counts) -> np.ndarray:
    """Means of groups as float64, NaN where a group has no value.

    Raises:
        ValueError: for a missing or infinite mean of a group that has values.

    Examples:
        >>> means_of([0.5, 0.25], [3, 0]).tolist()
        [0.5, nan]
    """
    found = np.asarray(values, np.float64)
    some = np.asarray(counts) >= 1
    finite(found[some], "means")
    return np.where(some, found, np.nan)


def level(alpha: float) -> float:
    """A level of significance.

    Raises:
        ValueError: unless it lies between 0 and 1, both left out.

    Examples:
        >>> level(0.05)
        0.05
        >>> level(5)
        Traceback (most recent call last):
            ...
        ValueError: alpha is 5, allowed: more than 0 and less than 1
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}, allowed: more than 0 and less than 1")
    return float(alpha)


def computed(values, what: str):
    """What was computed, as it is.

    Raises:
        FloatingPointError: for a NaN or an infinity.

    Examples:
        >>> computed(0.5, "the mean")
        0.5
        >>> computed(float("inf"), "the mean")
        Traceback (most recent call last):
            ...
        FloatingPointError: the mean cannot be computed in double precision
    """
    if not np.isfinite(values).all():
        raise FloatingPointError(f"{what} cannot be computed in double precision")
    return values


def _held(values, what, allowed, words) -> np.ndarray:
    found = np.asarray(values, np.float64)
    wrong = ~allowed(found)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"{what}: value {at} is {found.ravel()[at]}, allowed: {words}")
    return found

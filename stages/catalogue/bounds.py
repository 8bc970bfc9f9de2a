"""What the values of an entry's settings may be."""

from __future__ import annotations

import math
from typing import Any

from stages.catalogue.strategy import Strategy
from stages.errors import UserError, nearest


def check(where: str, key: str, value: Any, default: Any, entry: Strategy) -> None:
    """Raise unless ``value`` is of the default's kind and within the entry's bounds.

    Raises:
        UserError: naming the setting, the value and what is allowed.
    """
    if isinstance(default, bool) or not isinstance(default, (int, float)):
        if not isinstance(value, type(default)):
            kind = type(default).__name__
            raise UserError(f"{where} is {value!r}; allowed: a {kind} such as {default!r}")
        choices = entry.choices.get(key)
        if choices and value not in choices:
            raise UserError(f"{where} is {value!r}; {nearest(value, choices)}")
        return
    kinds = (int, float) if isinstance(default, float) else int
    if (
        not isinstance(value, kinds)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or not (_within(entry, key, value) or value == 0 and key in entry.zero)
    ):
        kind = "a number" if isinstance(default, float) else "a whole number"
        raise UserError(
            f"{where} is {value!r}; allowed: {kind} {span(entry, key)}, such as {default!r}"
        )


def _within(entry: Strategy, key: str, value: float) -> bool:
    low = value > entry.above[key] if key in entry.above else value >= entry.least.get(key, 0)
    high = value < entry.below[key] if key in entry.below else True
    even = key not in entry.even or value % 2 == 0
    return low and high and value <= entry.most.get(key, math.inf) and even


def span(entry: Strategy, key: str) -> str:
    """The bounds of a number in words: "from 0 to 1", "above 0 and below 1", "of 1 or more"."""
    least = entry.least.get(key, 0)
    if key in entry.above:
        words = f"above {entry.above[key]}"
    elif key in entry.below:
        words = f"from {least}"
    else:
        words = f"from {least}" if key in entry.most else f"of {least} or more"
    if key in entry.below:
        words += f" and below {entry.below[key]}"
    elif key in entry.most:
        words += f" to {entry.most[key]}"
    words += " and even" if key in entry.even else ""
    return f"{words}, or 0" if key in entry.zero else words


def check_order(where: str, settings: dict[str, Any], entry: Strategy) -> None:
    """Raise unless settings that the entry orders are in that order.

    Raises:
        UserError: naming both.
    """
    for small, large in entry.ordered:
        if settings[small] > settings[large]:
            raise UserError(
                f"{where}.{large} is {settings[large]!r}, but {small} is {settings[small]!r}; "
                f"allowed: {settings[small]!r} or more"
            )

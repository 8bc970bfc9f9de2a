"""What the values of an entry's settings may be.

An entry says what makes sense of its method; how much any machine can bear stands here, by the name
of the setting. Numbers of a strategy of the user's own have the last two bounds.
"""

from __future__ import annotations

from typing import Any

from stages.catalogue.strategy import Strategy
from stages.machine.errors import UserError, nearest, shown

CEILINGS: dict[str, float] = {
    # A training each, and all weights are in memory together.
    "members": 1000,
    # T N C numbers are in memory: 100 passes over 50,000 images and 10 classes are 0.4 GB.
    "passes": 10_000,
    # Of configurations, each with a number for every class and pass.
    "samples": 10**8,
    # Trainings, or passes over the pool, one after another.
    "mini_queries": 10_000,
    "iterations": 10**6,
    "epochs": 10**6,
    "discriminator_epochs": 10**6,
    # Sides of a matrix: 10^5 by 10^5 numbers are 80 GB.
    "hidden": 10**5,
    "rank": 10**5,
    # A step of a thousand gradients leaves the range of any network.
    "learning_rate": 1000.0,
    "discriminator_learning_rate": 1000.0,
    "weight_decay": 1000.0,
    # GiB; the largest machines have some ten thousand.
    "memory": 10**6,
    # Seconds: four months.
    "time_limit": 10**7,
}
WHOLE = 10**9  # of images, as stages.study.schema.ROWS; and of anything else that is counted
REAL = 1e12  # its square and cube are finite, in float32 too


def check(where: str, key: str, value: Any, default: Any, entry: Strategy) -> None:
    """Raise unless ``value`` is of the default's kind and within the entry's bounds.

    Raises:
        UserError: naming the setting, the value and what is allowed.
    """
    if isinstance(default, bool) or not isinstance(default, (int, float)):
        if not isinstance(value, type(default)):
            kind = type(default).__name__
            raise UserError(f"{where} is {shown(value)}; allowed: a {kind} such as {default!r}")
        choices = entry.choices.get(key)
        if choices and value not in choices:
            raise UserError(f"{where} is {shown(value)}; {nearest(value, choices)}")
        return
    kinds = (int, float) if isinstance(default, float) else int
    if (
        not isinstance(value, kinds)
        or isinstance(value, bool)
        or not (_within(entry, key, value) or value == 0 and key in entry.zero)
    ):
        kind = "a number" if isinstance(default, float) else "a whole number"
        raise UserError(
            f"{where} is {shown(value)}; allowed: {kind} {span(entry, key)}, such as {default!r}"
        )


def ceiling(entry: Strategy, key: str) -> float:
    """The largest value of a number that has no bound ``below``."""
    if key in entry.most:
        return entry.most[key]
    default = entry.settings.get(key, 0)
    return CEILINGS.get(key, REAL if isinstance(default, float) else WHOLE)


def _within(entry: Strategy, key: str, value: float) -> bool:
    """Whether a number is in its bounds; NaN and infinities never are."""
    low = value > entry.above[key] if key in entry.above else value >= entry.least.get(key, 0)
    high = value < entry.below[key] if key in entry.below else value <= ceiling(entry, key)
    even = key not in entry.even or value % 2 == 0
    return low and high and even


def span(entry: Strategy, key: str) -> str:
    """The bounds of a number in words: "from 0 to 1", "above 0 and below 1"."""
    least = entry.least.get(key, 0)
    words = f"above {entry.above[key]}" if key in entry.above else f"from {least}"
    if key in entry.below:
        words += f" and below {entry.below[key]}"
    else:
        words += f" to {ceiling(entry, key):g}".replace("e+0", "e").replace("e+", "e")
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

"""Numbers in words: how every table, sentence and label of the report writes them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from stages.statistics.comparisons import NOT_AVAILABLE

LEAST_P = 0.0001


def fixed(value: float, decimals: int, missing: str = NOT_AVAILABLE) -> str:
    """A number with fixed decimals, without a negative zero; `missing` for NaN."""
    if pd.isna(value):
        return missing
    text = f"{value:.{decimals}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def signed(value: float, decimals: int) -> str:
    """A number with its sign, a zero without one."""
    text = fixed(value, decimals).replace("-", "−")
    return f"+{text}" if value > 0 and text.strip("0.") else text


def number(value: float, decimals: int, p_value: bool = False) -> str:
    """A number as shown; a tiny p value as a bound."""
    if p_value and value < 0.0001:
        return f"<{LEAST_P}"
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "-∞"
    return fixed(value, decimals)


def small(p: float) -> str:
    """A p value with four decimals, "<0.0001" below."""
    return number(p, 4, p_value=True)


def p_text(p: float) -> str:
    """A p value for a sentence: "p = 0.0123", "p < 0.0001" or "p n/a"."""
    if pd.isna(p):
        return f"p {NOT_AVAILABLE}"
    return f"p < {LEAST_P}" if p < LEAST_P else f"p = {fixed(p, 4)}"


def interval(low: float, high: float, decimals: int = 4) -> str:
    """Two ends of an interval: "-0.0123 to 0.0456" or "n/a"."""
    if pd.isna(low) or pd.isna(high):
        return NOT_AVAILABLE
    return f"{fixed(low, decimals)} to {fixed(high, decimals)}"


def spread(mean: float, std: float, decimals: int = 4) -> str:
    """A mean with its deviation: "0.7807 ± 0.0301"; empty without a mean."""
    if pd.isna(mean):
        return ""
    return fixed(mean, decimals) + ("" if pd.isna(std) else f" ± {fixed(std, decimals)}")


def count(n: int, noun: str) -> str:
    """A number with its noun: "1 seed", "3 seeds"."""
    if n == 1:
        return f"1 {noun}"
    return f"{n} {noun[:-1] + 'ies' if noun.endswith('y') else noun + 's'}"


def listing(names: Sequence[str], most: int = 12) -> str:
    """Names in a sentence: "a", "a and b", "a, b and c"; beyond `most` the rest is counted."""
    names = [f"`{str(name).replace('`', chr(39))}`" for name in names]
    if len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"

"""Progress with the time left on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any


def progress(items: Iterable[Any], what: str, unit: str) -> Iterable[Any]:
    """``items``, with a bar on stderr if that is a terminal."""
    if not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, desc=what, unit=unit, leave=False)


def note(bar: Iterable[Any], text: Callable[[], str]) -> None:
    """Put a text behind the bar that :func:`progress` gave, if it is one."""
    if hasattr(bar, "set_postfix_str"):
        bar.set_postfix_str(text())

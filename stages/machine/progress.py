"""Progress with the time left on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any


def progress(items: Iterable[Any], what: str, unit: str) -> Iterable[Any]:
    """``items``, with a bar on stderr if that is a terminal."""
    if not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, desc=what, unit=unit, leave=False)

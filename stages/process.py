"""A stage is a process of its own, and most of a short round is torch coming and going."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """For big imports: they make objects that stay, and the collector looks at them in vain."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def leave() -> None:
    """End the process at once, everything written being on disk: torch takes long to tear down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)

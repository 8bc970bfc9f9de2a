"""A stage is a process of its own, and most of a short round is torch coming and going."""

from __future__ import annotations

import ctypes
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


def keep_freed_memory() -> None:
    """Let the C library keep what a training step frees for the next step; glibc alone has this.

    By default it gives blocks of 32 MiB and more, and the free end of the heap, back to the system,
    which hands them out again page by page, zeroed: a third of a ResNet's training time on a CPU.
    """
    trim, mapped = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(trim, 512 * 2**20)
    mallopt(mapped, 128 * 2**20)


def leave() -> None:
    """End the process at once, everything written being on disk: torch takes long to tear down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)

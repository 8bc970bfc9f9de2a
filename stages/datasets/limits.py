"""How much memory there is, asked before much of it is taken."""

from __future__ import annotations

import os
from pathlib import Path

GIB = 2**30


def available_memory() -> int | None:
    """Bytes that this process may still take, from Linux or POSIX; None where nobody says."""
    found = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
        limit = Path("/sys/fs/cgroup/memory.max")
        if limit.exists() and (text := limit.read_text().strip()) != "max":
            found.append(int(text))
    except (OSError, ValueError):
        pass
    if not found:
        try:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        except (AttributeError, OSError, ValueError):
            return None
    return min(found)


def gib(count: int) -> str:
    """Bytes in GiB, to two digits after the point, or in full where that is nothing."""
    return f"{count / GIB:.2f} GiB" if count >= GIB / 100 else f"{count} bytes"

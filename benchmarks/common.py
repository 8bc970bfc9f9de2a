"""What the measurements share: the machine in a line, tables, alternation."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any


def machine() -> str:
    """Processor, cores, GPU and versions, in one line."""
    import torch

    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    parts = [f"{name}, {os.cpu_count()} cores"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return "; ".join([*parts, f"Python {platform.python_version()}", f"torch {torch.__version__}"])


def show(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print a Markdown table."""
    header = list(header)
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)
    print()


def alternate(ways: dict[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Call each way in turn, A B A B, ``repeats`` times: what each returned, in order."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            found[name].append(way())
    return found


def ratio(over: list[float], under: list[float]) -> float:
    """Median of the ratios of neighbours in an alternation."""
    return median(a / b for a, b in zip(over, under, strict=True))


@contextmanager
def stopwatch() -> Iterable[Callable[[], float]]:
    """Gives a function that says how many seconds the block took, or has taken so far."""
    start, end = time.perf_counter(), []
    yield lambda: (end[0] if end else time.perf_counter()) - start
    end.append(time.perf_counter())

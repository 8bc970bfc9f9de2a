"""What a study asks of the machine that it runs on, before any computing."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from stages.machine.errors import UserError

THREADS_A_CORE = 16  # more only wait for each other, and some libraries crash
PACKAGES = {"faiss": "faiss"}  # a setting's value and the package that it needs


def cores() -> int:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check(device: str, threads: int) -> None:
    """Raise unless the device is there and has the cores.

    Raises:
        UserError: naming the setting.
    """
    if device == "cuda":
        import torch  # seconds, which only those who ask for CUDA wait

        if not torch.cuda.is_available():
            raise UserError(
                "device is 'cuda', but torch sees no CUDA device; allowed here: auto, cpu"
            )
    if threads > (most := THREADS_A_CORE * cores()):
        raise UserError(
            f"threads is {threads}, but this machine has {cores()} cores; allowed here: up to "
            f"{most}"
        )


def check_packages(label: str, options: dict[str, Any]) -> None:
    """Raise unless the packages are here that a strategy's settings name.

    Raises:
        UserError: naming the setting and the package.
    """
    package = PACKAGES.get(str(options.get("backend")))
    if package and importlib.util.find_spec(package) is None:
        raise UserError(
            f"strategy.{label}.backend is {options['backend']!r}, which needs the package "
            f"{package!r} (faiss-cpu or faiss-gpu), which is not installed; set backend: exact"
        )

"""Where and how exactly a round computes: the setting ``reproducible``, the device, the threads."""

from __future__ import annotations

import os
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from stages.machine import hardware
from stages.machine.process import keep_freed_memory, without_garbage_collection

with without_garbage_collection():
    import torch
    from torch import nn


@dataclass(frozen=True)
class Compute:
    """How to compute.

    Attributes:
        device: where tensors live.
        exact: whether sums must not depend on the processor (``portable``): float64 on a grid.
        free: whether speed goes before repeatability (``off``).
    """

    device: torch.device
    exact: bool
    free: bool

    @property
    def dtype(self) -> torch.dtype:
        """Precision of weights and activations."""
        return torch.float64 if self.exact else torch.float32

    def place(self, network: nn.Module, channels_last: bool = False) -> nn.Module:
        """Move a network to the device in this precision, with exact layers where they are due."""
        from stages.models.exact import make_exact

        network = network.to(device=self.device, dtype=self.dtype)
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
        return make_exact(network) if self.exact else network


def limit_threads(threads: int) -> None:
    """Of torch, and of NumPy's, SciPy's and faiss's libraries, loaded or not yet.

    Where rounds grow side by side, more threads than cores wait for each other, busily.
    """
    torch.set_num_threads(threads)
    threadpool_limits(threads)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def configure(reproducible: str, device: str = "auto", threads: int = 0) -> Compute:
    """Set torch up for one process.

    Args:
        reproducible: ``portable``: the same bits on any processor; ``machine``: the same bits on
            this machine with this number of threads; ``off``: fastest.
        device: ``auto`` takes CUDA where it is there.
        threads: of the CPU; 0 for torch's own choice.

    Raises:
        UserError: CUDA was asked for and is not there, or far more threads than cores.
    """
    hardware.check(device, threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        keep_freed_memory()
    if threads:
        limit_threads(threads)
    torch.backends.nnpack.set_flags(False)  # it never serves float64, and complains on old CPUs
    torch.backends.cudnn.benchmark = reproducible == "off"
    if reproducible == "off":
        torch.set_float32_matmul_precision("high")
    elif reproducible == "machine" and device == "cuda":
        # Exact sums need no fixed order, and on the CPU nothing used here depends on chance.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    return Compute(torch.device(device), reproducible == "portable", reproducible == "off")

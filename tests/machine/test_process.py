"""What a process sets up for itself."""

from __future__ import annotations

import platform
import resource

import pytest
import torch
from threadpoolctl import threadpool_info

from stages.machine import process
from stages.models.compute import configure


def faults(size: int) -> int:
    """Pages that the system hands out while a tensor of so many bytes comes and goes ten times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.zeros(size, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone has this")
def test_freed_memory_is_kept():
    process.keep_freed_memory()
    faults(40 * 2**20)
    assert faults(40 * 2**20) < 1000  # of 10 x 10,240 pages


def test_a_c_library_without_it_is_fine(monkeypatch):
    def none(name: object) -> object:
        raise TypeError

    monkeypatch.setattr(process.ctypes, "CDLL", none)
    process.keep_freed_memory()


def test_threads_are_those_of_all_libraries(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    configure("portable", "cpu", 1)
    import faiss  # noqa: F401
    import scipy.linalg  # noqa: F401

    assert torch.get_num_threads() == 1
    assert {library["num_threads"] for library in threadpool_info()} == {1}

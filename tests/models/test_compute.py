"""Where and how exactly a round computes: each setting reaches the library that it is for."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from study import REPO
from torch import nn

from stages.machine.errors import UserError
from stages.models.compute import Compute, configure

CODE = """
import os, torch, numpy, threadpoolctl
from stages.models.compute import configure
with torch.random.fork_rng(): pass
configure("{how}", "cpu", {threads})
import scipy.linalg, sklearn.cluster
pools = {{pool["num_threads"] for pool in threadpoolctl.threadpool_info()}}
print(torch.get_num_threads(), sorted(pools),
      [os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                         "MKL_NUM_THREADS")])
"""


def test_threads_reach_torch_and_every_library_loaded_or_not():
    """One of them, which OpenBLAS cannot take for more than there are cores."""
    clean = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(how="machine", threads=1)],
        cwd=REPO, env=clean, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "1 [1] ['1', '1', '1']"


def test_no_number_of_threads_leaves_the_choice_to_the_libraries():
    before = torch.get_num_threads()
    configure("machine", "cpu", 0)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("how", "exact", "free", "dtype"),
    [
        ("portable", True, False, torch.float64),
        ("machine", False, False, torch.float32),
        ("off", False, True, torch.float32),
    ],
)
def test_how_exactly_is_what_the_setting_says(how, exact, free, dtype):
    precision, tuned = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    try:
        torch.set_float32_matmul_precision("highest")
        found = configure(how, "cpu", 0)
        assert (found.exact, found.free, found.dtype) == (exact, free, dtype)
        assert found.device == torch.device("cpu")
        assert torch.get_float32_matmul_precision() == ("high" if free else "highest")
        assert torch.backends.cudnn.benchmark is free
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.benchmark = tuned


def test_networks_are_placed_in_precision_format_and_exactness():
    def network() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))

    cpu = torch.device("cpu")
    exact = Compute(cpu, True, False).place(network())
    assert exact[0].weight.dtype == torch.float64 and type(exact[0]) is not nn.Conv2d
    plain = Compute(cpu, False, False).place(network())
    assert plain[0].weight.dtype == torch.float32 and type(plain[0]) is nn.Conv2d
    wide = nn.Sequential(nn.Conv2d(4, 2, 3))
    assert Compute(cpu, False, True).place(wide)[0].weight.is_contiguous()
    last = Compute(cpu, False, True).place(wide, channels_last=True)[0].weight
    assert last.is_contiguous(memory_format=torch.channels_last) and not last.is_contiguous()


def test_auto_takes_cuda_where_it_is_there_and_cuda_that_is_not_is_an_error(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert configure("off", "auto", 0).device.type == "cpu"
    with pytest.raises(UserError, match="device is 'cuda', but torch sees no CUDA device"):
        configure("off", "cuda", 0)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert configure("off", "auto", 0).device.type == "cuda"
    assert configure("off", "cuda", 0).device.type == "cuda"
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.benchmark = False


def test_a_file_is_brought_to_the_gpu_once(tmp_path, monkeypatch) -> None:
    """No GPU is needed: what counts is which copy is handed out."""
    from stages.models import batches

    monkeypatch.setattr(batches, "_ON_GPU", {})
    paths = [tmp_path / f"{at}.npy" for at in range(6)]
    for at, path in enumerate(paths):
        np.save(path, np.full((2, 1, 2, 2), at, np.uint8))

    def moved(path):
        images = np.load(path, mmap_mode="c")
        return batches._on_gpu(batches._held(images), torch.from_numpy(images), torch.device("cpu"))

    first = moved(paths[0])
    assert moved(paths[0]) is first
    np.save(paths[0], np.ones((3, 1, 2, 2), np.uint8))
    assert len(moved(paths[0])) == 3 and len(batches._ON_GPU) == 1
    for path in paths[1:]:
        moved(path)
    assert len(batches._ON_GPU) == batches.MOST_HELD and moved(paths[5]).unique().tolist() == [5]
    whole = np.zeros((2, 1, 2, 2), np.uint8)
    assert batches._held(whole) == ("", 0, 0)

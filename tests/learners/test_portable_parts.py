"""The networks beside the task's: the same bits with other instructions and threads."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from halves import problem, same
from study import REPO

from stages import catalogue
from stages.models import state

SMALL = {
    "learning_loss": {"width": 8},
    "waal": {"critic_width": 8},
    "vaal": {"latent": 4, "width": 4},
    "bgadl": {"latent": 3, "width": 4},
}
TRAIN = """
import hashlib, sys
sys.path[:0] = ["tests"]
from halves import problem
from test_portable_parts import SMALL, outcome
total = hashlib.sha256()
for name in SMALL:
    for key, value in outcome(name, sys.argv[1], int(sys.argv[2])).items():
        total.update(key.encode() + value.tobytes())
print(total.hexdigest())
"""


def outcome(name: str, how: str = "portable", threads: int = 1) -> dict[str, np.ndarray]:
    """All weights that a learner leaves, and its strategy's scores."""
    import torch

    from stages.rounds.context import Pool

    given = problem(rows=12, how=how, epochs=1, model={"name": "small_cnn", "dropout": 0.2})
    torch.set_num_threads(threads)
    entry = catalogue.STRATEGIES[name]
    learned = catalogue.bind(entry.learner, SMALL[name])(given)
    pool = Pool(round=given, learned=learned, candidates=given.unlabeled)
    found = {"scores": np.round(catalogue.bind(entry.scorer, {})(pool), 9)}
    modules = {"network": learned.network, **learned.parts}
    for part, module in modules.items():
        if part != "signature":
            found |= {f"{part}.{key}": value.copy() for key, value in state(module).items()}
    return found


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("how", ["portable", "machine"])
def test_training_twice_gives_the_same_bytes(name, how):
    one, other = outcome(name, how), outcome(name, how)
    assert len(one) > 9 and same(one, other)


def digests(how: str) -> set[str]:
    caps = [{}, {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN, how, str(threads)],
            cwd=REPO,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": "tests/learners", **cap},
            stdout=subprocess.PIPE,
            text=True,
        )
        for threads, cap in enumerate(caps, 1)
    ]
    said = [process.communicate()[0].strip() for process in running]
    assert all(len(digest) == 64 for digest in said)
    return set(said)


def test_threads_and_instruction_sets_change_no_byte():
    assert len(digests("portable")) == 1


@pytest.mark.slow
def test_in_float32_they_do():
    """So the test above can fail."""
    assert len(digests("machine")) > 1

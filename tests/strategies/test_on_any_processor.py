"""What newer strategies take, computed as on the oldest processor that torch supports."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest
from oldest import CAPS
from pools import trained
from study import REPO

from stages import catalogue
from stages.rounds.selection import choose, score

NAMES = [
    *("max_herding", "uherding", "power_bald", "power_entropy", "falcun", "clue"),
    *("dropquery", "alfa_mix", "noise_stability", "tcm", "vessal", "dcom", "active_ft"),
]


def selections() -> dict[str, str]:
    """Of each strategy a digest of the rows that it takes, in order."""
    pool, found = trained(24, 300, 60), {}
    for name in NAMES:
        entry = catalogue.STRATEGIES[name]
        choice = choose(name, score(pool, entry, entry.settings), pool, entry, entry.settings)
        found[name] = hashlib.sha256(choice.rows.tobytes()).hexdigest()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("more", [CAPS, {"OMP_NUM_THREADS": "2"}], ids=["oldest", "two threads"])
def test_the_same_rows_on_every_processor(more):
    path = os.pathsep.join([str(REPO), str(REPO / "tests"), str(REPO / "tests/strategies")])
    done = subprocess.run(
        [sys.executable, "-c", f"import json, {__name__} as t; print(json.dumps(t.selections()))"],
        env={**os.environ, **more, "PYTHONPATH": path},
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == selections()

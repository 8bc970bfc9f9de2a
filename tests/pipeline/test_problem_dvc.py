"""A study with a problem by real DVC, without it, tuned, committed and stale where it must be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from repository import commit, contents, dvc, environment, make_repository, ran
from study import rounds

pytestmark = pytest.mark.slow

PROBLEM = {
    "strategies": ["random", "mixed"],
    "tuned": ["mixed"],
    "strategy__mixed": {"use": "hybrid", "combination": "mean", "alpha": [0.1, 0.9]},
    "rounds": rounds(3),
    "task__digits__query_size": [5, 7],
    "task__digits__oracle": {"noise": 0.2, "validation": "noisy"},
    "task__digits__pool": {"copies": 2, "size": 150, "open_set": {"classes": [8]}},
    "task__digits__metrics": ["auroc"],
    "report__metric": "auroc",
}


def stage(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_problem_from_nothing_and_again_without_dvc(tmp_path):
    root, other = tmp_path / "one", tmp_path / "other"
    make_repository(root, **PROBLEM)
    dvc(root, "repro")
    commit(root)
    said = stage(root, "stages.verify", "--committed")
    assert "2 chains are sound, 7 records agree, 0 faults" in said
    assert "byte for byte" in said
    page = (root / "reports/report.md").read_text()
    assert "the area under the ROC curve" in page and "report.metric: auroc" in page
    make_repository(other, **PROBLEM)
    stage(other, "stages.grow", "--without-dvc", "--engine", "serial")
    parts = ("splits", "reports/rounds", "reports/tuned")
    assert contents(other, *parts) == contents(root, *parts)
    assert any(name.endswith("seed-0/pool.txt") for name in contents(root, "splits"))
    again = ran(dvc(root, "exp", "run", "-S", "task.digits.pool.size=160"))
    assert "split@digits-0" in again and "round@digits-random-0-round2" in again
    assert "prepare@digits" not in again

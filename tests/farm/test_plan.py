"""Runs grown by an array job, without DVC, are what DVC would have grown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from repository import contents, dvc, environment, git

from stages import plan
from stages.machine.errors import UserError

SBATCH = """\
import os, re, subprocess, sys
text = open(sys.argv[-1]).read()
first, last = re.search(r"^#SBATCH --array=(\\d+)-(\\d+)$", text, re.MULTILINE).groups()
tasks = [
    subprocess.Popen(["bash", sys.argv[-1]], env={**os.environ, "SLURM_ARRAY_TASK_ID": str(at)})
    for at in range(int(first), int(last) + 1)
]
sys.exit(max(task.wait() for task in tasks))
"""
RUNS = [("digits", "random", 0), ("digits", "entropy", 0), ("digits", None, 0)]


def call(root: Path, *arguments: str, fails: bool = False) -> str:
    """What a module of the study says."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=root,
        env=environment(root),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def sbatch(root: Path, script: str) -> None:
    """A scheduler that runs every task of an array at once."""
    fake = root.parent / "sbatch.py"
    fake.write_text(SBATCH)
    done = subprocess.run(
        [sys.executable, fake, script], cwd=root, env=environment(root), capture_output=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def same_as(root: Path, reference: Path) -> None:
    """All that was grown is equal, and so is dvc.lock."""
    folders = ("splits", "reports", "data", "artifacts")
    both = [
        {
            name: at
            for name, at in contents(each, *folders).items()
            if "seconds-" not in name and "/." not in name
        }
        for each in (root, reference)
    ]
    assert both[0] == both[1]
    assert (root / "dvc.lock").read_text() == (reference / "dvc.lock").read_text()
    assert dvc(root, "status", "-q") == ""
    assert git(root, "status", "--porcelain", "dvc.yaml", "params.yaml") == ""


@pytest.mark.slow
@pytest.mark.parametrize("own_folders", [False, True])
def test_an_array_job_and_a_join_are_a_repro(
    bare: Path, made_grown: Path, tmp_path: Path, own_folders: bool
) -> None:
    folders = tmp_path / "runs of mine"
    arguments = ["--folders", str(folders)] if own_folders else []
    said = call(bare, "stages.plan", "slurm", *arguments, "--option=--time=10")
    assert said.startswith("3 runs: sbatch grow.sbatch, and then python -m stages.join")
    assert "#SBATCH --time=10\n" in (bare / "grow.sbatch").read_text()
    sbatch(bare, "grow.sbatch")
    places = sorted(map(str, folders.iterdir())) if own_folders else []
    assert len(places) == 3 * own_folders
    said = call(bare, "stages.join", *places)
    assert "3 runs joined, 0 were here\n" in said
    same_as(bare, made_grown)
    assert call(bare, "stages.join", *places) == "0 runs joined, 3 were here\n"
    assert call(bare, "stages.plan", "slurm") == "nothing to grow: every run is finished\n"


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_interrupted(bare: Path) -> None:
    arguments = ["--task", "digits", "--strategy", "random", "--seed", "0"]
    assert call(bare, "stages.chain", *arguments).endswith("3 stages ran\n")
    before = contents(bare, "splits")
    assert call(bare, "stages.chain", *arguments).endswith("was finished\n")
    run = bare / "splits/digits/random/seed-0"
    (run / "round-end.txt").unlink()
    assert call(bare, "stages.chain", *arguments).endswith("1 stages ran\n")
    (run / "round-1.txt").write_text("edited\n")
    assert call(bare, "stages.chain", *arguments).endswith("2 stages ran\n")
    assert contents(bare, "splits") == before
    params = bare / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 1", "epochs: 2", 1))
    said = call(bare, "stages.chain", *arguments, fails=True)
    assert "protocol.json: not that of params.yaml" in said
    call(bare, "stages.protocol", "--task", "digits")
    assert call(bare, "stages.chain", *arguments).endswith("3 stages ran\n")


def test_more_runs_than_tasks_share_a_task(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(plan, "MOST_TASKS", 2)
    text = plan.slurm(RUNS, tmp_path / "a b", "x.sbatch", threads=0)
    assert "#SBATCH --array=0-1\n" in text and "at += 2" in text and "up to 2 a task" in text
    echo = tmp_path / "echo.sh"
    lines = [line for line in text.splitlines() if not line.startswith("cd ")]
    echo.write_text("\n".join(lines).replace(sys.executable, "echo"))
    said = ""
    for at in "01":
        variables = {"SLURM_ARRAY_TASK_ID": at, "PATH": "/usr/bin:/bin"}
        said += subprocess.run(
            ["bash", echo], env=variables, capture_output=True, text=True, check=True
        ).stdout
    assert said.splitlines() == [
        f"-m stages.chain --task digits --strategy {name} --seed 0"
        for name in ("random", "full", "entropy")
    ]


def test_what_is_missing_first_is_named(tmp_path: Path, prepared_study: Path) -> None:
    from stages.farm import grown
    from stages.study.layout import Layout

    with pytest.raises(UserError, match="manifest.json: missing; run dvc repro recipes"):
        grown.digests(Layout(tmp_path), RUNS[0])

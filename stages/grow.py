"""Grow the runs of a study side by side, with one `dvc repro` for each core.

DVC runs stages one after another. Runs share nothing but the sets they start from, so several DVC
processes can grow them at once; they take turns at dvc.lock. What is left over, the report at
least, and every error message, is for the plain `dvc repro` that follows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from stages import settings
from stages.errors import command_line

SHARED = ("prepare", "protocol", "split")
DVC = (sys.executable, "-m", "dvc")


def runs(study: settings.Settings) -> list[list[str]]:
    """The stages of each run that nobody else needs, in order."""
    places = [(task, seed) for task in study.tasks for seed in study.seeds]
    found = [[f"full@{task}-{seed}"] for task, seed in places]
    for task, seed in places:
        for strategy in study.strategies:
            name = f"{task}-{strategy}-{seed}"
            rounds = [f"round@{name}-round{at}" for at in range(len(study.rounds))]
            found.append([f"start@{name}", *rounds])
    return found


def jobs_for(study: settings.Settings) -> int:
    """One process more than there are cores for: one always waits for its turn at dvc.lock."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    free = (cores or 1) // study.threads if study.threads else 1
    return free + 1 if free > 1 else 1


def grow(study: settings.Settings, root: Path, jobs: int) -> bool:
    """Run what is missing of all runs with ``jobs`` processes; whether all of it succeeded."""
    if jobs < 2 or subprocess.run([*DVC, "status", "-q"], cwd=root, check=False).returncode == 0:
        return True
    shared = [*SHARED, "tune"] if study.tuned else SHARED  # start waits for all tuning
    if subprocess.run([*DVC, "repro", *shared], cwd=root, check=False).returncode:
        return False
    shares = [sum(runs(study)[at::jobs], []) for at in range(jobs)]
    # -s: DVC would lock the stages upstream too, which all runs share.
    command = [*DVC, "--wait-for-lock", "repro", "-s"]
    processes = [subprocess.Popen([*command, *share], cwd=root) for share in shares if share]
    return not any([process.wait() for process in processes])


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.grow", description=__doc__)
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0: one more than cores")
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    study = settings.load(options.root / "params.yaml")
    grow(study, options.root, options.jobs or jobs_for(study))


if __name__ == "__main__":
    main()

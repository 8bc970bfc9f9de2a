"""What DVC and a process for each stage cost: ``python -m benchmarks.overhead``.

Measures the wall time of a study three ways, in alternation, each from an empty copy of the
repository's HEAD (no dvc.lock, no cache): (A) ``dvc repro --no-run-cache``; (B) the same stages,
called as functions in one Python process; (C) the same stages as processes, one after the other,
without DVC. A / B is the price of both. Under A, the work is the sum of every seconds-*.json
(train, evaluate, score, select); C less its own work is processes starting, reading, writing and
ending; A - C is DVC itself. Afterwards: a ``dvc repro`` that finds nothing to do.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import alternate, machine, ratio, show, stopwatch
from benchmarks.study import (
    INPROCESS,
    add_study_options,
    copy_repository,
    environment,
    reset,
    write_study,
)

DVC = "A: dvc repro"
ONE = "B: one process"
MANY = "C: processes without DVC"


def seconds(command: list[str], root: Path, **more: str) -> float:
    """Wall time of a command in ``root``; its output is shown if it fails."""
    with stopwatch() as clock:
        done = subprocess.run(
            command, cwd=root, env=environment(**more), capture_output=True, text=True
        )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return clock()


def work(root: Path) -> float:
    """Seconds inside the phases of all rounds and full models."""
    files = (root / "artifacts").rglob("seconds-*.json")
    return sum(sum(json.loads(path.read_text()).values()) for path in files)


def count_stages(study: dict[str, Any]) -> tuple[int, int]:
    """Stages that run, and rounds among them."""
    runs = len(study["tasks"]) * len(study["seeds"])
    strategies, rounds = len(study["strategies"]), len(study["rounds"])
    return 2 * len(study["tasks"]) + runs * (2 + strategies * (1 + rounds)) + 1, (
        runs * strategies * rounds
    )


def measure(root: Path, study: dict[str, Any], repeats: int) -> None:
    """Run the three ways and print the tables."""
    works: dict[str, list[float]] = {DVC: [], ONE: [], MANY: []}
    idle: list[float] = []
    inprocess = [sys.executable, str(INPROCESS)]

    def way(name: str, command: list[str]) -> float:
        reset(root)
        taken = seconds(command, root, PYTHONPATH=str(root))
        works[name].append(work(root))
        if name == DVC:
            idle.append(seconds(["dvc", "repro"], root))
        return taken

    found = alternate(
        {
            DVC: lambda: way(DVC, ["dvc", "repro", "--no-run-cache"]),
            ONE: lambda: way(ONE, inprocess),
            MANY: lambda: way(MANY, [*inprocess, "--processes"]),
        },
        repeats,
    )
    stages, rounds = count_stages(study)
    show(
        ["way", "seconds", "per round", "to B", "work in the phases"],
        [
            (
                name,
                f"{median(times):.1f}",
                f"{median(times) / rounds:.2f}",
                f"{ratio(times, found[ONE]):.2f}",
                f"{median(works[name]):.1f}",
            )
            for name, times in found.items()
        ],
    )
    total, processes = median(found[DVC]), median(found[MANY])
    around = processes - median(works[MANY])
    show(
        [f"where A's {total:.1f} s go", "seconds", "per stage", "share"],
        [
            (what, f"{value:.1f}", f"{value / stages:.3f}", f"{value / total:.0%}")
            for what, value in (
                ("work in the phases", processes - around),
                ("processes: start, import, read, write, end", around),
                ("DVC itself", total - processes),
            )
        ],
    )
    torch = median(
        seconds([sys.executable, "-c", "import torch"], root) for _ in range(max(3, repeats))
    )
    print(f"`python -c 'import torch'`: {torch:.2f} s, x {stages} stages = {torch * stages:.1f} s")
    print(f"`dvc repro` with nothing to do: {median(idle):.2f} s")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overhead",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_study_options(parser)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--working-tree", action="store_true", help="copy uncommitted files, too")
    parser.add_argument("--keep", action="store_true", help="leave the copy where it is")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="overhead-"))
    try:
        copy_repository(root, options.working_tree)
        study = write_study(root, options)
        stages, rounds = count_stages(study)
        print(
            f"{machine()}\nN = {stages} stages, {rounds} of them rounds; "
            f"medians of {options.repeats}\n"
        )
        measure(root, study, options.repeats)
    finally:
        if options.keep:
            print(f"kept: {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()

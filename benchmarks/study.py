"""Copies of the repository with a study of their own, for the measurements to run."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
INPROCESS = REPOSITORY / "benchmarks" / "inprocess.py"
MADE = (
    "dvc.lock",
    "dvc.lock.damaged",
    "splits",
    "reports",
    "artifacts",
    "data",
    ".dvc/cache",
    ".dvc/tmp",
)


def environment(**more: str) -> dict[str, str]:
    """For subprocesses: this Python's programs first, DVC silent."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quiet = {"DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **quiet, "PATH": path, **more}


def copy_repository(target: Path, working_tree: bool = False) -> None:
    """The repository's HEAD at ``target``, as its own git repository, without anything DVC made.

    Args:
        working_tree: the files as they lie here instead, with what is not committed yet.
    """
    target.mkdir(parents=True, exist_ok=True)
    which = "git ls-files -coz --exclude-standard | xargs -0 ls -d 2>/dev/null | tar c -T -"
    pack = which if working_tree else "git archive HEAD"
    subprocess.run(f"{pack} | tar x -C '{target}'", shell=True, check=True, cwd=REPOSITORY)
    reset(target)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Study"]):
        subprocess.run(
            ["git", "-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost", *command],
            check=True,
            cwd=target,
        )


def reset(root: Path, keep: Iterable[str] = ()) -> None:
    """Delete what a study has made under ``root``, except for ``keep``."""
    for name in set(MADE) - set(keep):
        path = root / name
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
    for folder in ("reports/tuned", "data/code"):  # the stages start and recipes depend on them
        (root / folder).mkdir(parents=True, exist_ok=True)


def add_study_options(parser: argparse.ArgumentParser, **defaults: Any) -> None:
    """Options that choose a study, or shorten it."""
    add = parser.add_argument
    add("--params", type=Path, help="another study than params.yaml")
    add("--strategies", nargs="+", default=defaults.get("strategies"))
    add("--seeds", type=int, nargs="+", default=defaults.get("seeds"))
    add("--rounds", type=int, default=defaults.get("rounds"), help="how many; the last only trains")
    add("--epochs", type=int, help="of every task")
    add("--reproducible", choices=("portable", "machine", "off"))
    add("--device", choices=("auto", "cpu", "cuda"))
    add("--threads", type=int)


def write_study(root: Path, options: argparse.Namespace, **more: Any) -> dict[str, Any]:
    """Write ``root``/params.yaml as the options (and ``more``) say; gives its settings."""
    study = yaml.safe_load((options.params or REPOSITORY / "params.yaml").read_text())
    for key in ("strategies", "seeds", "reproducible", "device", "threads"):
        if getattr(options, key, None) is not None:
            study[key] = getattr(options, key)
    study["full"] = [seed for seed in study.get("full", study["seeds"]) if seed in study["seeds"]]
    study.update(more)
    if options.epochs:
        for task in study["task"].values():
            task["epochs"] = options.epochs
    if options.rounds:
        study["rounds"] = [{"n": n, "next": n + 1} for n in range(options.rounds)]
        study["rounds"][-1]["next"] = "end"
    (root / "params.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return study


def digests(root: Path, patterns: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the files that match, by path; of .npz files, of the arrays in them."""
    found = {}
    for pattern in patterns:
        for path in sorted(item for item in root.glob(pattern) if item.is_file()):
            found[path.relative_to(root).as_posix()] = _digest(path)
    return found


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    if path.suffix != ".npz":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with np.load(path, allow_pickle=False) as stored:
        for name in stored.files:
            array = np.ascontiguousarray(stored[name])
            total.update(f"{name} {array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    return total.hexdigest()


def compare(here: dict[str, str], there: dict[str, str]) -> str:
    """``equal (n)``, or how many of the files that are ``here`` differ ``there``."""
    different = sum(there.get(name) != digest for name, digest in here.items())
    if not here:
        return "nothing to compare"
    return f"differ ({different} of {len(here)})" if different else f"equal ({len(here)})"

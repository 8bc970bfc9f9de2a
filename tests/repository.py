"""A git repository of its own with the pipeline and a tiny study, for tests with real DVC."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from study import REPO, rounds, tree, write_params

PARTS = (
    "stages",
    "dvc.yaml",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots",
    ".dvcignore",
    ".gitignore",
    ".gitattributes",
    "reports/tuned/README.md",
    "data/code/README.md",
    "requirements.lock",
    "CITATION.cff",
)
TINY = {"rounds": rounds(2), "seeds": [0], "task__digits__epochs": 1}


def make_repository(root: Path, **changes: Any) -> None:
    """The pipeline without any result, committed; ``changes`` as of `study.tree`."""
    for name in PARTS:
        source, target = REPO / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, target)
    write_params(root, tree(**TINY | changes))
    git(root, "init", "--quiet", "--initial-branch", "master")
    commit(root)


def environment(root: Path) -> dict[str, str]:
    who = {
        f"GIT_{role}_{what}": "t@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ,
        **who,
        "PATH": path,
        "DVC_NO_ANALYTICS": "1",
        "NO_COLOR": "1",
        "DVC_SITE_CACHE_DIR": str(root.parent / f"{root.name}-site"),
        "OMP_NUM_THREADS": "1",
    }


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        env=environment(root),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "all")


def dvc(root: Path, *arguments: str, fails: bool = False) -> str:
    """What a command of DVC says, on both channels."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        text=True,
        env=environment(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def ran(output: str) -> list[str]:
    return sorted(re.findall(r"Running stage '([^']+)'", output))


def contents(root: Path, *folders: str) -> dict[str, str]:
    paths = [path for name in folders for path in (root / name).rglob("*") if path.is_file()]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
    }

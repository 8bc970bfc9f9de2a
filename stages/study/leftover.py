"""What lies in a study's folder although its settings name it no longer: runs, rounds, tasks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from stages.study.layout import END
from stages.study.settings import Settings

FOLDERS = ("splits", "reports/rounds", "reports/tuned", "artifacts")
NO_TASKS = ("recipes", "code")  # of data/


def leftovers(study: Settings, root: Path) -> list[Path]:
    """Files and folders of runs, rounds, seeds and tasks that the settings do not name, sorted.

    Only what a stage writes is looked at: a file of another name, or one that begins with a dot, is
    nobody's leftover. Links are listed and not followed.
    """
    found = list(_others(root / "data", lambda name: name in (*study.tasks, *NO_TASKS)))
    for folder in FOLDERS:
        found += _others(root / folder, study.tasks.__contains__)
        for task in study.tasks:
            found += _of_task(study, root / folder / task)
    return sorted(found)


def _of_task(study: Settings, folder: Path) -> Iterator[Path]:
    # Beside the strategies: the shared sets of a seed, or what training on everything has left.
    seeds = study.seeds if folder.parent.name == "splits" else study.full_seeds

    def named(name: str) -> bool:
        return name in study.strategies or _seed(name) in seeds

    yield from _others(folder, named)
    for strategy in study.strategies:
        yield from _others(folder / strategy, lambda name: _seed(name) in study.seeds, files=True)
        for seed in study.seeds:
            run = folder / strategy / f"seed-{seed}"
            yield from _others(run, _links(study).__contains__, files=True)


def _links(study: Settings) -> set[str]:
    """Names of what a run has for each round, in whichever folder."""
    rounds = {str(item.n) for item in study.rounds}
    names = {f"round-{n}" for n in (*rounds, END)} | {f"seconds-{n}" for n in rounds}
    return names | {f"{name}{end}" for name in names for end in (".txt", ".json")}


def _seed(name: str) -> int | None:
    """The seed of ``seed-3`` or ``seed-3.json``, None of any other name."""
    digits = name.removesuffix(".json").removeprefix("seed-")
    return int(digits) if name.startswith("seed-") and digits.isdecimal() else None


def _others(folder: Path, named: Callable[[str], bool], files: bool = False) -> Iterator[Path]:
    """What lies in ``folder`` and is not named; of files only those that stages write."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in folder.iterdir():
        ours = path.is_dir() or (files and path.name.startswith(("round-", "seconds-", "seed-")))
        if ours and not path.name.startswith(".") and not named(path.name):
            yield path


def size(paths: list[Path]) -> int:
    """Bytes that removing ``paths`` frees."""
    inside = (item for path in paths for item in (path, *path.rglob("*")))
    return sum(item.lstat().st_size for item in inside if not item.is_dir() or item.is_symlink())


def remove(paths: list[Path]) -> None:
    """Delete files and folders; a link is deleted, not what it names."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

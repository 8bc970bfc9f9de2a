"""How far a study is: ``python -m stages.status``, at any moment, from any terminal.

Reads files alone and takes no lock: what the coordinator (`make repro`) has noted while it runs,
else what lies here. A stage counts as done here when its files are there; whether code or settings
have changed since is what `dvc status` says.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from stages.datasets import watched
from stages.farm import watch
from stages.farm.call import log_of
from stages.farm.without_dvc import REMADE, WithoutDvc
from stages.machine.errors import UserError, command_line
from stages.study import settings

FOLDERS = ("data", "splits", "reports", "artifacts", ".dvc/cache")
MANY = 20  # names that are listed


def noted(root: Path) -> dict[str, Any]:
    """What a coordinator has noted last; empty if there was none."""
    try:
        found = json.loads((root / watch.PLACE).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and "pid" in found else {}
    except (OSError, ValueError):
        return {}


def at_work(state: dict[str, Any]) -> bool:
    """Whether the coordinator that noted this is still there, as far as can be seen from here."""
    if not state:
        return False
    if state["host"] != platform.node():
        return time.time() - state["now"] < 60
    try:
        process = psutil.Process(state["pid"])
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and process.create_time() <= state["began"] + 1
    except psutil.NoSuchProcess:
        return False


def lines(root: Path) -> Iterator[str]:
    """The answer, line by line.

    Raises:
        UserError: dvc.yaml or params.yaml cannot be read.
    """
    state = noted(root)
    yield from _growing(state) if at_work(state) else _lying(root)
    with contextlib.suppress(UserError):  # settings that cannot be read: others say so
        yield from watched.changes(settings.load(root / "params.yaml"), root)
    for name, why in list(state.get("failed", {}).items())[:MANY]:
        log = log_of(root, name)
        yield f"failed: {name}: {why}" + (
            f" (log: {log.relative_to(root)})" if log.exists() else ""
        )
    if accuracies := state.get("accuracies"):
        yield "last accuracies: " + ", ".join(f"{key} {at:.4f}" for key, at in accuracies.items())
    sizes = {name: used(root / name) for name in FOLDERS}
    listed = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items() if size)
    yield f"disk: {listed or 'nothing yet'}"


def _growing(state: dict[str, Any]) -> Iterator[str]:
    since = watch.duration(time.time() - state["began"])
    yield (
        f"process {state['pid']} on {state['host']} has been at work for {since}: engine "
        f"{state['engine']}, workers {state['workers']}"
    )
    left = state["left_seconds"]
    counts = [f"{state['done']} of {state['total']} stages done", f"{state['ran']} of them now"]
    counts += [f"{len(state['running'])} running", f"{len(state['failed'])} failed"]
    yield ", ".join(counts) + (f"; {watch.duration(left)} left" if left is not None else "")
    for name, began in list(state["running"].items())[:MANY]:
        yield f"running: {name}, for {watch.duration(time.time() - began)}"


def _lying(root: Path) -> Iterator[str]:
    work = WithoutDvc(root, [])
    counted = [name for name in work.names if watch.kind(name) not in REMADE]
    done = Counter(watch.kind(name) for name in counted if name in work.done())
    every = Counter(map(watch.kind, counted))
    yield "nobody is at work"
    yield f"{done.total()} of {every.total()} stages done: " + ", ".join(
        f"{name} {done[name]}/{count}" for name, count in every.items()
    )


def used(folder: Path) -> int:
    """Bytes on disk under a folder; a file that has several names counts once."""
    seen: set[tuple[int, int]] = set()
    total, todo = 0, [folder]
    while todo:
        try:
            entries = list(os.scandir(todo.pop()))
        except OSError:  # gone since
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    todo.append(Path(entry.path))
                    continue
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if (key := (found.st_dev, found.st_ino)) not in seen:
                seen.add(key)
                total += found.st_blocks * 512
    return total


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.status",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--root", type=Path, default=Path("."), help="default: this folder")
    for line in lines(parser.parse_args(arguments).root):
        print(line)


if __name__ == "__main__":
    main()

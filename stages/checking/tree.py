"""What lies in a folder, by name and kind, without opening anything or following a link."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from stages.checking.plan import NAME
from stages.machine.reading import kind
from stages.study.ledger import NUMBER

DEEPEST = 6  # folders; a study has four
SEED = re.compile(rf"seed-({NUMBER})")
Run = tuple[str, str | None, int]  # task, strategy (None: shared by all), seed


@dataclass
class Tree:
    """The files of a part of a study.

    Attributes:
        top: the folder.
        runs: (task, strategy, seed) -> names of the files of that run; strategy None: the folder
            <task>/seed-<k> that all strategies share.
        stray: files anywhere else.
        faults: a line for each thing that is neither a file nor a folder.
    """

    top: Path
    runs: dict[Run, list[str]] = field(default_factory=dict)
    stray: list[Path] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def folder(self, run: Run) -> Path:
        """Where the files of ``run`` lie."""
        task, strategy, seed = run
        return self.top.joinpath(task, *([strategy] if strategy else []), f"seed-{seed}")


def scan(top: Path) -> Tree:
    """Walk ``top``; a missing folder is an empty one."""
    tree = Tree(top)
    _walk(tree, top, ())
    return tree


def _walk(tree: Tree, folder: Path, parts: tuple[str, ...]) -> None:
    try:
        mode = os.lstat(folder).st_mode
        if not stat.S_ISDIR(mode):
            tree.faults.append(f"{folder}: is {_kind(mode)}, not a folder")
            return
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        tree.faults.append(f"{folder}: cannot be read ({error.strerror})")
        return
    for entry in found:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            if len(parts) >= DEEPEST:
                tree.faults.append(f"{path}: too many folders in each other")
            else:
                _walk(tree, path, (*parts, entry.name))
        elif entry.is_file(follow_symlinks=False):
            _file(tree, path, parts)
        else:
            mode = entry.stat(follow_symlinks=False).st_mode
            tree.faults.append(f"{path}: is {_kind(mode)}, not a regular file")


def _kind(mode: int) -> str:
    return "a file" if stat.S_ISREG(mode) else kind(mode)


def _file(tree: Tree, path: Path, parts: tuple[str, ...]) -> None:
    *names, last = parts or ("",)
    seed = SEED.fullmatch(last)
    if seed and len(names) in (1, 2) and all(map(NAME.fullmatch, names)):
        run = (names[0], names[1] if len(names) == 2 else None, int(seed[1]))
        tree.runs.setdefault(run, []).append(path.name)
    else:
        tree.stray.append(path)

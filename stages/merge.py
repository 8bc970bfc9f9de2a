"""Merge dvc.lock stage by stage, as git's merge driver: ``python -m stages.merge --install``, once.

Git merges text, and two branches that have run different stages change the same lines. Here a stage
that one side alone has changed is taken from that side. What both have changed otherwise is a
conflict: the stages are named, and the file gets git's markers, which ``stages.mend`` reads.
The stages `recipes` and `report` sum up all others, so after a merge neither side's entry is right:
where they differ they are left out, and ``dvc repro`` runs them, in seconds.

Git calls ``python -m stages.merge ANCESTOR OURS THEIRS``; the result replaces OURS.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from stages.farm import lockfile
from stages.farm.lockfile import Entries
from stages.machine.errors import UserError, command_line
from stages.machine.files import write_text

SUMS = ("recipes", "report")  # of everything else
DRIVERS = {
    "dvclock": "stage-wise merge of dvc.lock",
    "remade": "files of the report, which dvc repro makes anew",
}


def three_way(
    ancestor: Entries, ours: Entries, theirs: Entries
) -> tuple[Entries, list[str], list[str]]:
    """Entries of a merge.

    Returns:
        what was merged, in our order and then theirs; the stages that both sides have changed
        otherwise; those of SUMS that are to be run again.
    """
    merged: Entries = {}
    conflicts, again = [], []
    for name in {**ours, **theirs}:
        base, left, right = (side.get(name) for side in (ancestor, ours, theirs))
        if left == right or right == base:
            chosen = left
        elif left == base:
            chosen = right
        else:
            (again if name in SUMS else conflicts).append(name)
            continue
        if chosen is not None:
            merged[name] = chosen
    return merged, conflicts, again


def merge(ancestor: Path, ours: Path, theirs: Path) -> tuple[list[str], list[str]]:
    """Merge three files into ``ours``; conflicts and stages to run again as of :func:`three_way`.

    Raises:
        UserError: a side is damaged; nothing is written.
    """
    sides = [_read(ancestor, "the common ancestor"), _read(ours, "ours"), _read(theirs, "theirs")]
    merged, conflicts, again = three_way(*sides)
    lockfile.write(ours, merged, list(merged))
    if conflicts:
        parts = [{name: side[name] for name in conflicts if name in side} for side in sides[1:]]
        write_text(ours, ours.read_text(encoding="utf-8") + _marked(*parts, ours))
    return conflicts, again


def _read(path: Path, side: str) -> Entries:
    """The entries of a side; git gives an empty file where a side has none."""
    text = path.read_text(encoding="utf-8", errors="replace")
    entries = lockfile.load(text) if text.strip() else {}
    if entries is None:
        raise UserError(f"dvc.lock of {side} is damaged; mend it there with python -m stages.mend")
    return entries


def _marked(ours: Entries, theirs: Entries, beside: Path) -> str:
    """Both sides' entries between git's markers."""
    texts = []
    for entries in (ours, theirs):
        scratch = beside.with_name(f"{beside.name}.side")
        lockfile.write(scratch, entries, list(entries))
        texts.append("".join(scratch.read_text(encoding="utf-8").splitlines(keepends=True)[2:]))
        scratch.unlink()
    return f"<<<<<<< ours\n{texts[0]}=======\n{texts[1]}>>>>>>> theirs\n"


def install(root: Path) -> None:
    """Tell git of the drivers that .gitattributes names.

    Raises:
        UserError: ``root`` is in no git repository.
    """
    python = shlex.quote(sys.executable)
    commands = {"dvclock": f"{python} -m stages.merge %O %A %B", "remade": "true"}
    for name, about in DRIVERS.items():
        for key, value in (("name", about), ("driver", commands[name])):
            _git(root, "config", f"merge.{name}.{key}", value)


def _git(root: Path, *arguments: str) -> None:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"git {arguments[0]}: {done.stderr.strip()}")


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.merge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", type=Path, nargs="*", metavar="ANCESTOR OURS THEIRS")
    parser.add_argument("--install", action="store_true", help="set the drivers up in this clone")
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    if options.install:
        install(options.root)
        print("git now merges dvc.lock stage by stage in this clone")
        return
    if len(options.files) != 3:
        raise UserError("expected three files: ANCESTOR OURS THEIRS")
    conflicts, again = merge(*options.files)
    if again:
        print(f"dvc.lock: {', '.join(again)} to be run again: dvc repro", file=sys.stderr)
    if conflicts:
        raise UserError(f"dvc.lock: both sides have changed {', '.join(conflicts)}")


if __name__ == "__main__":
    main()

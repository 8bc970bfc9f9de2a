"""Mend what a kill or a merge has left of DVC's own files: ``python -m stages.mend [--remove]``.

DVC writes dvc.lock and .dvc/tmp/rwlock in place, so a process that is killed in that moment leaves
half a file, which no DVC reads any more. `make repro` mends both before it begins. What
params.yaml names no longer (runs, rounds, seeds, tasks) is listed; ``--remove`` deletes it.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import yaml

from stages.farm import atwork, journal, lockfile, rebuild
from stages.farm.lockfile import Entries
from stages.machine.errors import UserError, command_line
from stages.machine.files import LEFT_OVER, write_text
from stages.study import leftover, settings

LAST = ".dvc/tmp/dvc.lock.last"  # a copy of the last whole dvc.lock, beside DVC's own files
HERE = "what lies here"
WRITTEN = ("data", "splits", "reports", "artifacts")


def mend(root: Path) -> list[str]:
    """Mend what is damaged under ``root``; what was done, a line each.

    To be called when nobody is at work there (:func:`stages.farm.atwork.alone`).
    """
    done = [atwork.heal_rwlock(root)]
    if not journal.continues(root):  # else dvc.lock is whole: the coordinator's own
        done.append(mend_lock(root))
    if taken := journal.replay(root):
        done.append(f"{taken} stages from the journal of a `make repro` that was killed")
    return [line for line in [*done, *clear(root)] if line]


def clear(root: Path) -> list[str]:
    """Remove parts of files; nothing to say about it."""
    for folder in WRITTEN:
        for path in (root / folder).rglob(LEFT_OVER):
            path.unlink()
    return []


def tidy(root: Path) -> None:
    """Give dvc.lock its order, and keep a copy for the next time."""
    path = root / "dvc.lock"
    if path.exists():
        lockfile.put_in_order(path)
        keep(root)


def keep(root: Path) -> None:
    """Keep a copy of a whole dvc.lock for the next time."""
    path, last = root / "dvc.lock", root / LAST
    if path.exists():
        text = path.read_text(encoding="utf-8")
        if not last.exists() or last.read_text(encoding="utf-8") != text:
            write_text(last, text)


def mend_lock(root: Path) -> str:
    """Mend dvc.lock; what was done, in a line."""
    path = root / "dvc.lock"
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
    if text is None:
        found = rebuild.rebuild(root, {}, _others(root), HERE)
        return f"{path} was missing; {found}" if found.entries else ""
    last = root / LAST
    if last.exists() and last.read_text(encoding="utf-8", errors="replace") == text:
        return ""  # the last whole one: nothing to look at
    if lockfile.conflicted(text):
        return _merge(root, text)
    if _whole(text, root):
        write_text(root / LAST, text)
        return ""
    kept, known = _keep(path, "damaged"), lockfile.salvage(text)
    _write(path, known)
    found = rebuild.rebuild(root, known, _others(root), HERE)
    return f"{path} was half-written (kept as {kept.name}); {found}"


def _merge(root: Path, text: str) -> str:
    """Both sides of a merge that git could not make."""
    path = root / "dvc.lock"
    texts = [rebuild.blob(root, f":{stage}:./dvc.lock") for stage in (2, 3)]
    texts = texts if all(texts) else list(lockfile.sides(text))
    ours, theirs = (lockfile.salvage(side or "", cut=False) for side in texts)
    kept, (merged, _) = _keep(path, "conflict"), lockfile.merge(ours, theirs)
    _write(path, merged)
    found, differ = rebuild.settle(root, merged, ours, theirs)
    listed = f"; the sides differ in {', '.join(differ)}" if differ else ""
    return f"{path} had git's conflict markers (kept as {kept.name}); {found}{listed}"


def _write(path: Path, entries: Entries) -> None:
    """DVC must be able to read the file, which is not what it will be yet."""
    if entries:
        lockfile.write(path, entries, list(entries))
    else:
        path.unlink()


def _others(root: Path) -> rebuild.Sources:
    """What was recorded elsewhere, the latest first."""
    last = root / LAST
    texts = {
        "the last whole file": last.read_text(encoding="utf-8") if last.exists() else None,
        "git's HEAD": rebuild.blob(root, "HEAD:./dvc.lock"),
    }
    return [(name, lockfile.load(text or "") or {}) for name, text in texts.items()]


def _whole(text: str, root: Path) -> bool:
    """Whether nothing is missing; a cut may fall between two outputs of the last entry."""
    entries, dvc = lockfile.load(text), root / "dvc.yaml"
    if not entries or not dvc.exists():
        return bool(entries)
    last = list(entries)[-1]
    try:
        stage = yaml.safe_load(dvc.read_text(encoding="utf-8"))["stages"][last.split("@")[0]]
        wanted = sum(len(stage.get(kind, [])) for kind in ("outs", "metrics", "plots"))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        return True  # of a stage that is no more, or dvc.yaml is at fault: DVC will say so
    return len(entries[last]["outs"]) >= wanted


def _keep(path: Path, kind: str) -> Path:
    """A copy of ``path`` under a name that is free."""
    target, count = path.with_suffix(f".lock.{kind}"), 1
    while target.exists():
        target, count = path.with_suffix(f".lock.{kind}.{count}"), count + 1
    shutil.copyfile(path, target)
    return target


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.mend", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("."))
    parser.add_argument("--remove", action="store_true", help="delete what params.yaml names not")
    options = parser.parse_args(arguments)
    root = options.root
    if others := [*atwork.growing(root), *atwork.at_work(root)]:
        raise UserError(f"{others[0]} is at work in this folder; wait for it, or end it")
    for line in mend(root):
        print(line)
    tidy(root)
    if (root / "params.yaml").exists():
        _tell_leftovers(root, options.remove)


def _tell_leftovers(root: Path, remove: bool) -> None:
    try:
        study = settings.load(root / "params.yaml")
    except UserError:
        if remove:
            raise
        print("params.yaml has faults, so what it names no longer is not listed")
        return
    found = leftover.leftovers(study, root)
    for path in found:
        print(path.relative_to(root).as_posix())
    if not found:
        return
    amount = f"{len(found)} files and folders, {leftover.size(found) / 1e6:.1f} MB"
    if remove:
        leftover.remove(found)
        print(f"removed {amount}, which params.yaml does not name; git has what was committed")
    else:
        print(f"params.yaml names none of these {amount}; --remove deletes them")


if __name__ == "__main__":
    main()

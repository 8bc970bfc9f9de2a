"""A new dvc.lock for one that is damaged or lost, without running what has run.

What DVC recorded is taken as it is, so that DVC itself sees what is stale: from the damaged file,
else from the last whole one that was seen, else from git's HEAD, unless what lies here has been
made since. Where nobody recorded anything, what lies here is taken if it is complete, if its chain
is sound, and if nothing that it depends on is younger.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.farm import lockfile
from stages.farm.lockfile import Entries
from stages.machine.errors import UserError
from stages.study import ledger

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

REMADE = "report"  # in seconds; whether it is complete cannot be seen
Sources = list[tuple[str, Entries]]  # a name for messages, and what that source recorded


class Rebuilt:
    """Entries by where they come from, and the names of stages that have none."""

    def __init__(self) -> None:
        self.entries: Entries = {}
        self.taken: dict[str, int] = {}
        self.missing: list[str] = []

    def take(self, source: str, name: str, entry: dict[str, Any]) -> None:
        """Add an entry."""
        self.entries[name] = entry
        self.taken[source] = self.taken.get(source, 0) + 1

    def __str__(self) -> str:
        counts = [f"{count} from {source}" for source, count in self.taken.items()]
        return f"stages: {', '.join([*counts, f'{len(self.missing)} to be run'])}"


def rebuild(root: Path, known: Entries, others: Sources, disk: str) -> Rebuilt:
    """Write dvc.lock anew: ``known`` whatever lies here, then ``others``, the best first.

    Args:
        disk: a name for what lies here, for messages.
    """
    found = Rebuilt()
    with lockfile.repository(root) as stages:
        for name, stage in stages.items():
            if name in known:
                found.take("the file itself", name, known[name])
                continue
            entry, source = _recorded(stage, name, others)
            if entry is not None:
                found.take(source, name, entry)
            elif _complete(stage):
                found.take(disk, name, recorded_now(stage))
            else:
                found.missing.append(name)
        _write(root, [found.entries, known, *(entries for _, entries in others)], found, stages)
    return found


def settle(
    root: Path, merged: Entries, ours: Entries, theirs: Entries
) -> tuple[Rebuilt, list[str]]:
    """Write dvc.lock from ``merged`` and, where two sides differ, from the one that lies here.

    Returns:
        what was taken, and the stages of which neither side, or both, lie here.
    """
    found, open_ones = Rebuilt(), []
    with lockfile.repository(root) as stages:
        for name, stage in stages.items():
            if name in merged:
                found.take("both sides or the only one", name, merged[name])
                continue
            pair = [side[name] for side in (ours, theirs) if name in side]
            for test in (_agrees, _current):
                if len(fit := [entry for entry in pair if test(stage, entry)]) == 1:
                    found.take("the side that lies here", name, fit[0])
                    break
            else:
                found.missing.append(name)
                open_ones += [name] if pair else []
        _write(root, [found.entries, merged, ours, theirs], found, stages)
    return found, open_ones


def _write(root: Path, recorded: list[Entries], found: Rebuilt, stages: dict[str, Any]) -> None:
    """What was found, and what was recorded of stages that dvc.yaml no longer has."""
    path = root / "dvc.lock"
    entries = {name: entry for each in reversed(recorded) for name, entry in each.items()}
    kept = {
        name: entry
        for name, entry in entries.items()
        if name in found.entries or name not in stages
    }
    if found.entries:
        lockfile.write(path, kept, list(stages))
    else:
        path.unlink(missing_ok=True)


def _recorded(
    stage: PipelineStage, name: str, sources: Sources
) -> tuple[dict[str, Any] | None, str]:
    """What the first source recorded that is not out of date, and the source's name.

    Made by other settings and since made anew: of no use. Made by the present ones, and different
    all the same: it stays, and DVC sees the difference.
    """
    for source, entries in sources:
        entry = entries.get(name)
        if entry is not None and (_agrees(stage, entry) or _current(stage, entry)):
            return entry, source
    return None, ""


def _agrees(stage: PipelineStage, entry: dict[str, Any]) -> bool:
    """Whether some output that ``entry`` records lies here, and none lies here otherwise."""
    fill(stage, entry)
    states = [status for out in stage.outs for status in out.workspace_status().values()]
    return len(states) < len(stage.outs) and set(states) <= {"deleted"}


def _current(stage: PipelineStage, entry: dict[str, Any]) -> bool:
    """Whether ``entry`` records the present command, settings and dependencies."""
    fill(stage, entry)
    here = any(Path(out.fs_path).exists() for out in stage.outs)
    return here and entry["cmd"] == stage.cmd and not any(d.workspace_status() for d in stage.deps)


def fill(stage: PipelineStage, entry: dict[str, Any]) -> None:
    """Let DVC take ``entry`` for what dvc.lock says of ``stage``."""
    from dvc.stage.loader import StageLoader

    StageLoader.fill_from_lock(stage, entry)


def recorded_now(stage: PipelineStage) -> dict[str, Any]:
    """The entry of a stage as it lies here, which goes into the cache."""
    from dvc.stage.serialize import to_single_stage_lockfile

    stage.save(run_cache=False)
    stage.commit()
    return _plain(to_single_stage_lockfile(stage))


def _complete(stage: PipelineStage) -> bool:
    """Whether a stage has run to its end under the settings and the code that lie here.

    Each stage writes last what says that it is whole (a round its link), and DVC removes that
    first. Settings are files, too: params.yaml and protocol.json.
    """
    outs = [Path(out.fs_path) for out in stage.outs]
    deps = [Path(dep.fs_path) for dep in stage.deps]
    if stage.name == REMADE or not all(path.exists() for path in [*outs, *deps]):
        return False
    if max(map(_youngest, deps)) > min(map(_oldest, outs)):
        return False
    return all(_sound(path) for out in outs for path in _files(out) if path.suffix == ".txt")


def _sound(link: Path) -> bool:
    """Whether the chain up to ``link`` is sound."""
    try:
        if link.name in ("pool.txt", "validation.txt", "initial.txt"):
            ledger.read_shared(link.parent)
        else:
            ledger.walk(link)
    except UserError:
        return False
    return True


def _files(path: Path) -> list[Path]:
    """A file, or the files in a folder, without what Python leaves there."""
    if not path.is_dir():
        return [path]
    inside = (item for item in path.rglob("*") if item.is_file())
    return [item for item in inside if "__pycache__" not in item.parts]


def _youngest(path: Path) -> int:
    return max((item.stat().st_mtime_ns for item in _files(path)), default=0)


def _oldest(path: Path) -> int:
    return min((item.stat().st_mtime_ns for item in _files(path)), default=0)


def _plain(value: Any) -> Any:
    """Ordered and other dictionaries as plain ones."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def blob(root: Path, name: str) -> str | None:
    """A file as git has it under ``name`` (``HEAD:./dvc.lock``); None where there is none."""
    try:
        command = ["git", "-C", str(root), "cat-file", "blob", name]
        return subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError):
        return None

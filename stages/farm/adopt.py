"""Runs of other places, copied into this one, and their entries in its dvc.lock."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.farm import lockfile, rebuild, runs
from stages.farm.places import Place, hash_of
from stages.farm.runs import Run
from stages.machine.files import write_atomically
from stages.machine.reading import open_regular

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import PipelineStage

SHARED = ("prepare", "protocol", "split", "tune")
LEFT = ("model.npz", "scores.npy", "carry.npz")  # of a round


def commands(root: Path) -> dict[str, str]:
    """What dvc.yaml runs for each stage."""
    with lockfile.repository(root) as stages:
        return {name: stage.cmd for name, stage in stages.items()}


def adopt(here: Place, others: list[Place], owners: dict[Run, Place]) -> list[str]:
    """Copy each run from its owner and record it; what could not be recorded, a line each."""
    faults: list[str] = []
    if not owners:
        return faults
    with lockfile.repository(here.root) as stages:
        for place in others:
            if place in owners.values():
                _share(place, here, stages)
        for run, place in owners.items():
            if place is not here:
                _copy(place, here, run)
            for name in runs.stages_of(here.study, run):
                if reason := _record(place, here, name, stages[name]):
                    faults.append(f"{place.name}: {runs.label(run)}: {reason}")
                    break
        lockfile.write(here.root / "dvc.lock", here.entries, list(stages))
    return faults


def _record(place: Place, here: Place, name: str, stage: PipelineStage) -> str:
    """Give a stage its entry, from its owner's dvc.lock or from what lies here; else say why not.

    What is taken from elsewhere must be true of the files that lie here.
    """
    entry = here.entries.pop(name, None)
    if place is not here and not place.recorded(name, stage.cmd):
        entry = place.entries[name]
        _fetch(place, stage, entry)
    elif all(Path(item.fs_path).exists() for item in (*stage.outs, *stage.deps)):
        entry = rebuild.recorded_now(stage)
    if entry is not None:
        here.entries[name] = entry
    here.forget()
    return here.recorded(name, stage.cmd)


def _share(place: Place, here: Place, stages: dict[str, PipelineStage]) -> None:
    """Take what all runs start from, where it is not recorded here and nothing else lies here."""
    for name, stage in stages.items():
        if name.split("@")[0] not in SHARED or not here.recorded(name, stage.cmd):
            continue
        if place.recorded(name, stage.cmd):
            continue
        outs = place.entries[name]["outs"]
        if any(hash_of(here.root / item["path"]) not in (None, item["md5"]) for item in outs):
            continue
        for item in outs:
            _bring(place.root / item["path"], here.root / item["path"])
        before = here.entries.get(name)
        here.entries[name] = place.entries[name]
        here.forget()
        if not here.recorded(name, stage.cmd):
            _fetch(place, stage, here.entries[name])
        elif before is None:
            del here.entries[name]
        else:
            here.entries[name] = before


def _copy(place: Place, here: Place, run: Run) -> None:
    """Copy a run's files, the one that says that it is finished last."""
    for old, new in zip(*(runs.left(p.study, p.layout, run) for p in (place, here)), strict=True):
        if new.is_dir():
            shutil.rmtree(new)
        for name in LEFT:
            _bring(old / name, new / name)
    for kind in (runs.seconds, runs.inputs, runs.committed):
        pairs = (
            kind(p.layout, run) if kind is runs.inputs else kind(p.study, p.layout, run)
            for p in (place, here)
        )
        for old, new in zip(*pairs, strict=True):
            _bring(old, new)


def _bring(old: Path, new: Path) -> None:
    """Copy a file, or the files of a folder, unless it is missing there or equal here."""
    if old.is_dir():
        for inner in sorted(old.rglob("*")):
            if inner.is_file():
                _bring(inner, new / inner.relative_to(old))
    elif old.is_file() and not (new.is_file() and hash_of(new) == hash_of(old)):
        with open_regular(old, follow=True) as stream:
            write_atomically(new, lambda target: shutil.copyfileobj(stream, target))


def _fetch(place: Place, stage: PipelineStage, entry: dict[str, Any]) -> None:
    """Put what DVC keeps of a stage into the cache and the folder, as far as the place has it."""
    rebuild.fill(stage, entry)
    for out in stage.outs:
        if not out.use_cache:
            continue
        if Path(out.fs_path).exists():
            out.commit()
        elif _in_cache(out, place):
            out.checkout(force=True)


def _in_cache(out: Output, place: Place) -> bool:
    """Whether our cache has all of ``out``; what it lacks is copied from the place's, checked."""
    name, theirs = str(out.hash_info.value), _cache_of(place.root)
    if not _object(out, name, theirs):
        return False
    if not name.endswith(".dir"):
        return True
    listed = json.loads(Path(out.cache.oid_to_path(name)).read_bytes())
    return all(_object(out, str(item["md5"]), theirs) for item in listed)


def _object(out: Output, name: str, theirs: Path) -> bool:
    mine, other = Path(out.cache.oid_to_path(name)), theirs / "files/md5" / name[:2] / name[2:]
    if mine.exists():
        return True
    if not other.is_file() or hash_of(other) != name.removesuffix(".dir"):
        return False
    _bring(other, mine)
    mine.chmod(0o444)  # as DVC leaves them
    return True


def _cache_of(root: Path) -> Path:
    """The folder of a clone's DVC cache."""
    from dvc.config import Config
    from dvc.exceptions import DvcException

    try:
        said = Config(str(root / ".dvc"))["cache"].get("dir") if (root / ".dvc").is_dir() else None
    except DvcException:
        said = None
    return Path(said) if said and Path(said).is_absolute() else root / ".dvc" / (said or "cache")

"""From somebody else's files to ``imported/<name>``: checked in a folder apart, then moved."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.checking.data import read_manifest
from stages.exchanging import ledgers
from stages.exchanging.archives import Source
from stages.exchanging.lists import sets_of
from stages.exchanging.sources import unpack
from stages.machine.errors import UserError
from stages.machine.files import as_json, write_text
from stages.machine.reading import read_regular, shown
from stages.study import ledger, settings
from stages.study.imported import FOLDER, FORMAT, NAME, SOURCE
from stages.study.layout import Layout

ARRAYS = re.compile(r"(?:.*/)?(?:train|test)_(?:images|labels)\.npy|(?:.*/)?artifacts/.*")
WANTED = re.compile(r".*\.(?:txt|npy)|(?:.*/)?params\.yaml|.*reports/rounds/.*\.json"
                    r"|(?:.*/)?data/[^/]+/manifest\.json")  # fmt: skip
LISTED = "imported"  # the strategy of lists that name none


@dataclass(frozen=True)
class Asked:
    """What is to be imported.

    Attributes:
        source: a folder, an archive, a file, or a git repository's address.
        name: under which it lies here then.
        task: of a ledger, the source's; of lists, the task here whose data they are about.
        strategy: of a ledger, the one that is wanted (default: all); of lists, their name.
        revision: of a git repository.
        inside: folder of the source that is looked at alone.
        seed: of lists that lie in no folder ``seed-<k>``.
        replace: whether an import of this name may be replaced.
    """

    source: str
    name: str
    task: str | None = None
    strategy: str | None = None
    revision: str | None = None
    inside: str = ""
    seed: int = 0
    replace: bool = False


def bring(asked: Asked, root: Path) -> dict[str, Any]:
    """Import what is asked for; gives what ``source.json`` says.

    Raises:
        UserError: it is damaged, hostile, or not clear; nothing is written then.
    """
    for what, name in (("name", asked.name), ("task", asked.task), ("strategy", asked.strategy)):
        if name is not None and not NAME.fullmatch(name):
            raise UserError(
                f"--{what}: {shown(repr(name), 80)} cannot be a name; allowed: up to 64 letters, "
                f"digits and '_', but not 'full', 'data' or 'seed-...'"
            )
    target = root / FOLDER / asked.name
    if os.path.lexists(target) and not asked.replace:
        raise UserError(f"{target}: is there already; --replace puts this in its place")
    source = unpack(asked.source, asked.revision, _wanted)
    files = _inside(source, asked.inside)
    with tempfile.TemporaryDirectory(prefix="aledger-") as folder:
        apart = Path(folder) / "import"
        try:
            if any(name.startswith("splits/") for name in files):
                said = ledgers.take(files, apart, asked.task, asked.strategy)
            else:
                said = _lists(files, asked, root, apart)
        except UserError as error:
            told = [fault.replace(f"{apart}/", "") for fault in error.faults]
            raise UserError(*(f"{source.where}: {fault}" for fault in told)) from None
        said = {"format": FORMAT, "source": source.where, "commit": source.commit, **said}
        write_text(apart / SOURCE, as_json(said))
        _move(apart, target)
    _note(root, asked.name)
    return said


def _wanted(name: str) -> bool:
    return bool(WANTED.fullmatch(name)) and not ARRAYS.fullmatch(name)


def _inside(source: Source, folder: str) -> dict[str, bytes]:
    under = f"{folder.strip('/')}/" if folder.strip("/") else ""
    files = {
        name.removeprefix(under): content
        for name, content in source.files.items()
        if name.startswith(under)
    }
    if not files:
        raise UserError(f"{source.where}: no index sets {f'inside {folder}' if under else 'here'}")
    return files


def _lists(files: dict[str, bytes], asked: Asked, root: Path, apart: Path) -> dict[str, Any]:
    """Write a ledger from lists of rows, about the data of a task of this study."""
    if asked.task is None:
        raise UserError("lists of rows say not of which data; --task names a task of this study")
    if "params.yaml" in files or any(name.endswith(".json") for name in files):
        raise UserError("a study without splits/: no index sets in it")
    manifest = read_manifest(Layout(root).data(asked.task) / "manifest.json")
    rows_there = manifest.train * _copies(root, asked.task)
    strategy, found = asked.strategy or LISTED, sets_of(files, asked.seed)
    for seed, sets in found.items():
        shared = Layout(apart).shared_split(asked.task, seed)
        own = Layout(apart).chain(asked.task, strategy, seed)
        parent, total = None, 0
        for n, rows in enumerate([sets.validation, sets.initial, [], *sets.rounds]):
            rows = np.asarray(rows, np.int64)
            name = ("validation", "initial")[n] if n < 2 else n - 2
            total += len(rows) if n else 0
            parent = ledger.write(
                shared / f"{name}.txt" if n < 2 else own / f"round-{name}.txt",
                rows,
                data=manifest.identity,
                rows=rows_there,
                task=asked.task,
                strategy=ledger.SHARED if n < 2 else strategy,
                seed=seed,
                round_n=name,
                parent=parent,
                total=total,
            )
        ledgers.checked(apart, asked.task, strategy, seed)
    return {
        "kind": "lists",
        "task": asked.task,
        "model": "",
        "data": manifest.identity,
        "rows": rows_there,
        "strategies": [strategy],
        "seeds": sorted(found),
        "selections": min(len(sets.rounds) for sets in found.values()),
        "accuracies": {},
    }


def _copies(root: Path, task: str) -> int:
    """How often each image is in the pool of a task of this study."""
    path = root / "params.yaml"
    tasks = settings.load(path).task if path.is_file() else {}
    return tasks[task].problem.copies if task in tasks else 1


def _move(apart: Path, target: Path) -> None:
    """Put a finished folder in its place, all of it or nothing."""
    beside = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(apart, beside)
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(beside, target)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise UserError(f"{target}: cannot be written ({error.strerror})") from None


def _note(root: Path, name: str) -> None:
    """A line for each file in a folder that the stage recipes depends on, so that DVC notices."""
    folder = root / FOLDER / name
    lines = [
        f"{ledger.digest(read_regular(path, ledger.MOST))}  {path.relative_to(root).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    write_text(root / "data" / "code" / f"imported-{name}.digests", "".join(lines))

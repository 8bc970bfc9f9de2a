"""Whether the images of a folder are still those that were prepared.

DVC sees no folder outside the study. So the recipe of a task's data has a digest of what lies in
its folder: it depends on names and contents alone and is the same on every machine. That it need
not be computed anew, a note under ``artifacts/.seen`` holds the digest of each file with its size
and time of change; a look at a folder in which nothing happened opens no file.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.datasets.listing import SUFFIXES, is_hidden, path_of
from stages.machine.errors import UserError
from stages.machine.files import write_array, write_json
from stages.machine.progress import progress

if TYPE_CHECKING:
    from stages.study.settings import Dataset, Settings

COUNTED = SUFFIXES | {".csv"}
PLACE = "artifacts/.seen"
REPRO = "make repro prepares them again"
KEY, SHA = 16, 32  # bytes
NOTHING = b"\0" * SHA  # in place of the digest of a folder, or of what cannot be read


@dataclass(frozen=True)
class Scan:
    """What lies in some folders.

    Attributes:
        names: paths of images, tables and folders, sorted; folders end in ``/``.
        places: where they lie.
        keys: 16 bytes for each name, its size and its time of change.
        size: bytes of all files.
    """

    names: list[str]
    places: list[str]
    keys: list[bytes]
    size: int

    @property
    def files(self) -> int:
        """How many files there are."""
        return sum(not name.endswith("/") for name in self.names)

    @property
    def state(self) -> str:
        """A digest that changes when a file comes, goes or is written to."""
        return hashlib.sha256(b"".join(self.keys)).hexdigest()


def folders_of(dataset: Dataset) -> list[Path]:
    """The folders of a data set, and of those in its section, that people may change."""
    found = [] if dataset.entry.watched is None else dataset.entry.watched(_root(dataset))
    for inner in dataset.inside.values():
        if hasattr(inner.entry, "watched"):
            found += folders_of(inner)
    return found


def scan(folders: list[Path]) -> Scan | None:
    """What lies in ``folders``, hidden names left out; None where one of them is not there."""
    found: list[tuple[str, str, bytes]] = []
    size, seen = 0, set()
    waiting = [(str(folder), folder.name) for folder in folders]
    if not all(folder.is_dir() for folder in folders):
        return None
    while waiting:
        folder, name = waiting.pop()
        for entry in _entries(folder, seen):
            own = f"{name}/{entry.name}"
            try:
                about = entry.stat()
            except OSError:
                about = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(about.st_mode):
                waiting.append((entry.path, own))
                found.append((f"{own}/", entry.path, _key(f"{own}/", 0, 0)))
            elif os.path.splitext(entry.name)[1].lower() in COUNTED:
                size += about.st_size
                key = _key(own, about.st_size, about.st_mtime_ns)
                found.append((own, entry.path, key))
    found.sort(key=lambda one: one[0])
    names, places, keys = ([one[at] for one in found] for at in range(3))
    return Scan(names, places, keys, size)


def noted(root: Path, name: str) -> dict[str, Any]:
    """What was noted of a task's folder when it was looked at last; empty if nothing was."""
    try:
        said = json.loads((root / PLACE / f"{name}.json").read_text(encoding="utf-8"))
        return said if isinstance(said, dict) else {}
    except (OSError, ValueError):
        return {}


def content(root: Path, name: str, folders: list[Path]) -> dict[str, Any] | None:
    """How many files lie in ``folders``, and the digest of their names and contents.

    Args:
        root: of the study, where the note lies.
        name: of the note.

    Returns:
        files, and sha256: of a line ``digest  path`` for each; None where a folder is not there.
    """
    found = scan(folders)
    if found is None:
        return None
    before = noted(root, name)
    if before.get("state") == found.state and _is_said(before.get("content")):
        return before["content"]
    digests = _digests(root, name, found)
    lines = (f"{digest.hex()}  {one}\n" for digest, one in zip(digests, found.names, strict=True))
    total = hashlib.sha256()
    for line in lines:
        total.update(line.encode("utf-8", "surrogateescape"))
    said = {"files": found.files, "sha256": total.hexdigest()}
    _write(root, name, found, digests)
    write_json(
        root / PLACE / f"{name}.json",
        {"state": found.state, "files": found.files, "bytes": found.size, "content": said},
    )
    return said


def changes(study: Settings, root: Path, remedy: str = REPRO) -> Iterator[str]:
    """A line for each task whose images are no longer those that were looked at last."""
    for task in study.tasks:
        before = noted(root, task)
        if not before:
            continue
        try:
            found = scan(folders_of(study.task[task].dataset))
        except UserError:
            continue
        if found is not None and before.get("state") != found.state:
            yield (
                f"task {task}: its images have changed since they were prepared ({found.files} "
                f"files of {found.size} bytes, before {before.get('files')} of "
                f"{before.get('bytes')}); {remedy}"
            )


def _is_said(said: object) -> bool:
    return isinstance(said, dict) and set(said) == {"files", "sha256"}


def _root(dataset: Dataset) -> Path | None:
    return None if dataset.root is None else path_of(dataset.root)


def _entries(folder: str, seen: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
    """What is in a folder that was not seen before; [] where it cannot be read."""
    try:
        about = os.stat(folder)
        if (about.st_dev, about.st_ino) in seen:
            return []
        seen.add((about.st_dev, about.st_ino))
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not is_hidden(entry.name)]
    except OSError:
        return []


def _key(name: str, size: int, changed: int) -> bytes:
    text = f"{name}\0{size}\0{changed}".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=KEY).digest()


def _digests(root: Path, name: str, found: Scan) -> list[bytes]:
    """SHA-256 of each file; those that were noted are not opened."""
    known = _read(root, name)
    return [
        known.get(key) or _sha256(place, one)
        for key, place, one in zip(
            found.keys, progress(found.places, "look at images", "file"), found.names, strict=True
        )
    ]


def _sha256(place: str, name: str) -> bytes:
    total = hashlib.sha256()
    try:
        if name.endswith("/") or not stat.S_ISREG(os.stat(place).st_mode):
            return NOTHING
        with open(place, "rb") as stream:
            while block := stream.read(2**20):
                total.update(block)
    except OSError:  # the stage prepare will say so
        return NOTHING
    return total.digest()


def _read(root: Path, name: str) -> dict[bytes, bytes]:
    try:
        rows = np.load(root / PLACE / f"{name}.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return {}
    if rows.ndim != 2 or rows.dtype != np.uint8 or rows.shape[1] != KEY + SHA:
        return {}
    whole = rows.tobytes()
    step = KEY + SHA
    return {whole[at : at + KEY]: whole[at + KEY : at + step] for at in range(0, len(whole), step)}


def _write(root: Path, name: str, found: Scan, digests: list[bytes]) -> None:
    """Note the digests of files; what could not be read is looked at again."""
    pairs = zip(found.keys, digests, strict=True)
    kept = b"".join(key + digest for key, digest in pairs if digest != NOTHING)
    rows = np.frombuffer(kept, np.uint8).reshape(-1, KEY + SHA)
    write_array(root / PLACE / f"{name}.npy", rows)

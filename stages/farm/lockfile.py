"""dvc.lock as DVC writes it: what is whole in it, both sides of a merge, and its order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.machine.errors import UserError
from stages.machine.files import write_text

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

Entries = dict[str, dict[str, Any]]  # by stage, as under `stages:`
Texts = dict[str, str]  # by stage, the lines that DVC writes for it
HEAD = "schema: '2.0'\nstages:\n"
ANCHOR = re.compile(r"(?m)(?<=[:-] )([&*]id)(\d{3,})$")
CONFLICT = re.compile(r"^(<{7}|\|{7}|={7}|>{7})( .*)?$")


def load(text: str) -> Entries | None:
    """The entries of a whole file; None for a damaged one."""
    content = _parse(text)
    if not text.endswith("\n") or not isinstance(content, dict):
        return None
    stages = content.get("stages")
    if not isinstance(stages, dict) or not all(map(whole, stages.values())):
        return None
    return stages


def salvage(text: str, cut: bool = True) -> Entries:
    """The whole entries of a damaged file.

    Args:
        cut: the end is missing, so the last entry may look whole and lack outputs.
    """
    parts = re.split(r"(?m)^(?=  \S)", text)[1:]
    found: Entries = {}
    for part in parts[:-1] if cut else parts:
        entry = _parse(part)
        if isinstance(entry, dict) and len(entry) == 1 and all(map(whole, entry.values())):
            found |= entry
    return found


def whole(entry: object) -> bool:
    """Whether an entry has what DVC writes: a command, and paths with their hashes and sizes."""
    if not isinstance(entry, dict) or not isinstance(entry.get("cmd"), (str, list)):
        return False
    listed = [*(entry.get("deps") or []), *(entry.get("outs") or [])]
    return bool(entry.get("outs")) and all(map(_hashed, listed))


def _hashed(item: object) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("size"), int) or "path" not in item:
        return False
    if str(item.get("md5")).endswith(".dir") and not isinstance(item.get("nfiles"), int):
        return False
    return bool(re.fullmatch(r"[0-9a-f]{32}(\.dir)?", str(item.get("md5"))))


def _parse(text: str) -> object:
    """As DVC reads it; PyYAML takes ``1e-05`` for a word."""
    from ruamel.yaml import YAML, YAMLError

    try:
        return YAML(typ="safe").load(text)
    except (YAMLError, RecursionError, ValueError):
        return None


def conflicted(text: str) -> bool:
    """Whether git has left its markers in the file."""
    marks = {line[:7] for line in text.splitlines() if CONFLICT.match(line)}
    return {"<" * 7, "=" * 7, ">" * 7} <= marks


def sides(text: str) -> tuple[str, str]:
    """Ours and theirs, as a file with git's markers has them; a common ancestor is left out."""
    both: tuple[list[str], list[str]] = ([], [])
    where: tuple[int, ...] = (0, 1)
    for line in text.splitlines(keepends=True):
        if mark := CONFLICT.match(line.rstrip("\r\n")):
            where = {"<": (0,), "|": (), "=": (1,), ">": (0, 1)}[mark[1][0]]
        else:
            for side in where:
                both[side].append(line)
    return "".join(both[0]), "".join(both[1])


def merge(ours: Entries, theirs: Entries) -> tuple[Entries, list[str]]:
    """What one side alone has, or both have equally; and the names of which they differ."""
    differ = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    both = {**theirs, **ours}
    return {name: both[name] for name in both if name not in differ}, differ


@contextmanager
def repository(root: Path) -> Iterator[dict[str, PipelineStage]]:
    """The stages of ``root``/dvc.yaml by name, in order, with DVC's lock held.

    Raises:
        UserError: what DVC says against dvc.yaml or params.yaml, or that it is at work elsewhere.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo, repo.lock:
            file = os.path.join(repo.root_dir, "dvc.yaml")
            yield {stage.name: stage for stage in repo.index.stages if stage.path == file}
    except DvcException as error:
        raise UserError(f"DVC says: {error}") from None


def write(path: Path, entries: Entries, order: list[str]) -> None:
    """Write ``entries`` in the bytes that DVC would write, those of ``order`` first and so."""
    write_texts(path, {name: dumped(name, entry) for name, entry in entries.items()}, order)


def write_texts(path: Path, texts: Texts, order: list[str]) -> None:
    """The same from the text of each entry, which takes no time."""
    parts, last = [HEAD], 0
    for name in in_order(texts, order):
        part, last = _counted(texts[name], last)
        parts.append(part)
    write_text(path, "".join(parts))


def in_order(names: Iterable[str], order: list[str]) -> list[str]:
    """``names`` in the order of dvc.yaml; then, sorted, those that it does not have."""
    names, wanted = set(names), set(order)
    return [name for name in order if name in names] + sorted(names - wanted)


_DUMPED: dict[tuple[str, str], str] = {}  # DVC's own writer takes milliseconds for an entry


def dumped(name: str, entry: dict[str, Any]) -> str:
    """The lines that DVC writes for an entry, its anchors counted from 1."""
    from dvc.utils.serialize import dumps_yaml

    key = name, repr(entry)
    if key not in _DUMPED:
        _DUMPED[key] = dumps_yaml({"stages": {name: entry}}).partition("\n")[2]
    return _DUMPED[key]


def _counted(text: str, offset: int) -> tuple[str, int]:
    """A text whose anchors are counted from 1 with them counted on from ``offset``; the last one.

    What params.yaml shares between keys (``&here`` and ``*there``) DVC writes with anchors, and
    counts them through the whole file.
    """
    numbers = [int(number) for _, number in ANCHOR.findall(text)]
    if not numbers:
        return text, offset
    shift = offset + 1 - min(numbers)
    told = ANCHOR.sub(lambda match: f"{match[1]}{int(match[2]) + shift:03d}", text)
    return told, max(numbers) + shift


def texts(text: str) -> Texts | None:
    """The text of each entry of a whole file as DVC writes it; None for one in another form."""
    body = text.removeprefix(HEAD)
    if body == text or not body.endswith("\n") or re.search(r"(?m)^\S", body):
        return None
    before, *parts = re.split(r"(?m)^(?=  \S)", body)
    names = [re.match(r"  ([\w@./+-]+):\n", part) for part in parts]
    if before or not all(names):
        return None
    return {name[1]: _counted(part, 0)[0] for name, part in zip(names, parts, strict=True)}


def texts_of(path: Path) -> Texts:
    """The text of each entry of a whole file, in its order; none where there is no file."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    found = texts(text)
    if found is None:
        found = {name: dumped(name, entry) for name, entry in (load(text) or {}).items()}
    return found


def put_in_order(path: Path) -> None:
    """Give the stages the order of dvc.yaml: that of a plain ``dvc repro`` from nothing.

    DVC appends a stage when it has run for the first time, so runs that grow side by side come in
    the order in which they happened to end. Entries that dvc.yaml no longer has come last.
    """
    with repository(path.parent) as stages:
        found = texts_of(path)
        if found and list(found) != in_order(found, list(stages)):
            write_texts(path, found, list(stages))

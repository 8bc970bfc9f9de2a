"""A place where runs of a study may lie finished: another clone, a folder, or this one.

A run counts as finished in a place if its chain and records are sound there and if somebody
vouches that they were made from the inputs that lie there: its dvc.lock, whose hashes must be those
of the files, or the note of a run that was grown without DVC. Nothing of the place is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from stages.checking.plan import Plan
from stages.checking.study import Study
from stages.farm import grown, lockfile, runs
from stages.farm.lockfile import Entries
from stages.farm.runs import Run
from stages.machine.errors import UserError
from stages.machine.reading import open_regular, read_regular, shown
from stages.study.layout import Layout
from stages.study.settings import Settings

MOST = 1 << 28  # bytes of a file that git holds
IGNORED = {"__pycache__", ".venv"}


class Place:
    """A folder that may hold finished runs of ``study``.

    Attributes:
        root, name: where it is, and what messages call it.
        entries: of its dvc.lock, {} without one.
    """

    def __init__(self, root: Path, study: Settings, plan: Plan, name: str | None = None) -> None:
        if not root.is_dir():
            raise UserError(f"{root}: no such folder")
        self.root, self.study, self.plan = root, study, plan
        self.name = name or str(root)
        self.layout, self.checked = Layout(root), Study(root, plan)
        self.entries = self._entries()
        self._hashes: dict[str, str | None] = {}

    def _entries(self) -> Entries:
        path = self.root / "dvc.lock"
        if not os.path.lexists(path):
            return {}
        entries = lockfile.load(read_regular(path, 1 << 30).decode("utf-8", "replace"))
        if entries is None:
            raise UserError(f"{path}: damaged; run python -m stages.mend there first")
        return entries

    def sealed(self, run: Run) -> bool:
        """Whether the file that is written last is there."""
        return os.path.lexists(runs.committed(self.study, self.layout, run)[-1])

    def faults(self, run: Run) -> list[str]:
        """What is wrong with a sealed run by itself."""
        missing = [
            path for path in runs.committed(self.study, self.layout, run) if not path.is_file()
        ]
        return [f"{missing[0]}: missing"] if missing else self.checked.check_run(run)

    def contents(self, run: Run) -> dict[str, bytes]:
        """The files of a sealed run that git holds, by path in the study."""
        paths = runs.committed(self.study, self.layout, run)
        return {self._relative(path): read_regular(path, MOST) for path in paths}

    def given(self, run: Run) -> dict[str, bytes]:
        """The inputs of a run that lie here, by path in the study."""
        found = {}
        for path in [*runs.inputs(self.layout, run), *runs.tuned(self.layout, run)]:
            if os.path.lexists(path):
                found[self._relative(path)] = read_regular(path, MOST)
        return found

    def recorded(self, name: str, command: str) -> str:
        """Why this dvc.lock does not vouch for a stage; empty if it does.

        What it names and is not there (weights) is taken on trust.
        """
        entry = self.entries.get(name)
        if entry is None:
            return f"dvc.lock has no {name}"
        if entry["cmd"] != command:
            return f"dvc.lock has another command for {name}"
        for file, values in (entry.get("params") or {}).items():
            for key, value in values.items():
                if file != "params.yaml" or _at(self.plan.raw, key) != value:
                    return f"dvc.lock has {name} with another {key}: {shown(repr(value), 60)}"
        for item in [*(entry.get("deps") or []), *entry["outs"]]:
            if item["path"] == "stages" or self._hash(item["path"]) in (None, item["md5"]):
                continue
            return f"{item['path']} is not what dvc.lock has for {name}"
        return ""

    def noted(self, run: Run) -> bool:
        """Whether a run was grown without DVC from what lies here."""
        return grown.vouches(self.study, self.layout, run)

    def forget(self) -> None:
        """What lies here has changed."""
        self._hashes.clear()

    def _hash(self, path: str) -> str | None:
        if path not in self._hashes:
            self._hashes[path] = hash_of(self.root / path) if _inside(path) else "outside"
        return self._hashes[path]

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _inside(path: str) -> bool:
    return not os.path.isabs(path) and ".." not in Path(path).parts


def _at(raw: dict[str, Any], key: str) -> Any:
    """The setting at ``a.b.c``."""
    value: Any = raw
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def hash_of(path: Path) -> str | None:
    """DVC's MD5 of a file or a folder; None where there is neither."""
    if path.is_file():
        with open_regular(path, follow=True) as stream:
            found = hashlib.md5(usedforsecurity=False)
            while block := stream.read(1 << 20):
                found.update(block)
        return found.hexdigest()
    if not path.is_dir():
        return None
    listed = []
    for inner in path.rglob("*"):
        name = inner.relative_to(path)
        if inner.is_file() and not IGNORED & set(name.parts) and inner.suffix != ".part":
            listed.append({"md5": hash_of(inner), "relpath": name.as_posix()})
    listed.sort(key=lambda item: tuple(item["relpath"].split("/")))
    text = json.dumps(listed, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def difference(mine: bytes, other: bytes, path: str) -> str:
    """What differs between two files of inputs, in words."""
    if not path.endswith(".json"):
        return path
    values = [_json(content) for content in (mine, other)]
    if None in values:
        return path
    flat = [dict(_flat(value)) for value in values]
    for key in sorted({*flat[0], *flat[1]}):
        left, right = (side.get(key) for side in flat)
        if left == right:
            continue
        if key.startswith("code."):
            return f"{path}: the code of {key.removeprefix('code.')}"
        return f"{path}: {key} is {shown(repr(right), 60)}, here {shown(repr(left), 60)}"
    return path


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _flat(value: dict[str, Any], under: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, item in value.items():
        found += _flat(item, f"{under}{key}.") if isinstance(item, dict) else [(under + key, item)]
    return found

"""The stages of a study where DVC is not installed: dvc.yaml read by a small reader of its own.

It knows what our dvc.yaml uses: ``matrix`` over lists of params.yaml, ``${item.name}``, deps and
outs. A stage is done when what git would hold of it is there (its link, written last of all, and
its results), and what the cache would hold too, as far as a stage that is not done needs it.
Whether code or settings have changed since is not looked at.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages.machine.errors import UserError, nearest

PATTERN = re.compile(r"\$\{([\w.]+)\}")
REMADE = ("code", "recipes")  # in a second, and they notice themselves what has not changed
LAST = "report"  # again whenever something else has run


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml with its matrix filled in; paths as dvc.yaml has them."""

    name: str
    command: str
    deps: tuple[str, ...]
    kept: tuple[str, ...]  # outs that git holds
    cached: tuple[str, ...]


def stages_of(root: Path, pipeline: Path | None = None) -> dict[str, Stage]:
    """The stages of ``root``'s study by name, in order.

    Args:
        pipeline: another dvc.yaml than ``root``'s.

    Raises:
        UserError: dvc.yaml or params.yaml is not what this reader knows.
    """
    file = pipeline or root / "dvc.yaml"
    try:
        params, content = (
            yaml.safe_load(path.read_text(encoding="utf-8"))
            for path in (root / "params.yaml", file)
        )
        found = [
            _stage(name, template)
            for group, template in content["stages"].items()
            for name, template in _filled(group, template, params)
        ]
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{file}: not read without DVC: {error!r}") from None
    return {stage.name: stage for stage in found}


def _filled(group: str, template: dict[str, Any], params: dict[str, Any]) -> Iterator[Any]:
    if "matrix" not in template:
        yield group, template
        return
    axes = {
        key: params[PATTERN.fullmatch(value)[1]] if isinstance(value, str) else value
        for key, value in template["matrix"].items()
    }
    for picked in itertools.product(*(enumerate(values) for values in axes.values())):
        items = dict(zip(axes, picked, strict=True))
        parts = [
            f"{key}{at}" if isinstance(value, (dict, list)) else _shown(value)
            for key, (at, value) in items.items()
        ]
        values = {"item": {key: value for key, (_, value) in items.items()}}
        rest = {key: value for key, value in template.items() if key != "matrix"}
        yield f"{group}@{'-'.join(parts)}", _replaced(rest, values)


def _replaced(value: Any, values: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {_replaced(key, values): _replaced(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, values) for item in value]
    if not isinstance(value, str):
        return value
    return PATTERN.sub(lambda match: _shown(_value(match[1], values)), value)


def _value(path: str, values: Any) -> Any:
    for part in path.split("."):
        values = values[part]
    return values


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stage(name: str, template: dict[str, Any]) -> Stage:
    kept, cached = [], []
    for out in itertools.chain(*(template.get(key, []) for key in ("outs", "metrics"))):
        ((path, options),) = out.items() if isinstance(out, dict) else [(out, {})]
        (cached if options.get("cache", True) else kept).append(path)
    deps = tuple(template.get("deps", []))
    return Stage(name, template["cmd"], deps, tuple(kept), tuple(cached))


def needs_of(stages: dict[str, Stage]) -> dict[str, set[str]]:
    """For each stage those that write what it reads, be it a part of it or more than it."""
    writers: dict[str, set[str]] = {}
    above: dict[str, set[str]] = {}
    for stage in stages.values():
        for out in (*stage.kept, *stage.cached):
            writers.setdefault(out, set()).add(stage.name)
            for folder in Path(out).parents:
                above.setdefault(folder.as_posix(), set()).add(stage.name)
    needs = {}
    for stage in stages.values():
        found: set[str] = set()
        for dep in stage.deps:
            found |= above.get(dep, set())
            for path in (Path(dep), *Path(dep).parents):
                found |= writers.get(path.as_posix(), set())
        needs[stage.name] = found - {stage.name}
    return needs


class WithoutDvc:
    """See :class:`stages.farm.work.Work`."""

    def __init__(self, root: Path, targets: list[str]) -> None:
        self.root, self.stages = root, stages_of(root)
        self.needs = needs_of(self.stages)
        self.names = self._chosen(targets)
        self.needs = {name: self.needs[name] for name in self.names}
        self._ran = False
        self._done = self._looked()

    def _chosen(self, targets: list[str]) -> list[str]:
        """``targets``, names of stages or of groups of them, and what they need."""
        groups = {name.partition("@")[0] for name in self.stages}
        for target in targets:
            if target not in self.stages and target not in groups:
                raise UserError(f"--targets: {target!r} is no stage; {nearest(target, groups)}")
        todo = [
            name
            for name in self.stages
            if not targets or name in targets or name.partition("@")[0] in targets
        ]
        wanted: set[str] = set()
        while todo:
            if (name := todo.pop()) not in wanted:
                wanted.add(name)
                todo += self.needs[name]
        return [name for name in self.stages if name in wanted]

    def _looked(self) -> set[str]:
        """Stages that are done, seen from the end of each chain."""
        users: dict[str, list[str]] = {}
        for name, needs in self.needs.items():
            for need in needs:
                users.setdefault(need, []).append(name)
        done: set[str] = set()
        seen: set[str] = set()
        todo = list(self.names)
        while todo:
            name = todo[-1]
            waiting = [user for user in users.get(name, ()) if user not in seen]
            if waiting and name not in seen:
                todo += waiting
                continue
            todo.pop()
            if name not in seen:
                seen.add(name)
                stage, later = self.stages[name], users.get(name, ())
                whole = self._there(stage.kept) and bool(stage.kept)
                unused = all(user in done for user in later if user != LAST)
                if whole and (unused or self._there(stage.cached)):
                    done.add(name)
        return done

    def _there(self, outs: tuple[str, ...]) -> bool:
        return all((self.root / out).exists() for out in outs)

    def fresh(self, name: str) -> bool:
        """Whether a stage is done."""
        group = name.partition("@")[0]
        if group in REMADE or (group == LAST and self._ran):
            return False
        return name in self._done

    def begin(self, name: str) -> tuple[str, ...]:
        """Take a stage's outputs away; its command."""
        stage = self.stages[name]
        missing = [dep for dep in stage.deps if not (self.root / dep).exists()]
        if missing:
            raise UserError(f"needs {', '.join(missing)}, which is not there")
        if name.partition("@")[0] not in REMADE:
            for path in self.outputs(name):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        return (stage.command,)

    def record(self, name: str) -> None:
        """See that all is there."""
        if lacks := [str(path) for path in self.outputs(name) if not path.exists()]:
            raise UserError(f"has not written {', '.join(lacks)}")
        self._done.add(name)
        self._ran = self._ran or name.partition("@")[0] not in REMADE

    def outputs(self, name: str) -> list[Path]:
        """What a stage writes."""
        stage = self.stages[name]
        return [self.root / out for out in (*stage.kept, *stage.cached)]

    def done(self) -> set[str]:
        """Stages that have nothing to do."""
        return {name for name in self.names if name in self._done}

    def rest(self) -> None:
        """Nothing has to be done now and then."""

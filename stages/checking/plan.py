"""What a study's settings ask for, read with PyYAML alone: no import of anybody's strategy.

:mod:`stages.study.settings` reads them in full; a check needs names, numbers and sizes only, and
must hold where the settings are a stranger's.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.machine.errors import UserError
from stages.machine.reading import shown
from stages.study.problem import PLAIN, Problem, of_settings

NAME = re.compile(r"(?!(?:seed-.*|full|data)$)[A-Za-z0-9_]{1,200}")
MOST_RUNS = 1_000_000


@dataclass(frozen=True)
class Task:
    """Sizes of a task: initial set, validation set, selections; and what pool and oracle are."""

    initial: int
    validation: int
    query_size: int | tuple[int, ...]
    problem: Problem = PLAIN

    def selects(self, n: int) -> int:
        """How many rows round ``n`` selects."""
        sizes = self.query_size
        return sizes if isinstance(sizes, int) else sizes[min(n, len(sizes) - 1)]


@dataclass(frozen=True)
class Plan:
    """A study, by its settings.

    Attributes:
        path: the settings' file.
        raw: all of it, as YAML has it.
        tasks: sizes by name.
        strategies, seeds, tuned: names and numbers, in the order written.
        full: seeds of which a model is trained on everything.
        rounds: how many rounds a run has.
    """

    path: Path
    raw: dict[str, Any]
    tasks: dict[str, Task]
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    tuned: tuple[str, ...]
    rounds: int
    full: tuple[int, ...] = ()

    def total(self, task: str, n: int) -> int:
        """Rows that are labeled when round ``n`` begins."""
        own = self.tasks[task]
        return own.initial + sum(map(own.selects, range(n)))

    def names(self, task: str, strategy: str | None, seed: int) -> bool:
        """Whether a run (strategy None: a shared set) is part of the study."""
        return (
            task in self.tasks
            and seed in self.seeds
            and (strategy is None or strategy in self.strategies)
        )

    def candidates(self, strategy: str, keys: list[str]) -> list[dict[str, Any]] | None:
        """All combinations of the settings ``keys`` that are lists; None if one is no list."""
        given = self.raw.get("strategy", {}).get(strategy)
        lists = {key: (given or {}).get(key) for key in keys}
        if not lists or not all(isinstance(value, list) and value for value in lists.values()):
            return None
        if math.prod(map(len, lists.values())) > MOST_RUNS:
            return None
        ordered = {key: value for key, value in given.items() if key in lists}
        return [
            dict(zip(ordered, values, strict=True))
            for values in itertools.product(*ordered.values())
        ]


def find(root: Path) -> Path | None:
    """The settings of the study in ``root``: its params.yaml, else NAME.yaml beside the folder."""
    root = root.absolute()
    for path in (root / "params.yaml", root.parent / f"{root.name}.yaml"):
        if path.exists() or path.is_symlink():
            return path
    return None


def read(path: Path) -> Plan:
    """The plan in a file of settings.

    Raises:
        UserError: not settings of a study; the message names the key.
    """
    from stages.machine import yaml_input  # PyYAML; without settings, NumPy is enough

    raw = yaml_input.read(path, follow=False)
    if not isinstance(raw, dict):
        raise UserError(f"{path}: expected settings as 'key: value' lines")
    try:
        return _plan(path, raw)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _plan(path: Path, raw: dict[str, Any]) -> Plan:
    sections = {}
    for key in ("task", "strategy"):
        sections[key] = raw.get(key, None if key == "task" else {})
        if not isinstance(sections[key], dict):
            raise UserError(f"{key} is missing, or no section")
    tasks = _names(raw, "tasks", sections["task"])
    strategies = _names(raw, "strategies")  # a catalogue's name needs no section
    tuned = _names(raw, "tuned", strategies) if raw.get("tuned") else ()
    for label in strategies:
        if not isinstance(sections["strategy"].get(label), dict | None):
            raise UserError(f"strategy.{label} is no section")
    seeds = raw.get("seeds")
    if not isinstance(seeds, list) or not seeds or not all(map(_is_count, seeds)):
        raise UserError(f"seeds is {shown(repr(seeds), 80)}, allowed: a list of numbers, 0 or more")
    if len(set(seeds)) < len(seeds):
        raise UserError("seeds: one stands there twice")
    full = seeds if raw.get("full") is None else raw["full"]
    if not isinstance(full, list) or not all(_is_count(seed) and seed in seeds for seed in full):
        raise UserError(f"full is {shown(repr(full), 80)}, allowed: a list of some of the seeds")
    rounds = raw.get("rounds")
    if not isinstance(rounds, list) or not rounds:
        raise UserError(f"rounds is {shown(repr(rounds), 80)}, allowed: a list of rounds")
    last = len(rounds) - 1
    for n, item in enumerate(rounds):
        if item != {"n": n, "next": "end" if n == last else n + 1}:
            raise UserError(f"rounds: entry {n} is {shown(repr(item), 80)}, and does not chain")
    if len(tasks) * len(strategies) * len(seeds) * len(rounds) > MOST_RUNS:
        raise UserError(f"more than {MOST_RUNS} rounds in all")
    sizes = {name: _sizes(name, sections["task"][name]) for name in tasks}
    return Plan(path, raw, sizes, strategies, tuple(seeds), tuned, len(rounds), tuple(full))


def _names(raw: dict[str, Any], key: str, defined: Any = None) -> tuple[str, ...]:
    names = raw.get(key)
    if not isinstance(names, list) or not names:
        raise UserError(f"{key} is {shown(repr(names), 80)}, allowed: a list of names")
    for name in names:
        known = defined is None or name in defined
        if not isinstance(name, str) or not NAME.fullmatch(name) or not known:
            raise UserError(f"{key}: {shown(repr(name), 80)} is no name that is defined")
    if len(set(names)) < len(names):
        raise UserError(f"{key}: one stands there twice")
    return tuple(names)


def _sizes(name: str, task: Any) -> Task:
    split = task.get("split") if isinstance(task, dict) else None
    if not isinstance(split, dict):
        raise UserError(f"task.{name}.split is missing, or no section")
    sizes = task.get("query_size")
    several = isinstance(sizes, list) and len(sizes) > 0
    try:
        problem = of_settings(task)
    except UserError as error:
        raise UserError(f"task.{name}: {error}") from None
    found = Task(
        split.get("initial"),
        split.get("validation", 0),
        tuple(sizes) if several else sizes,
        problem,
    )
    for key, value, least in (
        ("split.initial", found.initial, 1),
        ("split.validation", found.validation, 0),
        *(("query_size", size, 1) for size in (sizes if several else [sizes])),
    ):
        if not _is_count(value) or value < least:
            raise UserError(
                f"task.{name}.{key} is {shown(repr(value), 80)}, allowed: {least} or more"
            )
    return found


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 10**18

"""Faults of a file: what the schema says in the user's words, and a file without them.

So that all faults are told in one run: what is wrong by the schema is put right with a neutral
value, and what contradicts what is looked for in the rest.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from pydantic import ValidationError

from stages.machine.errors import MANY_FAULTS, closest, nearest, one_line, shown
from stages.study.schema import Report, Round, Settings, Task
from stages.study.sections import BAD_NAME, UNKNOWN

Path = tuple[Any, ...]

NEUTRAL_TASK: dict[str, Any] = {
    "dataset": {"name": "folder", "root": "."},
    "split": {"initial": 1},
    "query_size": 1,
    "model": {"name": "small_cnn"},
    "epochs": 1,
    "batch_size": 1,
    "optimizer": "sgd",
    "learning_rate": 1.0,
}
NEUTRAL: dict[str, Any] = {
    "reproducible": "off",
    "tasks": [],
    "strategies": [],
    "seeds": [],
    "rounds": [],
    "task": {},
    "strategy": {},
}


class Faults:
    """Lines about places of a file; what is about a place that is wrong already is no news."""

    def __init__(self) -> None:
        self.lines: dict[str, None] = {}
        self.wrong: set[Path] = set()

    def add(self, line: str, *places: Path, wrong: bool = True) -> None:
        """Tell ``line`` unless one of the ``places`` is wrong; after it they are, if ``wrong``."""
        if any(map(self.spoilt, places)):
            return
        self.lines.setdefault(line)
        if wrong:
            self.wrong |= set(places)

    def spoilt(self, place: Path) -> bool:
        """Whether the place, or one around or in it, is wrong."""
        return any(
            place[: len(other)] == other or other[: len(place)] == place for other in self.wrong
        )

    @property
    def enough(self) -> bool:
        """Whether there are more than anybody reads."""
        return len(self.lines) > MANY_FAULTS


def of_schema(error: ValidationError, faults: Faults) -> list[tuple[Path, str]]:
    """Add a line for each fault of the schema; gives their places and pydantic's names of them."""
    found: dict[Path, Any] = {}
    for one in error.errors(include_url=False):
        found.setdefault(_place(one), one)  # of a union each branch has a fault
    meant = {
        (*place[:-1], closest(place[-1], _allowed(place, one)))
        for place, one in list(found.items())[: MANY_FAULTS + 1]
        if one["type"] == UNKNOWN
    }
    for place, one in found.items():
        misspelt = one["type"] == "missing" and place in meant  # one fault, not two
        if not misspelt and not faults.enough and not faults.spoilt(place):
            faults.lines.setdefault(_line(place, one))
    wrong = [(_whole(place, one["type"]), one["type"]) for place, one in found.items()]
    faults.wrong |= {*(place for place, _ in wrong), *meant}
    return wrong


def _whole(place: Path, kind: str) -> Path:
    """A place; of a model or data set all of it, since its name says what else it may have."""
    inside = place[0] == "task" and place[2:3] in (("model",), ("dataset",))
    return place[:3] if inside and kind != UNKNOWN else place


def _line(place: Path, fault: Any) -> str:
    """One fault in one line: key, value, what is allowed, nearest name."""
    where = ".".join(one_line(str(part)) if len(str(part)) < 80 else shown(part) for part in place)
    if fault["type"] == UNKNOWN:
        return f"unknown key {shown(where, 200)}; {nearest(str(place[-1]), _allowed(place, fault))}"
    if fault["type"] == "missing":
        return f"{where!r} is missing"
    if fault["type"] == BAD_NAME:
        return f"{where}: {fault['msg']}"
    value = shown(fault["input"])
    if fault["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'|(\d+)", fault["ctx"]["expected"])
        return f"{where} is {value}; {nearest(fault['input'], [a or b for a, b in allowed])}"
    return f"{where} is {value}; {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _place(fault: Any) -> Path:
    """Where a fault is, without the branch of a union, which is no key of the user's."""
    *parts, last = fault["loc"]
    known = fault["type"] == "extra_forbidden" or not isinstance(last, str)
    branch = not known and re.match(r"constrained-|literal\[|function-", last)
    return tuple(parts) if branch and len(parts) > 1 else (*parts, last)


def _allowed(place: Path, fault: Any) -> list[str]:
    """The keys that are allowed where one is unknown."""
    return fault.get("ctx", {}).get("allowed") or _keys_at(place[:-1])


def _keys_at(place: Path) -> list[str]:
    """The keys that are allowed at a place of params.yaml."""
    section: Any = Settings
    for part in place:
        fields = getattr(section, "model_fields", {})
        if part in fields:
            annotation = fields[part].annotation
            section = {"task": Task, "rounds": Round, "report": Report}.get(str(part), annotation)
    return sorted(getattr(section, "model_fields", {}))


def repaired(raw: dict[str, Any], found: list[tuple[Path, str]]) -> Settings | None:
    """Settings with a neutral value wherever the schema has a fault; None if that is not enough."""
    mended = copy.deepcopy(raw)
    for place, kind in sorted(found, key=lambda one: (len(one[0]), repr(one[0])), reverse=True):
        if place[:1] == ("rounds",):
            mended["rounds"] = []
        elif kind == UNKNOWN:
            _drop(mended, place)
        else:
            _put(mended, place)
    _without_gaps(mended)
    try:
        return Settings.model_validate(mended)
    except ValidationError:
        return None


def _parent(mended: dict[str, Any], place: Path) -> Any:
    inside: Any = mended
    for part in place[:-1]:
        try:
            inside = inside[part]
        except (KeyError, IndexError, TypeError):
            return None
    return inside


def _drop(mended: dict[str, Any], place: Path) -> None:
    inside = _parent(mended, place)
    if isinstance(inside, dict):
        inside.pop(place[-1], None)


def _put(mended: dict[str, Any], place: Path) -> None:
    inside, neutral = _parent(mended, place), _neutral(place)
    if isinstance(inside, list) and isinstance(place[-1], int) and place[-1] < len(inside):
        inside[place[-1]] = GAP
    elif isinstance(inside, dict) and neutral is None:
        inside.pop(place[-1], None)
    elif isinstance(inside, dict):
        inside[place[-1]] = copy.deepcopy(neutral)


def _neutral(place: Path) -> Any:
    """A value that is allowed at a place; None where the key can be left out."""
    if len(place) == 2 and place[0] == "strategy":
        return {}
    inside: Any = NEUTRAL if place[0] != "task" or len(place) < 2 else NEUTRAL_TASK
    for part in place if inside is NEUTRAL else place[2:]:
        inside = inside.get(part) if isinstance(inside, dict) else None
    return inside


GAP = object()


def _without_gaps(value: Any) -> None:
    """Take out list items that were wrong."""
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            _without_gaps(inner)
    if isinstance(value, list):
        value[:] = [item for item in value if item is not GAP]

"""Sections of a task about its problem: the oracle, the pool, the start, what is measured."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from stages.machine.errors import nearest, shown
from stages.study.measures import MEASURES
from stages.study.problem import SHAPES, is_imbalance
from stages.study.sections import BAD_NAME, BAD_VALUE, SHA256, Section

MOST = 10**9  # rows, as everywhere
COPIES = 1000  # of a pool of the smallest data set, a million rows
METRICS = ("accuracy", *MEASURES, "worst_class", "worst_group", "mismatch")  # of a report
STARTS = ("uniform", "balanced", "munjal")


def said_if_given(*names: str) -> Callable[[Any, Callable[[Any], dict[str, Any]]], dict[str, Any]]:
    """A serializer that leaves out what the settings do not name: protocols of before stay."""

    def said(self: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        given = self.model_fields_set
        return {k: v for k, v in handler(self).items() if k not in names or k in given}

    return said


def _custom(kind: str, said: str) -> PydanticCustomError:
    return PydanticCustomError(kind, "{said}", {"said": said})


def _sizes(value: Any) -> int | tuple[int, ...]:
    """One number of rows, or one for each selection."""
    if type(value) is int and 1 <= value <= MOST:
        return value
    if isinstance(value, list | tuple) and value:
        wrong = [one for one in value if not (type(one) is int and 1 <= one <= MOST)]
        if not wrong:
            return tuple(value)
    raise _custom(BAD_VALUE, f"allowed: a number from 1 to {MOST}, or a list of such numbers")


def _imbalance(value: Any) -> Any:
    """Relative sizes of the classes, or a shape."""
    if value is None or is_imbalance(value):
        return list(value) if isinstance(value, tuple) else value
    raise _custom(
        BAD_NAME,
        f"{shown(value)} is no imbalance; allowed: a list of a size above 0 for each class, or "
        f"{{shape: {' | '.join(SHAPES)}, ratio: 1 or more}}, with step also rare: a number of "
        f"classes",
    )


def _start(value: Any) -> Any:
    """How the classes of the initial set are drawn, or the file that it stands in."""
    if value is None or (isinstance(value, str) and value in STARTS) or is_imbalance(value):
        return list(value) if isinstance(value, tuple) else value
    if isinstance(value, str):
        raise _custom(BAD_NAME, f"{shown(value)} is no start; {nearest(value, STARTS)}")
    if isinstance(value, dict) and set(value) == {"file", "sha256"} and _is_file(value):
        return value
    raise _custom(
        BAD_NAME,
        f"{shown(value)} is no start; allowed: {', '.join(STARTS)}, an imbalance, or {{file: path, "
        f"sha256: of the file}} (with {{seed}} in the path: a list of one for each seed)",
    )


def _is_file(value: dict[str, Any]) -> bool:
    path, digests = value["file"], value["sha256"]
    several = isinstance(path, str) and "{seed}" in path
    listed = digests if isinstance(digests, list) else [digests]
    return (
        isinstance(path, str)
        and path.isprintable()
        and 0 < len(path) <= 4096
        and isinstance(digests, list) == several
        and bool(listed)
        and all(isinstance(one, str) and _is_digest(one) for one in listed)
    )


def _is_digest(value: str) -> bool:
    return re.fullmatch(SHA256, value) is not None


def _classes(value: Any) -> list[int]:
    """Numbers of classes."""
    if (
        isinstance(value, list | tuple)
        and value
        and all(type(one) is int and 0 <= one < MOST for one in value)
        and len(set(value)) == len(value)
    ):
        return list(value)
    raise _custom(BAD_VALUE, "allowed: a list of different classes by number, the first is 0")


def _metrics(value: Any) -> tuple[str, ...]:
    """Names of measures."""
    if isinstance(value, list | tuple):
        wrong = [one for one in value if one not in MEASURES]
        if not wrong and len(set(value)) == len(value):
            return tuple(value)
        if wrong:
            said = f"{shown(wrong[0])} is no measure; {nearest(wrong[0], MEASURES)}"
            raise _custom(BAD_NAME, said)
    raise _custom(BAD_VALUE, f"allowed: a list of some of {', '.join(MEASURES)}, each once")


def _share(value: Any) -> float:
    """A share of labels that may be wrong."""
    if type(value) in (int, float) and math.isfinite(value) and 0 <= value < 1:
        return value
    raise _custom(BAD_VALUE, "allowed: 0 or more, below 1")


Sizes = Annotated[Any, PlainValidator(_sizes)]
Imbalance = Annotated[Any, PlainValidator(_imbalance)]
Start = Annotated[Any, PlainValidator(_start)]
Metrics = Annotated[Any, PlainValidator(_metrics)]


class Posed(Section):
    """A section that says of itself what was given."""

    @property
    def given(self) -> dict[str, Any]:
        """What the settings name."""
        return self.model_dump(mode="json", exclude_unset=True)


class Oracle(Posed):
    """Who answers when a label is bought."""

    noise: Annotated[Any, PlainValidator(_share)] = 0.0  # share of the labels that are wrong
    noise_as: Literal["exact", "munjal"] = "exact"
    validation: Literal["clean", "noisy"] = "clean"  # labels of the rows set aside


class OpenSet(Section):
    """Classes that lie in the pool and that nobody asks for."""

    classes: Annotated[Any, PlainValidator(_classes)]


class Pool(Posed):
    """Which rows there are to be bought."""

    imbalance: Imbalance = None
    copies: Annotated[int, Field(ge=1, le=COPIES)] = 1  # of each image
    size: Annotated[int, Field(ge=0, le=MOST)] = 0  # unlabeled images at the start; 0: all
    open_set: OpenSet | None = None

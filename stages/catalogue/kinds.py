"""Kinds of settings: annotations that a part gives its settings, and their bounds in words.

A part (learner, scorer, selector, architecture, data set) declares a setting once, in its
signature: ``def score(pool, *, passes: Passes = 10)``. An annotation is what pydantic takes:
``Annotated[int, Field(ge=2, le=100)]``, ``Literal["a", "b"]``, ``bool``; those that several parts
need have a name here. A bound is where no machine can follow, or where a number no longer means
what it says.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import Field
from pydantic.fields import FieldInfo

from stages.machine.errors import nearest, shown

WHOLE = 10**9  # of images, as stages.study.schema.ROWS; and of anything else that is counted
REAL = 1e12  # its square and cube are finite, in float32 too
SIDE = 10**5  # of a matrix: 10^5 by 10^5 numbers are 80 GB
TRAININGS = 10**6  # passes over a data set, one after another
PIXELS = 4096  # a side: one image of three channels is 50 MB, and a batch is one array of them
STEEP = 1000.0  # of rates: a step of a thousand gradients leaves the range of any network


class Marker:
    """Says of a setting what no bound can say."""


DRAWN = Marker()  # so many are drawn to choose a query from: 0 (all), or the query's size or more
NAMES = Marker()  # names of other strategies
DATA_SET = Marker()  # a section like task.<task>.dataset
MODEL = Marker()  # a section like task.<task>.model
IMPORT = Marker()  # the name of index sets that were imported

Whole = Annotated[int, Field(ge=0, le=WHOLE)]
Count = Annotated[int, Field(ge=1, le=WHOLE)]
Drawn = Annotated[int, Field(ge=0, le=WHOLE), DRAWN]
DataSection = Annotated[dict[str, Any], DATA_SET]
ModelSection = Annotated[dict[str, Any], MODEL]
Names = Annotated[list[str], NAMES]
Amount = Annotated[float, Field(ge=0, le=REAL)]
Positive = Annotated[float, Field(gt=0, le=REAL)]
Factor = Annotated[float, Field(ge=1, le=REAL)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Steps = Annotated[int, Field(ge=1, le=TRAININGS)]
LearningRate = Annotated[float, Field(gt=0, le=STEEP)]
WeightDecay = Annotated[float, Field(ge=0, le=STEEP)]
# T N C numbers are in memory: 100 passes over 50,000 images and 10 classes are 0.4 GB.
Passes = Annotated[int, Field(ge=2, le=10_000)]
Width = Annotated[int, Field(ge=1, le=SIDE)]
Pixels = Annotated[int, Field(ge=1, le=PIXELS)]
Size = Annotated[tuple[Pixels, Pixels], Field(strict=False)]  # height, width; YAML has lists


@dataclass(frozen=True)
class Kind:
    """What an annotation allows.

    Attributes:
        base: int, float, bool, str, list, tuple or dict.
        least, above: the smallest number, or what it must exceed; None for none.
        most, below: the largest number, or what it must stay under.
        multiple: of what it must be a multiple.
        zero: whether 0 is allowed although it is outside the bounds.
        choices: the words that are allowed; empty for any.
        items: of a tuple, what each of its items may be.
        null: whether it may be nothing.
        markers: of the annotation.
    """

    base: type
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    multiple: int | None = None
    zero: bool = False
    choices: tuple[Any, ...] = ()
    items: tuple[Kind, ...] = ()
    null: bool = False
    markers: tuple[Marker, ...] = ()

    def allowed(self, value: Any, default: Any) -> str:
        """What to say to somebody who gave ``value``."""
        if self.choices:
            return nearest(value, self.choices)
        if NAMES in self.markers:
            return "allowed: a list of different strategies' names"
        if IMPORT in self.markers:
            return "allowed: the name of an import (letters, digits and '_', up to 64)"
        such = "" if default is None else f"such as {default!r}"
        if default is None and self.null:
            such = "or null"
        if self.items:
            words = f"a list of {len(self.items)}, each {self.items[0].noun()},"
        elif self.base in (int, float):
            words = self.noun() + ("," if such else "")
        else:
            words = f"a {'section' if self.base is dict else self.base.__name__}"
        return f"allowed: {words} {such}".rstrip()

    def noun(self) -> str:
        """What number it is, in words."""
        return f"a {'' if self.base is float else 'whole '}number {self.span()}"

    def span(self) -> str:
        """The bounds of a number in words: "from 0 to 1", "above 0 and below 1"."""
        ceiling = REAL if self.base is float else WHOLE
        least = -ceiling if self.least is None else self.least
        words = f"from {_plain(least)}" if self.above is None else f"above {_plain(self.above)}"
        if self.below is not None:
            words += f" and below {_plain(self.below)}"
        else:
            words += f" to {_plain(ceiling if self.most is None else self.most)}"
        words += " and even" if self.multiple == 2 else ""
        return f"{words}, or 0" if self.zero else words

    def fault(self, where: str, value: Any, default: Any) -> str:
        """The line about a ``value`` that is not allowed."""
        return f"{where} is {shown(value)}; {self.allowed(value, default)}"


def _plain(number: float) -> str:
    return f"{number:g}".replace("e+0", "e").replace("e+", "e")


def bounded(annotation: Any) -> Any:
    """The annotation, with the bounds that any number has where it has none of its own."""
    kind = kind_of(annotation)
    if kind.base not in (int, float):
        return annotation
    ceiling = REAL if kind.base is float else WHOLE
    bounds = {}
    if kind.least is None and kind.above is None:
        bounds["ge"] = -ceiling
    if kind.most is None and kind.below is None:
        bounds["le"] = ceiling
    return Annotated[annotation, Field(**bounds)] if bounds else annotation


def kind_of(annotation: Any) -> Kind:
    """What an annotation of pydantic's allows.

    Raises:
        TypeError: an annotation that is none of those above.
    """
    if get_origin(annotation) in (Union, types.UnionType):
        return _union(get_args(annotation))
    if get_origin(annotation) is Annotated:
        base, *marks = get_args(annotation)
        section = DATA_SET in marks or MODEL in marks  # of what keys, a dictionary cannot say
        return _annotated(Kind(dict) if section else kind_of(base), marks)
    if get_origin(annotation) is Literal:
        choices = get_args(annotation)
        return Kind(type(choices[0]), choices=choices)
    base = get_origin(annotation) or annotation
    if base is tuple:
        return Kind(tuple, items=tuple(kind_of(item) for item in get_args(annotation)))
    if base not in (int, float, bool, str, list):
        raise TypeError(f"{annotation!r} is no kind of setting")
    return Kind(base)


def _union(branches: tuple[Any, ...]) -> Kind:
    """``number | Literal[0]``, ``anything | None``."""
    if types.NoneType in branches:
        others = [branch for branch in branches if branch is not types.NoneType]
        kind = kind_of(others[0]) if len(others) == 1 else _union(tuple(others))
        return replace(kind, null=True)
    kinds = [kind_of(branch) for branch in branches]
    numbers = [kind for kind in kinds if not kind.choices]
    other = [kind for kind in kinds if kind.choices not in ((), (0,))]
    if len(numbers) != 1 or numbers[0].base not in (int, float) or other:
        raise TypeError(f"{branches!r} is no kind of setting")
    return Kind(**{**vars(numbers[0]), "zero": True})


def _annotated(kind: Kind, marks: list[Any]) -> Kind:
    known = vars(kind) | {"markers": (*kind.markers, *(m for m in marks if isinstance(m, Marker)))}
    names = {
        annotated_types.Ge: ("least", "ge"),
        annotated_types.Gt: ("above", "gt"),
        annotated_types.Le: ("most", "le"),
        annotated_types.Lt: ("below", "lt"),
        annotated_types.MultipleOf: ("multiple", "multiple_of"),
    }
    for mark in marks:
        for one in mark.metadata if isinstance(mark, FieldInfo) else [mark]:
            if type(one) in names:
                field, attribute = names[type(one)]
                known[field] = getattr(one, attribute)
    return Kind(**known)

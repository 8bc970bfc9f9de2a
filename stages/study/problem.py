"""The problem that a task poses: what pool and oracle are, as settings and pool.txt say it.

A row is an image of the training array, or with ``copies`` c one of its c copies: row r shows image
r mod N, so rows 0 to N - 1 are what they are without copies. Needs numpy alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stages.machine.errors import UserError
from stages.machine.reading import shown

NONE_OF_THESE = -1  # the oracle's answer to an image of a class that nobody asks for
SHAPES = ("linear", "exponential", "step")
AS = EXACT, MUNJAL = "exact", "munjal"
CLEAN, NOISY = "clean", "noisy"
EMPTY = np.empty(0, np.int64)


@dataclass(frozen=True)
class Problem:
    """What differs from a pool of all rows and an oracle that is always right.

    Attributes:
        noise: share of the labels that are wrong, in [0, 1).
        noise_as: ``exact``, or ``munjal``: labels of the newest batch drawn from all classes.
        noise_validation: whether labels of the validation rows are wrong in the same share.
        imbalance: relative size of each class, or a shape; None: as the data set has them.
        copies: how often each image is in the pool.
        size: unlabeled images at the start, each with all its copies; 0: all.
        open_set: classes that nobody asks for, numbers of the data set, rising.
    """

    noise: float = 0.0
    noise_as: str = AS[0]
    noise_validation: str = CLEAN
    imbalance: Any = None
    copies: int = 1
    size: int = 0
    open_set: tuple[int, ...] = field(default=())

    @property
    def facts(self) -> dict[str, Any]:
        """What is not the default, as ``pool.txt`` says it; {} for no problem of its own."""
        given = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if not self.noise:
            given["noise_as"], given["noise_validation"] = AS[0], CLEAN
        given["open_set"] = list(self.open_set)
        plain = {**{name: getattr(PLAIN, name) for name in given}, "open_set": []}
        return {name: value for name, value in given.items() if value != plain[name]}

    @property
    def noisy_validation(self) -> bool:
        """Whether labels of validation rows can be wrong."""
        return bool(self.noise) and self.noise_validation == NOISY

    def known(self, classes: int) -> np.ndarray:
        """The classes that are asked for, int64, rising: their places are the labels."""
        return np.setdiff1d(np.arange(classes), self.open_set)


PLAIN = Problem()


def of_settings(task: Mapping[str, Any]) -> Problem:
    """The problem of a task as params.yaml or protocol.json has it.

    Raises:
        UserError: they are no settings of a problem.
    """
    oracle, pool = (task.get(key) or {} for key in ("oracle", "pool"))
    if not (isinstance(oracle, dict) and isinstance(pool, dict)):
        raise UserError("oracle and pool must be sections")
    names = {"noise": "noise", "noise_as": "noise_as", "noise_validation": "validation"}
    facts = {name: oracle[key] for name, key in names.items() if key in oracle}
    facts |= {name: pool[name] for name in ("imbalance", "copies", "size") if name in pool}
    if others := pool.get("open_set"):
        facts["open_set"] = others.get("classes") if isinstance(others, dict) else others
    return of_facts(facts)


def of_facts(facts: object) -> Problem:
    """The problem that :attr:`Problem.facts` describe.

    Raises:
        UserError: they describe none.
    """
    said = f"{shown(repr(facts), 120)} describes no problem"
    if not isinstance(facts, dict) or not set(facts) <= set(Problem.__dataclass_fields__):
        raise UserError(said)
    given = Problem(**{**facts, "open_set": _numbers(facts.get("open_set", []), said)})
    right = (
        type(given.noise) in (int, float)
        and 0 <= given.noise < 1
        and given.noise_as in AS
        and given.noise_validation in (CLEAN, NOISY)
        and (given.imbalance is None or is_imbalance(given.imbalance))
        and all(type(value) is int for value in (given.copies, given.size))
        and 1 <= given.copies <= 1000
        and 0 <= given.size < 10**18
    )
    if not right:
        raise UserError(said)
    return given


def _numbers(values: object, said: str) -> tuple[int, ...]:
    if not isinstance(values, list | tuple) or not all(
        type(value) is int and 0 <= value < 10**9 for value in values
    ):
        raise UserError(said)
    return tuple(sorted(set(values)))


def is_imbalance(value: object) -> bool:
    """Whether ``value`` is a list of relative sizes, or a shape with its ratio."""
    if isinstance(value, list | tuple):
        return len(value) > 1 and all(_is_positive(one) for one in value)
    return (
        isinstance(value, dict)
        and set(value) <= {"shape", "ratio", "rare"}
        and value.get("shape") in SHAPES
        and _is_positive(value.get("ratio"))
        and value["ratio"] >= 1
        and ("rare" not in value or (value["shape"] == "step" and _is_count(value["rare"])))
    )


def _is_count(value: object) -> bool:
    return type(value) is int and 1 <= value < 10**9


def _is_positive(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 < value <= 1e12


def as_line(problem: Problem) -> str:
    """The facts as one line of JSON."""
    return json.dumps(problem.facts, sort_keys=True)


def of_line(line: str) -> Problem:
    """The problem of :func:`as_line`'s text.

    Raises:
        UserError: it is none.
    """
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError):
        facts = line
    return of_facts(facts)

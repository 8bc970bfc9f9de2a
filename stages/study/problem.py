"""The problem that a task poses: which rows its pool has, and what the oracle answers.

All draws come from (purpose, seed), never from a strategy, so every run of a seed has the same
problem, and whoever checks a study can draw it again. Needs numpy alone.

A row is an image of the training array, or with ``copies`` c one of its c copies: row r shows image
r mod N, so rows 0 to N - 1 are what they are without copies.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stages.machine.errors import UserError
from stages.machine.randomness import Purpose, generator
from stages.machine.reading import shown

NONE_OF_THESE = -1  # the oracle's answer to an image of a class that nobody asks for
SHAPES = ("linear", "exponential", "step")
AS = ("exact", "munjal")
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


def weights(imbalance: Any, classes: int) -> np.ndarray:
    """Relative sizes of the classes, float64, shape (C,), the largest 1.

    ``linear``: from 1 / ratio rising to 1, so that ratio C gives 1:2:...:C (Zhan et al. 2022 for
    10). ``exponential``: ratio^(-c / (C - 1)), the long tail of Cui et al. 2019, "Class-Balanced
    Loss". ``step``: the last ``rare`` classes (half of them, rounded down) 1 / ratio (Buda et al.
    2018).

    Raises:
        UserError: a list of another length, or more rare classes than there are.
    """
    if not isinstance(imbalance, dict):
        if len(imbalance) != classes:
            raise UserError(
                f"a list of {len(imbalance)} sizes, but there are {classes} classes; allowed: one "
                f"for each class"
            )
        sizes = np.asarray(imbalance, np.float64)
        return sizes / sizes.max()
    ratio, place = float(imbalance["ratio"]), np.arange(classes) / max(classes - 1, 1)
    if imbalance["shape"] == "linear":
        return (1 + (ratio - 1) * place) / ratio
    if imbalance["shape"] == "exponential":
        return ratio**-place
    rare = imbalance.get("rare", classes // 2)
    if rare >= classes:
        raise UserError(f"rare is {rare}, but there are {classes} classes; allowed: fewer")
    return np.where(np.arange(classes) < classes - rare, 1.0, 1 / ratio)


def kept_per_class(counts: np.ndarray, imbalance: Any) -> np.ndarray:
    """How many images of each class stay, int64: their ratios are those asked for, within rounding.

    As many as the scarcest class allows, and at least one of each class that has any.

    Args:
        counts: images of each class, int64, shape (C,).
    """
    wanted = weights(imbalance, len(counts))
    there = counts > 0
    scale = (counts[there] / wanted[there]).min(initial=np.inf) if there.any() else 0.0
    # A last digit of noise must not cost an image: 0.7 * 10 is 6.999...
    kept = np.floor(np.round(wanted * scale, 6)).astype(np.int64)
    return np.minimum(np.maximum(kept, 1), counts)


def removed(problem: Problem, labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """Images that an imbalance takes out of the pool, bool, shape (N,).

    A larger ratio takes out what a smaller one does, and more.

    Args:
        labels: true classes of the images, int64, shape (N,).
    """
    gone = np.zeros(len(labels), bool)
    if problem.imbalance is None:
        return gone
    kept = kept_per_class(np.bincount(labels, minlength=classes), problem.imbalance)
    order = generator(seed, Purpose.IMBALANCE).permutation(len(labels))
    for value in range(classes):
        gone[order[labels[order] == value][kept[value] :]] = True
    return gone


def left_out(
    problem: Problem,
    labels: np.ndarray,
    classes: int,
    seed: int,
    validation: np.ndarray,
    initial: np.ndarray,
) -> np.ndarray:
    """Rows that can neither be bought nor seen, int64, rising.

    Those that an imbalance removes; further copies of validation images; and where ``size``
    restricts the pool, all but that many images of which no copy is in either set, and these sets:
    a smaller pool is part of a larger one.

    Args:
        labels: true classes of the images, int64, shape (N,).
        validation, initial: rows, int64.
    """
    images = len(labels)
    gone = removed(problem, labels, classes, seed)
    gone[validation % images] = True
    if problem.size:
        order = generator(seed, Purpose.POOL).permutation(images)
        aside = gone.copy()
        aside[initial % images] = True
        gone[initial % images] = True  # the pool has the copies of just so many images
        gone[order[~aside[order]][problem.size :]] = True
    out = np.tile(gone, problem.copies)
    out[validation] = out[initial] = False
    return np.flatnonzero(out)


def true_labels(problem: Problem, labels: np.ndarray, classes: int) -> np.ndarray:
    """Label of each row among the classes that are asked for, else NONE_OF_THESE; int64."""
    numbers = np.full(classes, NONE_OF_THESE)
    known = problem.known(classes)
    numbers[known] = np.arange(len(known))
    return np.tile(numbers[labels], problem.copies)


def how_many(share: float, count: int) -> int:
    """``share`` of ``count``, rounded, halves up."""
    return math.floor(round(share * count, 6) + 0.5)


def answers(
    problem: Problem,
    truth: np.ndarray,
    classes: int,
    seed: int,
    out: np.ndarray,
    validation: np.ndarray,
) -> np.ndarray:
    """What the oracle answers to each row, int64, shape (rows,): ``truth`` but for ``exact`` noise.

    Of the rows that can be bought, exactly the share ``noise`` is wrong (those of no class that is
    asked for do not count and are never wrong), drawn uniformly from the other classes. With more
    noise the same ones are wrong in the same way, and others. Validation rows likewise, where
    their labels are noisy.

    Args:
        truth: as of :func:`true_labels`.
        classes: how many are asked for.
        out, validation: rows.
    """
    result = truth.copy()
    if not problem.noise or problem.noise_as != AS[0]:
        return result
    rng = generator(seed, Purpose.LABEL_NOISE)
    order = rng.permutation(len(truth))
    shifts = rng.integers(1, classes, len(truth))
    bought = truth != NONE_OF_THESE
    bought[out] = bought[validation] = False
    aside = np.zeros(len(truth), bool)
    if problem.noisy_validation:
        aside[validation] = True
    for members in (bought, aside):
        wrong = order[members[order]][: how_many(problem.noise, int(members.sum()))]
        result[wrong] = (truth[wrong] + shifts[wrong]) % classes
    return result


def newest(problem: Problem, answered: np.ndarray, classes: int, seed: int, n: int) -> np.ndarray:
    """Labels of the newest batch in round ``n`` under ``munjal``, else as they were answered.

    Munjal et al. 2022, as their code does it: of the batch that was bought last the share ``noise``
    has a label drawn from all classes, the true one among them; in the next round they are right.
    Which places of the batch is drawn from (seed, round).

    Args:
        answered: the oracle's labels of that batch, int64, shape (b,).
    """
    if not problem.noise or problem.noise_as != "munjal" or n == 0:
        return answered
    rng = generator(seed, Purpose.LABEL_NOISE, n)
    count = how_many(problem.noise, len(answered))
    places = rng.choice(len(answered), count, replace=False)
    drawn = rng.integers(0, classes, count)
    result = answered.copy()
    asked = answered[places] != NONE_OF_THESE
    result[places[asked]] = drawn[asked]
    return result

"""What a problem draws: which rows its pool has, and what the oracle answers.

All draws come from (purpose, seed), never from a strategy, so every run of a seed has the same
problem, and whoever checks a study can draw it again. Needs numpy alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from stages.machine.errors import UserError
from stages.machine.randomness import Purpose, generator
from stages.study.problem import EXACT, MUNJAL, NONE_OF_THESE, Problem


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

    Of each class the same order is drawn whatever the imbalance, and its beginning stays.

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
    if not problem.noise or problem.noise_as != EXACT:
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
    if not problem.noise or problem.noise_as != MUNJAL or n == 0:
        return answered
    rng = generator(seed, Purpose.LABEL_NOISE, n)
    count = how_many(problem.noise, len(answered))
    places = rng.choice(len(answered), count, replace=False)
    drawn = rng.integers(0, classes, count)
    result = answered.copy()
    asked = answered[places] != NONE_OF_THESE
    result[places[asked]] = drawn[asked]
    return result

"""What a round leaves: its record for reports/rounds, and its artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stages.machine.errors import UserError
from stages.machine.files import write_array, write_atomically
from stages.models import state
from stages.models.batches import Batches
from stages.rounds.context import Learned, Round
from stages.rounds.evaluation import of_test_set
from stages.rounds.oracle import Oracle
from stages.rounds.posed import Posed
from stages.rounds.properties import properties, thumbnails
from stages.rounds.selection import Choice
from stages.study import carry

FORMAT = 1
SEARCH = "search"  # a part: trials of hyper-parameters, and which was chosen
SIGNATURE = "signature"  # a part: numbers that say how well a learner's own training went
PSEUDO_LABELED = "pseudo_labeled"  # a part: rows that were trained on without a bought label
MISLABELED = "mislabeled"  # of the labels that were bought, those that are wrong
REFUSED = "none_of_these"  # rows that were bought and show no class that is asked for


def describe(
    names: dict[str, Any], round: Round, learned: Learned, result: dict[str, Any], oracle: Oracle
) -> dict[str, Any]:
    """The record of a model: whose it is, what it was trained on, what it achieves.

    Args:
        names: task, strategy, seed and round.
        result: measures on the test set.
        oracle: counts wrong pseudo-labels, which nothing but the record ever learns of.
    """
    found = {
        "format": FORMAT,
        **names,
        "labeled": len(round.labeled) + len(round.refused),
        "labeled_per_class": np.bincount(round.labels, minlength=round.classes).tolist(),
        **_of_problem(round, oracle),
        **result,
    }
    if pseudo := learned.parts.get(PSEUDO_LABELED):
        right = oracle.true(pseudo["rows"]) == pseudo["labels"]
        found[PSEUDO_LABELED] = {"count": len(right), "wrong": int((~right).sum())}
    if search := learned.parts.get(SEARCH):
        found[SEARCH] = search
    return found


def _of_problem(round: Round, oracle: Oracle) -> dict[str, int]:
    """How many of the bought labels are wrong, and how many are none; where they can be."""
    found, problem = {}, oracle.posed.problem
    if problem.noise:
        found[MISLABELED] = int((oracle.true(round.labeled) != round.labels).sum())
    if problem.open_set:
        found[REFUSED] = len(round.refused)
    return found


def describe_signature(learned: Learned, data: Posed, like: Batches) -> dict[str, Any]:
    """What the learner says of its own training, by name; nothing if it says nothing.

    ``Learned.parts["signature"]`` maps names to numbers, or to functions of the test images
    (Batches) and their labels that give one: they are called here, after the selection, so nothing
    that is learned or selected depends on them. Rounded to 6 decimals.

    Args:
        like: of the training array.

    Raises:
        UserError: a value that is not a finite number.
    """
    given = learned.parts.get(SIGNATURE) or {}
    found = {}
    for name, value in given.items():
        number = value(*of_test_set(data, like)) if callable(value) else value
        if not np.isfinite(number):
            raise UserError(f"the learner's signature {name!r} is {number}, not a finite number")
        found[name] = round(float(number), 6)
    return {SIGNATURE: found} if found else {}


def describe_choice(choice: Choice | None) -> dict[str, Any]:
    """How many were selected, and what they look like; ``None``: nothing was asked for."""
    if choice is None:
        return {"selected": 0}
    found: dict[str, Any] = {"selected": len(choice.positions)}
    found["selection"] = properties(choice.pool, choice.positions)
    if choice.pool.round.n == 0:
        shown = choice.pool.round.task.shows_pixels
        found["first_selected"] = thumbnails(choice.pool, choice.positions) if shown else []
    return found


def write_artifacts(
    folder: Path, learned: Learned, choice: Choice | None = None, weights: bool = True
) -> None:
    """The carry, and with ``weights`` the model and its scores (if one number a candidate).

    No stage reads either; what an earlier run has left of them is removed.
    """
    for name in ("model.npz", "scores.npy"):
        (folder / name).unlink(missing_ok=True)
    if weights:
        arrays = state(learned.network)
        write_atomically(folder / "model.npz", lambda stream: np.savez(stream, **arrays))
    if weights and choice is not None and choice.scores is not None:
        write_array(folder / "scores.npy", choice.scores)
    carry.write(folder, {"learner": learned.carry, **(choice.carry if choice else {})})

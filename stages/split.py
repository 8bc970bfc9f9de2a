"""Stage split: validation and initial set of a (task, seed), shared by all strategies."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from stages import ledger, settings
from stages.datasets import Prepared
from stages.errors import UserError, command_line
from stages.layout import Layout
from stages.randomness import Purpose, generator


def split(study: settings.Settings, root: Path, task: str, seed: int) -> None:
    """Draw and write validation.txt and initial.txt.

    Raises:
        UserError: the data set is too small for the sets or for the budget.
    """
    study.check_names(task, seed=seed)
    protocol, data = study.task[task], Prepared(Layout(root).data(task))
    check_budget(study, task, data.rows)
    labels = np.asarray(data.array("train_labels"))
    rest = np.arange(data.rows)
    chosen = {}
    for name, size, purpose in (
        ("validation", protocol.split.validation, Purpose.VALIDATION),
        ("initial", protocol.split.initial, Purpose.INITIAL_SET),
    ):
        rng = generator(seed, purpose)
        draw = draw_balanced if protocol.split.balanced else draw_uniform
        chosen[name] = draw(rest, labels, size, rng)
        rest = np.setdiff1d(rest, chosen[name])
    parent, total = None, 0
    for name, indices in chosen.items():
        total = 0 if name == "validation" else len(indices)
        parent = ledger.write(
            Layout(root).shared_split(task, seed) / f"{name}.txt",
            indices,
            data=data.identity,
            rows=data.rows,
            task=task,
            strategy=ledger.SHARED,
            seed=seed,
            round_n=name,
            parent=parent,
            total=total,
        )


def check_budget(study: settings.Settings, task: str, rows: int) -> None:
    """Raise unless the data set has room for validation, initial set and every selection."""
    protocol = study.task[task]
    validation, initial = protocol.split.validation, protocol.split.initial
    if validation + initial > rows:
        raise UserError(
            f"task.{task}.split: initial {initial} + validation {validation} is larger "
            f"than the data set; allowed: up to {rows} rows together"
        )
    pool = rows - validation - initial
    if study.budget_rounds and protocol.query_size > pool:
        raise UserError(
            f"task.{task}.query_size is {protocol.query_size}, larger than the pool; "
            f"allowed: up to {pool}"
        )
    budget = study.budget_rounds * protocol.query_size
    if budget > pool:
        raise UserError(
            f"task.{task}: {study.budget_rounds} selections of {protocol.query_size} "
            f"are {budget}, larger than the pool; allowed: up to {pool} in all"
        )


def draw_uniform(
    rows: np.ndarray, labels: np.ndarray, size: int, rng: np.random.Generator
) -> np.ndarray:
    """``size`` of ``rows`` (int64, shape (N,)) without replacement; labels play no part."""
    return rng.permutation(rows)[:size]


def draw_balanced(
    rows: np.ndarray, labels: np.ndarray, size: int, rng: np.random.Generator
) -> np.ndarray:
    """``size`` of ``rows``, the classes in turn, so that class counts differ by one at most.

    A class that runs out leaves its turns to the others. ``labels`` is int64, shape (all rows,).
    """
    shuffled = rng.permutation(rows)
    classes = labels[shuffled]
    turn = np.empty(len(shuffled), np.int64)
    for value in np.unique(classes):
        turn[classes == value] = np.arange((classes == value).sum())
    # Within a turn the order of the shuffle decides, so a remainder favours no class.
    return shuffled[np.argsort(turn, kind="stable")][:size]


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.split", description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    study = settings.load(options.root / "params.yaml")
    split(study, options.root, options.task, options.seed)


if __name__ == "__main__":
    main()

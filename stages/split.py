"""Stage split: validation and initial set of a (task, seed), shared by all strategies."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError, command_line
from stages.machine.randomness import Purpose, generator
from stages.protocol import check_data
from stages.study import imported, ledger, settings
from stages.study.layout import Layout

SETS = ("validation", "initial")


def split(study: settings.Settings, root: Path, task: str, seed: int) -> None:
    """Draw validation.txt and initial.txt, or take those of an import, and write them.

    Raises:
        UserError: the data are not what the task needs.
    """
    study.check_names(task, seed=seed)
    protocol, data = study.task[task], Prepared(Layout(root).data(task))
    check_data(study, task, data)
    chosen = _taken(protocol, root, task, seed, data) or _drawn(protocol, seed, data)
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


def _taken(
    protocol: settings.Task, root: Path, task: str, seed: int, data: Prepared
) -> dict[str, np.ndarray] | None:
    """The sets of the import that a task begins with; None where it names none."""
    if protocol.split.imported is None:
        return None
    found = dict(zip(SETS, imported.read(root, protocol.split.imported).shared(seed), strict=True))
    for name, link in found.items():
        imported.check_data(link, data.identity, data.rows, data.folder)
        due = getattr(protocol.split, name)
        if len(link.indices) != due:
            raise UserError(
                f"{link.path}: holds {len(link.indices)} rows, task.{task}.split.{name} is {due}"
            )
    return {name: link.indices for name, link in found.items()}


def _drawn(protocol: settings.Task, seed: int, data: Prepared) -> dict[str, np.ndarray]:
    labels = np.asarray(data.array("train_labels"))
    rest = np.arange(data.rows)
    chosen = {}
    for name, size, purpose in (
        ("validation", protocol.split.validation, Purpose.VALIDATION),
        ("initial", protocol.split.initial, Purpose.INITIAL_SET),
    ):
        rng = generator(seed, purpose)
        if protocol.split.balanced:
            chosen[name] = draw_balanced(rest, labels, size, rng)
        else:
            chosen[name] = draw_uniform(rest, size, rng)
        rest = np.setdiff1d(rest, chosen[name])
    return chosen


def draw_uniform(rows: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
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

"""Stage split: validation and initial set of a (task, seed), shared by all strategies.

And ``pool.txt``, the rows that can neither be bought nor seen, where the task has a pool or an
oracle of its own.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError, command_line
from stages.machine.randomness import Purpose, generator
from stages.machine.reading import read_regular
from stages.protocol import check_data
from stages.study import drawn, imported, ledger, problem, settings
from stages.study.layout import Layout
from stages.study.starts import draw_balanced, draw_uniform, draw_weighted, start_weights

MOST = 1 << 28  # bytes of a file of rows

SETS = ("validation", "initial")


def split(study: settings.Settings, root: Path, task: str, seed: int) -> None:
    """Write validation.txt and initial.txt, and pool.txt where there is a problem.

    They are drawn, or those of an import.

    Raises:
        UserError: the data are not what the task needs.
    """
    study.check_names(task, seed=seed)
    data = Prepared(Layout(root).data(task))
    check_data(study, task, data)
    posed = study.task[task].problem
    folder = Layout(root).shared_split(task, seed)
    chosen = sets(study, root, task, seed, data)
    names = list(SETS)
    if posed.facts:
        names.insert(0, ledger.POOL)
    parent, total = None, 0
    for name in names:
        total = len(chosen[name]) if name == "initial" else 0
        parent = ledger.write(
            folder / f"{name}.txt",
            chosen[name],
            data=data.identity,
            rows=data.rows * posed.copies,
            task=task,
            strategy=ledger.SHARED,
            seed=seed,
            round_n=name,
            parent=parent,
            total=total,
            problem=posed if name == ledger.POOL else None,
        )
    if not posed.facts:
        (folder / f"{ledger.POOL}.txt").unlink(missing_ok=True)  # of other settings


def sets(
    study: settings.Settings, root: Path, task: str, seed: int, data: Prepared
) -> dict[str, np.ndarray]:
    """Rows by name: validation, initial, and those that the pool leaves out; int64.

    Both sets are drawn from what an imbalance leaves, and from the classes that are asked for; the
    validation set from the images themselves, none of whose copies is in the pool then.

    Raises:
        UserError: there are too few rows, or a file of rows is not what it must be.
    """
    protocol, posed = study.task[task], study.task[task].problem
    images = np.asarray(data.array("train_labels"))
    labels = drawn.true_labels(posed, images, data.classes)
    gone = np.tile(drawn.removed(posed, images, data.classes, seed), posed.copies)
    open_to = np.flatnonzero(~gone & (labels != problem.NONE_OF_THESE))
    taken = _taken(study, root, task, seed, data, open_to)
    rows = data.rows * posed.copies
    given = taken[1] if taken else _given(study, root, task, seed, open_to, rows)
    if taken and (both := np.isin(given % data.rows, taken[0] % data.rows)).any():
        raise UserError(
            f"task.{task}.split.imported: row {given[both][0]} of the initial set shows an image "
            f"of the validation set"
        )
    of_images = open_to[open_to < data.rows]
    if given is not None:
        of_images = np.setdiff1d(of_images, given % data.rows)
    size = protocol.split.validation
    rng = generator(seed, Purpose.VALIDATION)
    draw = _uniform if not protocol.split.balanced else draw_balanced
    validation = taken[0] if taken else draw(of_images, labels, size, rng)
    rest = open_to[~np.isin(open_to % data.rows, validation % data.rows)]
    if given is None:
        given = _initial(protocol, rest, labels, generator(seed, Purpose.INITIAL_SET))
    out = drawn.left_out(posed, images, data.classes, seed, validation, given)
    _check_room(study, task, seed, rows, validation, given, out)
    return {"validation": validation, "initial": given, ledger.POOL: out}


def _check_room(
    study: settings.Settings,
    task: str,
    seed: int,
    rows: int,
    validation: np.ndarray,
    initial: np.ndarray,
    out: np.ndarray,
) -> None:
    """Raise unless the sets are whole and the pool has what all rounds select."""
    protocol = study.task[task]
    for key, found, wanted in (
        ("validation", len(validation), protocol.split.validation),
        ("initial", len(initial), protocol.split.initial),
    ):
        if found < wanted:
            raise UserError(
                f"task.{task}.split.{key} is {wanted}, but seed {seed} has {found} rows of the "
                f"pool for it; allowed: up to {found}"
            )
    pool = rows - len(validation) - len(initial) - len(out)
    if (budget := protocol.budget(study.budget_rounds)) > pool:
        raise UserError(
            f"task.{task}: {study.budget_rounds} selections are {budget} rows, larger than the "
            f"pool of seed {seed}; allowed: up to {pool} in all"
        )


def _taken(
    study: settings.Settings, root: Path, task: str, seed: int, data: Prepared, open_to: np.ndarray
) -> list[np.ndarray] | None:
    """Validation and initial set of the import that a task begins with; None where it names none.

    Raises:
        UserError: they are of other data, of other sizes, or not in the pool.
    """
    protocol = study.task[task]
    if protocol.split.imported is None:
        return None
    found = imported.read(root, protocol.split.imported).shared(seed)
    for name, link in zip(SETS, found, strict=True):
        imported.check_data(link, data.identity, data.rows * protocol.problem.copies, data.folder)
        due = getattr(protocol.split, name)
        if len(link.indices) != due:
            raise UserError(
                f"{link.path}: holds {len(link.indices)} rows, task.{task}.split.{name} is {due}"
            )
        if len(wrong := np.setdiff1d(link.indices, open_to)):
            raise UserError(f"{link.path}: row {wrong[0]} is left out of the pool of seed {seed}")
    return [link.indices for link in found]


def _initial(
    protocol: settings.Task, rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The initial set as the task's start says, in the order of the draw."""
    start, size = protocol.split.start, protocol.split.initial
    if start is None:
        start = "balanced" if protocol.split.balanced else "uniform"
    if start == "uniform":
        return draw_uniform(rows, size, rng)
    if start == "balanced":
        return draw_balanced(rows, labels, size, rng)
    classes = int(labels.max()) + 1
    return draw_weighted(rows, labels, size, start_weights(start, classes), rng)


def _uniform(
    rows: np.ndarray, _labels: np.ndarray, size: int, rng: np.random.Generator
) -> np.ndarray:
    return draw_uniform(rows, size, rng)


def _given(
    study: settings.Settings, root: Path, task: str, seed: int, open_to: np.ndarray, rows: int
) -> np.ndarray | None:
    """The rows of the file that the start names; None where it names none.

    Raises:
        UserError: another digest, or rows that cannot be an initial set.
    """
    start = study.task[task].split.start
    if not (isinstance(start, dict) and "file" in start):
        return None
    path = root / start["file"].replace("{seed}", str(seed))
    digests = start["sha256"]
    due = digests[study.seeds.index(seed)] if isinstance(digests, list) else digests
    content = read_regular(path, MOST, follow=True)
    if (found := hashlib.sha256(content).hexdigest()) != due:
        raise UserError(f"{path}: SHA-256 is {found}, task.{task}.split.start says {due}")
    lines = [line for line in content.decode("ascii", "replace").split("\n") if line.strip()]
    lines = [line.strip() for line in lines if not line.lstrip().startswith("#")]
    for line in lines:
        if not line.isdecimal() or len(line) > 18 or int(line) >= rows:
            raise UserError(f"{path}: {line[:40]!r} is no row; allowed: 0 to {rows - 1}")
    chosen = np.array([int(line) for line in lines], np.int64)
    if len(np.unique(chosen)) < len(chosen):
        raise UserError(f"{path}: a row stands there twice")
    if len(wrong := np.setdiff1d(chosen, open_to)):
        raise UserError(f"{path}: row {wrong[0]} is left out of the pool of seed {seed}")
    if len(chosen) != (wanted := study.task[task].split.initial):
        raise UserError(f"{path}: {len(chosen)} rows, task.{task}.split.initial is {wanted}")
    return chosen


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

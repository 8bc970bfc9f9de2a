"""What a task asks of its data, held against what the data are.

Of a published data set that is known when settings are read; of others, once it is prepared.
"""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalogue import Facts, augmentation
from stages.machine.errors import UserError
from stages.study import drawn, problem
from stages.study.schema import Dataset, Task


def width(task: Task) -> int | None:
    """Numbers in an embedding; None where that depends on data that are not known yet."""
    facts = known(task.dataset)
    return task.model.entry.wide(task.model.settings, facts.shape, facts.classes)


def known(dataset: Dataset) -> Facts:
    """What can be said of a data set without looking at its files."""
    return dataset.entry.known(dataset.settings)


def faults(name: str, task: Task, selections: int, facts: Facts) -> Iterator[tuple[str, list[str]]]:
    """What a task asks of its data in vain: a line, and the keys (within the task) it is about.

    Args:
        selections: how many times a run selects ``query_size`` rows.
    """
    if facts.features and task.augmentation != "none":
        yield (
            f"task.{name}.augmentation is {task.augmentation!r}, but the data are features of a "
            f"network, which have no pixels; allowed: none",
            ["augmentation", "dataset"],
        )
    if facts.shape is not None:
        yield from _of_shape(name, task, facts.shape[1:])
    if isinstance(task.query_size, tuple) and len(task.query_size) != selections:
        yield (
            f"task.{name}.query_size has {len(task.query_size)} sizes, but there are {selections} "
            f"selections; allowed: a size for each of them, or one for all",
            ["query_size"],
        )
        return
    if facts.classes is not None:
        yield from _of_classes(name, task, facts.classes)
    if facts.rows is not None:
        yield from _of_rows(name, task, selections, facts.rows)


def _of_shape(name: str, task: Task, sides: tuple[int, int]) -> Iterator[tuple[str, list[str]]]:
    if found := task.model.entry.misfit(*sides):
        yield f"task.{name}.model.name: model {task.model.name} {found}", ["model", "dataset"]
    for operation, settings in augmentation.steps(task.augmentation, task.padding):
        if operation == "crop" and settings["padding"] >= min(sides):
            yield (
                f"task.{name}.padding is {settings['padding']}, but images are "
                f"{sides[0]}x{sides[1]} and a crop may be all padding; allowed: below {min(sides)}",
                ["padding", "augmentation", "dataset"],
            )


def _of_classes(name: str, task: Task, classes: int) -> Iterator[tuple[str, list[str]]]:
    """Whether the pool and the start know the classes that there are."""
    others = task.problem.open_set
    if others and (others[-1] >= classes or classes - len(others) < 2):
        yield (
            f"task.{name}.pool.open_set.classes is {list(others)}, but there are {classes} "
            f"classes; allowed: numbers up to {classes - 1}, so that two or more are asked for",
            ["pool", "dataset"],
        )
        return
    asked = classes - len(others)
    for key, value, count in (
        ("pool.imbalance", task.pool.imbalance, classes),
        ("split.start", task.split.start, asked),
    ):
        if value is None or isinstance(value, str) or not problem.is_imbalance(value):
            continue
        try:
            drawn.weights(value, count)
        except UserError as error:
            yield f"task.{name}.{key}: {error}", [key.partition(".")[0], "dataset"]


def _of_rows(name: str, task: Task, selections: int, rows: int) -> Iterator[tuple[str, list[str]]]:
    """Room for validation, initial set and every selection."""
    validation, initial, wanted = task.split.validation, task.split.initial, task.largest_query
    copies, size = task.pool.copies, task.pool.size
    pool, budget = (rows - validation) * copies - initial, task.budget(selections)
    if size and pool >= size * copies:
        pool = size * copies
    if pool < 0:
        yield (
            f"task.{name}.split: initial {initial} + validation {validation} is larger "
            f"than the data set; allowed: up to {rows} rows together",
            ["split", "dataset"],
        )
    elif selections and wanted > pool:
        yield (
            f"task.{name}.query_size is {wanted}, larger than the pool; allowed: up to {pool}",
            ["split", "query_size", "dataset"],
        )
    elif budget > pool:
        yield (
            f"task.{name}: {selections} selections of {_said(task)} "
            f"are {budget}, larger than the pool; allowed: up to {pool} in all",
            ["split", "query_size", "dataset"],
        )


def _said(task: Task) -> str:
    sizes = task.query_size
    return str(sizes) if isinstance(sizes, int) else f"{min(sizes)} to {max(sizes)}"

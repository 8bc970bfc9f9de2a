"""What a task asks of its data, held against what the data are.

Of a published data set that is known when settings are read; of others, once it is prepared.
"""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalogue import CLASSES, Facts, augmentation
from stages.study.schema import Dataset, Task


def width(task: Task) -> int | None:
    """Numbers in an embedding; None where that depends on data that are not known yet."""
    wide = task.model.entry.width
    return known(task.dataset).classes if wide == CLASSES else wide


def known(dataset: Dataset) -> Facts:
    """What can be said of a data set without looking at its files."""
    return dataset.entry.known(dataset.settings)


def faults(name: str, task: Task, selections: int, facts: Facts) -> Iterator[tuple[str, list[str]]]:
    """What a task asks of its data in vain: a line, and the keys (within the task) it is about.

    Args:
        selections: how many times a run selects ``query_size`` rows.
    """
    if facts.shape is not None:
        yield from _of_shape(name, task, facts.shape[1:])
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


def _of_rows(name: str, task: Task, selections: int, rows: int) -> Iterator[tuple[str, list[str]]]:
    """Room for validation, initial set and every selection."""
    validation, initial, wanted = task.split.validation, task.split.initial, task.query_size
    pool, budget = rows - validation - initial, selections * task.query_size
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
            f"task.{name}: {selections} selections of {wanted} "
            f"are {budget}, larger than the pool; allowed: up to {pool} in all",
            ["split", "query_size", "dataset"],
        )

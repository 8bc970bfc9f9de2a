"""What a task asks of its data, held against what the data are.

Of a published data set that is known when settings are read; of a folder, once it is prepared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stages.study.schema import Dataset, Task


@dataclass(frozen=True)
class Facts:
    """Of a data set; None for what is not known yet.

    Attributes:
        rows: number of training images.
        shape: of an image, (C, H, W).
        classes: number of classes.
    """

    rows: int | None = None
    shape: tuple[int, int, int] | None = None
    classes: int | None = None


PUBLISHED = {
    "digits": Facts(1438, (1, 8, 8), 10),
    "mnist": Facts(60_000, (1, 28, 28), 10),
    "fashion_mnist": Facts(60_000, (1, 28, 28), 10),
    "cifar10": Facts(50_000, (3, 32, 32), 10),
}

SMALLEST = {"small_cnn": 4, "lenet": 12, "resnet18": 8, "nin": 28, "nin_10": 32}
LARGEST = {"nin": 43, "nin_10": 63}  # above, their last maps are larger than the classifier
WIDTHS = {"small_cnn": 128, "lenet": 84, "resnet18": 512, "nin": 512}  # of embeddings


def width(task: Task) -> int | None:
    """Numbers in an embedding; None where that depends on data that are not known yet."""
    return WIDTHS.get(task.model.name, known(task.dataset).classes)


def known(dataset: Dataset) -> Facts:
    """What can be said of a data set without looking at its files."""
    if dataset.size is not None:
        return Facts(shape=(dataset.channels, *dataset.size))
    return PUBLISHED.get(dataset.name, Facts())


def misfit(model: str, height: int, width: int) -> str | None:
    """Why images of this size are nothing for a model; None if they fit."""
    smallest, largest = SMALLEST[model], LARGEST.get(model)
    if min(height, width) >= smallest and (largest is None or max(height, width) <= largest):
        return None
    sizes = f"{smallest} pixels or more" if largest is None else f"{smallest} to {largest} pixels"
    return f"needs images of {sizes} a side; these have {height}x{width}"


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
    if found := misfit(task.model.name, *sides):
        yield f"task.{name}.model.name: model {task.model.name} {found}", ["model", "dataset"]
    if task.augmentation != "none" and task.padding >= min(sides):
        yield (
            f"task.{name}.padding is {task.padding}, but images are {sides[0]}x{sides[1]} and a "
            f"crop may be all padding; allowed: below {min(sides)}",
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

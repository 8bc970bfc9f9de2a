"""Measures of a record that a setting asks for, held against its counts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from stages.machine.reading import shown
from stages.study.measures import MEASURES, PREDICTED, balanced_accuracy, macro_f1

FIELDS = (*MEASURES, PREDICTED)


def asked(task: dict[str, Any]) -> tuple[str, ...]:
    """The measures that a task of params.yaml asks for."""
    named = task.get("metrics")
    return tuple(one for one in MEASURES if isinstance(named, list) and one in named)


def types(record: dict[str, Any]) -> Iterator[str]:
    """Measures are fractions, and counts are counts."""
    for key in MEASURES:
        value = record.get(key, 0)
        right = type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1
        if not right and not (key == "auroc" and value is None):
            said = shown(repr(value), 80)
            yield f"{key} is {said}, allowed: a fraction in [0, 1]"
    values = record.get(PREDICTED, [0])
    counts = isinstance(values, list) and all(type(one) is int and one >= 0 for one in values)
    if not counts or not values:
        yield f"{PREDICTED} is {shown(repr(values), 80)}, allowed: a count for each class"


def faults(record: dict[str, Any], measures: tuple[str, ...] | None) -> Iterator[str]:
    """What is there must be asked for, and agree with the counts.

    Args:
        measures: asked for by the settings; None: not known.
    """
    if measures is not None:
        due = {*measures, *([PREDICTED] if measures else [])}
        for key in FIELDS:
            if (key in record) != (key in due):
                there = "is there, but no setting asks for it" if key in record else "is missing"
                yield f"{key} {there}"
    tested, right = record.get("per_class_test"), record.get("per_class_correct")
    if not tested or not right or len(tested) != len(right):
        return
    if (key := "balanced_accuracy") in record:
        yield from _compared(key, record[key], balanced_accuracy(tested, right))
    predicted = record.get(PREDICTED)
    if predicted is None:
        return
    if len(predicted) != len(tested) or sum(predicted) != record["test"]:
        yield f"{PREDICTED} does not add up to test, which is {record['test']}"
    elif any(hits > given for hits, given in zip(right, predicted, strict=True)):
        yield f"{PREDICTED} is below per_class_correct"
    elif (key := "macro_f1") in record:
        yield from _compared(key, record[key], macro_f1(tested, right, predicted))


def _compared(key: str, said: float, due: float) -> Iterator[str]:
    if said != round(due, 6):
        yield f"{key} is {said}, but the counts by class make it {round(due, 6)}"

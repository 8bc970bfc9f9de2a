"""Measures of a test set by counts of its classes, alike where written and where checked."""

from __future__ import annotations

import math
from collections.abc import Sequence

MEASURES = ("balanced_accuracy", "macro_f1", "auroc")  # of a record, where the task asks for them
PREDICTED = "per_class_predicted"  # and how often each class is predicted


def balanced_accuracy(tested: Sequence[int], right: Sequence[int]) -> float:
    """Mean share right of the classes that the test set has."""
    shares = [hits / count for hits, count in zip(right, tested, strict=True) if count]
    return math.fsum(shares) / len(shares)


def macro_f1(tested: Sequence[int], right: Sequence[int], predicted: Sequence[int]) -> float:
    """Mean F1 = 2 right / (tested + predicted) of the classes that are tested or predicted."""
    found = [
        2 * hits / (count + given)
        for hits, count, given in zip(right, tested, predicted, strict=True)
        if count + given
    ]
    return math.fsum(found) / len(found)

"""Which images become test images, where nobody has said so: drawn by a seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np


def drawn(
    labels: Sequence[int], share: float, seed: int, units: Sequence[str] | None = None
) -> np.ndarray:
    """Which of N images are drawn as test images, bool (N,): ``share`` of each class, or close.

    Without ``units`` that is round(share n) of the n images of a class, halves to even, and of two
    or more at least one and at most n - 1. With them, all images of a unit (a patient) are on one
    side: units are taken by size, those of one size in drawn order, and a unit is taken where that
    brings the counts by class closer to ``share``: the sum over classes of |taken - share n| / n
    becomes smaller.

    Args:
        labels: of the images, from 0.
        share: of them that is wanted, between 0 and 1.
        seed: of the draw.
        units: whose each image is.
    """
    numbers = np.asarray(labels, np.int64)
    rng = np.random.default_rng(seed)
    if units is not None:
        return _whole(numbers, share, rng, np.asarray(units, dtype=object))
    test = np.zeros(len(numbers), bool)
    for label in range(int(numbers.max()) + 1):
        rows = np.flatnonzero(numbers == label)
        wanted = round(share * len(rows))
        if len(rows) > 1:
            wanted = min(max(wanted, 1), len(rows) - 1)
        test[rng.permutation(rows)[:wanted]] = True
    return test


def _whole(
    labels: np.ndarray, share: float, rng: np.random.Generator, units: np.ndarray
) -> np.ndarray:
    by_unit: dict[str, Counter[int]] = defaultdict(Counter)
    for unit, label in zip(units.tolist(), labels.tolist(), strict=True):
        by_unit[unit][label] += 1
    counts = np.bincount(labels).tolist()
    short = [share * count for count in counts]  # what is still wanted of each class
    names = sorted(by_unit)
    order = [names[at] for at in rng.permutation(len(names))]
    taken = set()
    for unit in sorted(order, key=lambda name: -by_unit[name].total()):
        own = by_unit[unit].items()
        nearer = sum((abs(short[c]) - abs(short[c] - n)) / counts[c] for c, n in own)
        if nearer > 1e-12:
            taken.add(unit)
            for c, n in own:
                short[c] -= n
    return np.array([unit in taken for unit in units.tolist()], bool)

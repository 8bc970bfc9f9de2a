"""Which group or patient each image belongs to, and how manifest.json says it.

Numbers are written run by run, ``number*count`` with a space between (a run of one as its number
alone): ``0*3 2 1*40``. Files that lie together have one group, so a million rows are a short line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

PARTS = ("train", "test")
RUN = re.compile(r"(0|[1-9]\d{0,9})(?:\*([1-9]\d{0,9}))?")


@dataclass(frozen=True)
class Grouping:
    """A group for every image.

    Attributes:
        names: of the groups; their places are the numbers below.
        train, test: int64, shape (N,): the group of each image of the part.
        mismatch: for each name whether it is a group against the rule that most follow (Zhan et al.
            2022, Waterbird); empty where a data set says nothing of the kind.
    """

    names: tuple[str, ...]
    train: np.ndarray
    test: np.ndarray
    mismatch: tuple[bool, ...] = ()

    def faults(self, rows: dict[str, int]) -> list[str]:
        """What does not fit ``rows`` images of the parts ``train`` and ``test``, a line each."""
        if not self.names or len(set(self.names)) < len(self.names):
            return ["names are not different, one or more"]
        if self.mismatch and len(self.mismatch) != len(self.names):
            return ["mismatch says something else than yes or no of each name"]
        found = []
        for part in PARTS:
            numbers = getattr(self, part)
            if numbers.dtype != np.int64 or numbers.shape != (rows[part],):
                found.append(f"{part} is {numbers.dtype} of shape {numbers.shape}")
            elif len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(self.names):
                found.append(f"{part} has numbers that are no place in names")
        return found

    def manifest(self) -> dict[str, Any]:
        """What manifest.json says of it."""
        said: dict[str, Any] = {"names": list(self.names)}
        if any(self.mismatch):
            said["mismatch"] = list(self.mismatch)
        return said | {part: as_runs(getattr(self, part)) for part in PARTS}

    def shared(self) -> int:
        """How many of the names have images in both parts."""
        return len(np.intersect1d(self.train, self.test))


def grouping(train: list[str], test: list[str]) -> Grouping:
    """The grouping that gives each image of the two parts this name; names are sorted."""
    names = sorted({*train, *test})
    place = {name: at for at, name in enumerate(names)}
    numbers = (np.array([place[name] for name in part], np.int64) for part in (train, test))
    return Grouping(tuple(names), *numbers)


def read(said: object, rows: dict[str, int]) -> Grouping | None:
    """What :meth:`Grouping.manifest` gave; None where it says something else."""
    if not isinstance(said, dict) or not all(isinstance(said.get(part), str) for part in PARTS):
        return None
    names, mismatch = said.get("names"), said.get("mismatch", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    if not isinstance(mismatch, list) or not all(isinstance(one, bool) for one in mismatch):
        return None
    parts = [from_runs(said[part], rows[part]) for part in PARTS]
    if any(part is None for part in parts):
        return None
    found = Grouping(tuple(names), *parts, tuple(mismatch) or (False,) * len(names))
    return None if found.faults(rows) else found


def as_runs(numbers: np.ndarray) -> str:
    """``[0, 0, 0, 2]`` (int64, shape (N,)) as ``0*3 2``."""
    if not len(numbers):
        return ""
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    counts = np.diff(starts, append=len(numbers))
    pairs = zip(numbers[starts].tolist(), counts.tolist(), strict=True)
    return " ".join(f"{number}*{count}" if count > 1 else str(number) for number, count in pairs)


def from_runs(text: str, rows: int) -> np.ndarray | None:
    """The numbers that :func:`as_runs` wrote; None unless they are ``rows`` in such a form."""
    found = [RUN.fullmatch(run) for run in text.split(" ")] if text else []
    if not all(found):
        return None
    pairs = [(int(run[1]), int(run[2] or 1)) for run in found if run]
    numbers, counts = np.array(pairs, np.int64).reshape(-1, 2).T
    return np.repeat(numbers, counts) if sum(counts.tolist()) == rows else None

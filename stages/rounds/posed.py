"""A prepared data set as a task poses it: its pool's rows and the classes that are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from stages.datasets.prepared import Prepared
from stages.study.problem import EMPTY, PLAIN, Problem


@dataclass(frozen=True)
class Posed:
    """What :class:`stages.datasets.prepared.Prepared` is, of the rows and classes of a problem.

    Attributes:
        prepared: the data as ``prepare`` left them.
        problem: what pool and oracle are.
        seed: of the run; it keys what is drawn.
        out: rows that can neither be bought nor seen, int64.
        validation: rows set aside, int64.
    """

    prepared: Prepared
    problem: Problem = PLAIN
    seed: int = 0
    out: np.ndarray = field(default_factory=lambda: EMPTY)
    validation: np.ndarray = field(default_factory=lambda: EMPTY)

    @property
    def manifest(self) -> dict[str, Any]:
        """manifest.json, of the whole data set."""
        return self.prepared.manifest

    @property
    def folder(self) -> Any:
        """Where the data lie."""
        return self.prepared.folder

    @property
    def identity(self) -> str:
        """Name and content digest of the whole data set."""
        return self.prepared.identity

    @property
    def rows(self) -> int:
        """Rows of the training array, copies among them."""
        return self.prepared.rows * self.problem.copies

    @property
    def classes(self) -> int:
        """Number of classes that are asked for."""
        return self.prepared.classes - len(self.problem.open_set)

    def array(self, part: str) -> np.ndarray:
        """An array of the whole data set, as :meth:`Prepared.array`."""
        return self.prepared.array(part)

    @cached_property
    def shown(self) -> np.ndarray | None:
        """Which image each row shows, int64, shape (rows,); None: its own."""
        if self.problem.copies == 1:
            return None
        return np.tile(np.arange(self.prepared.rows), self.problem.copies)

    @cached_property
    def tested(self) -> np.ndarray | None:
        """Test images of the classes that are asked for, int64, rising; None: all."""
        if not self.problem.open_set:
            return None
        known = self.problem.known(self.prepared.classes)
        return np.flatnonzero(np.isin(self.array("test_labels"), known))

    @property
    def test_labels(self) -> np.ndarray:
        """Labels of :attr:`tested`, int64: places among the classes that are asked for."""
        labels = np.asarray(self.array("test_labels"))
        if self.tested is None:
            return labels
        return np.searchsorted(self.problem.known(self.prepared.classes), labels[self.tested])

    @property
    def test_groups(self) -> tuple[np.ndarray, tuple[str, ...], tuple[bool, ...]] | None:
        """Of each tested image its group, int64; the groups' names, and which are mismatched."""
        groups = getattr(self.prepared, "groups", None)
        if groups is None:
            return None
        own = groups.test if self.tested is None else groups.test[self.tested]
        return own, groups.names, groups.mismatch


def pose(data: Prepared | Posed) -> Posed:
    """The data as a problem of their own, if nothing poses them otherwise."""
    return data if isinstance(data, Posed) else Posed(data)

"""What a seed's pool and oracle are by the labels: drawn again, to be held against a study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.checking.records import Data
from stages.machine.errors import UserError
from stages.study import drawn, ledger
from stages.study.problem import NONE_OF_THESE, Problem

MOST_ROWS = 3 * 10**7  # in an index file of the largest size


def of_problem(posed: Problem) -> dict[str, int | None]:
    """What a record must say of such a problem; the numbers are not known."""
    due: dict[str, int | None] = {"mislabeled": None} if posed.noise else {}
    return due | ({"none_of_these": None} if posed.open_set else {})


@dataclass(frozen=True)
class Answers:
    """The oracle of a (task, seed), and the rows that it is never asked.

    Attributes:
        shared: the index sets that it is about.
        problem, seed, classes: as everywhere; classes are those asked for.
        true, answered: labels of all rows, int64.
        left_out: rows that are drawn to be left out, int64, rising.
    """

    shared: ledger.Chain
    problem: Problem
    seed: int
    classes: int
    true: np.ndarray
    answered: np.ndarray
    left_out: np.ndarray

    @classmethod
    def of(cls, shared: ledger.Chain, labels: np.ndarray, data: Data, seed: int) -> Answers:
        """Draw it again.

        Args:
            labels: of the training images, int64.
            data: the whole data set's.

        Raises:
            UserError: the problem is none that these data can have.
        """
        posed, rows = shared.problem, len(labels) * shared.problem.copies
        sets = (shared.validation.indices, shared.initial.indices, shared.left_out)
        path = (shared.pool or shared.initial).path
        if rows > MOST_ROWS:
            raise UserError(f"{path}: {rows} rows, more than an index file can hold")
        if any(len(one) and one.max() >= rows for one in sets):
            raise UserError(f"{path}: rows are not those of {data.path}")
        if posed.open_set and posed.open_set[-1] > data.classes - 1:
            raise UserError(f"{path}: open_set names a class that {data.path} has not")
        classes = data.classes - len(posed.open_set)
        if posed.facts and classes < 2:
            raise UserError(f"{path}: fewer than two classes are asked for")
        try:
            out = drawn.left_out(posed, labels, data.classes, seed, *sets[:2])
        except UserError as error:
            raise UserError(f"{path}: imbalance: {error}") from None
        true = drawn.true_labels(posed, labels, data.classes)
        answered = drawn.answers(posed, true, classes, seed, sets[2], sets[0])
        return cls(shared, posed, seed, classes, true, answered, out)

    def faults(self) -> list[str]:
        """Rows that the pool leaves out, but that this seed does not draw, or the other way."""
        if np.array_equal(self.left_out, np.sort(self.shared.left_out)):
            return self._of_sets()
        other = np.setxor1d(self.left_out, self.shared.left_out)
        return [
            f"{self.shared.pool.path}: not the rows that seed {self.seed} leaves out "
            f"({len(other)} differ, row {other[0]} first)"
        ]

    def _of_sets(self) -> list[str]:
        """Neither set has images of classes that nobody asks for; and they share no image."""
        images = len(self.true) // self.problem.copies
        shown = [link.indices % images for link in (self.shared.validation, self.shared.initial)]
        both = np.isin(shown[1], shown[0])
        return [
            f"{self.shared.initial.path}: row {row} shows an image of the validation set"
            for row in self.shared.initial.indices[both][:1]
        ] + [
            f"{link.path}: row {link.indices[np.argmax(wrong)]} is of a class that is not asked for"
            for link in (self.shared.validation, self.shared.initial)
            if (wrong := self.true[link.indices] == NONE_OF_THESE).any()
        ]

    def bought(
        self, rows: np.ndarray, n: int, newest: int
    ) -> tuple[tuple[int, ...] | None, dict[str, int | None]]:
        """Labels by class of what round ``n`` had bought, and what its record counts of them.

        Args:
            rows: in order of selection, int64.
            newest: how many were bought last.
        """
        if len(rows) and rows.max() >= len(self.true):
            return None, of_problem(self.problem)  # a fault that is named elsewhere
        labels = self.answered[rows]
        if newest:
            given = labels[-newest:]
            labels[-newest:] = drawn.newest(self.problem, given, self.classes, self.seed, n)
        asked = labels != NONE_OF_THESE
        due = of_problem(self.problem)
        if "mislabeled" in due:
            due["mislabeled"] = int((labels != self.true[rows])[asked].sum())
        if "none_of_these" in due:
            due["none_of_these"] = int((~asked).sum())
        counts = np.bincount(labels[asked], minlength=self.classes)
        return tuple(counts.tolist()), due

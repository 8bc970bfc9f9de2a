"""Labels of training images: whoever wants one asks here, and nobody else reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from stages.catalogue.strategy import Strategy
from stages.datasets.prepared import Prepared
from stages.models import Network
from stages.models.batches import Batches
from stages.rounds.evaluation import on_test_set
from stages.rounds.posed import Posed, pose
from stages.study import drawn


class Oracle:
    """Gives the label of any training row; what was not bought is for the report's side alone.

    It errs as the task says, alike for all strategies of a seed, and tells of an image of no class
    that is asked for that it is none of these.
    """

    def __init__(self, data: Prepared | Posed) -> None:
        posed = self.posed = pose(data)
        # Labels of the data set become those of the classes that are asked for.
        self._true = drawn.true_labels(
            posed.problem, np.asarray(posed.array("train_labels")), posed.prepared.classes
        )
        self._labels = drawn.answers(
            posed.problem, self._true, posed.classes, posed.seed, posed.out, posed.validation
        )

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """What is answered to ``rows`` (int64, shape (n,)), int64, shape (n,).

        ``NONE_OF_THESE`` for a row of no class that is asked for.
        """
        return self._labels[rows]

    def true(self, rows: np.ndarray) -> np.ndarray:
        """What is right, for the record alone."""
        return self._true[rows]

    def bought(self, rows: np.ndarray, n: int, newest: int) -> np.ndarray:
        """Labels that round ``n`` learns from.

        Args:
            rows: that were bought, in order of selection, int64, shape (L,).
            newest: how many of them were bought last.
        """
        labels = self.labels(rows)
        if newest:
            labels[-newest:] = self.newest(rows[-newest:], n)
        return labels

    def newest(self, rows: np.ndarray, n: int) -> np.ndarray:
        """Labels of the rows that were bought last, as round ``n`` learns from them."""
        posed = self.posed
        return drawn.newest(posed.problem, self.labels(rows), posed.classes, posed.seed, n)


@dataclass(frozen=True)
class Revealed:
    """What a bound may know, and no strategy.

    Attributes:
        labels: of any rows, as the next round would learn them from :class:`Oracle`.
        correct: how many images of the test set a network gets right.
    """

    labels: Callable[[np.ndarray], np.ndarray]
    correct: Callable[[Network], int]


def reveal(entry: Strategy, data: Prepared | Posed, like: Batches, n: int = 0) -> Revealed | None:
    """The labels of the pool and of the test set, for a bound; None for every strategy.

    Args:
        like: of the training array.
        n: the round that it is revealed in.
    """
    if not entry.bound:
        return None
    answer = partial(Oracle(data).newest, n=n + 1)
    return Revealed(answer, lambda net: on_test_set(net, data, like)["correct"])

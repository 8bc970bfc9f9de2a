"""Labels of training images: whoever wants one asks here, and nobody else reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stages.catalogue.strategy import Strategy
from stages.datasets.prepared import Prepared
from stages.models import Network
from stages.models.batches import Batches
from stages.rounds.evaluation import on_test_set


class Oracle:
    """Gives the label of any training row; what was not bought is for the report's side alone."""

    def __init__(self, data: Prepared) -> None:
        self._labels = np.asarray(data.array("train_labels"))

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Labels of ``rows`` (int64, shape (n,)), int64, shape (n,)."""
        return self._labels[rows]


@dataclass(frozen=True)
class Revealed:
    """What a bound may know, and no strategy.

    Attributes:
        labels: of any rows, as :meth:`Oracle.labels`.
        correct: how many images of the test set a network gets right.
    """

    labels: Callable[[np.ndarray], np.ndarray]
    correct: Callable[[Network], int]


def reveal(entry: Strategy, data: Prepared, like: Batches) -> Revealed | None:
    """The labels of the pool and of the test set, for a bound; None for every strategy.

    Args:
        like: of the training array.
    """
    if not entry.bound:
        return None
    return Revealed(Oracle(data).labels, lambda net: on_test_set(net, data, like)["correct"])

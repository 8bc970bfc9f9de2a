"""Labels of training images: whoever wants one asks here, and nobody else reads them."""

from __future__ import annotations

import numpy as np

from stages.datasets.prepared import Prepared


class Oracle:
    """Gives the label of any training row; what was not bought is for the report's side alone."""

    def __init__(self, data: Prepared) -> None:
        self._labels = np.asarray(data.array("train_labels"))

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Labels of ``rows`` (int64, shape (n,)), int64, shape (n,)."""
        return self._labels[rows]

"""scikit-learn's digits, which need no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.catalogue.dataset import DataSet, Facts
from stages.datasets.images import Images

ENTRIES = {"digits": DataSet("stages.datasets.digits:load", Facts(1438, (1, 8, 8), 10))}


def load(root: Path | None) -> Images:  # noqa: ARG001 - they come with the package
    """1,797 digits of 8x8, values 0..16 times 15; every fifth is a test image."""
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    images = (values.reshape(-1, 1, 8, 8) * 15).astype(np.uint8)
    test = np.arange(len(images)) % 5 == 4
    return Images(
        images[~test],
        labels[~test].astype(np.int64),
        images[test],
        labels[test].astype(np.int64),
        tuple(str(digit) for digit in range(10)),
        "digits",
        "scikit-learn load_digits: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten "
        "Digits, UCI Machine Learning Repository, doi:10.24432/C50P49, its test half",
        "CC BY 4.0",
    )

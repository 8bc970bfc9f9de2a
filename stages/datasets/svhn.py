"""SVHN (Netzer et al. 2011), cropped digits, read by torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stages.catalogue.dataset import DataSet, Facts
from stages.datasets.images import Images
from stages.datasets.listing import shown
from stages.datasets.published import UNREADABLE, checked, data_root, fetched, needed
from stages.machine.errors import UserError

ROWS = {"train": 73_257, "test": 26_032, "extra": 531_131}
SOURCE = "http://ufldl.stanford.edu/housenumbers/"
LICENSE = "non-commercial use only"


def known(settings: dict[str, Any]) -> Facts:
    """Rows, by ``extra``."""
    rows = ROWS["train"] + (ROWS["extra"] if settings["extra"] else 0)
    return Facts(rows, (3, 32, 32), 10)


ENTRIES = {"svhn": DataSet("stages.datasets.svhn:load", known)}


def load(root: Path | None, *, extra: bool = False, download: bool = True) -> Images:
    """``train_32x32.mat`` and ``test_32x32.mat`` in ``root``; each has its authors' MD5.

    Args:
        extra: whether the 531,131 easier digits of ``extra_32x32.mat`` follow the training images.
        download: whether missing files are fetched.

    Raises:
        UserError: files are missing, or are others.
    """
    from torchvision.datasets import SVHN

    root = data_root(root)
    parts, files = {}, {}
    for split in ("train", "test", *(("extra",) if extra else ())):
        _, name, md5 = SVHN.split_list[split]
        fetched("svhn", root / name, download, lambda split=split: SVHN(root, split, download=True))
        files |= checked(needed("svhn", SOURCE, root / name), "svhn", md5)
        try:
            read = SVHN(root, split)
            labels = np.asarray(read.labels, np.int64).reshape(-1)
            parts[split] = np.ascontiguousarray(read.data), labels
        except UNREADABLE as error:
            raise UserError(f"{shown(root / name)}: not readable ({error})") from None
    train = [np.concatenate(both) for both in zip(*_without_test(parts), strict=True)]
    about = {"files": files}
    digits = tuple(str(digit) for digit in range(10))
    return Images(*train, *parts["test"], digits, "svhn", SOURCE, LICENSE, about=about)


def _without_test(parts: dict[str, Any]) -> list[Any]:
    return [arrays for split, arrays in parts.items() if split != "test"]

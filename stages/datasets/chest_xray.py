"""Chest X-rays of children, with and without pneumonia (Kermany et al. 2018)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages.catalogue.dataset import DataSet, Facts
from stages.catalogue.kinds import Size
from stages.datasets.images import Images
from stages.datasets.published import Digest, data_root, needed
from stages.datasets.reading import Crop
from stages.datasets.trees import How, Item, Tree, items_of, read_tree

ROWS = (5_232, 624)
# person12_bacteria_47.jpeg, BACTERIA-1008087-0001.jpeg, NORMAL2-IM-0012-0001.jpeg
PATIENT = re.compile(r"(person\d+)_|((?:\w+-)?IM-\d+)-|((?:BACTERIA|VIRUS|NORMAL)-\d+)-")
SOURCE = "https://data.mendeley.com/datasets/rscbjbr9sj"
LICENSE = "CC BY 4.0"


def known(settings: dict[str, Any]) -> Facts:
    """Shape by ``size``."""
    return Facts(ROWS[0], (1, *settings["size"]), 2)


ENTRIES = {"chest_xray": DataSet("stages.datasets.chest_xray:load", known)}


def load(
    root: Path | None,
    *,
    size: Size = (224, 224),
    crop: Crop = "center",
    sha256: Digest | None = None,
) -> Images:
    """``chest_xray/{train,test}/{NORMAL,PNEUMONIA}``, in grey; patients by the files' names.

    Where there is a folder ``val`` (sixteen images, in the copy of Kaggle's), it belongs to the
    training set, as in the original. Numbers of patients are those of a part: the names of the
    training and of the test set are counted apart.

    Args:
        size, crop: as of an image folder.
        sha256: of the listing, as the manifest has it.

    Raises:
        UserError: files are missing or more or fewer than were published.
    """
    folder = data_root(root) / "chest_xray"
    train = needed("ChestXRay2017.zip, unpacked,", SOURCE, folder / "train")
    test = needed("ChestXRay2017.zip, unpacked,", SOURCE, folder / "test")
    items, names = items_of(train)
    if (folder / "val").is_dir():
        more, _ = items_of(folder / "val", names)
        items = sorted([*items, *more], key=lambda item: item.label)
    parts = (
        [_owned(item, "train") for item in items],
        [_owned(item, "test") for item in items_of(test, names)[0]],
    )
    tree = Tree("chest_xray", SOURCE, LICENSE, ROWS)
    return read_tree(tree, folder, parts, names, How(size, 1, crop, sha256))


def _owned(item: Item, part: str) -> Item:
    """With its patient; an image whose name says none is a patient of its own."""
    said = PATIENT.match(item.path.name)
    own = next(filter(None, said.groups())) if said else item.path.name
    return replace(item, patient=f"{part} {own}")

"""Waterbirds (Sagawa et al. 2020): birds on land and on water, with the group of each image."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from stages.catalogue.dataset import DataSet, Facts
from stages.catalogue.kinds import Size
from stages.datasets.images import Images
from stages.datasets.published import Digest, data_root, needed
from stages.datasets.reading import Crop
from stages.datasets.rows import inside, read_rows
from stages.datasets.trees import How, Item, Tree, read_tree
from stages.machine.errors import UserError

FOLDER = "waterbird_complete95_forest2water2"
SOURCE = f"https://nlp.stanford.edu/data/dro/{FOLDER}.tar.gz"
LICENSE = "of its code MIT (group_DRO); pictures by CUB-200-2011 and Places, for research"
ROWS = {"leave_out": (4_795, 5_794), "train": (5_994, 5_794)}
CLASSES, PLACES = ["landbird", "waterbird"], ["land", "water"]
COLUMNS = ("img_filename", "y", "split", "place")
MISMATCH = {"landbird on water": True, "waterbird on land": True}


def known(settings: dict[str, Any]) -> Facts:
    """Rows by ``validation``, shape by ``size``."""
    return Facts(ROWS[settings["validation"]][0], (3, *settings["size"]), 2)


ENTRIES = {"waterbirds": DataSet("stages.datasets.waterbirds:load", known)}


def load(
    root: Path | None,
    *,
    validation: Literal["leave_out", "train"] = "leave_out",
    size: Size = (224, 224),
    crop: Crop = "center",
    sha256: Digest | None = None,
) -> Images:
    """Images by ``metadata.csv``; a group is a bird and what it is put upon.

    Args:
        validation: what becomes of its 1,199 validation images; Zhan et al. 2022 leave them out.
        size, crop: as of an image folder.
        sha256: of the listing, as the manifest has it.

    Raises:
        UserError: files are missing or more or fewer than were published; a row of the table.
    """
    folder = data_root(root) / FOLDER
    table = needed(f"{FOLDER}.tar.gz, unpacked,", SOURCE, folder / "metadata.csv")
    rows = read_rows(table, COLUMNS)
    parts: tuple[list[Item], list[Item]] = ([], [])
    left_out: Counter[str] = Counter()
    for line, row in rows.rows:
        if row["y"] not in ("0", "1") or row["place"] not in ("0", "1"):
            raise rows.fault(line, "y and place are not 0 or 1")
        if row["split"] not in ("0", "1", "2"):
            raise rows.fault(line, f"split {row['split'][:20]!r}; allowed: 0, 1 or 2")
        if row["split"] == "1" and validation == "leave_out":
            left_out["validation images"] += 1
            continue
        label, place = int(row["y"]), int(row["place"])
        try:
            path = inside(folder, row["img_filename"])
        except UserError as error:
            raise rows.fault(line, str(error)) from None
        group = f"{CLASSES[label]} on {PLACES[place]}"
        parts[row["split"] == "2"].append(Item(path, label, group=group))
    about = {"metadata": {"sha256": rows.sha256}, "validation": validation}
    tree = Tree("waterbirds", SOURCE, LICENSE, ROWS[validation])
    how = How(size, 3, crop, sha256)
    return read_tree(
        tree, folder, parts, CLASSES, how, mismatch=MISMATCH, about=about, left_out=left_out
    )

"""A user's own images by a table: a CSV file with a row an image. docs/data.md has the rules."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stages.catalogue.dataset import DataSet, Facts
from stages.catalogue.kinds import Share, Size, Whole
from stages.datasets.drawing import drawn
from stages.datasets.images import Images
from stages.datasets.listing import same_name, shown
from stages.datasets.published import Digest
from stages.datasets.reading import Crop
from stages.datasets.rows import Rows, inside, read_rows
from stages.datasets.trees import How, Item, Tree, read_tree
from stages.machine.errors import UserError, nearest

COLUMNS, OPTIONAL = ("path", "label"), ("split", "group", "patient")
SPLITS = ("train", "test", "validation")
MOST_LABEL = 200  # letters


def known(settings: dict[str, Any]) -> Facts:
    """Shape, where ``size`` says so."""
    size = settings["size"]
    return Facts(shape=None if size is None else (settings["channels"], *size))


def faults(settings: dict[str, Any], root: str | None) -> str | None:
    """What is wrong without looking at the files."""
    if root is None:
        return ".root is missing; allowed: the folder that the paths in the table start from"
    if not 0 < settings["test"] < 1:
        return f".test is {settings['test']}; allowed: a share above 0 and below 1"
    return None


ENTRIES = {
    "table": DataSet(
        "stages.datasets.table:load",
        known,
        root="the folder that the paths in the table start from",
        faults=faults,
        watched=lambda root: [] if root is None else [root],
    )
}


@dataclass(frozen=True)
class Row:
    """A row of the table: the line that it ends on, the image, and the split that it says."""

    line: int
    item: Item
    split: str


def load(
    root: Path | None,
    *,
    table: str = "images.csv",
    size: Size | None = None,
    channels: Literal[1, 3] = 3,
    crop: Crop = "none",
    test: Share = 0.2,
    seed: Whole = 0,
    by: Literal["patient", "group", "image"] = "patient",
    validation: Literal["leave_out", "train"] = "leave_out",
    columns: Literal["known", "any"] = "known",
    sha256: Digest | None = None,
) -> Images:
    """The images that a CSV file names, with columns path, label and any of split, group, patient.

    Args:
        root: the folder that paths start from.
        table: the file's path below ``root``.
        size, channels, crop: as of an image folder.
        test: share of the images that are drawn as test images where there is no column split.
        seed: of that draw.
        by: ``patient``: all images of a patient are on one side of the draw (image by image where
            there is no such column); ``group``: all of a group; ``image``: image by image.
        validation: whether images of the split ``validation`` are left out or train.
        columns: ``known``: any other column is an error; ``any``: it is left out.
        sha256: of the listing, as the manifest has it.

    Raises:
        UserError: a row that is not as docs/data.md says, or an image that cannot be read.
    """
    if root is None:
        raise UserError("dataset.root must name the folder that the paths in the table start from")
    try:
        place = inside(root, table)
    except UserError as error:
        raise UserError(f"dataset.table: {error}") from None
    rows = read_rows(place, COLUMNS, OPTIONAL if columns == "known" else None)
    header = set(rows.rows[0][1])
    classes = _classes(rows)
    found = _rows(rows, root, header, classes)
    about: dict[str, Any] = {"table": {"name": table, "sha256": rows.sha256}}
    if "split" not in header:
        about["drawn"] = {"by": by if by in header else "image", "test": test, "seed": seed}
        found = _drawn(found, about["drawn"])
    found = _unnamed(found)
    left_out: Counter[str] = Counter()
    parts: tuple[list[Item], list[Item]] = ([], [])
    for row in found:
        if row.split == "validation" and validation == "leave_out":
            left_out["validation images"] += 1
        else:
            parts[row.split == "test"].append(row.item)
    _check_parts(rows, parts, classes)
    tree = Tree("table", f"table {place.name} of {root.name}", "the user's own")
    how = How(size, channels, crop, sha256)
    return read_tree(tree, root, parts, classes, how, about=about, left_out=left_out)


def _classes(rows: Rows) -> list[str]:
    """The labels, sorted; each is text that goes into files and tables."""
    known: dict[str, str] = {}
    for line, row in rows.rows:
        label = row["label"]
        if not label or label != label.strip():
            what = "is empty" if not label.strip() else f"{shown(label)!r} has spaces around it"
            raise rows.fault(line, f"label {what}")
        if not label.isprintable() or len(label) > MOST_LABEL:
            raise rows.fault(line, f"label {shown(label[:40])!r}; allowed: printable text")
        other = known.setdefault(same_name(label), label)
        if other != label:
            raise rows.fault(
                line, f"label {label!r} differs from {other!r} by case or Unicode form only"
            )
    if len(known) < 2:
        raise UserError(f"{shown(rows.path)}: one label only; allowed: two or more")
    return sorted(known.values())


def _rows(rows: Rows, root: Path, header: set[str], classes: list[str]) -> list[Row]:
    places = {name: at for at, name in enumerate(classes)}
    seen: dict[str, int] = {}
    found = []
    for line, row in rows.rows:
        try:
            path = inside(root, row["path"])
        except UserError as error:
            raise rows.fault(line, str(error)) from None
        first = seen.setdefault(os.path.realpath(path), line)
        if first != line:
            raise rows.fault(line, f"{shown(row['path'])}: the image of line {first} again")
        said = {key: row[key] for key in ("group", "patient") if key in header}
        for key, value in said.items():
            if not value or value != value.strip() or not value.isprintable():
                raise rows.fault(line, f"{key} {shown(value)!r}; allowed: printable text")
        split = row.get("split", "train")
        if split not in SPLITS:
            raise rows.fault(line, f"split {shown(split)!r}; {nearest(split, SPLITS)}")
        found.append(Row(line, Item(path, places[row["label"]], **said), split))
    return found


def _drawn(found: list[Row], how: dict[str, Any]) -> list[Row]:
    """The rows, with the split that the seed gives them."""
    units = None if how["by"] == "image" else [getattr(row.item, how["by"]) for row in found]
    is_test = drawn([row.item.label for row in found], how["test"], how["seed"], units)
    return [
        Row(row.line, row.item, "test" if at else "train")
        for row, at in zip(found, is_test.tolist(), strict=True)
    ]


def _unnamed(found: list[Row]) -> list[Row]:
    """With numbers for the patients, in the order of the rows: the manifest is published."""
    numbers: dict[str, str] = {}
    for row in found:
        if row.item.patient:
            numbers.setdefault(row.item.patient, f"patient {len(numbers) + 1}")
    return [
        replace(row, item=replace(row.item, patient=numbers.get(row.item.patient, "")))
        for row in found
    ]


def _check_parts(rows: Rows, parts: tuple[list[Item], list[Item]], classes: list[str]) -> None:
    for part, items in zip(("training", "test"), parts, strict=True):
        if not items:
            raise UserError(f"{shown(rows.path)}: no {part} images")
    counts = np.bincount([item.label for item in parts[0]], minlength=len(classes))
    if not counts.all():
        name = classes[int(np.argmin(counts))]
        raise UserError(f"{shown(rows.path)}: no training images of the class {name!r}")

"""A user's own images: ``train/<class>/*`` and ``test/<class>/*``. docs/data.md has the rules."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stages.catalogue.dataset import DataSet, Facts
from stages.catalogue.kinds import Size
from stages.datasets.images import Images
from stages.datasets.listing import SUFFIXES, Listing, list_part, same_name, shown
from stages.datasets.reading import Crop, Reader
from stages.datasets.summary import duplicates
from stages.machine.errors import UserError


def known(settings: dict[str, Any]) -> Facts:
    """What is known before the files are read: their shape, where ``size`` says so."""
    size = settings["size"]
    return Facts(shape=None if size is None else (settings["channels"], *size))


ENTRIES = {
    "folder": DataSet(
        "stages.datasets.folder:load",
        known,
        root="the folder of train/ and test/",
        watched=lambda root: [] if root is None else [root / "train", root / "test"],
    )
}


def load(
    root: Path | None,
    *,
    size: Size | None = None,
    channels: Literal[1, 3] = 3,
    crop: Crop = "none",
) -> Images:
    """Read every image under ``root``, classes and files in sorted order.

    Args:
        root: the folder that holds ``train/`` and ``test/``.
        size: height and width to resize to (bilinear); None: all images must have one size.
        channels: 3 converts to RGB, 1 to grey.
        crop: ``center``: before resizing, the middle with the aspect of ``size`` is cut out.

    Raises:
        UserError: no folder, fewer than two classes, a class without training images, a
            class of the test set that training lacks, a file that cannot be read by the rules,
            images of different sizes, or more than fits into memory.
    """
    if root is None:
        raise UserError("dataset.root must name the folder that holds train/ and test/")
    seen: dict[tuple[int, int], Path] = {}
    parts = {name: list_part(root / name, seen) for name in ("train", "test")}
    classes = list(parts["train"].files)
    _check_classes(root, parts)
    total = sum(len(files) for part in parts.values() for files in part.files.values())
    reader = Reader(root, total, size, channels, crop)
    arrays = []
    for name, part in parts.items():
        files = [path for label in classes for path in part.files.get(label, [])]
        counts = [len(part.files.get(label, [])) for label in classes]
        images = reader.read(name, files, root / name)
        arrays += [images, np.repeat(np.arange(len(classes), dtype=np.int64), counts)]
    skipped = sum((part.skipped for part in parts.values()), Counter())
    return Images(
        *arrays,
        tuple(classes),
        "folder",
        f"image folder {root.name}",
        "the user's own",
        (*reader.reading.lines(), *_left_out(skipped), *duplicates(*arrays)),
    )


def _check_classes(root: Path, parts: dict[str, Listing]) -> None:
    train, test = parts["train"].files, parts["test"].files
    for name in sorted(set(test) - set(train)):
        close = [other for other in train if same_name(other) == same_name(name)]
        hint = f" ({close[0]!r} is, in other case or Unicode form)" if close else ""
        raise UserError(
            f"{shown(root / 'test' / name)}: this class is not under {shown(root / 'train')}{hint}"
        )
    if len(train) < 2:
        raise UserError(
            f"{shown(root / 'train')}: one class only ({next(iter(train))}); allowed: two or more"
        )
    for name, part in parts.items():
        if not any(part.files.values()):
            raise UserError(
                f"{shown(root / name)}: no images; allowed endings: {', '.join(sorted(SUFFIXES))}"
            )
    for name, files in train.items():
        if not files:
            raise UserError(
                f"{shown(root / 'train' / name)}: no images in this class; "
                f"allowed endings: {', '.join(sorted(SUFFIXES))}"
            )


def _left_out(skipped: Counter[str]) -> list[str]:
    if not skipped:
        return []
    return ["left out: " + ", ".join(f"{reason} {n}" for reason, n in sorted(skipped.items()))]

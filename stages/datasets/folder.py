"""A user's own images: ``train/<class>/*`` and ``test/<class>/*``. docs/data.md has the rules."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stages.catalogue.dataset import DataSet, Facts
from stages.catalogue.kinds import Size
from stages.datasets.images import Images
from stages.datasets.limits import available_memory, gib
from stages.datasets.listing import SUFFIXES, Listing, list_part, same_name, shown
from stages.datasets.pixels import MOST_PIXELS, read_image
from stages.datasets.summary import Reading, duplicates
from stages.machine.errors import UserError
from stages.machine.progress import progress


def known(settings: dict[str, Any]) -> Facts:
    """What is known before the files are read: their shape, where ``size`` says so."""
    size = settings["size"]
    return Facts(shape=None if size is None else (settings["channels"], *size))


ENTRIES = {
    "folder": DataSet("stages.datasets.folder:load", known, root="the folder of train/ and test/")
}


def load(root: Path | None, *, size: Size | None = None, channels: Literal[1, 3] = 3) -> Images:
    """Read every image under ``root``, classes and files in sorted order.

    Args:
        root: the folder that holds ``train/`` and ``test/``.
        size: height and width to resize to (bilinear); None: all images must have one size.
        channels: 3 converts to RGB, 1 to grey.

    Raises:
        UserError: no folder, fewer than two classes, a class without training images, a
            class of the test set that training lacks, a file that cannot be read by the rules,
            images of different sizes, or more than fits into memory.
    """
    if root is None:
        raise UserError("dataset.root must name the folder that holds train/ and test/")
    if size is not None and size[0] * size[1] > MOST_PIXELS:
        raise UserError(
            f"dataset.size is [{size[0]}, {size[1]}], {size[0] * size[1]} pixels; "
            f"allowed: up to {MOST_PIXELS}"
        )
    seen: dict[tuple[int, int], Path] = {}
    parts = {name: list_part(root / name, seen) for name in ("train", "test")}
    classes = list(parts["train"].files)
    _check_classes(root, parts)
    total = sum(len(files) for part in parts.values() for files in part.files.values())
    reading = Reading(resized=size)
    shape = None if size is None else (channels, *size)
    arrays = []
    for name, part in parts.items():
        files = [path for label in classes for path in part.files.get(label, [])]
        images = _read(files, root / name, size, channels, shape, total, reading)
        shape = images.shape[1:]
        counts = [len(part.files.get(label, [])) for label in classes]
        arrays += [images, np.repeat(np.arange(len(classes), dtype=np.int64), counts)]
    skipped = sum((part.skipped for part in parts.values()), Counter())
    return Images(
        *arrays,
        tuple(classes),
        "folder",
        f"image folder {root.name}",
        "the user's own",
        (*reading.lines(), *_left_out(skipped), *duplicates(*arrays)),
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


def _read(
    files: list[Path],
    part: Path,
    size: tuple[int, int] | None,
    channels: int,
    shape: tuple[int, ...] | None,
    total: int,
    reading: Reading,
) -> np.ndarray:
    """uint8 (N, C, H, W); ``shape`` is (C, H, W) if an earlier image has set it."""
    images = None
    for at, path in enumerate(progress(files, f"read {shown(part)}", "image")):
        if images is None and shape is not None:
            images = _allocate(part, len(files), total, shape)
        image, facts = read_image(path, size, channels)
        reading.add(facts)
        if images is None:
            shape = image.shape
            images = _allocate(part, len(files), total, shape)
        if image.shape != shape:
            raise UserError(_different(path, image, shape[1:]))
        images[at] = image
    return images


def _allocate(part: Path, count: int, total: int, shape: tuple[int, ...]) -> np.ndarray:
    """Room for a part's images, if there is memory for those of both."""
    needed, there = total * int(np.prod(shape, dtype=object)), available_memory()
    if there is not None and needed > there:
        raise UserError(
            f"{shown(part.parent)}: {total} images of {shape[1]}x{shape[2]} pixels and "
            f"{shape[0]} channels need {gib(needed)} of memory; {gib(there)} are free; set a "
            f"smaller dataset.size"
        )
    try:
        return np.empty((count, *shape), np.uint8)
    except (MemoryError, ValueError):
        raise UserError(f"{shown(part.parent)}: no memory for {gib(needed)}") from None


def _different(path: Path, image: np.ndarray, expected: tuple[int, ...]) -> str:
    height, width = image.shape[1:]
    return (
        f"{shown(path)}: {height}x{width} pixels, the others have {expected[0]}x{expected[1]}; "
        f"set dataset.size to resize them all"
    )


def _left_out(skipped: Counter[str]) -> list[str]:
    if not skipped:
        return []
    return ["left out: " + ", ".join(f"{reason} {n}" for reason, n in sorted(skipped.items()))]

"""A published data set whose images are files: its parts, read and checked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.datasets.grouping import Grouping, grouping
from stages.datasets.images import Images
from stages.datasets.listing import list_part, shown
from stages.datasets.published import check_listing
from stages.datasets.reading import Crop, Reader
from stages.datasets.summary import duplicates
from stages.machine.errors import UserError


@dataclass(frozen=True)
class Item:
    """An image of a data set: its file, its class, and whose or of what kind it is."""

    path: Path
    label: int
    patient: str = ""
    group: str = ""


@dataclass(frozen=True)
class Tree:
    """What is known of a data set of files.

    Attributes:
        name, source, license: as of :class:`Images`.
        rows: how many training and test images it was published with; None: any number.
    """

    name: str
    source: str
    license: str
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class How:
    """Settings that all data sets of files have; as :class:`Reader` has them."""

    size: tuple[int, int] | None
    channels: int
    crop: Crop = "none"
    sha256: str | None = None


def items_of(part: Path, classes: list[str] | None = None) -> tuple[list[Item], list[str]]:
    """The images of ``<part>/<class>/``, by class and path, and the classes, sorted.

    Args:
        classes: those of the training part, which another part may not exceed.

    Raises:
        UserError: as :func:`stages.datasets.listing.list_part`; an unknown class.
    """
    found = list_part(part, {}).files
    names = sorted(found) if classes is None else classes
    if strange := sorted(set(found) - set(names)):
        raise UserError(f"{shown(part / strange[0])}: no class of the training set")
    items = [Item(path, at) for at, name in enumerate(names) for path in found.get(name, [])]
    return items, names


def read_tree(
    tree: Tree,
    root: Path,
    parts: tuple[list[Item], list[Item]],
    classes: list[str],
    how: How,
    *,
    mismatch: dict[str, bool] | None = None,
    about: dict[str, object] | None = None,
    left_out: Counter[str] | None = None,
) -> Images:
    """The data set of these training and test images.

    Args:
        root: the folder that the listing's paths are relative to.
        mismatch: groups that go against the rule, by name; all others do not.
        about: what else the manifest is to say.
        left_out: how many images are not in ``parts``, by reason.

    Raises:
        UserError: not as many images as were published, a file that cannot be read by the rules,
            images of different sizes, or another listing than ``how.sha256``.
    """
    _check_rows(tree, root, parts)
    reader = Reader(root, sum(map(len, parts)), how.size, how.channels, how.crop, listed=True)
    arrays = []
    for part, items in zip(("train", "test"), parts, strict=True):
        images = reader.read(part, [item.path for item in items])
        arrays += [images, np.array([item.label for item in items], np.int64)]
    files = check_listing(root, reader.listing(), how.sha256)
    groups, patients = (_grouping(parts, what, mismatch or {}) for what in ("group", "patient"))
    notes = [*reader.reading.lines(), *_left_out(left_out), *duplicates(*arrays)]
    about = {"files": files, **(about or {})}
    said = (tree.name, tree.source, tree.license, tuple(notes), groups, patients, about)
    return Images(*arrays, tuple(classes), *said)


def _check_rows(tree: Tree, root: Path, parts: tuple[list[Item], list[Item]]) -> None:
    found = tuple(map(len, parts))
    if not all(found):
        raise UserError(f"{shown(root)}: no {'test' if found[0] else 'training'} images")
    if tree.rows not in (None, found):
        raise UserError(
            f"{shown(root)}: {found[0]} training and {found[1]} test images; {tree.name} was "
            f"published with {tree.rows[0]} and {tree.rows[1]}; get it again from {tree.source}"
        )


def _grouping(
    parts: tuple[list[Item], list[Item]], what: str, mismatch: dict[str, bool]
) -> Grouping | None:
    names = [[getattr(item, what) for item in items] for items in parts]
    if not any(map(any, names)):
        return None
    made = grouping(*names)
    against = tuple(mismatch.get(name, False) for name in made.names) if mismatch else ()
    return Grouping(made.names, made.train, made.test, against if what == "group" else ())


def _left_out(counted: Counter[str] | None) -> list[str]:
    if not counted:
        return []
    return ["left out: " + ", ".join(f"{reason} {n}" for reason, n in sorted(counted.items()))]

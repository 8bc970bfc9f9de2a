"""Tiny ImageNet: 200 classes of ImageNet at 64 x 64 (Stanford CS231n)."""

from __future__ import annotations

from pathlib import Path

from stages.catalogue.dataset import DataSet, Facts
from stages.datasets.images import Images
from stages.datasets.listing import shown
from stages.datasets.published import Digest, data_root, needed
from stages.datasets.rows import inside
from stages.datasets.trees import How, Item, Tree, items_of, read_tree
from stages.machine.errors import UserError
from stages.machine.reading import read_regular

ROWS = (100_000, 10_000)
SOURCE = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
LICENSE = "ImageNet's: non-commercial research and education"
MOST = 2**24  # bytes of a text file
ENTRIES = {
    "tiny_imagenet": DataSet("stages.datasets.tiny_imagenet:load", Facts(ROWS[0], (3, 64, 64), 200))
}


def load(root: Path | None, *, sha256: Digest | None = None) -> Images:
    """``tiny-imagenet-200/`` as it is packed; its validation images are the test set.

    The labels of its own test images have never been published. Classes are WordNet's numbers.

    Args:
        sha256: of the listing, as the manifest has it.

    Raises:
        UserError: files are missing or more or fewer than were published.
    """
    folder = data_root(root) / "tiny-imagenet-200"
    needed("tiny-imagenet-200.zip, unpacked,", SOURCE, folder)
    items, names = items_of(needed("tiny-imagenet-200.zip, unpacked,", SOURCE, folder / "train"))
    place = {name: at for at, name in enumerate(names)}
    truth = needed("tiny-imagenet-200.zip, unpacked,", SOURCE, folder / "val/val_annotations.txt")
    tests = []
    text = read_regular(truth, MOST, follow=True).decode("utf-8", "backslashreplace")
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split("\t")
        if len(cells) < 2 or cells[1] not in place:
            raise UserError(f"{shown(truth)}: line {number}: no file's name and class, by a tab")
        try:
            tests.append(Item(inside(folder / "val/images", cells[0]), place[cells[1]]))
        except UserError as error:
            raise UserError(f"{shown(truth)}: line {number}: {error}") from None
    tests.sort(key=lambda item: (item.label, item.path.name))
    tree = Tree("tiny_imagenet", SOURCE, LICENSE, ROWS)
    return read_tree(tree, folder, (items, tests), names, How((64, 64), 3, "none", sha256))

"""GTSRB (Stallkamp et al. 2012): traffic signs of 43 classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from stages.catalogue.dataset import DataSet, Facts
from stages.catalogue.kinds import Size
from stages.datasets.images import Images
from stages.datasets.published import Digest, data_root, fetched, needed
from stages.datasets.reading import Crop
from stages.datasets.rows import inside, read_rows
from stages.datasets.trees import How, Item, Tree, items_of, read_tree
from stages.machine.errors import UserError

ROWS = {"final": 39_209, "online": 26_640}
FOLDERS = {"final": "Final_Training/Images", "online": "Training"}
ARCHIVES = {"final": "GTSRB_Final_Training_Images.zip", "online": "GTSRB-Training_fixed.zip"}
TEST, CLASSES = 12_630, 43
SOURCE = (
    "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/published-archive.html"
)
LICENSE = "free to use, with its citation"


def known(settings: dict[str, Any]) -> Facts:
    """Rows by ``training``."""
    return Facts(ROWS[settings["training"]], (3, *settings["size"]), CLASSES)


ENTRIES = {"gtsrb": DataSet("stages.datasets.gtsrb:load", known)}


def load(
    root: Path | None,
    *,
    training: Literal["final", "online"] = "final",
    size: Size = (32, 32),
    crop: Crop = "none",
    download: bool = True,
    sha256: Digest | None = None,
) -> Images:
    """GTSRB from ``gtsrb/`` as torchvision lays it out.

    Args:
        training: ``final``: the benchmark's 39,209 training images, which Li et al. 2022 use;
            ``online``: the 26,640 of the competition's first stage, which torchvision downloads.
        size: height and width to resize to; images are of 15 to 250 pixels.
        crop: ``center``: before resizing, the middle with the aspect of ``size`` is cut out.
        download: whether missing files are fetched, by torchvision; not those of ``final``.
        sha256: of the listing, as the manifest has it.

    Raises:
        UserError: files are missing or more or fewer than were published.
    """
    from torchvision.datasets import GTSRB

    base = data_root(root) / "gtsrb"
    train, test = base / "GTSRB" / FOLDERS[training], base / "GTSRB/Final_Test/Images"
    if training == "online":
        fetched("gtsrb", train, download, lambda: GTSRB(data_root(root), "train", download=True))
    fetched("gtsrb", test, download, lambda: GTSRB(data_root(root), "test", download=True))
    needed(f"{ARCHIVES[training]} of GTSRB, unpacked,", SOURCE, train)
    needed("GTSRB_Final_Test_Images.zip of GTSRB, unpacked,", SOURCE, test)
    truth = needed(
        "GTSRB_Final_Test_GT.zip of GTSRB, unpacked,", SOURCE, base / "GT-final_test.csv"
    )
    items, names = items_of(train)
    tests = _tests(truth, test, len(names))
    tree = Tree("gtsrb", SOURCE, LICENSE, (ROWS[training], TEST))
    about = {"training": training}
    how = How(size, 3, crop, sha256)
    return read_tree(tree, base, (items, tests), names, how, about=about)


def _tests(truth: Path, folder: Path, classes: int) -> list[Item]:
    rows, items = read_rows(truth, ["Filename", "ClassId"], mark=";"), []
    for line, row in rows.rows:
        label = row["ClassId"].strip()
        if not label.isdecimal() or int(label) >= classes:
            raise rows.fault(line, f"ClassId {label[:20]!r}; allowed: 0 to {classes - 1}")
        try:
            items.append(Item(inside(folder, row["Filename"]), int(label)))
        except UserError as error:
            raise rows.fault(line, str(error)) from None
    return items

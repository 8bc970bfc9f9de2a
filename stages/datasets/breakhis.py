"""BreakHis (Spanhol et al. 2016): slides of breast tumours, with the patient of each image."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal

from stages.catalogue.dataset import DataSet, Facts
from stages.catalogue.kinds import Share, Size, Whole
from stages.datasets.drawing import drawn
from stages.datasets.images import Images
from stages.datasets.listing import list_part, shown
from stages.datasets.published import Digest, data_root, needed
from stages.datasets.reading import Crop
from stages.datasets.trees import How, Item, Tree, read_tree
from stages.machine.errors import UserError

IMAGES = 7_909  # of 82 patients, at four magnifications
# SOB_B_TA-14-4659-40-001.png: benign or malignant, kind of tumour, year, slide, zoom, number
NAME = re.compile(r"SOB_([BM])_([A-Z]+)-(\d+)-(\w+)-(40|100|200|400)-(\d+)\.png")
CLASSES = ["benign", "malignant"]
SOURCE = "https://web.inf.ufpr.br/vri/databases/breast-cancer-histopathological-database-breakhis/"
LICENSE = "CC BY 4.0"


def known(settings: dict[str, Any]) -> Facts:
    """Shape by ``size``."""
    return Facts(None, (3, *settings["size"]), 2)


ENTRIES = {"breakhis": DataSet("stages.datasets.breakhis:load", known)}


def load(
    root: Path | None,
    *,
    magnification: Literal["all", "40", "100", "200", "400"] = "all",
    split: Literal["patient", "image"] = "patient",
    test: Share = 0.3,
    seed: Whole = 0,
    size: Size = (224, 224),
    crop: Crop = "center",
    sha256: Digest | None = None,
) -> Images:
    """``BreaKHis_v1/histology_slides/breast/``: benign or malignant.

    Args:
        magnification: of the images that are taken; the others are left out.
        split: ``patient``: all images of a patient are on one side; ``image``: drawn image by
            image, as Zhan et al. 2022 have it, so that most patients are on both.
        test: share of the test images; 0.3 of all are the survey's 2,373.
        seed: of the draw.
        size, crop: as of an image folder; images are of 460 x 700.
        sha256: of the listing, as the manifest has it.

    Raises:
        UserError: files are missing, more or fewer than were published, or named otherwise.
    """
    folder = data_root(root) / "BreaKHis_v1" / "histology_slides" / "breast"
    needed("BreaKHis_v1.tar.gz, unpacked,", SOURCE, folder)
    items, zooms = _items(folder)
    if len(items) != IMAGES:
        raise UserError(
            f"{shown(folder)}: {len(items)} images; breakhis was published with {IMAGES}; "
            f"get it again from {SOURCE}"
        )
    kept = [item for item, zoom in zip(items, zooms, strict=True) if magnification in ("all", zoom)]
    units = [item.patient for item in kept] if split == "patient" else None
    is_test = drawn([item.label for item in kept], test, seed, units).tolist()
    parts: tuple[list[Item], list[Item]] = ([], [])
    for item, at in zip(kept, is_test, strict=True):
        parts[at].append(item)
    about = {"drawn": {"by": split, "test": test, "seed": seed}, "magnification": magnification}
    left_out = Counter({"other magnifications": len(items) - len(kept)})
    tree = Tree("breakhis", SOURCE, LICENSE)
    how = How(size, 3, crop, sha256)
    return read_tree(tree, folder, parts, CLASSES, how, about=about, left_out=+left_out)


def _items(folder: Path) -> tuple[list[Item], list[str]]:
    """All images by class and path, and the magnification of each."""
    items, zooms = [], []
    found = list_part(folder, {}).files
    for label, name in enumerate(CLASSES):
        for path in found.get(name, []):
            said = NAME.fullmatch(path.name)
            if said is None or said[1] != name[0].upper():
                raise UserError(
                    f"{shown(path)}: no {name} image of BreakHis by its name; expected one such as "
                    f"SOB_{name[0].upper()}_DC-14-2523-40-001.png"
                )
            # Slide 14-13412 is in two folders of tumours: its images are of one patient.
            items.append(Item(path, label, f"{said[3]}-{said[4]}"))
            zooms.append(said[5])
    return items, zooms

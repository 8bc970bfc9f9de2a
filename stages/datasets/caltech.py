"""Caltech-101 (Fei-Fei et al. 2004) and Caltech-256 (Griffin et al. 2007)."""

from __future__ import annotations

from pathlib import Path

from stages.catalogue.dataset import DataSet, Facts
from stages.catalogue.kinds import Size
from stages.datasets.images import Images
from stages.datasets.published import Digest, data_root, fetched, needed
from stages.datasets.reading import Crop
from stages.datasets.trees import How, Item, Tree, items_of, read_tree

EVERY = 5  # nobody has drawn their test sets: every fifth image of a class is one
LICENSE = "CC BY 4.0"
SOURCES = {
    "caltech101": "https://data.caltech.edu/records/mzrjq-6wc02",
    "caltech256": "https://data.caltech.edu/records/nyy15-4j048",
}
IMAGES = {"caltech101": 8_677, "caltech256": 29_780}
NO_CLASS = {"caltech101": "BACKGROUND_Google", "caltech256": "257.clutter"}
ENTRIES = {
    "caltech101": DataSet("stages.datasets.caltech:caltech101", Facts(None, (3, 224, 224), 101)),
    "caltech256": DataSet("stages.datasets.caltech:caltech256", Facts(None, (3, 224, 224), 256)),
}


def caltech101(
    root: Path | None,
    *,
    size: Size = (224, 224),
    crop: Crop = "center",
    download: bool = True,
    sha256: Digest | None = None,
) -> Images:
    """Caltech-101 from ``caltech101/101_ObjectCategories/`` without its background class.

    Every fifth image of a class, in the order of file names, is a test image.

    Args:
        size, crop: as of an image folder.
        download: whether missing files are fetched, by torchvision.
        sha256: of the listing, as the manifest has it.
    """
    from torchvision.datasets import Caltech101

    folder = data_root(root) / "caltech101" / "101_ObjectCategories"
    fetched("caltech101", folder, download, lambda: Caltech101(data_root(root), download=True))
    return _load("caltech101", folder, How(size, 3, crop, sha256))


def caltech256(
    root: Path | None,
    *,
    size: Size = (224, 224),
    crop: Crop = "center",
    download: bool = True,
    sha256: Digest | None = None,
) -> Images:
    """Caltech-256 from ``caltech256/256_ObjectCategories/`` without its clutter; as Caltech-101."""
    from torchvision.datasets import Caltech256

    folder = data_root(root) / "caltech256" / "256_ObjectCategories"
    fetched("caltech256", folder, download, lambda: Caltech256(str(data_root(root)), download=True))
    return _load("caltech256", folder, How(size, 3, crop, sha256))


def _load(name: str, folder: Path, how: How) -> Images:
    needed(f"{folder.name} of {name}", SOURCES[name], folder)
    items, names = items_of(folder)
    # 056.dog of Caltech-256 has a folder of somebody's own, which is no part of it.
    items = [item for item in items if item.path.parent.parent == folder]
    left_out = names.index(NO_CLASS[name]) if NO_CLASS[name] in names else len(names)
    names = [one for one in names if one != NO_CLASS[name]]
    parts: tuple[list[Item], list[Item]] = ([], [])
    seen = dict.fromkeys(range(len(names)), 0)
    for item in items:
        if item.label == left_out:
            continue
        label = item.label - (item.label > left_out)
        seen[label] += 1
        parts[seen[label] % EVERY == 0].append(Item(item.path, label))
    found = sum(map(len, parts))
    # How the rule divides what was published follows from the sizes of the classes.
    rows = (len(parts[0]), len(parts[1])) if found == IMAGES[name] else (IMAGES[name], 0)
    tree = Tree(name, SOURCES[name], LICENSE, rows)
    about = {"test": f"every {EVERY}th image of a class, by file name"}
    return read_tree(tree, folder, parts, names, how, about=about)

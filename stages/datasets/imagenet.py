"""ImageNet, ILSVRC 2012 (Russakovsky et al. 2015)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.catalogue.dataset import DataSet, Facts
from stages.catalogue.kinds import Size
from stages.datasets.images import Images
from stages.datasets.published import Digest, data_root, needed
from stages.datasets.reading import Crop
from stages.datasets.trees import How, Tree, items_of, read_tree

ROWS = (1_281_167, 50_000)
SOURCE = "https://image-net.org/challenges/LSVRC/2012/2012-downloads.php"
LICENSE = "non-commercial research and education, by ImageNet's terms of access"


def known(settings: dict[str, Any]) -> Facts:
    """Shape by ``size``."""
    return Facts(ROWS[0], (3, *settings["size"]), 1000)


ENTRIES = {"imagenet": DataSet("stages.datasets.imagenet:load", known)}


def load(
    root: Path | None,
    *,
    size: Size = (224, 224),
    crop: Crop = "center",
    sha256: Digest | None = None,
) -> Images:
    """``imagenet/train/<wnid>/*`` and ``imagenet/val/<wnid>/*``, as torchvision unpacks them.

    The validation images are the test set; classes are WordNet's numbers.

    Args:
        size: height and width to resize to.
        crop: ``center``: before resizing, the middle with the aspect of ``size`` is cut out.
        sha256: of the listing, as the manifest has it.

    Raises:
        UserError: files are missing or more or fewer than were published.
    """
    folder = data_root(root) / "imagenet"
    train = needed("ILSVRC2012_img_train.tar, a folder a class,", SOURCE, folder / "train")
    val = needed("ILSVRC2012_img_val.tar, a folder a class,", SOURCE, folder / "val")
    items, names = items_of(train)
    tests, _ = items_of(val, names)
    tree = Tree("imagenet", SOURCE, LICENSE, ROWS)
    return read_tree(tree, folder, (items, tests), names, How(size, 3, crop, sha256))

"""PneumoniaMNIST (Yang et al. 2023), of the package medmnist."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stages.catalogue.dataset import DataSet, Facts
from stages.datasets.images import Images
from stages.datasets.listing import shown
from stages.datasets.published import checked, data_root, fetched, needed, package
from stages.machine.errors import UserError

SOURCE = "https://zenodo.org/records/10519652"


def known(settings: dict[str, Any]) -> Facts:
    """Rows by ``validation``, shape by ``side``."""
    rows = 4_708 + (524 if settings["validation"] == "train" else 0)
    return Facts(rows, (1, int(settings["side"]), int(settings["side"])), 2)


ENTRIES = {"pneumonia_mnist": DataSet("stages.datasets.pneumonia_mnist:load", known)}


def load(
    root: Path | None,
    *,
    side: Literal["28", "64", "128", "224"] = "28",
    validation: Literal["train", "leave_out"] = "train",
    download: bool = True,
) -> Images:
    """``pneumoniamnist.npz`` (``pneumoniamnist_64.npz`` ...) in ``root``, which has its MD5.

    Args:
        side: of the images, in pixels.
        validation: whether its 524 validation images follow the 4,708 training images: the 5,232
            of Zhan et al. 2022.
        download: whether a missing file is fetched, by medmnist.

    Raises:
        UserError: no medmnist; the file is missing or another one.
    """
    medmnist = package("medmnist", "pneumonia_mnist")
    about = medmnist.INFO["pneumoniamnist"]
    flag = "" if side == "28" else f"_{side}"
    path = data_root(root) / f"pneumoniamnist{flag}.npz"
    fetched("pneumonia_mnist", path, download, lambda: _download(medmnist, path.parent, int(side)))
    files = checked(needed(path.name, SOURCE, path), "pneumonia_mnist", about[f"MD5{flag}"])
    try:
        with np.load(path, allow_pickle=False) as stored:
            parts = {part: _part(stored, part) for part in ("train", "val", "test")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{shown(path)}: damaged ({error})") from None
    train = [parts["train"]] + ([parts["val"]] if validation == "train" else [])
    arrays = [np.concatenate(both) for both in zip(*train, strict=True)]
    names = tuple(about["label"][str(at)] for at in range(2))
    said = {"files": files, "validation": validation}
    license_name = about["license"]
    return Images(
        *arrays, *parts["test"], names, "pneumonia_mnist", SOURCE, license_name, about=said
    )


def _part(stored: Any, part: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = stored[f"{part}_images"], stored[f"{part}_labels"]
    return np.ascontiguousarray(images[:, None]), labels.reshape(-1).astype(np.int64)


def _download(medmnist: Any, folder: Path, side: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    medmnist.PneumoniaMNIST("train", root=str(folder), size=side, download=True)

"""One function a data set: from files to :class:`Images`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from stages.datasets.folder import read_folder
from stages.datasets.images import Images
from stages.errors import UserError
from stages.settings import Dataset

# SHA-256 over the arrays (Images.digest), of the files as their authors publish them.
DIGESTS = {
    "mnist": "f03f67b1b8911ec41cbced5619d373025b283872e9aca9f1a33b78c4e4a82345",
    "fashion_mnist": "4534a8a413eff65ac48ea6d77aeb47bd49d44cf9cad2a951a3d8866c8831a711",
}
# What torchvision raises for files that are missing, and for damaged ones.
UNREADABLE = (RuntimeError, OSError, ValueError, LookupError, TypeError, AssertionError)
TORCHVISION = {
    "mnist": ("MNIST", "http://yann.lecun.com/exdb/mnist/", "CC BY-SA 3.0"),
    "fashion_mnist": ("FashionMNIST", "https://github.com/zalandoresearch/fashion-mnist", "MIT"),
    "cifar10": (
        "CIFAR10",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "not stated by its authors",
    ),
}


def load(settings: Dataset) -> Images:
    """The data set that the settings name.

    Raises:
        UserError: files are missing, unreadable, or not the ones that were published.
    """
    if settings.name == "digits":
        return _digits()
    if settings.name == "folder":
        if settings.root is None:
            raise UserError("dataset.root must name the folder that holds train/ and test/")
        return read_folder(Path(settings.root).expanduser(), settings.size, settings.channels)
    return _torchvision(settings)


def data_root(settings: Dataset) -> Path:
    """Where the files of a published data set lie."""
    root = settings.root or os.environ.get("ALEDGER_DATA") or "~/.cache/aledger"
    return Path(root).expanduser()


def _digits() -> Images:
    """scikit-learn's 1,797 digits of 8x8, values 0..16 times 15; every fifth is a test image."""
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    images = (values.reshape(-1, 1, 8, 8) * 15).astype(np.uint8)
    test = np.arange(len(images)) % 5 == 4
    return Images(
        images[~test],
        labels[~test].astype(np.int64),
        images[test],
        labels[test].astype(np.int64),
        tuple(str(digit) for digit in range(10)),
        "digits",
        "scikit-learn load_digits: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten "
        "Digits, UCI Machine Learning Repository, doi:10.24432/C50P49, its test half",
        "CC BY 4.0",
    )


def _torchvision(settings: Dataset) -> Images:
    from torchvision import datasets

    kind, source, license_name = TORCHVISION[settings.name]
    root = data_root(settings)
    arrays = []
    for train in (True, False):
        try:
            arrays += _arrays(getattr(datasets, kind)(root, train=train, download=False))
        except UNREADABLE:
            if not settings.download:
                raise UserError(
                    f"{root}: the files of {settings.name} are missing or damaged and "
                    f"dataset.download is false; expected {_expected(kind)}"
                ) from None
            arrays += _arrays(_download(kind, root, train, settings.name))
    images = Images(
        *arrays,
        tuple(getattr(datasets, kind).classes) if kind != "CIFAR10" else CIFAR10_CLASSES,
        settings.name,
        source,
        license_name,
    )
    expected = DIGESTS.get(settings.name)
    if expected and images.digest() != expected:
        raise UserError(
            f"{root}: the files of {settings.name} are not the published ones "
            f"(SHA-256 {images.digest()[:12]}, expected {expected[:12]})"
        )
    return images


CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def _expected(kind: str) -> str:
    return {"CIFAR10": "cifar-10-batches-py/"}.get(kind, f"{kind}/raw/*-ubyte")


def _download(kind: str, root: Path, train: bool, name: str) -> object:
    """torchvision checks what it downloads by its own MD5 list."""
    from torchvision import datasets

    try:
        return getattr(datasets, kind)(root, train=train, download=True)
    except UNREADABLE as error:
        raise UserError(
            f"{name}: not under {root} and the download failed ({error}); put "
            f"{_expected(kind)} there or set dataset.root"
        ) from None


def _arrays(source: object) -> list[np.ndarray]:
    """uint8 (N, C, H, W) and int64 (N,) from a torchvision data set."""
    images = np.asarray(source.data)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return [np.ascontiguousarray(images), np.asarray(source.targets, dtype=np.int64)]

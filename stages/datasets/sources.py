"""One function a data set: from files to :class:`Images`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np

from stages.datasets.folder import read_folder
from stages.datasets.images import Images
from stages.datasets.listing import cannot, shown
from stages.machine.errors import UserError
from stages.study.settings import Dataset

# SHA-256 over the arrays (Images.digest), of the files as their authors publish them. Of cifar10
# torchvision checks each file against its authors' MD5 before it opens it.
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
        return read_folder(_path(settings.root), settings.size, settings.channels)
    return _torchvision(settings)


def data_root(settings: Dataset) -> Path:
    """Where the files of a published data set lie."""
    root = settings.root or os.environ.get("ALEDGER_DATA") or "~/.cache/aledger"
    return _path(root)


def _path(root: str) -> Path:
    try:
        if "\0" in root:
            raise RuntimeError("a NUL byte")
        return Path(root).expanduser()
    except RuntimeError as error:
        raise UserError(f"dataset.root: {root!r} is no path ({error})") from None


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
    missing = _missing(root, kind)
    if missing is not None and not settings.download:
        raise UserError(
            f"{shown(missing)}: missing and dataset.download is false; the files of "
            f"{settings.name} are expected in {shown(root)} as {_expected(kind)}"
        )
    if missing is not None:
        _download(kind, root, settings.name)
    arrays = []
    for train in (True, False):
        try:
            arrays += _arrays(getattr(datasets, kind)(root, train=train, download=False))
        except UNREADABLE as error:
            raise UserError(
                f"{shown(root)}: the files of {settings.name} are damaged "
                f"({' '.join(str(error).split())[:200] or type(error).__name__}); expected "
                f"{_expected(kind)} as published; remove them to have them downloaded"
            ) from None
    _check_arrays(root, settings.name, arrays)
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
            f"{shown(root)}: the files of {settings.name} are not the published ones "
            f"(SHA-256 {images.digest()[:12]}, expected {expected[:12]})"
        )
    return images


def _missing(root: Path, kind: str) -> Path | None:
    """The first file that is not there; None: all are, and all are regular and readable.

    Raises:
        UserError: one is there and cannot be opened, or opening it could wait for ever.
    """
    for path in _files(root, kind):
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise UserError(f"{shown(path)}: not a regular file")
            with open(path, "rb"):
                pass
        except (FileNotFoundError, NotADirectoryError):
            return path
        except OSError as error:
            raise cannot(path, "read", error) from None
    return None


def _files(root: Path, kind: str) -> list[Path]:
    if kind == "CIFAR10":
        names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"]
        return [root / "cifar-10-batches-py" / name for name in names]
    parts = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return [root / kind / "raw" / f"{part}-ubyte" for part in parts]


def _check_arrays(root: Path, name: str, arrays: list[np.ndarray]) -> None:
    """Raise unless images and labels fit each other; the digest says whether they are right."""
    for images, labels in (arrays[:2], arrays[2:]):
        fits = images.ndim == 4 and images.dtype == np.uint8 and labels.ndim == 1
        if not fits or len(images) != len(labels) or not len(images):
            raise UserError(
                f"{shown(root)}: the files of {name} are damaged (images {images.dtype} of shape "
                f"{images.shape}, labels of shape {labels.shape})"
            )


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


def _download(kind: str, root: Path, name: str) -> None:
    """torchvision checks what it downloads by its own MD5 list."""
    from torchvision import datasets

    try:
        getattr(datasets, kind)(root, train=True, download=True)
    except UNREADABLE as error:
        raise UserError(
            f"{name}: not under {shown(root)} and the download failed "
            f"({' '.join(str(error).split())}); put {_expected(kind)} there or set dataset.root"
        ) from None


def _arrays(source: object) -> list[np.ndarray]:
    """uint8 (N, C, H, W) and int64 (N,) from a torchvision data set."""
    images = np.asarray(source.data)
    if images.ndim in (3, 4):
        images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return [np.ascontiguousarray(images), np.asarray(source.targets, dtype=np.int64)]

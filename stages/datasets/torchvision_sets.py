"""MNIST, Fashion-MNIST, CIFAR-10 and -100, read by torchvision and checked by digest."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np

from stages.catalogue.dataset import DataSet, Facts
from stages.datasets.images import Images
from stages.datasets.listing import cannot, shown
from stages.datasets.published import UNREADABLE, data_root
from stages.machine.errors import UserError

ENTRIES = {
    "mnist": DataSet("stages.datasets.torchvision_sets:mnist", Facts(60_000, (1, 28, 28), 10)),
    "fashion_mnist": DataSet(
        "stages.datasets.torchvision_sets:fashion_mnist", Facts(60_000, (1, 28, 28), 10)
    ),
    "cifar10": DataSet("stages.datasets.torchvision_sets:cifar10", Facts(50_000, (3, 32, 32), 10)),
    "cifar100": DataSet(
        "stages.datasets.torchvision_sets:cifar100", Facts(50_000, (3, 32, 32), 100)
    ),
}
# SHA-256 over the arrays (Images.digest), of the files as their authors publish them. Of CIFAR
# torchvision checks each file against its authors' MD5 before it opens it.
DIGESTS = {
    "mnist": "f03f67b1b8911ec41cbced5619d373025b283872e9aca9f1a33b78c4e4a82345",
    "fashion_mnist": "4534a8a413eff65ac48ea6d77aeb47bd49d44cf9cad2a951a3d8866c8831a711",
}
NO_LICENSE = "not stated by its authors"
TORCHVISION = {
    "mnist": ("MNIST", "http://yann.lecun.com/exdb/mnist/", "CC BY-SA 3.0"),
    "fashion_mnist": ("FashionMNIST", "https://github.com/zalandoresearch/fashion-mnist", "MIT"),
    "cifar10": ("CIFAR10", "https://www.cs.toronto.edu/~kriz/cifar.html", NO_LICENSE),
    "cifar100": ("CIFAR100", "https://www.cs.toronto.edu/~kriz/cifar.html", NO_LICENSE),
}


def mnist(root: Path | None, *, download: bool = True) -> Images:
    """MNIST (LeCun et al. 1998); ``download``: whether missing files are fetched."""
    return _load("mnist", root, download)


def fashion_mnist(root: Path | None, *, download: bool = True) -> Images:
    """Fashion-MNIST (Xiao et al. 2017); ``download``: whether missing files are fetched."""
    return _load("fashion_mnist", root, download)


def cifar10(root: Path | None, *, download: bool = True) -> Images:
    """CIFAR-10 (Krizhevsky 2009); ``download``: whether missing files are fetched."""
    return _load("cifar10", root, download)


def cifar100(root: Path | None, *, download: bool = True) -> Images:
    """CIFAR-100 (Krizhevsky 2009), its fine labels; ``download``: as above."""
    return _load("cifar100", root, download)


def _load(name: str, root: Path | None, download: bool) -> Images:
    from torchvision import datasets

    kind, place, license_name = TORCHVISION[name]
    root = data_root(root)
    missing = _missing(root, kind)
    if missing is not None and not download:
        raise UserError(
            f"{shown(missing)}: missing and dataset.download is false; the files of "
            f"{name} are expected in {shown(root)} as {_expected(kind)}"
        )
    if missing is not None:
        _download(kind, root, name)
    arrays = []
    for train in (True, False):
        try:
            source = getattr(datasets, kind)(root, train=train, download=False)
            arrays += _arrays(source)
        except UNREADABLE as error:
            raise UserError(
                f"{shown(root)}: the files of {name} are damaged "
                f"({' '.join(str(error).split())[:200] or type(error).__name__}); expected "
                f"{_expected(kind)} as published; remove them to have them downloaded"
            ) from None
    _check_arrays(root, name, arrays)
    images = Images(
        *arrays,
        CIFAR10_CLASSES if kind == "CIFAR10" else tuple(source.classes),
        name,
        place,
        license_name,
    )
    expected = DIGESTS.get(name)
    if expected and images.digest() != expected:
        raise UserError(
            f"{shown(root)}: the files of {name} are not the published ones "
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
    if kind == "CIFAR100":
        return [root / "cifar-100-python" / name for name in ("train", "test", "meta")]
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
    folders = {"CIFAR10": "cifar-10-batches-py/", "CIFAR100": "cifar-100-python/"}
    return folders.get(kind, f"{kind}/raw/*-ubyte")


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

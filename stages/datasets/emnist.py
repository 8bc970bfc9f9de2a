"""EMNIST (Cohen et al. 2017): letters and digits, read from the archive as it is published."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from stages.catalogue.dataset import DataSet, Facts
from stages.datasets.images import Images
from stages.datasets.listing import shown
from stages.datasets.published import checked, data_root, digest_of, fetched, needed
from stages.datasets.room import room
from stages.machine.errors import UserError
from stages.machine.reading import open_regular

Split = Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"]
ROWS: dict[str, tuple[int, int]] = {
    "byclass": (697_932, 116_323),
    "bymerge": (697_932, 116_323),
    "balanced": (112_800, 18_800),
    "letters": (124_800, 20_800),
    "digits": (240_000, 40_000),
    "mnist": (60_000, 10_000),
}
SIDE = 28
SOURCE = "https://www.nist.gov/itl/products-and-services/emnist-dataset"
LICENSE = "public domain (a work of NIST)"
BLOCK = 2**14  # images


def names_of(split: str) -> tuple[str, ...]:
    """The classes of a split, in the order of its labels."""
    digits, upper = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    if split in ("digits", "mnist"):
        return tuple(digits)
    if split == "letters":  # upper and lower case together; its files count from 1
        return tuple(upper.lower())
    lower = upper.lower() if split == "byclass" else "abdefghnqrt"  # others look like upper case
    return (*digits, *upper, *lower)


def known(settings: dict[str, Any]) -> Facts:
    """Rows and classes of the split."""
    split = settings["split"]
    return Facts(ROWS[split][0], (1, SIDE, SIDE), len(names_of(split)))


ENTRIES = {"emnist": DataSet("stages.datasets.emnist:load", known)}


def load(root: Path | None, *, split: Split = "byclass", download: bool = True) -> Images:
    """A split of EMNIST; images stand upright, which in the files are transposed.

    ``EMNIST/raw/gzip.zip`` must have the MD5 that torchvision lists and is read in place. Without
    it, ``emnist-<split>-{train,test}-{images-idx3,labels-idx1}-ubyte`` or ``.gz`` in the same
    folder are read; nobody publishes digests of those, so theirs stand in the manifest.

    Raises:
        UserError: files are missing, damaged or not as many images as were published.
    """
    from torchvision.datasets import EMNIST

    folder = data_root(root) / "EMNIST" / "raw"
    archive, loose = folder / "gzip.zip", [_loose(folder, name) for name in _files(split)]
    if not all(path.exists() for path in loose):
        fetched("emnist", archive, download, lambda: EMNIST(data_root(root), split, download=True))
    arrays = []
    if archive.exists() or not all(path.exists() for path in loose):
        files = checked(needed("gzip.zip of EMNIST", SOURCE, archive), "emnist", EMNIST.md5)
        arrays = _zipped(archive, split)
    else:
        files = {path.name: digest_of(path) for path in loose}
        for at, path in enumerate(loose):
            with open_regular(path, follow=True) as stream:
                arrays.append(_read(stream, path, split, at))
    about = {"files": files, "split": split}
    return Images(*arrays, names_of(split), f"emnist_{split}", SOURCE, LICENSE, about=about)


def _files(split: str) -> list[str]:
    kinds = ("images-idx3", "labels-idx1")
    return [f"emnist-{split}-{part}-{kind}-ubyte" for part in ("train", "test") for kind in kinds]


def _loose(folder: Path, name: str) -> Path:
    plain = folder / name
    return plain if plain.exists() else folder / f"{name}.gz"


def _zipped(archive: Path, split: str) -> list[np.ndarray]:
    """The arrays of a split from the archive; nothing of it is written anywhere."""
    try:
        with zipfile.ZipFile(archive) as whole:
            arrays = []
            for at, name in enumerate(_files(split)):
                with whole.open(f"gzip/{name}.gz") as stream:
                    arrays.append(_read(stream, Path(f"{name}.gz"), split, at))
            return arrays
    except (zipfile.BadZipFile, KeyError, zlib.error, NotImplementedError) as error:
        raise UserError(f"{shown(archive)}: damaged ({error})") from None


def _read(stream: BinaryIO, path: Path, split: str, at: int) -> np.ndarray:
    """The array of the file at place ``at`` of :func:`_files`: exactly as many images as it has.

    What a file that swells to more than that holds is never read: its room is known beforehand.
    """
    rows, images = ROWS[split][at // 2], at % 2 == 0
    plain = gzip.GzipFile(fileobj=stream) if path.suffix == ".gz" else stream
    header = [0x803, rows, SIDE, SIDE] if images else [0x801, rows]
    try:
        found = np.frombuffer(plain.read(4 * len(header)), ">u4").tolist()
        if found != header:
            raise UserError(f"{shown(path)}: its header is {found}, expected {header}")
        if not images:
            return _labels(np.frombuffer(plain.read(rows + 1), np.uint8), path, split, rows)
        array = room(f"{'train' if at == 0 else 'test'}_images", (rows, 1, SIDE, SIDE))
        for start in range(0, rows, BLOCK):
            count = min(BLOCK, rows - start)
            block = np.frombuffer(plain.read(count * SIDE * SIDE), np.uint8)
            # Column by column: read row by row, a digit lies on its side.
            array[start : start + count, 0] = block.reshape(count, SIDE, SIDE).transpose(0, 2, 1)
        if plain.read(1):
            raise UserError(f"{shown(path)}: more than {rows} images")
        return array
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(f"{shown(path)}: damaged ({error})") from None


def _labels(numbers: np.ndarray, path: Path, split: str, rows: int) -> np.ndarray:
    labels = numbers.astype(np.int64) - (split == "letters")
    if len(labels) != rows or labels.min() < 0 or labels.max() >= len(names_of(split)):
        raise UserError(f"{shown(path)}: not {rows} labels of {len(names_of(split))} classes")
    return labels

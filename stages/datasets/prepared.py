"""A data set as ``prepare`` left it: memory-mapped when it is used."""

from __future__ import annotations

import errno
import json
import math
import mmap
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stages.datasets.grouping import Grouping, read
from stages.datasets.listing import cannot
from stages.machine.errors import UserError

FEATURES = "features"  # what manifest.json calls data that are no pictures
NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)
AGAIN = "run the stage prepare (dvc repro prepare)"


@dataclass(frozen=True)
class Prepared:
    """A data set as ``prepare`` left it: arrays memory-mapped on first use."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """manifest.json."""
        path = self.folder / "manifest.json"
        _check_regular(path, f"{AGAIN} first")
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise cannot(path, "read", error) from None
        except (ValueError, RecursionError):
            raise UserError(f"{path}: not valid JSON") from None
        if not _is_manifest(manifest):
            raise UserError(f"{path}: not a manifest; {AGAIN}")
        return manifest

    def array(self, part: str) -> np.ndarray:
        """One of ``train_images``, ``train_labels``, ``test_images``, ``test_labels``."""
        path = self.folder / f"{part}.npy"
        _check_regular(path, "run dvc repro prepare, or dvc checkout")
        try:
            array = _mapped(path)
        except OSError as error:
            raise cannot(path, "read", error) from None
        except Exception:  # numpy evaluates the header: any kind of error
            raise UserError(f"{path}: not a whole .npy file") from None
        rows, what = part.split("_")
        expected = (self.manifest.get(rows, len(array) if array.ndim else 0),)
        expected += tuple(self.manifest["shape"]) if what == "images" else ()
        kind = np.int64 if what == "labels" else np.float32 if self.features else np.uint8
        if array.shape != expected or array.dtype != kind:
            raise UserError(
                f"{path}: {array.dtype} of shape {array.shape}, manifest.json has "
                f"{np.dtype(kind)} of shape {expected}; {AGAIN}"
            )
        return array

    @property
    def features(self) -> bool:
        """Whether its images are features of a network, float32, shape (N, D, 1, 1)."""
        return self.manifest.get("kind") == FEATURES

    @cached_property
    def groups(self) -> Grouping | None:
        """The group of each image; None where the data set has none."""
        return self._grouping("groups")

    @cached_property
    def patients(self) -> Grouping | None:
        """The patient of each image; None where the data set knows none."""
        return self._grouping("patients")

    def _grouping(self, what: str) -> Grouping | None:
        said = self.manifest.get(what)
        if said is None:
            return None
        rows = {part: self.manifest.get(part) for part in ("train", "test")}
        found = read(said, rows) if all(map(_is_count, rows.values())) else None
        if found is None:
            raise UserError(
                f"{self.folder / 'manifest.json'}: {what} are not one for each image; {AGAIN}"
            )
        return found

    @property
    def identity(self) -> str:
        """Name and content digest, as the ledger's ``data`` header has them."""
        return f"{self.manifest['name']} sha256:{self.manifest['digest']}"

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return int(self.manifest["train"])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.manifest["classes"])


def _mapped(path: Path) -> np.ndarray:
    """The array of a file, copy-on-write: torch wants writable memory, the file stays as it is."""
    try:
        return np.load(path, mmap_mode="c", allow_pickle=False)
    except OSError as error:
        if error.errno != errno.ENOMEM or not hasattr(mmap, "MAP_PRIVATE"):
            raise
    # Larger than the memory: Linux wants room for all that might be written, unless told not to.
    found = np.load(path, mmap_mode="r", allow_pickle=False)
    with open(path, "rb") as stream:
        pages = mmap.mmap(
            stream.fileno(),
            0,
            flags=mmap.MAP_PRIVATE | NO_RESERVE,
            prot=mmap.PROT_READ | mmap.PROT_WRITE,
        )
    return np.ndarray(found.shape, found.dtype, pages, found.offset, order=_order(found))


def _order(array: np.ndarray) -> Literal["C", "F"]:
    return "C" if array.flags.c_contiguous else "F"


def _check_regular(path: Path, remedy: str) -> None:
    """Raise unless ``path`` is a file: opening a pipe would wait for ever."""
    try:
        if path.is_file():
            return
        exists = path.exists()
    except OSError as error:
        raise cannot(path, "read", error) from None
    raise UserError(f"{path}: {'not a regular file' if exists else 'missing'}; {remedy}")


def _is_manifest(manifest: object) -> bool:
    """Whether what the stages use is there and of the right kind."""
    if not isinstance(manifest, dict):
        return False
    checks = {
        "name": lambda value: isinstance(value, str),
        "digest": lambda value: isinstance(value, str),
        "train": _is_count,
        "shape": lambda value: (
            isinstance(value, list) and len(value) == 3 and all(map(_is_count, value))
        ),
        "classes": lambda value: isinstance(value, list) and len(value) > 0,
        "mean": _are_numbers,
        "std": _are_numbers,
    }
    if not all(key in manifest and check(manifest[key]) for key, check in checks.items()):
        return False
    return len(manifest["mean"]) == len(manifest["std"]) == manifest["shape"][0]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63


def _are_numbers(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) and math.isfinite(one)
        for one in value
    )

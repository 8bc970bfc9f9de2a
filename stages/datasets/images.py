"""A data set as arrays: in memory when it is made, memory-mapped when it is used."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from stages.errors import UserError

PARTS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class Images:
    """A data set.

    Attributes:
        train_images, test_images: uint8, shape (N, C, H, W).
        train_labels, test_labels: int64, shape (N,), in 0 .. number of classes - 1.
        classes: class names, in the order of the labels.
        name, source, license: what it is, where it is from, what may be done with it.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    name: str
    source: str
    license: str

    def digest(self) -> str:
        """SHA-256 over shapes and bytes of the four arrays, 64 hex digits."""
        total = hashlib.sha256()
        for part in PARTS:
            array = np.ascontiguousarray(getattr(self, part))
            total.update(f"{part} {array.dtype.str} {array.shape}\n".encode())
            total.update(array.data)
        return total.hexdigest()

    def manifest(self) -> dict[str, Any]:
        """What manifest.json says; ``mean`` and ``std`` are of the training images, in [0, 1]."""
        mean, std = channel_statistics(self.train_images)
        return {
            "format": 1,
            "name": self.name,
            "source": self.source,
            "license": self.license,
            "digest": self.digest(),
            "train": len(self.train_images),
            "test": len(self.test_images),
            "shape": list(self.train_images.shape[1:]),
            "classes": list(self.classes),
            "train_per_class": np.bincount(self.train_labels, minlength=len(self.classes)).tolist(),
            "test_per_class": np.bincount(self.test_labels, minlength=len(self.classes)).tolist(),
            "mean": mean,
            "std": std,
        }


def channel_statistics(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and population standard deviation of each channel of uint8 images, scaled to [0, 1].

    Sums are integers, so the result does not depend on the order of summation.
    """
    count = images.size // images.shape[1]
    values = np.arange(256, dtype=object)
    means, stds = [], []
    for channel in range(images.shape[1]):
        histogram = np.bincount(images[:, channel].reshape(-1), minlength=256).astype(object)
        first, second = int((histogram * values).sum()), int((histogram * values**2).sum())
        variance = (second * count - first * first) / (count * count)
        means.append(round(first / count / 255, 9))
        stds.append(round(variance**0.5 / 255, 9))
    return means, stds


@dataclass(frozen=True)
class Prepared:
    """A data set as ``prepare`` left it: arrays memory-mapped on first use."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """manifest.json."""
        path = self.folder / "manifest.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise UserError(
                f"{path}: missing; run the stage prepare (dvc repro prepare) first"
            ) from None
        except ValueError:
            raise UserError(f"{path}: not valid JSON") from None
        needed = {"name", "digest", "train", "shape", "classes", "mean", "std"}
        if not isinstance(manifest, dict) or not needed <= manifest.keys():
            raise UserError(f"{path}: not a manifest; run the stage prepare (dvc repro prepare)")
        return manifest

    def array(self, part: str) -> np.ndarray:
        """One of ``train_images``, ``train_labels``, ``test_images``, ``test_labels``."""
        path = self.folder / f"{part}.npy"
        try:
            # Copy-on-write: torch wants writable memory, the file stays as it is.
            return np.load(path, mmap_mode="c", allow_pickle=False)
        except OSError:
            raise UserError(f"{path}: missing; run dvc repro prepare, or dvc checkout") from None
        except (ValueError, EOFError):
            raise UserError(f"{path}: not a whole .npy file") from None

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

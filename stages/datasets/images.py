"""A data set as it is made: four arrays in memory, their digest and what describes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from stages.datasets.grouping import Grouping
from stages.machine.errors import shown

PARTS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class Images:
    """A data set.

    Attributes:
        train_images, test_images: uint8, shape (N, C, H, W).
        train_labels, test_labels: int64, shape (N,), in 0 .. number of classes - 1.
        classes: class names, in the order of the labels.
        name, source, license: what it is, where it is from, what may be done with it.
        notes: what reading it showed, for the person who prepares it; in no file.
        groups: of each image, for results by group; None: there are none.
        patients: whose image each is: those of one patient are no independent observations.
        about: what else the manifest says, by key: digests of files, how parts were drawn.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    name: str
    source: str
    license: str
    notes: tuple[str, ...] = ()
    groups: Grouping | None = None
    patients: Grouping | None = None
    about: dict[str, Any] = field(default_factory=dict)

    kind: ClassVar[type] = np.uint8  # of the numbers in an image

    def faults(self) -> list[str]:
        """What is not as it is said above, a line each; [] for a data set that is whole."""
        found = []
        for what in ("name", "source", "license"):
            text = getattr(self, what)
            if not isinstance(text, str) or not text.isprintable() or text.strip() != text:
                found.append(f"{what} is {shown(text)}; allowed: a line of text")
        names = self.classes
        if len(set(names)) < max(2, len(names)) or not all(isinstance(one, str) for one in names):
            found.append(f"classes is {shown(names)}; allowed: two or more different names")
        for part in ("train", "test"):
            found += self._faults_of(part)
        if not found and self.train_images.shape[1:] != self.test_images.shape[1:]:
            sizes = (self.train_images.shape[1:], self.test_images.shape[1:])
            found.append(f"train_images are {sizes[0]}, test_images {sizes[1]}; allowed: one shape")
        if not found:
            rows = {part: len(getattr(self, f"{part}_labels")) for part in ("train", "test")}
            for what, said in self.groupings().items():
                found += [f"{what}: {fault}" for fault in said.faults(rows)]
        return found

    def groupings(self) -> dict[str, Grouping]:
        """Groups and patients, as far as there are any."""
        both = {"groups": self.groups, "patients": self.patients}
        return {what: said for what, said in both.items() if said is not None}

    def _faults_of(self, part: str) -> Iterator[str]:
        images, labels = (getattr(self, f"{part}_{what}") for what in ("images", "labels"))
        if not isinstance(images, np.ndarray) or images.dtype != self.kind or images.ndim != 4:
            kind = np.dtype(self.kind)
            yield f"{part}_images is {_described(images)}; allowed: {kind} of shape (N, C, H, W)"
        elif not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.ndim != 1:
            yield f"{part}_labels is {_described(labels)}; allowed: int64 of shape (N,)"
        elif len(images) != len(labels) or not images.size:
            yield (
                f"{part}_images are {len(images)} of shape {images.shape[1:]}, {part}_labels "
                f"{len(labels)}; allowed: as many labels as images, one or more"
            )
        elif labels.min() < 0 or labels.max() >= len(self.classes):
            yield (
                f"{part}_labels are {labels.min()} to {labels.max()}; allowed: 0 to "
                f"{len(self.classes) - 1}, the places in classes"
            )

    def digest(self) -> str:
        """SHA-256 over shapes and bytes of the four arrays, and groups and patients; 64 digits."""
        total = hashlib.sha256()
        for part in PARTS:
            array = np.ascontiguousarray(getattr(self, part))
            total.update(f"{part} {array.dtype.str} {array.shape}\n".encode())
            total.update(array.data)
        for what, said in self.groupings().items():
            total.update(f"{what} {json.dumps(said.manifest())}\n".encode())
        return total.hexdigest()

    def manifest(self) -> dict[str, Any]:
        """What manifest.json says; ``mean`` and ``std`` are of the training images, in [0, 1]."""
        mean, std = self.statistics()
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
            **self.about,
            **{what: said.manifest() for what, said in self.groupings().items()},
        }

    def statistics(self) -> tuple[list[float], list[float]]:
        """``mean`` and ``std`` of the manifest: what batches of images are normalised by."""
        return channel_statistics(self.train_images)


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"a {type(value).__name__}"


def channel_statistics(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and population standard deviation of each channel of uint8 images, scaled to [0, 1].

    Sums are integers, so the result does not depend on the order of summation.
    """
    count = images.size // images.shape[1]
    means, stds = [], []
    # Squares take two bytes a pixel, so a block of images at a time.
    step = max(1, 2**22 // max(1, int(np.prod(images.shape[2:]))))
    for channel in range(images.shape[1]):
        first = second = 0
        for start in range(0, len(images), step):
            block = images[start : start + step, channel]
            first += int(block.sum(dtype=np.uint64))
            second += int(np.square(block, dtype=np.uint16).sum(dtype=np.uint64))
        variance = (second * count - first * first) / (count * count)
        means.append(round(first / count / 255, 9))
        stds.append(round(variance**0.5 / 255, 9))
    return means, stds

"""What ``prepare`` prints: what was read, what it was, what was done to it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from stages.datasets.pixels import Facts

if TYPE_CHECKING:
    from stages.datasets.grouping import Grouping
    from stages.datasets.images import Images

MOST_NAMED = 12  # classes, endings and the like, before a line says only how many


@dataclass
class Reading:
    """What the files of a folder were, counted."""

    resized: tuple[int, int] | None = None
    formats: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    largest: float | None = None

    def add(self, facts: Facts) -> None:
        """Count one file."""
        self.formats[facts.format] += 1
        self.modes[facts.mode] += 1
        self.sizes[facts.size] += 1
        self.changes.update(facts.changes)
        if facts.largest is not None:
            self.largest = max(facts.largest, self.largest or 0.0)

    def lines(self) -> list[str]:
        """A few lines; the same for the same files."""
        lines = [f"files: {_counts(self.formats)}; modes: {_counts(self.modes)}", self._sizes()]
        if self.changes:
            lines.append(f"changed: {_counts(self.changes)}")
        if self.largest is not None and self.largest < 1 / 8:
            lines.append(
                f"16-bit grey images use {self.largest:.2%} of their range at most: few levels "
                f"are left of 256; scale them to 0..65535"
            )
        return lines

    def _sizes(self) -> str:
        ordered = sorted(self.sizes, key=lambda size: (size[0] * size[1], size))
        height, width = ordered[0]
        text = f"sizes (height x width): {height}x{width}"
        if len(ordered) > 1:
            text += f" to {ordered[-1][0]}x{ordered[-1][1]}, {len(ordered)} different"
        if self.resized and set(ordered) != {tuple(self.resized)}:
            text += f"; resized to {self.resized[0]}x{self.resized[1]}"
        return text


def summary(task: str, images: Images) -> list[str]:
    """Classes, counts and shape of any data set, then what its reader noted."""
    channels, height, width = images.train_images.shape[1:]
    kind = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
    what = f"{height}x{width} {kind}"
    if images.train_images.dtype != np.uint8:
        what = f"{channels} features each"
    lines = [
        f"{task}: {len(images.train_images)} training and {len(images.test_images)} test images, "
        f"{what}, {len(images.classes)} classes"
    ]
    for part in ("train", "test"):
        counts = np.bincount(getattr(images, f"{part}_labels"), minlength=len(images.classes))
        lines.append(f"{part}: {_per_class(images.classes, counts.tolist())}")
    lines += [_grouped(what, said) for what, said in images.groupings().items()]
    return lines + list(images.notes)


def _grouped(what: str, said: Grouping) -> str:
    """How many images each group or patient has in the training and in the test set."""
    parts = [np.bincount(numbers, minlength=len(said.names)) for numbers in (said.train, said.test)]
    if len(said.names) <= MOST_NAMED:
        both = zip(said.names, *(counts.tolist() for counts in parts), strict=True)
        return f"{what} (training and test images): " + ", ".join(
            f"{n} {a} {b}" for n, a, b in both
        )
    held = ", ".join(str(int((counts > 0).sum())) for counts in parts)
    return f"{what}: {len(said.names)}, of training and test set {held}; in both {said.shared()}"


def duplicates(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray
) -> list[str]:
    """Lines on images whose pixels, as prepared, occur more than once; none: no line."""
    kinds = _kinds(np.concatenate([_digests(train), _digests(test)]))
    own, others = kinds[: len(train)], kinds[len(train) :]
    # One number for each pair of an image and a label; the pairs of the training set.
    pairs, tested = (
        numbers * (int(max(train_labels.max(), test_labels.max())) + 1) + labels
        for numbers, labels in ((own, train_labels), (others, test_labels))
    )
    firsts = np.unique(pairs, return_index=True)[1]
    again = len(own) - len(np.unique(own))
    torn = int((np.bincount(own[firsts]) > 1).sum())
    leaked = int(np.isin(others, own).sum())
    otherwise = leaked - int(np.isin(tested, pairs).sum())
    found = [
        (again, "training images are copies of others"),
        (torn, "training images have several labels"),
        (leaked, "test images are also in the training set"),
        (otherwise, "of them under another label"),
    ]
    texts = [f"{count} {text}" for count, text in found if count]
    return ["duplicates: " + "; ".join(texts)] if texts else []


def _digests(images: np.ndarray) -> np.ndarray:
    """Half a SHA-256 of each image, uint64 (N, 2); no two of 10^12 images share one by chance."""
    found = np.empty((len(images), 2), np.uint64)
    for at, image in enumerate(images):
        found[at] = np.frombuffer(hashlib.sha256(image.tobytes()).digest(), np.uint64, 2)
    return found


def _kinds(digests: np.ndarray) -> np.ndarray:
    """A number for each row of ``digests``, int64 (N,); rows that are the same have the same."""
    order = np.lexsort(digests.T)
    ordered = digests[order]
    fresh = np.r_[False, (ordered[1:] != ordered[:-1]).any(1)]
    kinds = np.empty(len(digests), np.int64)
    kinds[order] = np.cumsum(fresh)
    return kinds


def _per_class(classes: tuple[str, ...], counts: list[int]) -> str:
    pairs = list(zip(classes, counts, strict=True))
    if len(pairs) <= MOST_NAMED:
        return ", ".join(f"{name} {count}" for name, count in pairs)
    fewest, most = min(pairs, key=lambda pair: pair[1]), max(pairs, key=lambda pair: pair[1])
    return f"{fewest[1]} ({fewest[0]}) to {most[1]} ({most[0]}) a class"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))

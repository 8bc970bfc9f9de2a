"""Many image files become the arrays of a data set, one file after the other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from stages.datasets.limits import available_memory, gib
from stages.datasets.listing import cannot, shown
from stages.datasets.pixels import MOST_PIXELS, read_image
from stages.datasets.room import on_disk, room
from stages.datasets.summary import Reading
from stages.machine.errors import UserError
from stages.machine.progress import progress

Crop = Literal["none", "center"]


@dataclass
class Reader:
    """Reads the files of a data set, training images first.

    Attributes:
        root: the folder that messages name, and that the listing's paths are relative to.
        total: how many images there will be, in all parts.
        size: height and width to resize to (bilinear); None: all images must have one size.
        channels: 3 for RGB, 1 for grey.
        crop: ``center`` cuts the middle with the aspect of ``size`` out before that.
        listed: whether :meth:`listing` is wanted.
    """

    root: Path
    total: int
    size: tuple[int, int] | None
    channels: int
    crop: Crop = "none"
    listed: bool = False
    reading: Reading = field(default_factory=Reading)
    shape: tuple[int, ...] | None = None
    _lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.size is None and self.crop != "none":
            raise UserError(f"dataset.crop is {self.crop}, but there is no dataset.size to crop to")
        if self.size is not None:
            if self.size[0] * self.size[1] > MOST_PIXELS:
                raise UserError(
                    f"dataset.size is [{self.size[0]}, {self.size[1]}], "
                    f"{self.size[0] * self.size[1]} pixels; allowed: up to {MOST_PIXELS}"
                )
            self.shape = (self.channels, *self.size)
        self.reading.resized = self.size

    def read(self, part: str, files: list[Path], said: Path | None = None) -> np.ndarray:
        """The pixels of ``files``, uint8 of shape (N, C, H, W).

        Args:
            part: train or test: whose array it is.
            said: the folder that the progress bar names.
        """
        images = None
        for at, path in enumerate(progress(files, f"read {shown(said or self.root)}", "image")):
            if images is None and self.shape is not None:
                images = self._allocate(part, len(files))
            if self.listed:
                self._lines.append(f"{_sha256(path)}  {path.relative_to(self.root).as_posix()}\n")
            image, facts = read_image(path, self.size, self.channels, self.crop)
            self.reading.add(facts)
            if images is None:
                self.shape = image.shape
                images = self._allocate(part, len(files))
            if image.shape != self.shape:
                raise UserError(_different(path, image, self.shape[1:]))
            images[at] = image
        return images

    def listing(self) -> str:
        """SHA-256 of a line ``digest  path`` a file, as ``sha256sum`` prints it, sorted by path."""
        text = "".join(sorted(self._lines, key=_path))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def _allocate(self, part: str, count: int) -> np.ndarray:
        """Room for a part's images: on the disk, or in memory if there is enough for both parts."""
        shape = self.shape
        needed, there = self.total * int(np.prod(shape, dtype=object)), available_memory()
        if not on_disk() and there is not None and needed > there:
            raise UserError(
                f"{shown(self.root)}: {self.total} images of {shape[1]}x{shape[2]} pixels and "
                f"{shape[0]} channels need {gib(needed)} of memory; {gib(there)} are free; set a "
                f"smaller dataset.size"
            )
        try:
            return room(f"{part}_images", (count, *shape))
        except (MemoryError, ValueError):
            raise UserError(f"{shown(self.root)}: no memory for {gib(needed)}") from None


def _path(line: str) -> bytes:
    return line[66:].encode("utf-8", "surrogateescape")


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise cannot(path, "read", error) from None


def _different(path: Path, image: np.ndarray, expected: tuple[int, ...]) -> str:
    height, width = image.shape[1:]
    return (
        f"{shown(path)}: {height}x{width} pixels, the others have {expected[0]}x{expected[1]}; "
        f"set dataset.size to resize them all"
    )

"""A user's own images: ``train/<class>/*`` and ``test/<class>/*``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.datasets.images import Images
from stages.errors import UserError
from stages.progress import progress

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}


def read_folder(root: Path, size: tuple[int, int] | None, channels: int) -> Images:
    """Read every image under ``root``, classes and files in sorted order.

    Args:
        size: height and width to resize to (bilinear); None: all images must have one size.
        channels: 3 converts to RGB, 1 to grey.

    Raises:
        UserError: no such folder, no images, a class of the test set that training lacks, an
            unreadable file, or images of different sizes.
    """
    classes = _classes(root / "train")
    unknown = sorted(set(_classes(root / "test")) - set(classes))
    if unknown:
        raise UserError(f"{root / 'test' / unknown[0]}: this class is not under {root / 'train'}")
    train_images, train_labels = _read_part(root / "train", classes, size, channels)
    shape = train_images.shape[2:]
    test_images, test_labels = _read_part(
        root / "test", classes, size or shape, channels, size is None
    )
    return Images(
        train_images,
        train_labels,
        test_images,
        test_labels,
        tuple(classes),
        "folder",
        f"image folder {root.name}",
        "the user's own",
    )


def _classes(part: Path) -> list[str]:
    if not part.is_dir():
        raise UserError(f"{part}: no such folder; expected train/<class>/* and test/<class>/*")
    names = sorted(entry.name for entry in part.iterdir() if entry.is_dir())
    if not names:
        raise UserError(f"{part}: no class folders; expected {part.name}/<class>/*")
    return names


def _read_part(
    part: Path,
    classes: list[str],
    size: tuple[int, int] | None,
    channels: int,
    strict: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    files, labels = [], []
    for label, name in enumerate(classes):
        folder = part / name
        found = sorted(folder.rglob("*")) if folder.is_dir() else []
        found = [path for path in found if path.suffix.lower() in SUFFIXES]
        files += found
        labels += [label] * len(found)
    if not files:
        raise UserError(f"{part}: no images; allowed endings: {', '.join(sorted(SUFFIXES))}")
    first = _read(files[0], None if strict else size, channels)
    if strict and first.shape[1:] != tuple(size):
        raise UserError(_different(files[0], first, size))
    images = np.empty((len(files), *first.shape), np.uint8)
    for at, path in enumerate(progress(files, f"read {part}", "image")):
        image = _read(path, None if strict else size, channels)
        if image.shape != first.shape:
            raise UserError(_different(path, image, first.shape[1:]))
        images[at] = image
    return images, np.array(labels, np.int64)


def _different(path: Path, image: np.ndarray, expected: tuple[int, ...]) -> str:
    height, width = image.shape[1:]
    return (
        f"{path}: {height}x{width} pixels, the others have {expected[0]}x{expected[1]}; "
        f"set dataset.size to resize them all"
    )


def _read(path: Path, size: tuple[int, int] | None, channels: int) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as image:
            image = image.convert("RGB" if channels == 3 else "L")
            if size is not None:
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            pixels = np.asarray(image, np.uint8)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable image ({error})") from None
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)

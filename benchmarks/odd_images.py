"""What becomes of odd image files: a row of docs/data.md's table each, from a run of prepare.

    python -m benchmarks.odd_images

Each case is a folder of four sound images and one odd thing, read with ``size: [8, 8]``.
"""

from __future__ import annotations

import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from stages.datasets.sources import load
from stages.machine.errors import UserError
from stages.study.settings import Dataset

Made = Callable[[Path], None]


def ramp(high: int = 6, wide: int = 9) -> np.ndarray:
    """uint8 (H, W, 3), all different."""
    return (np.arange(high * wide * 3) * 5 % 251).astype(np.uint8).reshape(high, wide, 3)


def saved(image: Image.Image, **how: object) -> Made:
    """Saves at the place that the case names."""
    return lambda path: image.save(path, **how)


def png_of(wide: int, high: int) -> bytes:
    """The header of a large PNG and no pixels."""
    head = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    return start + struct.pack(">I", zlib.crc32(chunk)) + struct.pack(">I", 0) + b"IDAT"


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(ramp()).save(path, exif=exif)


def animated(path: Path) -> None:
    frames = [Image.fromarray(np.full((6, 9), shade, np.uint8)) for shade in (0, 255)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def cut(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:5000])


def transparent() -> Image.Image:
    return Image.fromarray(np.dstack([ramp(), np.full((6, 9), 100, np.uint8)]))


def cmyk() -> Image.Image:
    return Image.fromarray(ramp()).convert("CMYK")


def grey(kind: type) -> Image.Image:
    return Image.fromarray((np.arange(54).reshape(6, 9) * 1000).astype(kind))


def outside(path: Path) -> None:
    target = path.parents[3] / "outside.png"
    Image.fromarray(ramp()).save(target)
    os.symlink(target, path)


def pages(path: Path) -> None:
    two = [Image.fromarray(ramp()), Image.fromarray(ramp())]
    two[0].save(path, save_all=True, append_images=two[1:])


def twice(path: Path) -> None:
    for part in ("train/ant", "test/bee"):
        Image.fromarray(ramp(5, 5)).save(path.parents[2] / part / path.name)


def sound(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ramp()).save(path, "PNG")


PLACE = "train/ant/"
CASES: list[tuple[str, str, Made]] = [
    ("PNG of 16 bits, grey", "odd.png", saved(grey(np.uint16))),
    ("TIFF of 16 bits, grey", "odd.tif", saved(grey(np.uint16))),
    ("TIFF of floating point", "odd.tif", saved(grey(np.float32))),
    ("EXIF orientation 6", "odd.jpg", turned),
    ("transparency", "odd.png", saved(transparent())),
    ("palette", "odd.png", saved(Image.fromarray(ramp()).quantize(8))),
    ("palette, GIF", "odd.gif", saved(Image.fromarray(ramp()).quantize(8))),
    ("CMYK, JPEG", "odd.jpg", saved(cmyk())),
    ("CMYK, TIFF", "odd.tif", saved(cmyk())),
    ("animation", "odd.gif", animated),
    ("pages", "odd.tif", pages),
    ("cut off", "odd.png", cut),
    ("0 bytes", "odd.png", lambda path: path.write_bytes(b"")),
    ("text", "odd.png", lambda path: path.write_bytes(b"no image\n")),
    ("1 pixel", "odd.png", saved(Image.new("RGB", (1, 1)))),
    ("30,000 x 30,000 pixels", "odd.png", lambda path: path.write_bytes(png_of(30_000, 30_000))),
    ("spaces in the name", "o d d .png", sound),
    ("Unicode in the name", "ödd 画.png", sound),
    ("line end in the name", "o\nd.png", sound),
    ("two names that differ by case", "A.PNG", sound),
    ("wrong ending", "odd.jpg", sound),
    ("ending of no image", "odd.txt", sound),
    ("hidden file", ".odd.png", sound),
    ("hidden folder", ".odd/odd.png", sound),
    ("folder of a system", "__MACOSX/odd.png", sound),
    ("folder in a class", "more/odd.png", sound),
    ("empty folder in a class", "more", lambda path: path.mkdir()),
    ("empty class", "../dog", lambda path: path.mkdir()),
    ("class that differs by case", "../Ant/odd.png", sound),
    ("image beside the classes", "../odd.png", sound),
    ("link out of the folder", "odd.png", outside),
    ("link to nothing", "odd.png", lambda path: os.symlink("nothing", path)),
    ("link in a circle", "odd", lambda path: os.symlink("..", path)),
    ("pipe", "odd.png", os.mkfifo),
    ("the same image in train/ and test/", "odd.png", twice),
]


def outcome(name: str, make: Made, root: Path) -> str:
    """What prepare would say of the folder, in a few words."""
    for place, shade in (("train/ant", 1), ("train/bee", 2), ("test/ant", 3), ("test/bee", 4)):
        (root / place).mkdir(parents=True)
        Image.new("RGB", (9, 6), (shade, 0, 0)).save(root / place / "a.png")
    make(root / PLACE / name)
    try:
        images = load(Dataset(name="folder", root=str(root), size=[8, 8]))
    except UserError as error:
        said = str(error).replace(f"{root}/", "")
        return f"refused: {said}"
    count = len(images.train_labels) - 2
    told = [note for note in images.notes if note.startswith(("changed", "left", "dup", "16-bit"))]
    return "; ".join([f"read: {count}" if count else "not read", *told])


def table() -> str:
    """The table, in Markdown."""
    lines = ["| what | what becomes of it |", "|---|---|"]
    for what, name, make in CASES:
        with tempfile.TemporaryDirectory() as folder:
            said = outcome(name, make, Path(folder).resolve() / "images")
        lines.append(f"| {what} | {said.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())

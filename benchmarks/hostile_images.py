"""Cases for :mod:`benchmarks.fuzz_images`: folders with one hostile thing, and what must follow."""

from __future__ import annotations

import io
import os
import shutil
import socket
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import image_files as files

Generator = np.random.Generator


@dataclass
class Case:
    """One folder.

    Attributes:
        name: what it is, for a message.
        change: makes the hostile thing; is given the root, where sound images lie already.
        expected: pixels that the hostile file has to give, int (C, H, W); None: nothing is known.
        tolerance: how far a pixel may be off (lossy formats).
        blamed: a part of the path that an error has to name.
        must: ``read``, ``refuse``, or ``either``.
        said: texts that have to be printed if the folder is read.
        shape: height and width of the sound images.
        row: the hostile image's row of train_images.
    """

    name: str
    change: Callable[[Path], None]
    expected: np.ndarray | None = None
    tolerance: int = 0
    blamed: str = ""
    must: str = "either"
    said: tuple[str, ...] = ()
    shape: tuple[int, int] = (5, 7)
    dataset: dict[str, Any] = field(default_factory=dict)
    row: int = 1

    def build(self, root: Path) -> None:
        """Write two classes of sound images, then the hostile thing."""
        rng = np.random.default_rng(1)
        for place in ("train/ant", "train/bee", "test/ant", "test/bee"):
            (root / place).mkdir(parents=True)
            samples = rng.integers(0, 256, (*self.shape, 3))
            (root / place / "a.png").write_bytes(files.png(samples, 2, 8))
        self.change(root)


# what the rules make of samples


def as_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """(H, W, 1 or 3) 8-bit values as (C, H, W): grey repeated, or the luma of BT.601."""
    if channels == 3:
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3)).transpose(2, 0, 1)
    if pixels.shape[2] == 3:
        pixels = (pixels @ [19595, 38470, 7471] + 32768)[..., None] >> 16
    return pixels.transpose(2, 0, 1)


def over_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Composite (H, W, C) by (H, W) alpha over white, to the nearest level."""
    alpha = alpha[..., None]
    return np.floor((alpha * pixels + (255 - alpha) * 255) / 255 + 0.5).astype(int)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) as EXIF's orientation 1 to 8 wants it shown."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def file_case(
    rng: Generator,
    name: str,
    ending: str,
    content: bytes,
    pixels: np.ndarray | None,
    orientation: int = 1,
    **more: Any,
) -> Case:
    """A case of one file, ``train/ant/x<ending>``; ``pixels`` (H, W, C) are not turned yet."""
    channels = int(rng.choice([1, 3]))
    shape, expected = (5, 7), None
    if pixels is not None:
        pixels = upright(pixels.astype(int), orientation)
        shape, expected = pixels.shape[:2], as_channels(pixels, channels)

    def change(root: Path) -> None:
        (root / f"train/ant/x{ending}").write_bytes(content)

    more = {"must": "read" if pixels is not None else "refuse"} | more
    return Case(
        name, change, expected, blamed=f"x{ending}", shape=shape,
        dataset={"channels": channels}, **more,
    )  # fmt: skip


def draw(rng: Generator, planes: int, most: int) -> np.ndarray:
    """Random samples 0..most, ends included, of a random size."""
    samples = rng.integers(0, most + 1, (*rng.integers(1, 24, 2), planes))
    samples[rng.random(samples.shape) < 0.1] = most
    return samples


# formats


def png_case(rng: Generator) -> Case:
    """Any colour type and depth, with and without a transparent colour and an orientation."""
    colour = int(rng.choice([0, 2, 3, 4, 6]))
    depth = int(rng.choice({0: [1, 2, 4, 8, 16], 3: [1, 2, 4, 8]}.get(colour, [8, 16])))
    orientation = int(rng.choice([1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 9]))
    planes = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    most = 2**depth - 1
    samples = draw(rng, planes, most)
    palette = rng.integers(0, 256, (most + 1, 3)) if colour == 3 else None
    keyed = colour in (0, 2, 3) and rng.random() < 0.5
    pixels = samples >> 8 if depth == 16 else samples * (255 // most)
    alpha, chunk = None, None
    if colour == 3:
        pixels = palette[samples[..., 0]]
        if keyed:
            table = rng.integers(0, 256, most + 1)
            chunk, alpha = table.astype(np.uint8).tobytes(), table[samples[..., 0]]
    elif keyed:
        key = samples[0, 0]
        chunk, alpha = key.astype(">u2").tobytes(), 255 * (samples != key).any(axis=2)
    elif colour in (4, 6):
        alpha, pixels = pixels[..., -1], pixels[..., :-1]
    if alpha is not None:
        pixels = over_white(pixels, alpha)
    extra = [(b"eXIf", files.exif(orientation))] if orientation != 1 else []
    content = files.png(samples, colour, depth, palette, chunk, extra)
    name = f"PNG colour {colour} depth {depth} key {keyed} orientation {orientation}"
    known = None if keyed and (colour, depth) == (2, 16) else pixels
    said = ("16 bits to 8",) if depth == 16 else ()
    return file_case(rng, name, ".png", content, known, orientation, said=said)


def tiff_case(rng: Generator) -> Case:
    """Both byte orders, all usual photometrics and depths, and those without a rule."""
    order, kind = str(rng.choice(["<", ">"])), int(rng.integers(0, 15))
    turn = int(rng.choice([1, 3, 6, 8]))
    wide, said, made = {"orientation": turn}, (), None
    must = "read"
    if kind in (0, 1):  # grey of 16 bits, black or white being 0
        samples = draw(rng, 1, 65535)
        made = (samples if kind else 65535 - samples) >> 8
        must = "read" if kind or order == "<" else "either"  # Pillow has no other byte order
        wide |= {"photometric": kind, "depth": 16}
        said = ("16 bits to 8",)
    elif kind in (2, 3):  # grey of 8 bits
        samples = draw(rng, 1, 255)
        made = samples if kind == 3 else 255 - samples
        wide |= {"photometric": kind - 2, "depth": 8}
    elif kind == 4:
        samples = draw(rng, 1, 1)
        made = samples * 255
        wide |= {"photometric": 1, "depth": 1}
    elif kind in (5, 6):  # RGB
        samples = draw(rng, 3, 65535 if kind == 5 else 255)
        made = samples >> 8 if kind == 5 else samples
        wide |= {"photometric": 2, "depth": 16 if kind == 5 else 8}
    elif kind in (7, 8):  # RGB and alpha
        samples = draw(rng, 4, 65535 if kind == 7 else 255)
        made = samples >> 8 if kind == 7 else samples
        made = over_white(made[..., :3], made[..., 3])
        wide |= {"photometric": 2, "depth": 16 if kind == 7 else 8, "extra_samples": [2]}
    elif kind == 9:
        samples, palette = draw(rng, 1, 255), rng.integers(0, 256, (256, 3))
        made = palette[samples[..., 0]]
        wide |= {"photometric": 3, "depth": 8, "palette": palette}
    elif kind == 10:
        samples = draw(rng, 4, 255)
        cmy, black = samples[..., :3], samples[..., 3:]
        made = np.floor((255 - cmy) * (255 - black) / 255 + 0.5).astype(int)
        wide |= {"photometric": 5, "depth": 8}
    elif kind == 11:  # 12 bits a sample; Pillow reads them in one byte order only
        samples = draw(rng, 1, 4095)
        samples = samples[:, : samples.shape[1] // 2 * 2]
        if not samples.shape[1]:
            samples = np.full((3, 2, 1), 4095)
        made = samples >> 4
        must = "read" if order == "<" else "either"
        wide |= {"photometric": 1, "depth": 12}
    else:  # floating point, 32 bits, signed: no rule
        dtype = {12: np.float32, 13: np.int32, 14: np.int8}[kind]
        samples = rng.integers(-100, 100, (4, 5, 1)).astype(dtype)
        depth = 8 * samples.itemsize
        wide |= {"photometric": 1, "depth": depth, "sample_format": 3 if kind == 12 else 2}
        must = "refuse"
    content = files.tiff(samples, order=order, **wide)
    name = f"TIFF kind {kind} order {order} orientation {turn}"
    return file_case(rng, name, ".tif", content, made, turn, must=must, said=said)


def netpbm_case(rng: Generator) -> Case:
    """PGM and PPM, plain and raw, of any largest value."""
    most, planes = int(rng.choice([1, 15, 100, 254, 255, 1000, 4095, 65535])), 1
    if rng.random() < 0.5:
        planes = 3
    samples = draw(rng, planes, most)
    pixels = np.round(samples / most * 255).astype(int)  # halves to even
    content = files.netpbm(samples, most, plain=bool(rng.random() < 0.3))
    # Grey above 255 is rounded twice, to 65535 and then to 255.
    off = int(planes == 1 and 255 < most < 65535)
    return file_case(rng, f"PNM {planes} to {most}", ".ppm", content, pixels, tolerance=off)


def bmp_case(rng: Generator) -> Case:
    """24 bits, or 32 with alpha."""
    samples = draw(rng, int(rng.choice([3, 4])), 255)
    pixels = samples
    if samples.shape[2] == 4:
        pixels = over_white(samples[..., :3], samples[..., 3])
    return file_case(rng, f"BMP {samples.shape[2]}", ".bmp", files.bmp(samples), pixels)


def lossless_case(rng: Generator) -> Case:
    """GIF and WebP as Pillow writes them, one picture or several."""
    several = bool(rng.random() < 0.3)
    if rng.random() < 0.5:
        samples = draw(rng, 1, 255)[..., 0].astype(np.uint8)
        samples.flat[0] = 7
        palette = rng.integers(0, 256, (256, 3))
        image, key = Image.fromarray(samples), 7 if rng.random() < 0.5 else None
        image.putpalette(palette.astype(np.uint8).tobytes())
        pixels = palette[samples]
        if key is not None:
            pixels = over_white(pixels, 255 * (samples != key))
        options = {"optimize": False} | ({} if key is None else {"transparency": key})
        ending = ".gif"
    else:
        samples = draw(rng, int(rng.choice([3, 4])), 255).astype(np.uint8)
        image, ending = Image.fromarray(samples), ".webp"
        options = {"lossless": True, "exact": True}
        pixels = samples.astype(int)
        if samples.shape[2] == 4:
            pixels = over_white(pixels[..., :3], pixels[..., 3])
    stream = io.BytesIO()
    if several:
        other = image.transpose(Image.Transpose.ROTATE_180)
        other.putpixel((0, 0), 99 if ending == ".gif" else (1, 2, 3, 255)[: samples.shape[2]])
        options |= {"save_all": True, "append_images": [other], "duration": 50}
        if stream_frames(image, other):
            pixels = None
    image.save(stream, ending[1:].upper(), **options)
    return file_case(rng, f"{ending} several {several}", ending, stream.getvalue(), pixels,
                     must="either" if several else "read")  # fmt: skip


def stream_frames(image: Image.Image, other: Image.Image) -> bool:
    """Whether two frames differ, so that a writer keeps both."""
    return image.tobytes() != other.tobytes()


def jpeg_case(rng: Generator) -> Case:
    """Grey, RGB, CMYK; orientation; CMYK whose Adobe marker is gone."""
    mode, turn = str(rng.choice(["L", "RGB", "CMYK", "bare CMYK"])), int(rng.integers(1, 9))
    planes = {"L": 1, "RGB": 3}.get(mode, 4)
    grid = np.indices(rng.integers(8, 40, 2)).sum(axis=0)[..., None] * [3, 2, 1, 2][:planes]
    samples = (grid + 20).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(samples[..., 0] if planes == 1 else samples, mode.split()[-1])
    pixels = samples.astype(int)
    if planes == 4:
        pixels = (255 - pixels[..., :3]) * (255 - pixels[..., 3:]) // 255
    stream = io.BytesIO()
    exif = b"Exif\0\0" + files.exif(turn)
    image.save(stream, "JPEG", quality=98, subsampling=0, exif=exif)
    content = stream.getvalue()
    if mode == "bare CMYK":
        at = content.index(b"Adobe") - 4
        content = (
            content[:at] + content[at + 2 + struct.unpack(">H", content[at + 2 : at + 4])[0] :]
        )
        pixels = None
    return file_case(rng, f"JPEG {mode} {turn}", ".jpg", content, pixels, turn, tolerance=6)


FORMATS = (png_case, tiff_case, netpbm_case, bmp_case, lossless_case, jpeg_case)


# damage


def damage_case(rng: Generator) -> Case:
    """A file of any format cut short, with bytes changed, or with something else in it."""
    sound = FORMATS[int(rng.integers(len(FORMATS)))](rng)
    how = str(rng.choice(["cut", "flip", "flip", "empty", "text", "zeros", "noise", "eps", "swap"]))
    at, ending = rng.random(), sound.blamed[1:]
    noise = rng.integers(0, 256, int(rng.integers(1, 3000))).astype(np.uint8).tobytes()
    positions, values = rng.random(3), rng.integers(1, 256, 3)

    def change(root: Path) -> None:
        sound.change(root)
        path = root / "train/ant" / sound.blamed
        content = bytearray(path.read_bytes())
        if how == "cut":
            del content[int(at * len(content)) :]
        elif how == "flip":
            for place, value in zip(positions, values, strict=True):
                content[int(place * len(content))] ^= int(value)
        elif how == "swap":
            content[:8] = content[8:16]
        other = {
            "empty": b"",
            "text": b"not an image\n",
            "zeros": bytes(5000),
            "noise": bytes(content[:16]) + noise,
            "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 7 5\n(/etc/passwd) (r) file\n",
        }
        path.write_bytes(other.get(how, bytes(content)))

    # Only a PNG has a checksum over everything: damaged pixels are never read.
    known = sound.expected if ending == ".png" and how in ("cut", "flip") else None
    must = "refuse" if how in ("empty", "text", "zeros", "eps") else "either"
    return Case(
        f"{how}: {sound.name}", change, known, blamed=sound.blamed, must=must,
        shape=sound.shape, dataset=sound.dataset,
    )  # fmt: skip


def bomb_case(rng: Generator) -> Case:
    """Small files that ask for much memory, or settings that do."""
    kind, side = int(rng.integers(0, 10)), int(rng.choice([9460, 30000, 65500]))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    small = np.zeros((5, 7, 3), int)
    zeros = zlib.compress(bytes(2**25))
    bombs: dict[int, tuple[str, bytes]] = {
        0: (".png", files.png_chunks([(b"IHDR", header), (b"IDAT", zeros), (b"IEND", b"")])),
        1: (".png", files.png(small, 2, 8, extra=[(b"zTXt", b"Comment\0\0" + zeros)] * 3)),
        2: (".png", files.png(small, 2, 8, extra=[(b"iCCP", b"icc\0\0" + zeros)])),
        3: (".png", files.png(small, 2, 8, extra=[(b"iTXt", b"a\0\1\0\0\0" + zeros)] * 9)),
        4: (".ppm", f"P6 {side} {side} 255\n".encode() + bytes(1000)),
        5: (".ppm", f"P6 {'9' * 5000} 5 255\n".encode()),
        6: (".gif", b"GIF89a" + struct.pack("<HH", side, side) + b"\xf0\0\0" + bytes(6)
            + b"," + struct.pack("<HHHH", 0, 0, side, side) + b"\0\x02\x02\x4c\x01\0;"),
        7: (".bmp", b"BM" + struct.pack("<IHHI", 99, 0, 0, 54)
            + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(99)),
        8: (".tif", files.tiff(small, 2, 8, "<").replace(
            struct.pack("<HHII", 256, 4, 1, 7), struct.pack("<HHII", 256, 4, 1, side)).replace(
            struct.pack("<HHII", 257, 4, 1, 5), struct.pack("<HHII", 257, 4, 1, side))),
    }  # fmt: skip
    if kind in bombs:
        ending, content = bombs[kind]
        # A compressed text or profile is not pixels: reading around it is right, too.
        expected = small if kind in (1, 2, 3) else None
        must = "either" if kind in (1, 2, 3) else "refuse"
        return file_case(rng, f"bomb {kind} {side}", ending, content, expected, must=must)
    wanted = [int(n) for n in rng.choice([3, 9460, 10**5, 10**9, 2**63 - 1], 2)]
    wanted[int(rng.integers(2))] = int(rng.choice([10**8, 10**9]))
    return Case(
        f"size {wanted}", lambda root: None, must="refuse", blamed="size",
        dataset={"size": wanted},
    )  # fmt: skip


# folders and names


def name_case(rng: Generator) -> Case:
    """Names as long and as odd as a file system allows, of a sound image or a damaged one."""
    damaged = bool(rng.random() < 0.5)
    alphabet = [
        b"a",
        b"\n",
        b"\r",
        b"\t",
        b"\x1b[2J",
        b"\xff",
        b"\xc3\xa9",
        b" ",
        b"'",
        b"%s",
        b"{0}",
    ]
    parts = rng.choice(len(alphabet), int(rng.integers(1, 60)))
    stem = (b"x" + b"".join(alphabet[part] for part in parts))[: 251 - 0]
    if rng.random() < 0.2:
        stem = stem.ljust(251, b"x")
    name = os.fsdecode(stem + b".png")
    samples = rng.integers(0, 256, (5, 7, 3))

    def change(root: Path) -> None:
        content = files.png(samples, 2, 8)
        (root / "train/ant" / name).write_bytes(content[:50] if damaged else content)

    return Case(
        f"name {name!r}", change, as_channels(samples, 3), blamed=name,
        must="refuse" if damaged else "read",
    )  # fmt: skip


def _copy(root: Path, to: str, of: str = "train/ant/a.png") -> None:
    (root / to).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / of, root / to)


def _class(name: str | bytes) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        _copy(root, f"train/{os.fsdecode(name)}/a.png")

    return change


def _socket(root: Path) -> None:
    here = os.getcwd()
    os.chdir(root / "train/ant")  # a socket's path may have 108 bytes only
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("x.png")
    finally:
        os.chdir(here)


def _deep(root: Path) -> None:
    """Folders in folders until a path has more than the 4,096 bytes that Linux takes."""
    here = os.open(root / "train/ant", os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        inside = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inside
    os.close(here)


def _braid(root: Path) -> None:
    """Two links a level: 2 ** 20 ways to the last folder."""
    for level in range(20):
        folder = root / f"levels/{level}"
        folder.mkdir(parents=True)
        for name in "ab":
            (folder / name).symlink_to(root / f"levels/{level + 1}")
    (root / "levels/20").mkdir()
    (root / "train/ant/x").symlink_to(root / "levels/0")


def _refused(name: str, blamed: str, change: Callable[[Path], Any]) -> Case:
    return Case(name, change, blamed=blamed, must="refuse")


def _read(name: str, said: str, change: Callable[[Path], Any]) -> Case:
    return Case(name, change, must="read", said=(said,) if said else ())


def _link(to: str, at: str = "train/ant/x.png") -> Callable[[Path], None]:
    return lambda root: (root / at).symlink_to(to)


def _largest(root: Path) -> None:
    """8192 x 8192 black pixels in 8 kB: as large as an image may be."""
    side = 8192
    pixels = zlib.compress(bytes(side * (side // 8 + 1)), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    content = files.png_chunks([(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")])
    (root / "train/ant/x.png").write_bytes(content)


FOLDERS = [
    Case("largest image", _largest, np.zeros((3, 5, 7)), must="read", dataset={"size": [5, 7]}),
    _refused("FIFO", "x.png", lambda root: os.mkfifo(root / "train/ant/x.png")),
    _refused("socket", "x.png", _socket),
    _refused("device", "x.png", _link("/dev/zero")),
    _refused("link to itself", "x.png", _link("x.png")),
    _refused("link to nothing", "x.png", _link("nowhere.png")),
    _refused("class that links to nothing", "train/cat", _link("nowhere", "train/cat")),
    _refused("loop", "ant/x", _link("..", "train/ant/x")),
    _refused("loop to the root", "ant/x", _link("/", "train/ant/x")),
    _refused("class twice", "train/cat", _link("ant", "train/cat")),
    _refused("braid of links", "ant/x", _braid),
    _refused("too deep", "train/ant", _deep),
    _refused("test is train", "test", lambda root: (
        shutil.rmtree(root / "test"), (root / "test").symlink_to("train"))),
    _refused("no test", "test", lambda root: shutil.rmtree(root / "test")),
    _refused("no train", "train", lambda root: shutil.rmtree(root / "train")),
    _refused("train is a file", "train", lambda root: (
        shutil.rmtree(root / "train"), (root / "train").write_text(""))),
    _refused("train is a FIFO", "train", lambda root: (
        shutil.rmtree(root / "train"), os.mkfifo(root / "train"))),
    _refused("one class", "train", lambda root: [
        shutil.rmtree(root / f"{part}/bee") for part in ("train", "test")]),
    _refused("empty class", "train/cat", lambda root: (root / "train/cat").mkdir()),
    _refused("class of other files", "train/cat", lambda root: (
        (root / "train/cat").mkdir(), (root / "train/cat/a.npy").write_text("x"))),
    _refused("class of test only", "test/cat", lambda root: _copy(root, "test/cat/a.png")),
    _refused("classes by case", "Ant", _class("Ant")),
    _refused("classes by Unicode form", "train", lambda root: (
        _class("caf\u00e9")(root), _class("cafe\u0301")(root))),
    _refused("undecodable class", "cat", _class(b"cat\xff")),
    _refused("class with a line end", "cat", _class("cat\ndog")),
    _refused("folder named as an image, empty class", "train/x.png", lambda root: (
        root / "train/x.png").mkdir()),
    _read("folder named as an image", "", lambda root: (root / "train/ant/x.png").mkdir()),
    _read("hidden folders", "hidden 5", lambda root: [
        _copy(root, f"{place}/x.png") for place in (
            "train/.ipynb_checkpoints", "train/.git", "train/__MACOSX", "test/@eaDir",
            "train/ant/.thumbnails")]),
    _read("hidden files", "hidden 2", lambda root: [
        (root / place).write_bytes(b"\0\5\x16\7") for place in (
            "train/ant/._a.png", "train/.DS_Store")]),
    _read("other endings", "ending .txt 1", lambda root: (
        root / "train/ant/notes.txt").write_text("x")),
    _read("no ending", "ending none 1", lambda root: (root / "train/ant/x").write_text("x")),
    _read("files in no class", "directly in train/ 1", lambda root: _copy(root, "train/x.png")),
    _read("copies", "1 test images are also in the training set", lambda root: _copy(
        root, "test/ant/x.png")),
    _read("two labels", "1 training images have several labels", lambda root: _copy(
        root, "train/bee/x.png")),
    _read("link to an image", "", _link("a.png")),
    _read("FIFO with another ending", "ending .txt 1", lambda root: os.mkfifo(
        root / "train/ant/x.txt")),
    _read("class without test images", "bee 0", lambda root: shutil.rmtree(root / "test/bee")),
    _read("empty class of the test set", "bee 0", lambda root: (
        root / "test/bee/a.png").unlink()),
    _read("long class", "", _class("c" * 255)),
]  # fmt: skip

CASES: dict[str, Callable[[Generator], Case]] = {
    "PNG": png_case,
    "TIFF": tiff_case,
    "Netpbm": netpbm_case,
    "BMP": bmp_case,
    "GIF, WebP": lossless_case,
    "JPEG": jpeg_case,
    "damaged": damage_case,
    "bombs": bomb_case,
    "names": name_case,
}

"""One image file becomes 8-bit pixels by the rules of docs/data.md, or is refused by name."""

from __future__ import annotations

import logging
import os
import re
import stat
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from stages.datasets.listing import cannot, shown
from stages.machine.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

# Pillow logs some faults besides raising them; without a handler they would be further lines.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# What the file holds decides, not its ending; no other decoder ever sees it.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
MOST_PIXELS = 2**26  # 8192 x 8192: 256 MiB as RGBA, decoded in a few seconds
MOST_SCANS = 100  # of a progressive JPEG, which has about ten; each goes over all pixels
BACKGROUND = 255  # white, under transparent pixels
NO_RULE = {
    "F": "floating-point values, which have no agreed range",
    "I": "32-bit or signed integers, which have no agreed range",
    "LAB": "L*a*b* colours",
    "HSV": "HSV colours",
}
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
WHITE_IS_ZERO, UNSIGNED = 0, 1


@dataclass
class Facts:
    """What a file was before it became pixels.

    Attributes:
        format, mode: as Pillow names them; a mode of 16 bits a channel ends in ``;16``.
        size: height and width, upright and before resizing.
        changes: what was done to it, a phrase each.
        largest: the largest sample of a 16-bit grey image, as a share of the largest possible.
    """

    format: str = ""
    mode: str = ""
    size: tuple[int, int] = (0, 0)
    changes: list[str] = field(default_factory=list)
    largest: float | None = None


def read_image(
    path: Path, size: tuple[int, int] | None, channels: int, crop: str = "none"
) -> tuple[np.ndarray, Facts]:
    """Pixels, uint8 of shape (C, H, W), and what the file was.

    Args:
        size: height and width to resize to (bilinear); None: as it is.
        channels: 3 for RGB, 1 for grey (ITU-R BT.601 luma).
        crop: ``center``: the largest box in the middle that has the aspect of ``size``.

    Raises:
        UserError: not readable, not an image, damaged, too large, or without a rule.
    """
    from PIL import Image

    facts = Facts()
    try:
        # A device or a pipe never ends; the listing has looked, but long ago.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{shown(path)}: not a regular file")
        stream = open(path, "rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise cannot(path, "read", error) from None
    with stream, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            pixels = _decode(stream, size, channels, crop, facts)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise UserError(f"{shown(path)}: {_too_many(str(error))}") from None
        except UserError as error:
            raise UserError(f"{shown(path)}: {error}") from None
        except MemoryError:
            raise UserError(f"{shown(path)}: not enough memory to decode it") from None
        except Exception as error:  # on damaged files Pillow raises whatever its parsers meet
            about = "0 bytes" if os.fstat(stream.fileno()).st_size == 0 else _about(error)
            raise UserError(f"{shown(path)}: not a readable image ({about})") from None
    if warned:
        facts.changes.append("decoder warned")
    return pixels, facts


def _about(error: Exception) -> str:
    if str(error).startswith("cannot identify"):
        return f"no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} that Pillow can decode"
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__


def _too_many(about: str) -> str:
    pixels = re.search(r"\d+", about)
    return f"{pixels[0] if pixels else 'too many'} pixels; allowed: up to {MOST_PIXELS}"


def _decode(
    stream: BinaryIO, size: tuple[int, int] | None, channels: int, crop: str, facts: Facts
) -> np.ndarray:
    from PIL import Image, ImageOps

    with Image.open(stream, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise UserError(_too_many(str(image.width * image.height)))
        bits = _bits(image, stream)
        _check_scans(image, stream)
        facts.format, facts.mode = image.format or "", image.mode
        _refuse(image)
        if bits > 8 and not image.mode.startswith("I"):
            facts.mode += ";16"
        grey_16 = image.mode.startswith("I")
        white_is_zero = _tag(image, PHOTOMETRIC) == WHITE_IS_ZERO
        _note_profile(image, facts)
        # Pillow turns a TIFF while it loads; otherwise the tag says so after loading, too.
        before = image.getexif().get(0x0112, 1)
        key = image.info.get("transparency")
        upright = ImageOps.exif_transpose(image)
        if before in range(2, 9):
            facts.changes.append("turned upright")
        if grey_16:
            planes = _from_16_bits(upright, bits, white_is_zero, key, facts)
        else:
            planes = _planes(upright, bits, key, facts)
    flat = Image.fromarray(_over_background(planes, facts))
    facts.size = flat.height, flat.width
    wanted = "RGB" if channels == 3 else "L"
    if flat.mode != wanted:
        facts.changes.append("grey to RGB" if channels == 3 else "colour to grey")
        flat = flat.convert(wanted)
    if size is not None:
        if crop == "center":
            flat = flat.crop(middle(flat.height, flat.width, size))
        flat = flat.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(flat, np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def middle(height: int, width: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest box (left, top, right, bottom) in the middle with the aspect of ``size``.

    In whole pixels, one at least; where a side leaves an odd rest, the smaller half is first.
    """
    wide = max(1, min(width, height * size[1] // size[0]))
    high = max(1, min(height, width * size[0] // size[1]))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


def _bits(image: Picture, stream: BinaryIO) -> int:
    """Bits of a sample as stored: 1 to 16, or more where no rule exists."""
    if image.format == "PNG":
        place = stream.tell()
        stream.seek(0)
        head = stream.read(25)
        stream.seek(place)
        if head[12:16] != b"IHDR":
            raise UserError("not a readable image (a PNG whose first chunk is not its header)")
        return head[24]
    stored = _tag(image, BITS_PER_SAMPLE)
    if stored is None:
        return 16 if image.mode.startswith("I") else 8
    return max(stored) if isinstance(stored, tuple) else int(stored)


def _check_scans(image: Picture, stream: BinaryIO) -> None:
    if image.format in ("JPEG", "MPO"):
        place = stream.tell()
        stream.seek(0)
        scans = stream.read().count(b"\xff\xda")  # never within a scan's own data
        stream.seek(place)
        if scans > MOST_SCANS:
            raise UserError(f"a JPEG of {scans} scans; allowed: up to {MOST_SCANS}")


def _tag(image: Picture, number: int) -> object:
    tags = getattr(image, "tag_v2", None)
    return None if tags is None else tags.get(number)


def _refuse(image: Picture) -> None:
    """Raise for what cannot be read as its maker meant it."""
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise UserError("more than one picture (an animation, or pages); allowed: one")
    wide = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if image.mode in NO_RULE and not wide:
        raise UserError(f"{NO_RULE[image.mode]}; convert it to 8 or 16 bits, grey or RGB")
    signs = _tag(image, SAMPLE_FORMAT)
    if signs is not None and set(np.atleast_1d(signs).tolist()) != {UNSIGNED}:
        raise UserError("signed samples, which have no agreed range; convert it to unsigned ones")
    if image.format in ("JPEG", "MPO") and image.mode == "CMYK" and "adobe" not in image.info:
        raise UserError("CMYK without Adobe's marker, so inverted or not; convert it to RGB")


def _note_profile(image: Picture, facts: Facts) -> None:
    profile = image.info.get("icc_profile") or b""
    if profile and b"sRGB" not in profile and "sRGB".encode("utf-16-be") not in profile:
        facts.changes.append("colour profile ignored")


def _from_16_bits(
    image: Picture, bits: int, white_is_zero: bool, key: object, facts: Facts
) -> np.ndarray:
    """Grey, or grey and alpha, of 9 to 16 bits: the high byte; of Netpbm 255 v / 65535, rounded."""
    values, most = np.asarray(image), 2**bits - 1
    if not 0 <= int(values.min()) <= int(values.max()) <= most:
        raise UserError(f"samples beyond {bits} bits, as its header has them")
    facts.largest = int(values.max()) / most
    facts.changes.append("16 bits to 8")
    pixels = (values.astype(np.int32) + 128) // 257 if facts.format == "PPM" else values >> bits - 8
    planes = [pixels.astype(np.uint8)]
    if white_is_zero:
        planes = [255 - planes[0]]
    if isinstance(key, int):
        planes.append(np.where(values == key, np.uint8(0), np.uint8(255)))
    return np.stack(planes, axis=2)


def _planes(image: Picture, bits: int, key: object, facts: Facts) -> np.ndarray:
    """uint8 (H, W, 1 to 4): grey or RGB, and alpha last where there is one (2 or 4 planes)."""
    if bits > 8:
        facts.changes.append("16 bits to 8")  # Pillow keeps the high byte
    if image.mode in ("1", "L", "RGB") and key is not None:
        return _keyed(image, bits, key)
    plain = {"1": "L", "La": "LA", "RGBX": "RGB", "RGBa": "RGBA", "CMYK": "RGB", "YCbCr": "RGB"}
    # Via RGBA a palette keeps its alpha, whether it has one or not.
    plain |= {"P": "RGBA", "PA": "RGBA"}
    if image.mode in ("CMYK", "YCbCr"):
        facts.changes.append(f"{image.mode} to RGB")
    target = plain.get(image.mode, image.mode)
    if target not in ("L", "LA", "RGB", "RGBA"):
        raise UserError(f"mode {image.mode}, for which there is no rule; convert it to RGB")
    planes = np.asarray(image if image.mode == target else image.convert(target), np.uint8)
    return planes.reshape(image.height, image.width, -1)


def _keyed(image: Picture, bits: int, key: object) -> np.ndarray:
    """Planes with alpha 0 where a pixel has the one colour that the file calls transparent."""
    if bits > 8:
        raise UserError("16 bits a channel and a transparent colour; convert it to 8 bits")
    planes = np.asarray(image.convert("L") if image.mode == "1" else image, np.uint8)
    planes = planes.reshape(image.height, image.width, -1)
    # The file counts in its own bits, Pillow's pixels in eight.
    scaled = np.array(key).reshape(-1) * (255 // (2 ** min(bits, 8) - 1))
    if len(scaled) != planes.shape[2]:
        raise UserError("a transparent colour that does not fit its mode")
    alpha = np.where((planes == scaled).all(axis=2), 0, 255).astype(np.uint8)
    return np.concatenate([planes, alpha[..., None]], axis=2)


def _over_background(planes: np.ndarray, facts: Facts) -> np.ndarray:
    """Grey (H, W) or RGB (H, W, 3): ``(a c + (255 - a) background) / 255``, rounded."""
    if planes.shape[2] in (2, 4):
        alpha, planes = planes[..., -1], planes[..., :-1]
        if int(alpha.min()) < 255:
            facts.changes.append("transparent over white")
            planes = np.array(planes, order="C")  # Pillow's own memory is not written to
            step = max(1, 2**18 // planes.shape[1])  # rows at a time, to stay in the cache
            for at in range(0, len(planes), step):
                part = planes[at : at + step]
                share = alpha[at : at + step, :, None].astype(np.uint16)
                # At most 255 * 255 + 127, so 16 bits hold it.
                part[:] = (share * part + (255 - share) * BACKGROUND + 127) // 255
    return np.ascontiguousarray(planes[..., 0] if planes.shape[2] == 1 else planes)

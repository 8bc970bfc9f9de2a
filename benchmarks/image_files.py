"""Image files written byte by byte from samples that are known, without an image library."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def png(
    samples: np.ndarray,
    colour: int,
    depth: int,
    palette: np.ndarray | None = None,
    transparency: bytes | None = None,
    extra: list[tuple[bytes, bytes]] = (),
) -> bytes:
    """A PNG of ``samples`` (H, W, planes), of 1, 2, 4, 8 or 16 bits.

    Args:
        colour: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
        palette: uint8, shape (entries, 3).
        transparency: content of the tRNS chunk.
        extra: chunks to add before the pixels.
    """
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + pack(row.reshape(-1), depth, ">") for row in samples)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)), *extra]
    if palette is not None:
        chunks.append((b"PLTE", palette.astype(np.uint8).tobytes()))
    if transparency is not None:
        chunks.append((b"tRNS", transparency))
    return png_chunks([*chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


def png_chunks(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """The signature and these chunks."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in chunks:
        parts += [struct.pack(">I", len(data)), name, data, struct.pack(">I", crc(name + data))]
    return b"".join(parts)


def crc(data: bytes) -> int:
    """CRC-32."""
    return zlib.crc32(data) & 0xFFFFFFFF


def pack(values: np.ndarray, depth: int, order: str) -> bytes:
    """A row of samples, padded to whole bytes."""
    if depth == 16:
        return values.astype(f"{order}u2").tobytes()
    if depth == 8:
        return values.astype(np.uint8).tobytes()
    bits = (values[:, None] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8).reshape(-1)).tobytes()


def exif(orientation: int) -> bytes:
    """TIFF-like EXIF data with nothing but the orientation."""
    return b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def tiff(
    samples: np.ndarray,
    photometric: int,
    depth: int,
    order: str,
    sample_format: int | None = None,
    extra_samples: list[int] = (),
    orientation: int | None = None,
    palette: np.ndarray | None = None,
) -> bytes:
    """An uncompressed TIFF in one strip.

    Args:
        samples: (H, W, planes) of ``depth`` bits: 1, 8, 12, 16 or 32 (numpy's dtype for 32).
        order: ``<`` or ``>``.
        sample_format: 1 unsigned, 2 signed, 3 float; None: not said.
        palette: uint8, shape (256, 3); stored as 16 bits, times 257.
    """
    height, width, planes = samples.shape
    if depth == 32:
        pixels = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    else:
        pixels = b"".join(pack(row.reshape(-1), depth, order) for row in samples)
    entries: list[tuple[int, int, list[int]]] = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [depth] * planes),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (273, 4, [8]),
        (277, 3, [planes]),
        (278, 4, [height]),
        (279, 4, [len(pixels)]),
    ]
    if orientation is not None:
        entries.append((274, 3, [orientation]))
    if palette is not None:
        entries.append((320, 3, (palette.T.reshape(-1).astype(int) * 257).tolist()))
    if extra_samples:
        entries.append((338, 3, list(extra_samples)))
    if sample_format is not None:
        entries.append((339, 3, [sample_format] * planes))
    pixels += b"\0" * (len(pixels) % 2)
    directory = 8 + len(pixels)
    beyond = directory + 2 + 12 * len(entries) + 4
    table, tail = [struct.pack(order + "H", len(entries))], b""
    for tag, kind, values in sorted(entries):
        data = struct.pack(order + {3: "H", 4: "I"}[kind] * len(values), *values)
        table.append(struct.pack(order + "HHI", tag, kind, len(values)))
        if len(data) <= 4:
            table.append(data.ljust(4, b"\0"))
        else:
            table.append(struct.pack(order + "I", beyond + len(tail)))
            tail += data
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", directory)
    return head + pixels + b"".join(table) + b"\0\0\0\0" + tail


def netpbm(samples: np.ndarray, most: int, plain: bool) -> bytes:
    """PGM of (H, W, 1) or PPM of (H, W, 3), with values up to ``most``."""
    kind = {(1, True): 2, (3, True): 3, (1, False): 5, (3, False): 6}[samples.shape[2], plain]
    head = f"P{kind}\n{samples.shape[1]} {samples.shape[0]}\n{most}\n".encode()
    if plain:
        return head + "\n".join(map(str, samples.reshape(-1).tolist())).encode() + b"\n"
    return head + samples.astype(">u2" if most > 255 else "u1").tobytes()


def bmp(samples: np.ndarray) -> bytes:
    """24 bits of (H, W, 3), or 32 bits with an alpha mask of (H, W, 4); rows from the bottom."""
    height, width, planes = samples.shape
    order = [2, 1, 0] + [3] * (planes == 4)
    rows = [row[:, order].astype(np.uint8).tobytes() for row in samples[::-1]]
    pixels = b"".join(row.ljust((len(row) + 3) // 4 * 4, b"\0") for row in rows)
    sizes = (108, width, height, 1, 8 * planes, 3 * (planes == 4), len(pixels), 0, 0, 0, 0)
    about = struct.pack("<IiiHHIIiiII", *sizes)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) if planes == 4 else bytes(16)
    about += masks + b"BGRs" + bytes(48)
    start = 14 + len(about)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + about + pixels

"""Operations that move pixels: each image has a matrix of its own, as PIL's ``Image.transform``.

A matrix (a, b, c, d, e, f) says where a pixel of the result comes from: column a x + b y + c, row
d x + e y + f. The nearest pixel is taken, and what lies outside is 0. PIL computes this in one of
two ways, whose roundings are followed bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

FIXED = 65536.0  # units of PIL's fixed-point numbers
PILS = 15  # decimals to which PIL rounds cosine and sine
COARSE = 10  # decimals that no processor's last bit of a cosine changes


def transform(raw: Tensor, matrices: np.ndarray) -> Tensor:
    """``Image.transform(size, AFFINE, matrix)`` of each image, with a matrix of its own.

    Args:
        matrices: float64, shape (B, 6); whole coordinates are below 2^15.
    """
    height, width = raw.shape[2:]
    straight = (matrices[:, 1] == 0) & (matrices[:, 3] == 0)
    columns, rows = _fixed(matrices, height, width)
    if straight.any():
        across, down = _scaled(matrices[straight], height, width)
        columns[straight], rows[straight] = across[:, None, :], down[:, :, None]
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return take(raw, np.where(inside, rows * width + columns, -1))


def _fixed(matrices: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows where pixels come from, (B, H, W), by PIL's fixed-point arithmetic."""
    a, b, c, d, e, f = matrices.T
    first = np.stack([c + a * 0.5 + b * 0.5, f + d * 0.5 + e * 0.5])
    across, down, start = (
        np.floor(part * FIXED + 0.5).astype(np.int64)[:, :, None, None]
        for part in (np.stack([a, d]), np.stack([b, e]), first)
    )
    columns, rows = (start + across * np.arange(width) + down * np.arange(height)[:, None]) >> 16
    return columns, rows


def _scaled(matrices: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The same without rotation and shear: columns (B, W) and rows (B, H), added up in float64."""
    found = []
    for scale, start, size in ((0, 2, width), (4, 5, height)):
        steps = np.repeat(matrices[:, scale, None], size, 1)
        steps[:, 0] = matrices[:, start] + matrices[:, scale] * 0.5
        places = np.add.accumulate(steps, 1)
        found.append(np.where(places < 0, -1, np.trunc(places)).astype(np.int64))
    return found[0], found[1]


def take(raw: Tensor, places: np.ndarray) -> Tensor:
    """The pixels at ``places`` of each image's plane, (B, H, W); 0 where a place is negative."""
    count, channels = raw.shape[:2]
    index = torch.from_numpy(places.reshape(count, 1, -1)).to(raw.device)
    outside = index < 0
    flat = raw.flatten(2)
    found = flat.gather(2, index.clamp_(min=0).expand(-1, channels, -1))
    return found.masked_fill_(outside, 0).view(count, channels, *places.shape[1:])


def rotations(degrees: np.ndarray, height: int, width: int) -> np.ndarray:
    """Matrices of ``Image.rotate``: counter-clockwise about the middle, (B, 6).

    PIL rounds cosine and sine to 15 decimals, and a matrix to 2^-16 of a pixel. Of few different
    angles none is so near to a half of that that another processor's last bit would matter.
    """
    turns = -(degrees % 360.0)
    cosine, sine = (_of_angles(of, turns, PILS) for of in (math.cos, math.sin))
    x, y = width / 2, height / 2
    across, down = cosine * -x + sine * -y + x, -sine * -x + cosine * -y + y
    return np.stack([cosine, sine, across, -sine, cosine, down], 1)


def affines(
    degrees: np.ndarray,
    moves: np.ndarray,
    scales: np.ndarray,
    slants: np.ndarray,
    height: int,
    width: int,
) -> np.ndarray:
    """Matrices that turn clockwise, enlarge, slant and move about the middle, (B, 6).

    As torchvision's ``affine``: the inverse of move, middle, turn with slant, scale, middle back.

    Args:
        degrees, slants: of the turn and of the columns, shape (B,).
        moves: to the right and down, pixels, shape (B, 2).
        scales: above 1 enlarges, shape (B,).
    """
    cosine, sine = (_of_angles(of, degrees, COARSE) for of in (math.cos, math.sin))
    slope = _of_angles(math.tan, slants, COARSE)
    a, b = (cosine - sine * slope) / scales, (cosine * slope + sine) / scales
    d, e = -sine / scales, cosine / scales
    x, y = width * 0.5, height * 0.5
    right, below = -x - moves[:, 0], -y - moves[:, 1]
    return np.stack([a, b, a * right + b * below + x, d, e, d * right + e * below + y], 1)


def _of_angles(
    function: Callable[[float], float], degrees: np.ndarray, decimals: int
) -> np.ndarray:
    """A function of angles in degrees, rounded."""
    angles, which = np.unique(degrees, return_inverse=True)
    return np.array([round(function(math.radians(angle)), decimals) for angle in angles])[which]


def shears(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Matrices that move rows by ``across`` y and columns by ``down`` x, (B, 6)."""
    one, zero = np.ones(len(across)), np.zeros(len(across))
    return np.stack([one, across, zero, down, one, zero], 1)


def shifts(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Matrices that take each pixel from ``across`` further right and ``down`` further below."""
    one, zero = np.ones(len(across)), np.zeros(len(across))
    return np.stack([one, zero, across, zero, one, down], 1)


def cropped(raw: Tensor, offsets: np.ndarray, pad: int, mode: str = "zero") -> Tensor:
    """Windows of the old size out of padded images.

    Args:
        raw: of any type, shape (B, C, H, W).
        offsets: of the windows' upper left corners, row and column, int64, shape (B, 2).
        mode: of the padding: "zero" or "reflect".
    """
    count, channels, height, width = raw.shape
    rows = torch.from_numpy(offsets[:, :1] + np.arange(height)).to(raw.device)
    columns = torch.from_numpy(offsets[:, 1:] + np.arange(width)).to(raw.device)
    padded = F.pad(raw, (pad,) * 4) if mode == "zero" else reflected(raw, pad)
    image = torch.arange(count, device=raw.device)[:, None, None, None]
    channel = torch.arange(channels, device=raw.device)[None, :, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def reflected(raw: Tensor, pad: int) -> Tensor:
    """Images with ``pad`` pixels around them, mirrored at the border pixels, which come once."""
    for axis in (2, 3):
        size = raw.shape[axis]
        place = np.abs(np.arange(-pad, size + pad))
        place = np.where(place < size, place, 2 * (size - 1) - place)
        raw = raw.index_select(axis, torch.from_numpy(place).to(raw.device))
    return raw


def without_squares(raw: Tensor, centres: np.ndarray, sides: np.ndarray, fill: int) -> Tensor:
    """Images with a square of ``sides`` (B,) pixels about each centre (row, column) filled.

    DeVries & Taylor 2017: it may reach over the border, and is cut off there.
    """
    inside = []
    for axis, size in enumerate(raw.shape[2:]):
        away = np.arange(size) - (centres[:, axis] - sides // 2)[:, None]
        inside.append(torch.from_numpy((away >= 0) & (away < sides[:, None])).to(raw.device))
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return raw.masked_fill(hole, fill)

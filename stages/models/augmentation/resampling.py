"""Windows of images enlarged or reduced to the old size, as PIL's bilinear ``Image.resize``.

PIL weighs pixels in units of 2^-22 and sums whole numbers, columns first, then rows. Here the sums
are products of matrices in float64: whole numbers below 2^53, so no order of adding changes them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

UNITS = 2.0**22


def resized(raw: Tensor, windows: np.ndarray) -> Tensor:
    """``image.crop(window).resize(old size, BILINEAR)`` of each image.

    Args:
        raw: uint8, shape (B, C, H, W).
        windows: first row, first column, rows and columns, int64, shape (B, 4).
    """
    count, channels, height, width = raw.shape
    top, left, rows, columns = windows.T
    across = torch.from_numpy(weights(left, columns, width)).to(raw.device)
    down = torch.from_numpy(weights(top, rows, height)).to(raw.device)
    wide = raw.double().view(count, channels * height, width)
    first = _rounded(torch.bmm(wide, across.transpose(1, 2))).view(count, channels, height, width)
    turned = first.transpose(2, 3).reshape(count, channels * width, height)
    second = _rounded(torch.bmm(turned, down.transpose(1, 2)))
    found = second.view(count, channels, width, height).transpose(2, 3)
    return found.to(torch.uint8).contiguous()


def _rounded(sums: Tensor) -> Tensor:
    return sums.add_(UNITS / 2).div_(UNITS).floor_().clamp_(0, 255)


def weights(starts: np.ndarray, sizes: np.ndarray, side: int) -> np.ndarray:
    """How much each of ``side`` pixels counts in each pixel of the result.

    Args:
        starts, sizes: of the windows along one axis, int64, shape (B,).

    Returns:
        Whole numbers of 2^-22, float64, shape (B, side, side): images, new pixels, old pixels.
    """
    scale = (sizes / side)[:, None]
    reach = np.maximum(scale, 1.0)
    middle = (np.arange(side) + 0.5) * scale  # (B, side)
    first = np.maximum(np.trunc(middle - reach + 0.5), 0)[..., None]
    end = np.minimum(np.trunc(middle + reach + 0.5), sizes[:, None])[..., None]
    place = (np.arange(side) - starts[:, None])[:, None, :]  # of an old pixel, in the window
    away = (place - middle[..., None] + 0.5) * (1.0 / reach)[..., None]
    found = np.where((place >= first) & (place < end), np.maximum(1.0 - np.abs(away), 0.0), 0.0)
    found /= np.add.accumulate(found, 2)[..., -1:]  # one after another, as PIL adds
    return np.trunc(found * UNITS + 0.5)

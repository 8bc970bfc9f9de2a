"""Operations that look each pixel up in a table of 256 entries, and those that blend two images.

Each gives what PIL gives, bit for bit: ``ImageOps`` and ``ImageEnhance``. Images are uint8 and have
the shape (B, C, H, W); tables are uint8, (B, C, 256), or (B, 256) for all channels of an image.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from stages.machine.errors import UserError

LEVELS = np.arange(256)
IDENTITY = LEVELS.astype(np.uint8)
LUMA = (19595, 38470, 7471)  # ITU-R 601-2 in units of 2^-16, as PIL has them
SMOOTH = 13  # weights of 3x3 pixels together: 5 in the middle, else 1


def look_up(raw: Tensor, tables: Tensor) -> Tensor:
    """Each pixel's entry in its image's table, or in its channel's."""
    count, channels = raw.shape[:2]
    per_image = tables.dim() == 2
    start = torch.arange(count * (1 if per_image else channels), device=raw.device) * 256
    start = start.view(count, -1, 1, 1).expand(count, channels, 1, 1)
    return torch.take(tables, raw.long().add_(start))


def posterized(bits: np.ndarray) -> np.ndarray:
    """Tables that keep the highest ``bits`` (B,) of each pixel: ``ImageOps.posterize``."""
    return (LEVELS & ~(2 ** (8 - bits[:, None]) - 1)).astype(np.uint8)


def solarized(thresholds: np.ndarray) -> np.ndarray:
    """Tables that invert pixels from ``thresholds`` (B,) on: ``ImageOps.solarize``."""
    return np.where(thresholds[:, None] > LEVELS, LEVELS, 255 - LEVELS).astype(np.uint8)


def inverted(count: int) -> np.ndarray:
    """Tables that invert all pixels: ``ImageOps.invert``."""
    return solarized(np.zeros(count))


def blended(base: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Tables of ``base + factor (pixel - base)``: brightness has the base 0, contrast the mean.

    PIL blends in float32, cuts off what is behind the point, and clips.
    """
    base, factors = base.astype(np.float32)[:, None], factors.astype(np.float32)[:, None]
    mixed = base + factors * (LEVELS.astype(np.float32) - base)
    return np.clip(mixed, 0, 255).astype(np.uint8)


def blend(base: Tensor, raw: Tensor, factors: np.ndarray) -> Tensor:
    """``Image.blend(base, raw, factor)`` of each pair of images."""
    alpha = torch.from_numpy(factors.astype(np.float32)).to(raw.device).view(-1, 1, 1, 1)
    base = base.float()
    mixed = raw.float().sub_(base).mul_(alpha).add_(base)
    return mixed.clamp_(0, 255).to(torch.uint8)


def grey(raw: Tensor) -> Tensor:
    """Luma of each pixel as PIL's mode L has it, uint8, shape (B, 1, H, W).

    Raises:
        UserError: images have neither one channel nor three.
    """
    channels = raw.shape[1]
    if channels == 1:
        return raw
    if channels != 3:
        raise UserError(
            f"this augmentation needs the colours of images, but they have {channels} channels; "
            f"allowed: 1 or 3"
        )
    red, green, blue = (raw[:, at].int() * weight for at, weight in enumerate(LUMA))
    return ((red + green + blue + 0x8000) >> 16).to(torch.uint8)[:, None]


def means(raw: Tensor) -> np.ndarray:
    """Mean luma of each image, rounded as ``ImageEnhance.Contrast`` does, int64, shape (B,)."""
    luma = grey(raw).flatten(1)
    sums = luma.sum(1, dtype=torch.int64).cpu().numpy()
    return (sums / luma.shape[1] + 0.5).astype(np.int64)


def histograms(raw: Tensor) -> np.ndarray:
    """How many pixels of each channel have each value, int64, shape (B, C, 256)."""
    count, channels = raw.shape[:2]
    start = torch.arange(count * channels, device=raw.device).view(count, channels, 1, 1) * 256
    found = torch.bincount((raw.long() + start).flatten(), minlength=count * channels * 256)
    return found.view(count, channels, 256).cpu().numpy()


def autocontrasted(raw: Tensor) -> np.ndarray:
    """Tables that spread each channel over 0 to 255: ``ImageOps.autocontrast``, (B, C, 256)."""
    flat = raw.flatten(2)
    low, high = (one.cpu().numpy().astype(np.int64) for one in torch.aminmax(flat, dim=2))
    scale = 255.0 / np.maximum(high - low, 1)
    spread = LEVELS * scale[..., None] + (-low * scale)[..., None]
    spread = np.clip(np.trunc(spread), 0, 255)
    return np.where((high > low)[..., None], spread, LEVELS).astype(np.uint8)


def equalized(raw: Tensor) -> np.ndarray:
    """Tables that level each channel's histogram: ``ImageOps.equalize``, (B, C, 256)."""
    found = histograms(raw)
    last = 255 - np.argmax(found[..., ::-1] > 0, axis=-1)  # the highest value that occurs
    ends = np.take_along_axis(found, last[..., None], -1)
    step = (found.sum(-1, keepdims=True) - ends) // 255
    before = np.cumsum(found, -1) - found
    level = (step // 2 + before) // np.maximum(step, 1)
    return np.where(step > 0, np.minimum(level, 255), LEVELS).astype(np.uint8)


def saturated(raw: Tensor, factors: np.ndarray) -> Tensor:
    """``ImageEnhance.Color``: away from the grey image by ``factors`` (B,); grey stays as it is."""
    return blend(grey(raw), raw, factors)


def sharpened(raw: Tensor, factors: np.ndarray) -> Tensor:
    """``ImageEnhance.Sharpness``: away from the smoothed image by ``factors`` (B,)."""
    return blend(smooth(raw), raw, factors)


def smooth(raw: Tensor) -> Tensor:
    """``ImageFilter.SMOOTH``: 3x3 pixels around each but those at the border, which stay.

    PIL sums in float32 and adds 1/2; thirteenths are never that near to a half, so whole numbers
    give the same.
    """
    height, width = raw.shape[2:]
    result = raw.clone()
    if min(height, width) < 3:
        return result
    wide = raw.int()
    columns = wide[..., :-2] + wide[..., 1:-1] + wide[..., 2:]
    around = columns[:, :, :-2] + columns[:, :, 1:-1] + columns[:, :, 2:]
    total = around + 4 * wide[:, :, 1:-1, 1:-1]
    result[:, :, 1:-1, 1:-1] = ((2 * total + SMOOTH) // (2 * SMOOTH)).to(torch.uint8)
    return result

"""Random crops and flips of whole batches, a different draw for each image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """How an image is changed at random each time it is drawn.

    ``crop``: pad by ``padding`` black pixels, cut the old size out at a random place;
    ``crop_flip``: and mirror left-right with probability 1/2 (Krizhevsky et al. 2012, section 4.1);
    ``none``: not at all.
    """

    kind: str = "none"
    padding: int = 4

    def __call__(self, raw: Tensor, rng: np.random.Generator) -> Tensor:
        """Augment uint8 images (B, C, H, W); shape and type stay."""
        if self.kind == "none":
            return raw
        count, channels, height, width = raw.shape
        offsets = rng.integers(0, 2 * self.padding + 1, (2, count))
        flipped = rng.random(count) < 0.5
        if self.kind == "crop":
            flipped[:] = False
        columns = np.where(flipped[:, None], np.arange(width)[::-1], np.arange(width))
        rows = torch.from_numpy(offsets[0, :, None] + np.arange(height)).to(raw.device)
        columns = torch.from_numpy(offsets[1, :, None] + columns).to(raw.device)
        padded = F.pad(raw, (self.padding,) * 4)
        image = torch.arange(count, device=raw.device)[:, None, None, None]
        channel = torch.arange(channels, device=raw.device)[None, :, None, None]
        return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]

"""Random crops and flips of whole batches, a different draw for each image."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stages.study.settings import Task


def augment(raw: Tensor, task: Task, rng: np.random.Generator) -> Tensor:
    """Augment uint8 images (B, C, H, W) as the task says; shape and type stay.

    ``crop``: pad by ``task.padding`` black pixels, cut the old size out at a random place;
    ``crop_flip``: and mirror left-right with probability 1/2 (Krizhevsky et al. 2012, section 4.1).
    """
    if task.augmentation == "none":
        return raw
    count, channels, height, width = raw.shape
    offsets = rng.integers(0, 2 * task.padding + 1, (2, count))
    flipped = rng.random(count) < 0.5
    if task.augmentation == "crop":
        flipped[:] = False
    columns = np.where(flipped[:, None], np.arange(width)[::-1], np.arange(width))
    rows = torch.from_numpy(offsets[0, :, None] + np.arange(height)).to(raw.device)
    columns = torch.from_numpy(offsets[1, :, None] + columns).to(raw.device)
    padded = F.pad(raw, (task.padding,) * 4)
    image = torch.arange(count, device=raw.device)[:, None, None, None]
    channel = torch.arange(channels, device=raw.device)[None, :, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]

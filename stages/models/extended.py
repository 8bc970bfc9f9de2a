"""Images of a data set with further ones behind them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from stages.models.batches import Batches


class Extended:
    """:class:`Batches` with further images behind it, float32 in units of pixels."""

    def __init__(self, batches: Batches, images: np.ndarray) -> None:
        self.batches = batches
        self.compute = batches.compute
        self.images = torch.from_numpy(images).to(self.compute.device)

    def raw(self, rows: np.ndarray) -> Tensor:
        """Images of these rows, float32 (0 to 255), shape (B, C, H, W), on the device."""
        ours = rows >= len(self.batches)
        result = torch.empty((len(rows), *self.images.shape[1:]), device=self.compute.device)
        result[torch.from_numpy(ours)] = self.images[
            torch.from_numpy(rows[ours]) - len(self.batches)
        ]
        result[torch.from_numpy(~ours)] = self.batches.raw(rows[~ours]).float()
        return result

    def normalise(self, raw: Tensor) -> Tensor:
        """As :meth:`Batches.normalise`."""
        return self.batches.normalise(raw)

    def __len__(self) -> int:
        return len(self.batches) + len(self.images)

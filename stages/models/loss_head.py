"""A head that predicts the loss of an image from the maps of a network (Yoo & Kweon 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.models import Network
from stages.models.batches import Batches, over_rows
from stages.models.exact import softmax

GRID = 2.0**-40  # nats: losses that differ by less are the same on every processor


class LossHead(nn.Module):
    """Each block's maps, averaged, to ``width`` units with ReLU; all of them to one number.

    Yoo & Kweon 2019, section 3.2 and Figure 2: global average pooling, a linear layer and ReLU a
    block, concatenated, and a linear layer. No activation after the last: a loss is any number.

    Args:
        channels: number of maps of each block.
        width: units of each block.
    """

    def __init__(self, channels: Sequence[int], width: int = 128) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.means = nn.ModuleList(nn.AdaptiveAvgPool2d(1) for _ in channels)
            self.units = nn.ModuleList(nn.Linear(count, width) for count in channels)
            self.output = nn.Linear(width * len(channels), 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Predicted losses (B,) of the maps (B, C_i, H_i, W_i) of each block."""
        kind = self.output.weight.dtype  # under autocast maps may be narrower
        hidden = [
            F.relu(units(mean(each.to(kind)).flatten(1)))
            for mean, units, each in zip(self.means, self.units, maps, strict=True)
        ]
        return self.output(torch.cat(hidden, 1))[:, 0]


def ranking_loss(predicted: Tensor, losses: Tensor, margin: float) -> Tensor:
    """Mean over pairs of max(0, margin - sgn(l_i - l_j) (p_i - p_j)), Yoo & Kweon 2019, eq. 2.

    Image i of B is paired with image B + 1 - i; of an odd number the one in the middle is left out.

    Args:
        predicted: p, with a gradient, shape (B,), B at least 2.
        losses: l, shape (B,).
    """
    pairs = len(predicted) // 2
    order = torch.sign(losses - losses.flip(0))[:pairs]
    return F.relu(margin - order * (predicted - predicted.flip(0))[:pairs]).mean()


@torch.no_grad()
def losses_of(logits: Tensor, targets: Tensor, exact: bool) -> Tensor:
    """Cross-entropy of each image, shape (B,), of logits (B, C) and labels or chances.

    Args:
        targets: labels, int64, (B,); or chances of each class, (B, C).
        exact: whether the order of losses must not depend on the processor.
    """
    if targets.dim() == 1:
        targets = F.one_hot(targets, logits.shape[1])
    if not exact:
        return -(targets * F.log_softmax(logits.float(), 1)).sum(1)
    losses = -(targets * softmax(logits).clamp_min(1e-300).log()).sum(1)
    return torch.round(losses / GRID) * GRID


def predictions(network: Network, head: LossHead, batches: Batches, rows: np.ndarray) -> np.ndarray:
    """Predicted losses of ``rows``, float64, shape (len(rows),), in evaluation mode."""
    network.eval()
    head.eval()
    found = over_rows(batches, rows, lambda images: head(network.embed_with_blocks(images)[1]))
    return found.astype(np.float64)

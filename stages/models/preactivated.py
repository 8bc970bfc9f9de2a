"""Residual blocks with batch norm and ReLU before each convolution (He et al. 2016b)."""

from __future__ import annotations

from torch import Tensor, nn


class Block(nn.Module):
    """x + F(x); F: batch norm, ReLU, 3x3 convolution, twice.

    Where the number of maps changes, x is the 1x1 convolution of the normed maps after ReLU
    (Zagoruyko & Komodakis 2016, their code).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.relu = nn.ReLU()
        plain = inputs == outputs
        self.shortcut = None if plain else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, outputs, H / stride, W / stride)."""
        normed = self.relu(self.norm1(maps))
        changed = self.conv2(self.relu(self.norm2(self.conv1(normed))))
        return (maps if self.shortcut is None else self.shortcut(normed)) + changed

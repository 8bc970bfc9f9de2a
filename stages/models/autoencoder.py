"""A variational autoencoder of images of any size (Kingma & Welling 2014)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from stages.models.compute import Compute
from stages.models.smooth import exponential

NOISE_BITS = 30  # of a normal number: its last bits may differ between mathematical libraries


class Encoded(NamedTuple):
    """What an image is encoded as: a normal distribution for each number.

    Attributes:
        mean, log_variance: shape (B, latent).
    """

    mean: Tensor
    log_variance: Tensor


def sides_of(height: int, width: int, most: int) -> list[tuple[int, int]]:
    """Heights and widths, halved (rounded down) while both stay 2 or more, ``most`` times at most.

    32: 32, 16, 8, 4, 2; 28: 28, 14, 7, 3; 8: 8, 4, 2.
    """
    sides = [(height, width)]
    while len(sides) <= most and min(sides[-1]) >= 4:
        sides.append((sides[-1][0] // 2, sides[-1][1] // 2))
    return sides


class Encoder(nn.Module):
    """4x4 convolutions of stride 2, each with batch norm and ReLU, maps doubling; a linear layer.

    Args:
        shape: of an image, (C, H, W).
        width: maps of the first convolution.
        outputs: numbers that come out.
        most: convolutions at most; fewer for small images (:func:`sides_of`).
    """

    def __init__(self, shape: tuple[int, int, int], width: int, outputs: int, most: int) -> None:
        super().__init__()
        sides = sides_of(*shape[1:], most)
        layers: list[nn.Module] = []
        maps = shape[0]
        for at in range(len(sides) - 1):
            wider = width << at
            layers += [nn.Conv2d(maps, wider, 4, 2, 1, bias=False), nn.BatchNorm2d(wider)]
            layers += [nn.ReLU()]
            maps = wider
        self.maps = nn.Sequential(*layers, nn.Flatten())
        self.output = nn.Linear(maps * sides[-1][0] * sides[-1][1], outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Numbers (B, outputs) of images (B, C, H, W)."""
        return self.output(self.maps(images))


class Decoder(nn.Module):
    """The way back: a linear layer, transposed 4x4 convolutions of stride 2, a 1x1 convolution.

    It begins one halving earlier than the encoder ends, as in Sinha et al. 2019: from 4x4 maps for
    32x32 images, from 7x7 for 28x28, from 4x4 for 8x8. An odd side is met by output padding.

    Args:
        shape: of an image, (C, H, W).
        width: maps before the last convolution.
        inputs: numbers that come in.
        most: as the encoder's.
    """

    def __init__(self, shape: tuple[int, int, int], width: int, inputs: int, most: int) -> None:
        super().__init__()
        sides = sides_of(*shape[1:], most)
        first = max(len(sides) - 2, 0)
        self.begin = (width << first, *sides[first])
        self.input = nn.Linear(inputs, self.begin[0] * self.begin[1] * self.begin[2])
        layers: list[nn.Module] = []
        for at in range(first, 0, -1):
            odd = tuple(
                side - 2 * half for side, half in zip(sides[at - 1], sides[at], strict=True)
            )
            maps = width << (at - 1)
            layers += [
                nn.ConvTranspose2d(2 * maps, maps, 4, 2, 1, output_padding=odd, bias=False),
                nn.BatchNorm2d(maps),
                nn.ReLU(),
            ]
        self.maps = nn.Sequential(*layers, nn.Conv2d(width, shape[0], 1))

    def forward(self, codes: Tensor) -> Tensor:
        """Images (B, C, H, W) of codes (B, inputs), of any sign."""
        return self.maps(self.input(codes).view(-1, *self.begin))


class Autoencoder(nn.Module):
    """Sinha et al. 2019's: 128, 256, 512, 1024 maps for images of 32x32 and ``width`` 128.

    Args:
        shape: of an image, (C, H, W).
        latent: numbers of a code.
        width: maps of the first convolution; each further one has twice as many.
        most: convolutions at most.
    """

    def __init__(self, shape: tuple[int, int, int], latent: int, width: int, most: int = 4) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.encoder = Encoder(shape, width, 2 * latent, most)
            self.decoder = Decoder(shape, width, latent, most)

    def encode(self, images: Tensor) -> Encoded:
        """Codes of images (B, C, H, W)."""
        return Encoded(*self.encoder(images).chunk(2, 1))

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Encoded]:
        """Reconstructions (B, C, H, W) from a sample of the code, and the code.

        Args:
            noise: from N(0, 1), shape (B, latent).
        """
        code = self.encode(images)
        return self.decoder(sample(code, noise)), code


def sample(code: Encoded, noise: Tensor) -> Tensor:
    """mean + sigma noise, shape (B, latent)."""
    return code.mean + exponential(0.5 * code.log_variance) * noise


def divergence(code: Encoded) -> Tensor:
    """KL(N(mean, sigma^2) || N(0, 1)): summed over an image's code, averaged over images; nats."""
    mean, log_variance = code
    terms = mean * mean + exponential(log_variance) - 1 - log_variance
    return 0.5 * terms.sum() / len(mean)


def squared_error(images: Tensor, wanted: Tensor) -> Tensor:
    """Squared differences: summed over an image's pixels, averaged over images."""
    difference = images - wanted
    return (difference * difference).sum() / len(wanted)


def normal_noise(count: int, size: int, rng: np.random.Generator, compute: Compute) -> Tensor:
    """Numbers from N(0, 1) in multiples of 2^-30, shape (count, size), on the device."""
    drawn = np.round(rng.standard_normal((count, size)) * 2.0**NOISE_BITS) / 2.0**NOISE_BITS
    return torch.from_numpy(drawn).to(compute.device, compute.dtype)

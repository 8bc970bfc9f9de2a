"""A VAE-ACGAN: images of a class, from noise or after a labeled image (Tran et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.geometry.distances import Frame, Points, nearest
from stages.geometry.grid import blocks
from stages.models import Network
from stages.models.autoencoder import (
    Decoder,
    Encoded,
    Encoder,
    divergence,
    normal_noise,
    sample,
    squared_error,
)
from stages.models.batches import INFERENCE_BATCH, Batches
from stages.models.logistic import logistic
from stages.models.optimizers import Adam
from stages.models.smooth import sigmoid

CONVOLUTIONS = 2  # the authors' for 28x28: 64 and 128 maps
GENERATED = 1000  # images of the signature


class Generator(nn.Module):
    """Normalised images of a code and a class: a decoder with a sigmoid, so pixels are in [0, 1].

    Args:
        shape: of an image, (C, H, W).
        batches: whose mean and deviation images are normalised by.
    """

    def __init__(
        self, shape: tuple[int, int, int], width: int, latent: int, classes: int, batches: Batches
    ) -> None:
        super().__init__()
        self.decoder = Decoder(shape, width, latent + classes, CONVOLUTIONS)
        self._batches = [batches]  # in a list: no part of the state

    def forward(self, codes: Tensor, chances: Tensor) -> Tensor:
        """Images (B, C, H, W) of codes (B, latent) and classes, as chances (B, classes)."""
        (batches,) = self._batches
        pixels = sigmoid(self.decoder(torch.cat([codes, chances], 1)))
        return (pixels - batches.mean) / batches.std


class Networks(nn.Module):
    """Encoder E, generator G and discriminator D; the classifier C is the task's network.

    Args:
        shape: of an image, (C, H, W).
        latent: numbers of a code.
        width: maps of the first convolution.
    """

    def __init__(
        self, shape: tuple[int, int, int], latent: int, width: int, classes: int, batches: Batches
    ) -> None:
        super().__init__()
        self.latent = latent
        with torch.random.fork_rng(devices=[]):
            self.encoder = Encoder(shape, width, 2 * latent, CONVOLUTIONS)
            self.generator = Generator(shape, width, latent, classes, batches)
            self.discriminator = Encoder(shape, width, 1, CONVOLUTIONS)

    def encode(self, images: Tensor) -> Encoded:
        """Codes of images."""
        return Encoded(*self.encoder(images).chunk(2, 1))

    def odds(self, images: Tensor) -> Tensor:
        """log D / (1 - D), D the chance of being real, shape (B,)."""
        return self.discriminator(images)[:, 0]


@dataclass(frozen=True)
class GenerativeTraining:
    """How E, G and D are trained, by Adam.

    Attributes:
        learning_rate: of all three.
        beta: weight of KL in the loss of E.
        reconstruction: weight of the squared error (of a pixel) in the loss of G.
    """

    learning_rate: float = 5e-4
    beta: float = 1.0
    reconstruction: float = 0.75


@dataclass(frozen=True)
class Made:
    """Images made in a step, constants to the classifier.

    Attributes:
        generated, restored: of noise, and of the codes of the labeled images; (B, C, H, W).
    """

    generated: Tensor
    restored: Tensor


class GenerativeTrainer:
    """Steps of E, G and D on batches of labeled images.

    Args:
        rng: of the noise.

    Attributes:
        discriminator_loss: of the last step; 3 ln 2 where D cannot tell.
    """

    def __init__(
        self,
        networks: Networks,
        how: GenerativeTraining,
        rng: np.random.Generator,
        batches: Batches,
    ) -> None:
        self.networks, self.how, self.rng, self.batches = networks, how, rng, batches
        networks.train()
        self._of = [
            (parameters, Adam(parameters))
            for parameters in (
                list(part.parameters())
                for part in (networks.encoder, networks.generator, networks.discriminator)
            )
        ]
        self.discriminator_loss = 0.0

    def step(self, images: Tensor, chances: Tensor, pulled: Callable[[Tensor], Tensor]) -> Made:
        """One step each of E, G and D, in the authors' order.

        E: squared error + KL. G: BCE(D(G(z, y)), 1) + CE(C(G(z, y)), y) + reconstruction times the
        squared error. D: BCE of real against generated and restored ones.

        Args:
            images: real ones, normalised, (B, C, H, W).
            chances: their classes, (B, classes).
            pulled: CE(C(images), y) of images of these classes; its gradient reaches the images.
        """
        networks = self.networks
        code = networks.encode(images)
        restored = networks.generator(sample(code, self._noise(images)), chances)
        of_encoder = self._error(restored, images) + self.how.beta * divergence(code)
        self._update(0, of_encoder)

        code = Encoded(*(part.detach() for part in networks.encode(images)))
        noise = self._noise(images)
        generated = networks.generator(noise, chances)
        restored = networks.generator(sample(code, self._noise(images)), chances)
        error = self._error(restored, images) / images[0].numel()
        of_generator = _bce(networks.odds(generated), True) + pulled(generated)
        self._update(1, of_generator + self.how.reconstruction * error)

        with torch.no_grad():
            made = Made(
                networks.generator(noise, chances),
                networks.generator(sample(code, self._noise(images)), chances),
            )
        of_discriminator = _bce(networks.odds(images), True)
        for fake in (made.generated, made.restored):
            of_discriminator = of_discriminator + _bce(networks.odds(fake), False)
        self._update(2, of_discriminator)
        self.discriminator_loss = float(of_discriminator.detach())
        return made

    def _noise(self, images: Tensor) -> Tensor:
        return normal_noise(len(images), self.networks.latent, self.rng, self.batches.compute)

    def _error(self, images: Tensor, wanted: Tensor) -> Tensor:
        """Squared error of an image whose pixels are in [0, 1]."""
        std = self.batches.std
        return squared_error(images * std, wanted * std)

    def _update(self, which: int, loss: Tensor) -> None:
        parameters, optimizer = self._of[which]
        optimizer.step(torch.autograd.grad(loss, parameters), self.how.learning_rate)


def _bce(logits: Tensor, real: bool) -> Tensor:
    targets = torch.full_like(logits, real, dtype=torch.bool)
    return logistic(logits, targets, torch.full_like(logits, 1 / len(logits)))


def one_hot(targets: Tensor, classes: int, like: Tensor) -> Tensor:
    """Labels (B,) or chances (B, classes) as chances, in the precision of ``like``."""
    chances = F.one_hot(targets, classes) if targets.dim() == 1 else targets
    return chances.to(like.dtype)


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Batch norm's running statistics stay as they are: they are to be those of real images."""
    norms = [one for one in network.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    before = [one.momentum for one in norms]
    try:
        for one in norms:
            one.momentum = 0.0
        yield
    finally:
        for one, momentum in zip(norms, before, strict=True):
            one.momentum = momentum


@torch.no_grad()
def reconstruction_error(
    networks: Networks, batches: Batches, labels: np.ndarray, classes: int
) -> float:
    """Mean squared error of a pixel, in [0, 1], of all images of ``batches`` from their mean code.

    Args:
        labels: of the images; G is given the class.
    """
    networks.eval()
    total = 0.0
    for part in blocks(len(labels), INFERENCE_BATCH):
        images = batches.normalise(batches.raw(np.arange(part.start, part.stop)))
        targets = torch.from_numpy(labels[part]).to(images.device)
        chances = one_hot(targets, classes, images)
        made = networks.generator(networks.encode(images).mean, chances)
        total += float(((made - images) * batches.std).square().double().sum())
    return total / (len(labels) * images[0].numel())


@torch.no_grad()
def shares_right(
    networks: Networks,
    network: Network,
    trainer: GenerativeTrainer,
    classes: int,
    real: Tensor,
    labels: np.ndarray,
) -> tuple[float, float]:
    """Shares of ``GENERATED`` images, of all classes in turn, that are of the class asked for.

    The first by the classifier, that was trained on such images and by which G was led; the second
    by the nearest real image, which knows nothing of them.

    Args:
        real: labeled images, normalised, (L, C, H, W).
        labels: int64, (L,).
    """
    networks.eval()
    network.eval()
    device = trainer.batches.compute.device
    targets = torch.arange(GENERATED, device=device) % classes
    noise = normal_noise(GENERATED, networks.latent, trainer.rng, trainer.batches.compute)
    images = networks.generator(noise, one_hot(targets, classes, noise))
    right = (network(images).argmax(1) == targets).double().mean()
    known, made = (one.flatten(1).double().cpu().numpy() for one in (real, images))
    frame = Frame(known, made)
    own, _ = nearest(Points.of(made, frame), Points.of(known, frame))
    return float(right), float((labels[own] == targets.cpu().numpy()).mean())

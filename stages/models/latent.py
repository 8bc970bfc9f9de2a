"""A discriminator of codes, against an autoencoder that hides from it (Sinha et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from stages.machine.errors import UserError
from stages.machine.progress import progress
from stages.machine.randomness import Purpose
from stages.models import initialise
from stages.models.augmentation import Augmentation
from stages.models.autoencoder import Autoencoder, divergence, normal_noise, squared_error
from stages.models.batches import Batches, batches_of, over_rows
from stages.models.logistic import logistic
from stages.models.optimizers import Adam

if TYPE_CHECKING:
    from stages.rounds.context import Round

HIDDEN, LAYERS = 512, 4


class LatentDiscriminator(nn.Module):
    """Four hidden layers of 512 with ReLU, and the log-odds of being labeled.

    Args:
        latent: numbers of a code.
    """

    def __init__(self, latent: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        with torch.random.fork_rng(devices=[]):
            for at in range(LAYERS):
                layers += [nn.Linear(hidden if at else latent, hidden), nn.ReLU()]
            self.layers = nn.Sequential(*layers, nn.Linear(hidden, 1))

    def forward(self, codes: Tensor) -> Tensor:
        """log D / (1 - D) of codes (B, latent), shape (B,)."""
        return self.layers(codes)[:, 0]


@dataclass(frozen=True)
class VaalTraining:
    """How both are trained, by Adam.

    Attributes:
        beta: weight of the divergence.
        adversary: lambda, weight of what the discriminator says of the codes.
        vae_steps, discriminator_steps: in each step.
        learning_rate: of both.
        steps: how many.
        batch_size: labeled images in a batch, and as many unlabeled ones.
    """

    beta: float = 1.0
    adversary: float = 1.0
    vae_steps: int = 2
    discriminator_steps: int = 1
    learning_rate: float = 5e-4
    steps: int = 1
    batch_size: int = 128


class Trainer:
    """An autoencoder and a discriminator, trained against each other.

    Args:
        labeled, unlabeled: rows that are trained on.
    """

    def __init__(
        self,
        vae: Autoencoder,
        discriminator: LatentDiscriminator,
        how: VaalTraining,
        round: Round,
        labeled: np.ndarray,
        unlabeled: np.ndarray,
    ) -> None:
        self.vae, self.discriminator, self.how, self.round = vae, discriminator, how, round
        self._noise = round.generator(Purpose.AUTOENCODER_NOISE)
        streams = round.generator(Purpose.AUTOENCODER_BATCHES).spawn(2)
        self._rows = [
            _endless(rows, how.batch_size, rng)
            for rows, rng in zip((labeled, unlabeled), streams, strict=True)
        ]
        self._augment = Augmentation(round.task.augmentation, round.task.padding)
        self._augmentation = round.generator(Purpose.AUTOENCODER_AUGMENTATION)
        self._of_vae, self._of_discriminator = (
            (parameters, Adam(parameters))
            for parameters in (list(vae.parameters()), list(discriminator.parameters()))
        )

    def run(self) -> None:
        """All steps.

        Raises:
            UserError: training diverged.
        """
        for _ in progress(range(self.how.steps), "autoencoder", "step"):
            self.step()
        parameters = [*self._of_vae[0], *self._of_discriminator[0]]
        if not all(torch.isfinite(parameter).all() for parameter in parameters):
            raise UserError(
                f"training of the autoencoder diverged (weights are not finite); lower its "
                f"rate {self.how.learning_rate}"
            )

    def step(self) -> None:
        """Steps of the autoencoder, each on new batches; then of the discriminator on the last."""
        self.vae.train()
        self.discriminator.train()
        for _ in range(self.how.vae_steps):
            labeled, unlabeled = (self._images(rows) for rows in self._rows)
            self._update(self._of_vae, self.vae_loss(labeled, unlabeled))
        for at in range(self.how.discriminator_steps):
            if at:
                labeled, unlabeled = (self._images(rows) for rows in self._rows)
            self._update(self._of_discriminator, self.discriminator_loss(labeled, unlabeled))

    def vae_loss(self, labeled: Tensor, unlabeled: Tensor) -> Tensor:
        """MSE + beta KL of both + lambda (BCE(D(mu_L), 1) + BCE(D(mu_U), 1)), eqs. 1 to 3."""
        total = torch.zeros((), dtype=labeled.dtype, device=labeled.device)
        for images in (labeled, unlabeled):
            size = self.vae.decoder.input.in_features
            noise = normal_noise(len(images), size, self._noise, self.round.compute)
            restored, code = self.vae(images, noise)
            total = total + squared_error(restored, images) + self.how.beta * divergence(code)
            total = total + self.how.adversary * _cross_entropy(self.discriminator(code.mean), True)
        return total

    def discriminator_loss(self, labeled: Tensor, unlabeled: Tensor) -> Tensor:
        """BCE(D(mu_L), 1) + BCE(D(mu_U), 0), eq. 4; the codes are constants."""
        with torch.no_grad():
            near, far = (self.vae.encode(images).mean for images in (labeled, unlabeled))
        return bce(self.discriminator(near), self.discriminator(far))

    def _update(self, of: tuple[list[nn.Parameter], Adam], loss: Tensor) -> None:
        parameters, optimizer = of
        optimizer.step(torch.autograd.grad(loss, parameters), self.how.learning_rate)

    def _images(self, rows: Iterator[np.ndarray]) -> Tensor:
        batches = self.round.batches
        return batches.normalise(self._augment(batches.raw(next(rows)), self._augmentation))


def bce(near: Tensor, far: Tensor) -> Tensor:
    """BCE(sigmoid(near), 1) + BCE(sigmoid(far), 0), each averaged; 2 ln 2 where it is all one."""
    return _cross_entropy(near, True) + _cross_entropy(far, False)


def _cross_entropy(logits: Tensor, labeled: bool) -> Tensor:
    targets = torch.full_like(logits, labeled, dtype=torch.bool)
    return logistic(logits, targets, torch.full_like(logits, 1 / len(logits)))


def _endless(rows: np.ndarray, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches of all rows in random order, then again."""
    while True:
        yield from batches_of(rng.permutation(rows), size)


def fresh(round: Round, latent: int, width: int) -> tuple[Autoencoder, LatentDiscriminator]:
    """Both with this seed's and round's initial weights, on the device."""
    rng = round.generator(Purpose.AUTOENCODER)
    modules = Autoencoder(round.shape, latent, width), LatentDiscriminator(latent)
    for module in modules:
        initialise(module, rng)
    return tuple(round.compute.place(module) for module in modules)


def log_odds(
    vae: Autoencoder, discriminator: LatentDiscriminator, batches: Batches, rows: np.ndarray
) -> np.ndarray:
    """log D / (1 - D) of the mean codes of ``rows``, float64, shape (N,), in evaluation mode."""
    vae.eval()
    discriminator.eval()
    found = over_rows(batches, rows, lambda images: discriminator(vae.encode(images).mean))
    return found.astype(np.float64)


def restored(vae: Autoencoder, batches: Batches, rows: np.ndarray) -> tuple[float, float]:
    """Mean squared error and mean divergence of an image of ``rows``, from its mean code."""
    vae.eval()

    def measured(images: Tensor) -> Tensor:
        code = vae.encode(images)
        errors = (vae.decoder(code.mean) - images).square().sum((1, 2, 3))
        terms = code.mean.square() + code.log_variance.exp() - 1 - code.log_variance
        return torch.stack([errors, 0.5 * terms.sum(1)], 1)

    error, divergence = over_rows(batches, rows, measured).astype(np.float64).mean(0)
    return float(error), float(divergence)

"""A critic of features: how far the unlabeled ones lie from the labeled ones (Shui et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.geometry.grid import blocks
from stages.models import Network
from stages.models.batches import Batches, embed
from stages.models.exact import product
from stages.models.optimizers import Adam
from stages.models.smooth import norm

BLOCK = 10_000
LEAK = 0.2  # with ReLU all units may fall silent while the features move, and stay so


class Critic(nn.Module):
    """A hidden layer of ``width`` units with leaky ReLU, and one number: no sigmoid, no bias there.

    Kantorovich's potential has any value, and is defined up to a constant.

    Args:
        size: D of the features.
    """

    def __init__(self, size: int, width: int = 50) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.hidden = nn.Linear(size, width)
        self.output = nn.Parameter(torch.zeros(1, width))

    def initialise(self, rng: np.random.Generator) -> None:
        """Fill what is no layer: U(-1/sqrt(width), 1/sqrt(width))."""
        bound = 1 / np.sqrt(self.output.shape[1])
        values = rng.uniform(-bound, bound, tuple(self.output.shape)).astype(np.float32)
        with torch.no_grad():
            self.output.copy_(torch.from_numpy(values))

    def forward(self, features: Tensor) -> Tensor:
        """Potentials (B,) of features (B, D)."""
        hidden = F.leaky_relu(self.hidden(features.to(self.output.dtype)), LEAK)
        return _product(hidden, self.output)[:, 0]

    def slopes(self, features: Tensor) -> Tensor:
        """Norms (B,) of the potential's gradient in the features, with a gradient of their own.

        In closed form, W_1^T (w_2 * a), a the slope of each unit (1 or LEAK): to differentiate it
        once more takes no second backward pass, and no sum is left to chance.
        """
        active = torch.where(self.hidden(features) > 0, 1.0, LEAK).to(features.dtype) * self.output
        return norm(_product(active, self.hidden.weight.T))

    def penalty(self, features: Tensor) -> Tensor:
        """Mean of (|gradient| - 1)^2 (Gulrajani et al. 2017, eq. 3)."""
        excess = self.slopes(features) - 1
        return (excess * excess).mean()


def _product(inputs: Tensor, weight: Tensor) -> Tensor:
    """``inputs @ weight.T``, with exact sums where a sum may depend on nothing."""
    return product(inputs, weight) if inputs.dtype == torch.float64 else inputs @ weight.T


@dataclass(frozen=True)
class CriticTraining:
    """How a critic is trained, by Adam.

    Attributes:
        steps: for each step of the network.
        learning_rate: of Adam.
        penalty: weight of the gradient penalty.
    """

    steps: int = 5
    learning_rate: float = 0.003
    penalty: float = 10.0


class CriticTrainer:
    """Maximises E_U D - E_L D - penalty (|gradient D| - 1)^2 on features that it is given.

    Args:
        rng: draws the places between labeled and unlabeled features where the slope is measured.
    """

    def __init__(self, critic: Critic, how: CriticTraining, rng: np.random.Generator) -> None:
        self.critic, self.how, self.rng = critic, how, rng
        self.parameters = list(critic.parameters())
        self._adam = Adam(self.parameters)

    def step(self, labeled: Tensor, unlabeled: Tensor) -> None:
        """``how.steps`` updates on features (n, D) and (m, D), none of which gets a gradient."""
        labeled, unlabeled = (
            each.detach().to(self.parameters[0].dtype) for each in (labeled, unlabeled)
        )
        if not len(labeled) or not len(unlabeled):
            return
        for _ in range(self.how.steps):
            loss = self.how.penalty * self.critic.penalty(self._measured_at(labeled, unlabeled))
            loss = loss + self.critic(labeled).mean() - self.critic(unlabeled).mean()
            gradients = torch.autograd.grad(loss, self.parameters)
            self._adam.step(gradients, self.how.learning_rate)

    def _measured_at(self, labeled: Tensor, unlabeled: Tensor) -> Tensor:
        """A random place between the two of each pair, and both (Shui et al. 2020, code)."""
        count = max(len(labeled), len(unlabeled))
        one, other = (each[torch.arange(count) % len(each)] for each in (labeled, unlabeled))
        share = torch.from_numpy(self.rng.random((count, 1), np.float32)).to(one)
        return torch.cat([one + share * (other - one), labeled, unlabeled])


@torch.no_grad()
def potentials(network: Network, critic: Critic, batches: Batches, rows: np.ndarray) -> np.ndarray:
    """D of the embeddings of ``rows``, float64, shape (len(rows),), in evaluation mode."""
    return of_embeddings(critic, embed(network, batches, rows), batches)


@torch.no_grad()
def of_embeddings(critic: Critic, embeddings: np.ndarray, batches: Batches) -> np.ndarray:
    """D of embeddings (N, D), float64, shape (N,)."""
    found = [
        critic(torch.from_numpy(embeddings[part]).to(batches.compute.device)).double().cpu()
        for part in blocks(len(embeddings), BLOCK)
    ]
    return torch.cat(found).numpy() if found else np.empty(0)


@torch.no_grad()
def mean_slope(critic: Critic, embeddings: np.ndarray, batches: Batches) -> float:
    """Mean |gradient D| at embeddings (N, D); 1 is what the penalty asks for."""
    values = torch.from_numpy(embeddings).to(batches.compute.device, batches.compute.dtype)
    return float(critic.slopes(values).mean())

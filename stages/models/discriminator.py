"""A small network that tells labeled from unlabeled (Gissin & Shalev-Shwartz 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.geometry.diversity import Standard
from stages.geometry.grid import blocks
from stages.geometry.probabilities import softmax
from stages.models import initialise
from stages.models.batches import batches_of, dropout_mask
from stages.models.compute import Compute
from stages.models.exact import cross_entropy
from stages.models.optimizers import Adam

LABELED, UNLABELED = 0, 1
BLOCK = 10_000


@dataclass(frozen=True)
class Training:
    """How a discriminator is trained, by Adam."""

    epochs: int = 50
    batch_size: int = 128
    learning_rate: float = 0.001
    dropout: float = 0.25
    weight_decay: float = 0.0


class Discriminator(nn.Module):
    """One hidden layer as wide as the input, with ReLU and dropout; two logits."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, size)
        self.output = nn.Linear(size, 2)

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (B, 2) of (B, D); ``mask`` of the hidden units, (B, D)."""
        hidden = F.relu(self.hidden(inputs))
        return self.output(hidden if mask is None else hidden * mask)


def discriminator_score(
    pool: np.ndarray,
    labeled: np.ndarray,
    training: Training,
    compute: Compute,
    rng: np.random.Generator,
) -> np.ndarray:
    """p(unlabeled | x) of the candidates, float64, shape (N,): higher is less like the labeled set.

    Li et al. 2022 (hybrid), section 3.2.2: trained on all candidates (N, D) and on the labeled rows
    (L, D), repeated until there are as many; embeddings normalised.

    Raises:
        UserError: an embedding is not finite.
    """
    standard = Standard.of(pool, labeled)
    with torch.random.fork_rng(devices=[]):
        network = Discriminator(pool.shape[1])
    initialise(network, rng)
    network = compute.place(network)
    parameters = list(network.parameters())
    optimizer = Adam(parameters, training.weight_decay)
    repeated = resample(len(labeled), len(pool), rng)
    targets = np.repeat([UNLABELED, LABELED], [len(pool), len(repeated)])

    def inputs(rows: np.ndarray) -> Tensor:
        values = np.empty((len(rows), pool.shape[1]))
        own = rows < len(pool)
        values[own] = standard(pool[rows[own]])
        values[~own] = standard(labeled[repeated[rows[~own] - len(pool)]])
        return torch.from_numpy(values).to(compute.device, compute.dtype)

    for batch in _batches(len(targets), training, rng):
        values = inputs(batch)
        mask = dropout_mask(values, training.dropout, rng) if training.dropout else None
        labels = torch.from_numpy(targets[batch]).to(compute.device)
        loss = (cross_entropy if compute.exact else F.cross_entropy)(network(values, mask), labels)
        optimizer.step(torch.autograd.grad(loss, parameters), training.learning_rate)
    with torch.no_grad():
        rows = np.arange(len(pool))
        logits = [network(inputs(rows[part])).double().cpu() for part in blocks(len(pool), BLOCK)]
    return softmax(torch.cat(logits).numpy())[:, UNLABELED]


def _batches(count: int, training: Training, rng: np.random.Generator) -> Iterator[np.ndarray]:
    for _ in range(training.epochs):
        yield from batches_of(rng.permutation(count), training.batch_size)


def resample(count: int, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """``wanted`` of ``count`` rows, each as often as any other, to within one; int64."""
    times = -(-wanted // count)
    return np.concatenate([rng.permutation(count) for _ in range(times)])[:wanted]

"""A multilayer perceptron that tells unlabeled embeddings from labeled ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from stages.geometry.grid import blocks
from stages.models import initialise
from stages.models.batches import batches_of
from stages.models.compute import Compute
from stages.models.logistic import Trainer, logistic, tensor

WIDTH = 256
BLOCK = 10_000


def fresh(size: int, rng: np.random.Generator, compute: Compute) -> nn.Module:
    """Three hidden layers of 256 with ReLU and two outputs: labeled, unlabeled.

    Args:
        size: D of the embeddings.
        rng: gives the initial weights.
    """
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        for inputs in (size, WIDTH, WIDTH):
            layers += [nn.Linear(inputs, WIDTH), nn.ReLU()]
        model = nn.Sequential(*layers, nn.Linear(WIDTH, 2))
    initialise(model, rng)
    return compute.place(model)


def train(
    model: nn.Module,
    inputs: np.ndarray,
    unlabeled: np.ndarray,
    rng: np.random.Generator,
    compute: Compute,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    accuracy: float,
) -> None:
    """Train ``model`` in place by Adam on the cross-entropy, classes weighted to balance.

    Args:
        inputs: embeddings of both classes, shape (M, D).
        unlabeled: which class each is of, bool, shape (M,).
        rng: gives the order of the batches.
        epochs: at most.
        accuracy: training stops once that of an epoch, unweighted, exceeds it.

    Raises:
        UserError: training diverged.
    """
    values = tensor(inputs, compute)
    targets = torch.from_numpy(unlabeled).to(compute.device)
    sizes = np.bincount(unlabeled.astype(np.int64), minlength=2)
    weights = tensor((len(inputs) / (2 * sizes))[unlabeled.astype(np.int64)], compute)
    trainer = Trainer(model, learning_rate)
    for _ in range(epochs):
        right = 0
        for batch in batches_of(rng.permutation(len(inputs)), batch_size):
            rows = torch.from_numpy(batch).to(compute.device)
            margins = _margin(model(values[rows]))
            trainer.step(logistic(margins, targets[rows], weights[rows] / len(batch)))
            right += int(((margins > 0) == targets[rows]).sum())
        if right > accuracy * len(inputs):
            break
    trainer.check("discriminator")


def _margin(logits: Tensor) -> Tensor:
    return logits[:, 1] - logits[:, 0]


@torch.no_grad()
def margins_of(model: nn.Module, inputs: np.ndarray, compute: Compute) -> Tensor:
    """log p(unlabeled) - log p(labeled) of many inputs (N, D), in blocks, shape (N,)."""
    parts = blocks(len(inputs), BLOCK)
    return torch.cat([_margin(model(tensor(inputs[part], compute))) for part in parts])

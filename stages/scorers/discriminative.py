"""Discriminative active learning: which candidates look least like what is labeled."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from stages.learners.supervised import batches_of
from stages.machine.errors import UserError
from stages.machine.progress import progress
from stages.machine.randomness import Purpose
from stages.models import initialise
from stages.models.batches import slices
from stages.models.compute import Compute
from stages.models.logistic import Trainer, logistic, sigmoid, tensor
from stages.rounds.pool import Pool
from stages.selectors.top import top

WIDTH = 256
BLOCK = 10_000
NOT_SEEN = -1.0


def discriminative(
    pool: Pool,
    mini_queries: int = 10,
    ratio: int = 10,
    epochs: int = 500,
    batch_size: int = 1024,
    learning_rate: float = 0.0002,
    accuracy: float = 0.98,
) -> np.ndarray:
    """Gissin & Shalev-Shwartz 2019: the chance of being unlabeled, by a new classifier.

    b is taken in mini-queries. In each, a multilayer perceptron (three hidden layers of 256, ReLU,
    no regularisation, Adam, classes weighted to balance) learns to tell the embeddings of labeled
    images, and of those taken before, from ``ratio`` times as many unlabeled ones drawn at random;
    it stops once its accuracy over an epoch, unweighted, exceeds ``accuracy``. Of the drawn ones
    those most surely unlabeled are taken.

    Args:
        mini_queries: how many; each takes its share of b.
        ratio: unlabeled ones drawn for each labeled one (at least the share); 0: all.
        epochs: at most.
        batch_size: of the classifier's training.
        learning_rate: of Adam.
        accuracy: where training stops.

    Returns:
        Shape (N,), for the b highest to be selected: of candidates taken in mini-query q of Q
        (from 0), Q - q + p(unlabeled); of the others the last p(unlabeled), or -1 if never drawn.

    Raises:
        UserError: training diverged, or b is larger than N.
    """
    count, b = len(pool.rows), pool.query_size
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    if not np.isfinite(pool.embeddings).all():
        raise UserError("an embedding is not a finite number")
    compute = pool.batches.compute
    initial, batches, subset = (
        pool.generator(purpose)
        for purpose in (
            Purpose.DISCRIMINATOR,
            Purpose.DISCRIMINATOR_BATCHES,
            Purpose.DISCRIMINATOR_SUBSET,
        )
    )
    scores, taken = np.full(count, NOT_SEEN), np.zeros(0, np.int64)
    shares = [len(part) for part in np.array_split(np.arange(b), min(mini_queries, b))]
    for at, share in enumerate(progress(shares, "discriminate", "mini-query")):
        free = np.setdiff1d(np.arange(count), taken)
        known = len(pool.labeled) + len(taken)
        drawn = min(len(free), max(ratio * known, share)) if ratio else len(free)
        free = np.sort(subset.choice(free, drawn, replace=False))
        inputs = np.empty((known + drawn, pool.embeddings.shape[1]), pool.embeddings.dtype)
        inputs[: len(pool.labeled)] = pool.labeled_embeddings
        wanted = np.concatenate([taken, free])
        # Clipping changes no valid position; without it NumPy would gather into a copy first.
        np.take(pool.embeddings, wanted, 0, out=inputs[len(pool.labeled) :], mode="clip")
        model = _fresh(inputs.shape[1], initial, compute)
        unlabeled = np.arange(len(inputs)) >= known
        _train(
            model, inputs, unlabeled, batches, compute, epochs, batch_size, learning_rate, accuracy
        )
        margins = _margins(model, inputs[known:], compute)
        chances = sigmoid(margins).cpu().numpy().astype(np.float64)
        best = top(margins.double().cpu().numpy(), share, subset)
        scores[free] = chances
        scores[free[best]] += len(shares) - at
        taken = np.concatenate([taken, free[best]])
    return scores


def _fresh(size: int, rng: np.random.Generator, compute: Compute) -> nn.Module:
    """The multilayer perceptron with two outputs: labeled, unlabeled."""
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        for inputs in (size, WIDTH, WIDTH):
            layers += [nn.Linear(inputs, WIDTH), nn.ReLU()]
        model = nn.Sequential(*layers, nn.Linear(WIDTH, 2))
    initialise(model, rng)
    return compute.place(model)


def _train(
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
    """log p(unlabeled) - log p(labeled)."""
    return logits[:, 1] - logits[:, 0]


@torch.no_grad()
def _margins(model: nn.Module, inputs: np.ndarray, compute: Compute) -> Tensor:
    """The same of many inputs, in blocks, shape (N,)."""
    parts = slices(len(inputs), BLOCK)
    return torch.cat([_margin(model(tensor(inputs[part], compute))) for part in parts])

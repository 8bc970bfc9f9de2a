"""Supervised training on the labeled set, from fresh weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stages.machine.errors import UserError
from stages.machine.progress import progress
from stages.machine.randomness import Purpose
from stages.models import Network, build, initialise
from stages.models.augmentation import augment
from stages.models.batches import logits_in_training
from stages.models.exact import cross_entropy
from stages.models.optimizers import OPTIMIZERS, learning_rate
from stages.rounds.context import Learned, Problem


def train(problem: Problem) -> Learned:
    """Train a new network on the labeled rows.

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    network = fresh(problem)
    fit(network, problem)
    return Learned(network)


def fresh(problem: Problem) -> Network:
    """A network with this seed's and round's initial weights, on the device."""
    network = build(problem.task.model, problem.shape, problem.classes)
    initialise(network, problem.generator(Purpose.INITIALISATION))
    return problem.compute.place(network, problem.task.channels_last)


def fit(network: Network, problem: Problem) -> None:
    """Run the task's epochs on ``network``, in place."""
    task, compute = problem.task, problem.compute
    order, augmentation, dropout = (
        problem.generator(purpose)
        for purpose in (Purpose.BATCHES, Purpose.AUGMENTATION, Purpose.DROPOUT)
    )
    labels = torch.from_numpy(problem.labels).to(compute.device)
    parameters = list(network.parameters())
    optimizer = OPTIMIZERS[task.optimizer](parameters, task)
    network.train()
    for epoch in progress(range(task.epochs), f"train on {len(problem.rows)}", "epoch"):
        for batch in batches_of(order.permutation(len(problem.rows)), task.batch_size):
            raw = augment(problem.batches.raw(problem.rows[batch]), task, augmentation)
            images = problem.batches.normalise(raw)
            with torch.autocast(compute.device.type, torch.bfloat16, enabled=task.amp):
                logits = logits_in_training(network, images, dropout)
            loss = _loss(logits, labels[torch.from_numpy(batch).to(labels.device)], compute.exact)
            gradients = torch.autograd.grad(loss, parameters)
            optimizer.step(gradients, learning_rate(task, epoch))
    if not all(torch.isfinite(parameter).all() for parameter in parameters):
        raise UserError(
            f"training diverged in round {problem.round_n} of seed {problem.seed} "
            f"(weights are not finite); lower learning_rate {task.learning_rate}"
        )


def _loss(logits: Tensor, labels: Tensor, exact: bool) -> Tensor:
    return cross_entropy(logits, labels) if exact else F.cross_entropy(logits.float(), labels)


def batches_of(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """``order`` in pieces of ``size``, none dropped.

    A last piece of one joins the piece before it, and one that stands alone comes twice: batch
    norm has no variance of one sample.
    """
    ends = list(range(size, len(order), size)) + [len(order)]
    if len(ends) > 1 and ends[-1] - ends[-2] == 1:
        del ends[-2]
    start = 0
    for end in ends:
        piece = order[start:end]
        yield np.repeat(piece, 2) if len(piece) == 1 else piece
        start = end

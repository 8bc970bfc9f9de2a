"""The training loop, with the loss as an argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.machine.errors import UserError
from stages.machine.progress import progress
from stages.machine.randomness import Purpose
from stages.models import Network, build, initialise
from stages.models.augmentation import Augmentation
from stages.models.batches import batches_of, logits_in_training
from stages.models.exact import cross_entropy as exact_cross_entropy
from stages.models.optimizers import SGD, Adam, Steps
from stages.models.views import Images, of_labeled, of_unlabeled

if TYPE_CHECKING:
    from stages.rounds.context import Round


class Hook(Protocol):
    """Something that follows the weights of a network through its training."""

    def after_step(self, network: nn.Module) -> None:
        """The weights were changed by a step."""

    def after_epoch(self, network: nn.Module, epoch: int) -> None:
        """An epoch (from 0) has ended."""


@dataclass
class Batch:
    """What a loss is given.

    Attributes:
        labeled: labeled rows.
        targets: their labels, int64, shape (B,); or chances of each class, shape (B, C).
        unlabeled: as many unlabeled rows as were asked for; None if none were.
        epoch, step: from 0; steps are counted over all epochs.
        exact: whether sums must not depend on the processor.
    """

    labeled: Images
    targets: Tensor
    unlabeled: Images | None
    epoch: int
    step: int
    exact: bool
    _masks: np.random.Generator
    _precision: Callable[[], AbstractContextManager]

    def logits(self, network: Network, images: Tensor | None = None) -> Tensor:
        """Logits of ``images`` (the labeled ones' view "train") in training, with dropout."""
        with self._precision():
            return logits_in_training(
                network, self.labeled.view() if images is None else images, self._masks
            )


Loss = Callable[[Batch, Network], Tensor]


def cross_entropy(batch: Batch, network: Network) -> Tensor:
    """Mean cross-entropy of the labeled images; what plain supervised training minimises."""
    return entropy_against(batch.logits(network), batch.targets, batch.exact)


def entropy_against(logits: Tensor, targets: Tensor, exact: bool) -> Tensor:
    """Mean cross-entropy of logits (B, C) and labels (B,), or chances of each class (B, C)."""
    loss = exact_cross_entropy if exact else F.cross_entropy
    return loss(logits if exact else logits.float(), targets)


def fresh(round: Round) -> Network:
    """A network with this seed's and round's initial weights, on the device."""
    network = build(round.task.model, round.shape, round.classes)
    initialise(network, round.generator(Purpose.INITIALISATION))
    return round.compute.place(network, round.task.channels_last)


def fit(
    network: Network,
    round: Round,
    loss: Loss = cross_entropy,
    *,
    targets: np.ndarray | None = None,
    unlabeled_per_labeled: int = 0,
    views: Mapping[str, Augmentation] | None = None,
    beside: Sequence[nn.Module] = (),
    hooks: Sequence[Hook] = (),
    epochs: int | None = None,
    optimizer: SGD | Adam | None = None,
    schedule: Callable[[int], float] | None = None,
) -> None:
    """Train ``network`` on the labeled rows, in place.

    Two learners with the same rows draw the same batches, augmentations and dropout masks,
    whatever their losses are: each draw has a stream of its own.

    Args:
        loss: of a batch and the network, a scalar.
        targets: in place of the labels: int64 (L,), or chances of each class, float, (L, C).
        unlabeled_per_labeled: how many unlabeled images each batch has for a labeled one.
        views: further augmentations of the same images, by name; "train" is the task's.
        beside: further modules whose weights the loss depends on and that are trained along.
        hooks: called after each step and each epoch.
        epochs, optimizer, schedule: in place of the task's.

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    task, compute = round.task, round.compute
    order, masks = round.generator(Purpose.BATCHES), round.generator(Purpose.DROPOUT)
    known = torch.from_numpy(round.labels if targets is None else targets).to(compute.device)
    if known.is_floating_point():
        known = known.to(compute.dtype)
    modules = [network, *beside]
    parameters = [parameter for module in modules for parameter in module.parameters()]
    optimizer = optimizer or _optimizer(parameters, round)
    schedule = schedule or Steps(task.learning_rate, task.milestones, task.decay)
    precision = partial(torch.autocast, compute.device.type, torch.bfloat16, enabled=task.amp)
    labeled = of_labeled(round, views or {})
    others = of_unlabeled(round, unlabeled_per_labeled, views or {})
    for module in modules:
        module.train()
    step = 0
    for epoch in progress(range(epochs or task.epochs), f"train on {len(known)}", "epoch"):
        for chosen in batches_of(order.permutation(len(known)), task.batch_size):
            batch = Batch(
                labeled(chosen, epoch),
                known[torch.from_numpy(chosen).to(known.device)],
                others(len(chosen)),
                epoch,
                step,
                compute.exact,
                masks,
                precision,
            )
            gradients = torch.autograd.grad(loss(batch, network), parameters)
            optimizer.step(gradients, schedule(epoch))
            step += 1
            for hook in hooks:
                hook.after_step(network)
        for hook in hooks:
            hook.after_epoch(network, epoch)
    if not all(torch.isfinite(parameter).all() for parameter in parameters):
        raise UserError(
            f"training diverged in round {round.n} of seed {round.seed} "
            f"(weights are not finite); lower learning_rate {task.learning_rate}"
        )


def _optimizer(parameters: list[Tensor], round: Round) -> SGD | Adam:
    task = round.task
    if task.optimizer == "adam":
        return Adam(parameters, task.weight_decay)
    return SGD(parameters, task.momentum, task.nesterov, task.weight_decay)

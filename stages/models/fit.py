"""The training loop, with the loss as an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from stages.machine.errors import UserError
from stages.machine.progress import note, progress
from stages.machine.randomness import Purpose
from stages.models import Network, build, initialise, weights
from stages.models.augmentation import Augmentation
from stages.models.averaging import EMA, MeanOfSteps, renew_statistics, take_over
from stages.models.batches import batches_of, logits_in_training
from stages.models.best import BestEpoch
from stages.models.dropout import Dropout
from stages.models.losses import balanced, entropy_against
from stages.models.optimizers import SGD, Adam, Optimizer, RMSprop, clipped, kernels
from stages.models.schedules import Schedule, Steps, of_task
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
        smoothing, weights: of the task's labels and classes; :func:`cross_entropy` heeds them.
    """

    labeled: Images
    targets: Tensor
    unlabeled: Images | None
    epoch: int
    step: int
    exact: bool
    _masks: np.random.Generator
    _precision: Callable[[], AbstractContextManager]
    smoothing: float = 0.0
    weights: Tensor | None = None

    def logits(self, network: Network, images: Tensor | None = None) -> Tensor:
        """Logits of ``images`` (the labeled ones' view "train") in training, with dropout."""
        with self._precision():
            return logits_in_training(
                network, self.labeled.view() if images is None else images, self._masks
            )


Loss = Callable[[Batch, Network], Tensor]


class Diverged(UserError):
    """Weights are no longer finite."""


def cross_entropy(batch: Batch, network: Network) -> Tensor:
    """Mean cross-entropy of the labeled images; what plain supervised training minimises.

    Labels are smoothed and classes weighted as the task says.
    """
    return entropy_of(batch, batch.logits(network))


def entropy_of(batch: Batch, logits: Tensor, targets: Tensor | None = None) -> Tensor:
    """:func:`cross_entropy` where the logits (B, C) are known already, or are of other images.

    Args:
        targets: labels (B,) or chances (B, C), in place of the batch's.
    """
    targets = batch.targets if targets is None else targets
    return entropy_against(logits, targets, batch.exact, batch.smoothing, batch.weights)


def fresh(round: Round) -> Network:
    """A network with this seed's and round's initial weights, on the device.

    Where the task names pre-trained ones, the classifier's alone are this seed's and round's.
    """
    network = build(round.task.model, round.shape, round.classes)
    initialise(network, round.generator(Purpose.INITIALISATION))
    if round.task.model.weights is not None:
        weights.load(network, round.task.model)
    network = round.compute.place(network, round.task.channels_last)
    if round.task.compile:  # but for dropout, whose masks come from a generator of NumPy's
        for layer in network.body if network.drops_inside else [network.body]:
            if not isinstance(layer, Dropout):
                layer.compile()
    return network


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
    optimizer: Optimizer | None = None,
    schedule: Schedule | Callable[[int], float] | None = None,
    averaging: Literal["none", "ema", "swa"] | None = None,
    choose_epoch: Literal["last", "best"] | None = None,
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
        epochs, optimizer, schedule, averaging, choose_epoch: in place of the task's. A schedule is
            a function of the epoch, or of the step if it has a true attribute ``by_step``.

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    task, epochs = round.task, epochs or round.task.epochs
    averaging, choose_epoch = averaging or task.averaging, choose_epoch or task.choose_epoch
    known = torch.from_numpy(round.labels if targets is None else targets)
    steps = epochs * steps_an_epoch(len(known), task.batch_size)
    training = _Training(
        network,
        round,
        loss,
        known,
        [network, *beside],
        optimizer or optimizer_of(round, [network, *beside]),
        of_labeled(round, views or {}),
        of_unlabeled(round, unlabeled_per_labeled, views or {}),
    )
    own: list[Hook] = []
    if averaging == "ema":
        own.append(EMA(network, task.ema_decay))
    evaluated = own[0].network if own else network
    if choose_epoch == "best":
        own.append(best := BestEpoch(round, evaluated, beside))
    training.run(range(epochs), schedule or of_task(task, epochs, steps), [*hooks, *own])
    if choose_epoch == "best":
        best.restore(network, beside)
    elif averaging == "ema":
        take_over(network, evaluated)
    if averaging == "swa":
        _average_on(training, epochs, hooks)


def _average_on(training: _Training, epochs: int, hooks: Sequence[Hook]) -> None:
    """Train on at a constant rate and take the mean of the weights on the way (SWA).

    Munjal et al. 2022: from the chosen checkpoint; statistics of batch norm are those of the
    labeled images without augmentation.
    """
    network, round = training.network, training.round
    task = round.task
    mean = MeanOfSteps(network, task.swa_every)
    training.optimizer.restart()
    further = range(epochs, epochs + task.swa_epochs)
    training.run(further, Steps(task.swa_learning_rate), [*hooks, mean])
    if not mean.count:
        raise UserError(
            f"averaging: swa makes {mean.steps} steps in round {round.n}, fewer than swa_every "
            f"{task.swa_every}; raise swa_epochs {task.swa_epochs}"
        )
    take_over(network, mean.network)
    renew_statistics(network, round.batches, round.labeled, task.batch_size)


class _Training:
    """What goes on from epoch to epoch: modules, optimizer and draws."""

    def __init__(
        self,
        network: Network,
        round: Round,
        loss: Loss,
        known: Tensor,
        modules: Sequence[nn.Module],
        optimizer: Optimizer,
        labeled: Callable[[np.ndarray, int], Images],
        others: Callable[[int], Images | None],
    ) -> None:
        task, compute = round.task, round.compute
        self.network, self.round, self.loss, self.modules = network, round, loss, modules
        self.optimizer, self.labeled, self.others = optimizer, labeled, others
        self.order, self.masks = round.generator(Purpose.BATCHES), round.generator(Purpose.DROPOUT)
        self.known = known.to(compute.device)
        if known.is_floating_point():
            self.known = self.known.to(compute.dtype)
        self.parameters = [parameter for module in modules for parameter in module.parameters()]
        self.precision = partial(
            torch.autocast, compute.device.type, torch.bfloat16, enabled=task.amp
        )
        self.weights = None
        if task.class_weights == "balanced":
            weights = torch.from_numpy(balanced(round.labels, round.classes))
            self.weights = weights.to(device=compute.device, dtype=compute.dtype)
        self.step = 0

    def run(
        self, epochs: range, schedule: Schedule | Callable[[int], float], hooks: Sequence[Hook]
    ) -> None:
        """Train for ``epochs``.

        Raises:
            Diverged: weights are no longer finite.
        """
        bar = progress(epochs, f"train on {len(self.known)}", "epoch")
        for epoch in bar:
            for module in self.modules:
                module.train()
            losses = []
            for batch in self.batches(epoch):
                losses.append(self.update(batch, schedule))
                for hook in hooks:
                    hook.after_step(self.network)
            note(bar, lambda losses=losses: f"loss {torch.stack(losses).mean():.4f}")
            for hook in hooks:
                hook.after_epoch(self.network, epoch)
        if not all(torch.isfinite(parameter).all() for parameter in self.parameters):
            raise Diverged(
                f"training diverged in round {self.round.n} of seed {self.round.seed} (weights "
                f"are not finite); lower learning_rate {self.round.task.learning_rate}"
            )

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        round, known = self.round, self.known
        for chosen in batches_of(self.order.permutation(len(known)), round.task.batch_size):
            yield Batch(
                self.labeled(chosen, epoch),
                known[torch.from_numpy(chosen).to(known.device)],
                self.others(len(chosen)),
                epoch,
                self.step,
                round.compute.exact,
                self.masks,
                self.precision,
                round.task.label_smoothing,
                self.weights,
            )

    def update(self, batch: Batch, schedule: Schedule | Callable[[int], float]) -> Tensor:
        """A step; gives the loss before it."""
        loss = self.loss(batch, self.network)
        gradients = torch.autograd.grad(loss, self.parameters)
        if most := self.round.task.clip_norm:
            gradients = clipped(gradients, most, batch.exact)
        by_step = getattr(schedule, "by_step", False)
        self.optimizer.step(gradients, schedule(batch.step if by_step else batch.epoch))
        self.step += 1
        return loss.detach()


def steps_an_epoch(rows: int, size: int) -> int:
    """How many batches of ``size`` an epoch over ``rows`` rows has."""
    return sum(1 for _ in batches_of(np.arange(rows), size))


def optimizer_of(round: Round, modules: Sequence[nn.Module]) -> Optimizer:
    """The task's optimizer of the weights of ``modules``."""
    task = round.task
    parameters = [parameter for module in modules for parameter in module.parameters()]
    decayed = kernels(modules) if task.weight_decay_on == "kernels" else None
    if task.optimizer == "sgd":
        return SGD(parameters, task.momentum, task.nesterov, task.weight_decay, decayed=decayed)
    if task.optimizer == "rmsprop":
        return RMSprop(parameters, task.weight_decay, decayed=decayed)
    decoupled = task.optimizer == "adamw"
    return Adam(parameters, task.weight_decay, decoupled=decoupled, decayed=decayed)

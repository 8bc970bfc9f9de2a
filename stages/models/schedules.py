"""Learning rates along a training, by epoch or by step.

Cosines are made of +, -, * and / alone, which IEEE 754 defines to the last bit; those of C
libraries differ in theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from stages.study.settings import Task


class Schedule(Protocol):
    """A function of an epoch, or with ``by_step`` True of a step, that gives the rate; from 0.

    A plain function has no ``by_step`` and is asked once for each epoch.
    """

    def __call__(self, at: int) -> float:
        """The learning rate."""


@dataclass(frozen=True)
class Steps:
    """A learning rate that is multiplied by ``decay`` at each of the ``milestones``.

    As ``torch.optim.lr_scheduler.MultiStepLR``.
    """

    rate: float
    milestones: tuple[int, ...] = ()
    decay: float = 0.1
    by_step: bool = False

    def __call__(self, at: int) -> float:
        """The rate of an epoch or step (from 0)."""
        rate = self.rate
        for _ in range(sum(at >= milestone for milestone in self.milestones)):
            rate *= self.decay
        return rate


@dataclass(frozen=True)
class Cosine:
    """rate (1 + cos(pi t / total)) / 2 (Loshchilov & Hutter 2017, without restarts).

    As ``torch.optim.lr_scheduler.CosineAnnealingLR`` with eta_min 0.
    """

    rate: float
    total: int
    by_step: bool = False

    def __call__(self, at: int) -> float:
        """The rate of an epoch or step (from 0)."""
        return self.rate * _between(1.0, 0.0, min(at / self.total, 1.0))


@dataclass(frozen=True)
class FixMatch:
    """rate cos(7 pi t / (16 total)) (Sohn et al. 2020, section 2.4)."""

    rate: float
    total: int
    by_step: bool = True

    def __call__(self, at: int) -> float:
        """The rate of an epoch or step (from 0)."""
        return self.rate * cos_pi(7 * at / (16 * self.total))


@dataclass(frozen=True)
class OneCycle:
    """From rate / 25 up to ``rate`` over the first 30 %, then down to rate / 250,000, by cosines.

    Smith & Topin 2018, as ``torch.optim.lr_scheduler.OneCycleLR`` by default; momentum stays.
    """

    rate: float
    total: int
    by_step: bool = True

    UP, FIRST, LAST = 0.3, 25.0, 1e4  # part of the way; rate / the first; the first / the last

    def __call__(self, at: int) -> float:
        """The rate of an epoch or step (from 0)."""
        first, top, end = self.rate / self.FIRST, self.UP * self.total - 1, self.total - 1
        if at <= top:
            return _between(first, self.rate, at / top if top else 1.0)
        return _between(self.rate, first / self.LAST, min((at - top) / (end - top), 1.0))


def of_task(task: Task, epochs: int, steps: int) -> Schedule:
    """The task's schedule for ``epochs`` epochs, or ``steps`` steps in all."""
    by_step = task.schedule_by == "step"
    total = steps if by_step else epochs
    if task.schedule == "cosine":
        return Cosine(task.learning_rate, total, by_step)
    if task.schedule == "one_cycle":
        return OneCycle(task.learning_rate, total, by_step)
    if task.schedule == "fixmatch":
        return FixMatch(task.learning_rate, total, by_step)
    return Steps(task.learning_rate, task.milestones, task.decay, by_step)


def cos_pi(turns: float) -> float:
    """cos(pi turns) for ``turns`` from 0 to 1, to about 1e-16; the same bits everywhere."""
    if turns > 0.5:
        return -cos_pi(1.0 - turns)
    if turns > 0.25:
        return _series(math.pi * (0.5 - turns), 1)
    return _series(math.pi * turns, 0)


def _series(angle: float, first: int) -> float:
    """The cosine (``first`` 0) or sine (1) of an angle up to pi / 4, by Taylor's series."""
    square, result = angle * angle, 0.0
    for degree in range(first + 18, first, -2):
        result = (1.0 - result) * square / (degree * (degree - 1))
    return (1.0 - result) * (angle if first else 1.0)


def _between(start: float, end: float, share: float) -> float:
    """From ``start`` (share 0) to ``end`` (share 1) along half a cosine."""
    return end + (start - end) * (1.0 + cos_pi(share)) / 2.0

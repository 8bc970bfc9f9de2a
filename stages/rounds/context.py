"""What a learner is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stages.machine.randomness import Purpose, generator
from stages.models import Network
from stages.models.batches import Batches
from stages.models.compute import Compute
from stages.study.settings import Task


@dataclass(frozen=True)
class Problem:
    """One round's training.

    Attributes:
        batches: images of the whole training array; labels of the pool are not here.
        rows: labeled rows, int64, shape (L,).
        labels: their labels, int64, shape (L,).
        pool: unlabeled rows, int64, shape (N,).
        classes: number of classes.
        shape: of an image, (C, H, W).
        task: the protocol.
        seed, round_n: of the run; they key every generator.
        compute: where and how exactly.
        carry: what the last round handed on, arrays by name.
        part: 0 for the model that is evaluated, 1, 2, ... for further members of a committee.
    """

    batches: Batches
    rows: np.ndarray
    labels: np.ndarray
    pool: np.ndarray
    classes: int
    shape: tuple[int, int, int]
    task: Task
    seed: int
    round_n: int
    compute: Compute
    carry: dict[str, np.ndarray] = field(default_factory=dict)

    part: int = 0

    def generator(self, purpose: Purpose) -> np.random.Generator:
        """The generator of one purpose in this round, for this ``part`` of it."""
        return generator(self.seed, purpose, self.round_n, self.part)


@dataclass(frozen=True)
class Learned:
    """What training gave.

    Attributes:
        network: the model that is evaluated.
        members: further networks, for the scorer alone (a committee).
        carry: what the next round's learner wants to find.
    """

    network: Network
    members: tuple[Network, ...] = ()
    carry: dict[str, np.ndarray] = field(default_factory=dict)

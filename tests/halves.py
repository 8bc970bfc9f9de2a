"""A small round to train in, and whether two networks are the same."""

from __future__ import annotations

import numpy as np

from stages.models import state
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Round
from stages.study.settings import Task


def task(**changes) -> Task:
    """A task of three epochs; ``changes`` by key."""
    settings = {
        "dataset": {"name": "digits"},
        "split": {"initial": 1},
        "query_size": 1,
        "model": {"name": "small_cnn"},
        "epochs": 3,
        "batch_size": 8,
        "optimizer": "adam",
        "learning_rate": 0.01,
    }
    return Task(**{**settings, **changes})


def problem(
    rows: int = 20, how: str = "portable", seed: int = 0, round_n: int = 0, **changes
) -> Round:
    """Images whose left or right half is bright, and which half it is."""
    compute = configure(how, "cpu", 1)
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = rng.integers(0, 60, (60, 1, 8, 8)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[0, :, 4 * label : 4 * label + 4] += 150
    batches = Batches(images, [0.4], [0.3], compute)
    return Round(
        batches=batches,
        labeled=np.arange(rows),
        labels=labels[:rows],
        unlabeled=np.arange(rows, 60),
        classes=2,
        shape=(1, 8, 8),
        task=task(**changes),
        seed=seed,
        n=round_n,
        compute=compute,
    )


def weights(learned) -> dict[str, np.ndarray]:
    """A copy of what was learned."""
    return {name: value.copy() for name, value in state(learned.network).items()}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Bit for bit."""
    return all(one[name].tobytes() == other[name].tobytes() for name in one)

"""Pools for tests of scorers, without a task and without files."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from stages.datasets.sources import load
from stages.learners.supervised import train
from stages.machine.randomness import generator
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Learned, Pool, Round
from stages.study.settings import Dataset, Task


def pool_of(
    network: Any,
    batches: Any,
    candidates: np.ndarray,
    labeled: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    query_size: int = 1,
    n: int = 0,
    seed: int = 0,
    draws: Any = None,
    unlabeled: np.ndarray | None = None,
    carry: dict[str, dict[str, np.ndarray]] | None = None,
    parts: dict[str, Any] | None = None,
) -> Pool:
    """A pool; ``draws``: gives the generator of a purpose, in place of the seed's."""
    known = SimpleNamespace(
        batches=batches,
        labeled=labeled,
        labels=labels,
        unlabeled=candidates if unlabeled is None else unlabeled,
        classes=classes,
        query_size=query_size,
        queries=lambda rounds: rounds * query_size,
        n=n,
        carry=carry or {},
        generator=draws or (lambda purpose: generator(seed, purpose, n)),
    )
    return Pool(round=known, learned=Learned(network, parts or {}), candidates=candidates)


@cache
def trained(labeled: int = 20, candidates: int = 60, b: int = 6, exact: bool = True) -> Pool:
    """A small network, trained on the first digits; the next ones are the candidates.

    Nothing in it may be changed: it is the same for all tests of a process.
    """
    whole = load(Dataset(name="digits"))
    manifest = whole.manifest()
    compute = configure("portable" if exact else "machine", "cpu", 1)
    given = Round(
        batches=Batches(whole.train_images, manifest["mean"], manifest["std"], compute),
        labeled=np.arange(labeled),
        labels=whole.train_labels[:labeled],
        unlabeled=np.arange(labeled, labeled + candidates),
        classes=10,
        shape=(1, 8, 8),
        task=Task(
            dataset={"name": "digits"},
            split={"initial": labeled},
            query_size=b,
            model={"name": "small_cnn", "dropout": 0.3},
            epochs=5,
            batch_size=8,
            optimizer="adam",
            learning_rate=0.002,
        ),
        seed=3,
        n=0,
        compute=compute,
    )
    return Pool(round=given, learned=train(given), candidates=given.unlabeled)

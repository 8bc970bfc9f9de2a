"""Pools for tests of scorers, without a task and without files."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from stages.machine.randomness import generator
from stages.rounds.context import Learned, Pool


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
        n=n,
        carry=carry or {},
        generator=draws or (lambda purpose: generator(seed, purpose, n)),
    )
    return Pool(round=known, learned=Learned(network, parts or {}), candidates=candidates)

"""A run, and what a round of it is given."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Carry, Round
from stages.rounds.oracle import Oracle
from stages.study import settings
from stages.study.layout import Layout


@dataclass(frozen=True)
class Run:
    """One run: a chain of the ledger."""

    study: settings.Settings
    layout: Layout
    task: str
    strategy: str
    seed: int


class Clock:
    """Wall-clock seconds of the phases of a round."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, phase: str) -> None:
        """The phase that has just ended."""
        now = time.perf_counter()
        self.seconds[phase], self._last = round(now - self._last, 4), now


def training_images(study: settings.Settings, data: Prepared) -> Batches:
    """The training array, computed with as the study says."""
    compute = configure(study.reproducible, study.device, study.threads)
    return Batches(data.array("train_images"), data.manifest["mean"], data.manifest["std"], compute)


def open_round(
    study: settings.Settings,
    task: str,
    seed: int,
    n: int,
    *,
    data: Prepared,
    batches: Batches,
    labeled: np.ndarray,
    validation: np.ndarray,
    carry: Carry | None = None,
    pool: bool = True,
) -> Round:
    """Round ``n`` with these labeled rows, in order of selection; the pool is all the rest.

    Of the labels it has only those that were bought, and those of the validation rows.

    Args:
        batches: of the training array.
        pool: whether there is one; without it no row is unlabeled.
    """
    known = np.concatenate([labeled, validation])
    return Round(
        batches=batches,
        labeled=labeled,
        labels=Oracle(data).labels(labeled),
        unlabeled=np.setdiff1d(np.arange(data.rows if pool else 0), known),
        validation=validation,
        validation_labels=Oracle(data).labels(validation),
        classes=data.classes,
        shape=tuple(data.manifest["shape"]),
        task=study.task[task],
        seed=seed,
        n=n,
        compute=batches.compute,
        carry=carry or {},
    )


def check_identity(header: Mapping[str, str], path: object, data: Prepared) -> None:
    """Raise unless index sets are about the prepared data set.

    Raises:
        UserError: naming both.
    """
    if header["data"] != data.identity:
        raise UserError(
            f"{path}: these index sets are about {header['data']}, but {data.folder} "
            f"holds {data.identity}"
        )

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
from stages.rounds.posed import Posed, pose
from stages.study import ledger, settings
from stages.study.layout import Layout
from stages.study.problem import NONE_OF_THESE


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

    def mark(self, phase: str, took: float | None = None) -> None:
        """The phase that has just ended, and what it took if not the time since the last one."""
        now = time.perf_counter()
        self.seconds[phase] = round(now - self._last if took is None else took, 4)
        self._last = now


def posed_by(
    study: settings.Settings, task: str, seed: int, data: Prepared, chain: ledger.Chain
) -> Posed:
    """The data as the task poses them, with the pool that the index sets name.

    Raises:
        UserError: they were drawn for another pool or another oracle.
    """
    problem = study.task[task].problem
    if chain.problem != problem:
        path = chain.validation.path.with_name("pool.txt")
        raise UserError(
            f"{path}: not that of params.yaml (task.{task}.oracle, task.{task}.pool); run dvc "
            f"repro, or the stage split"
        )
    return Posed(data, problem, seed, chain.left_out, chain.validation.indices)


def training_images(study: settings.Settings, data: Prepared | Posed) -> Batches:
    """The training array, computed with as the study says."""
    compute = configure(study.reproducible, study.device, study.threads)
    manifest = data.manifest
    images = data.array("train_images")
    return Batches(images, manifest["mean"], manifest["std"], compute, pose(data).shown)


def open_round(
    study: settings.Settings,
    task: str,
    seed: int,
    n: int,
    *,
    data: Prepared | Posed,
    batches: Batches,
    labeled: np.ndarray,
    validation: np.ndarray,
    carry: Carry | None = None,
    pool: bool = True,
) -> Round:
    """Round ``n`` with these labeled rows, in order of selection; the pool is all the rest.

    Of the labels it has only those that were bought, and those of the validation rows. Rows of no
    class that is asked for are bought, but not learned from.

    Args:
        batches: of the training array.
        pool: whether there is one; without it no row is unlabeled.
    """
    oracle, protocol = Oracle(data), study.task[task]
    taken = np.concatenate([labeled, validation, pose(data).out])
    newest = protocol.selects(n - 1) if n else 0
    labels = oracle.bought(labeled, n, newest)
    asked = labels != NONE_OF_THESE
    return Round(
        batches=batches,
        labeled=labeled[asked],
        labels=labels[asked],
        refused=labeled[~asked],
        unlabeled=np.setdiff1d(np.arange(data.rows if pool else 0), taken),
        validation=validation,
        validation_labels=oracle.labels(validation),
        classes=data.classes,
        shape=tuple(data.manifest["shape"]),
        task=protocol,
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

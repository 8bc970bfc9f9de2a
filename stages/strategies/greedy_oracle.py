"""A bound, no strategy: of some random batches the one after which the test accuracy is highest."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from stages.catalogue.parts import needs
from stages.catalogue.strategy import Strategy
from stages.machine.errors import UserError
from stages.machine.progress import progress
from stages.machine.randomness import Purpose

if TYPE_CHECKING:
    from stages.rounds.context import Pool
    from stages.rounds.oracle import Revealed

BOUNDS = {
    "greedy_oracle": Strategy(
        scorer="stages.strategies.greedy_oracle:best_batch",
        selector="stages.strategies.greedy_oracle:take",
        source="Greedy search with true labels (Zhou et al. 2021 search for whole runs)",
        family="bound",
        cost="a training for each batch",
        formula="of some random batches the one whose labels give the model of the highest "
        "accuracy on the test set",
        bound=True,
    ),
}

Tried = Annotated[int, Field(ge=1, le=10_000)]
Batch = np.ndarray  # positions, int64, shape (b,)


@needs("labels of the test set")
def best_batch(
    pool: Pool, revealed: Revealed, *, may_see_test_labels: Literal[True], batches: Tried = 20
) -> Batch:
    """The best of ``batches`` random batches: what choosing well could gain in this round.

    For each a model is trained by the task's protocol on the labeled rows and the batch, as the
    next round of plain supervised training would, from the same draws: that round's accuracy is
    the one it was chosen by. Of equally good ones the first.

    Args:
        revealed: labels of the pool, and right answers on the test set.
        may_see_test_labels: has no default: whoever asks for this bound says that it cheats.
        batches: how many are tried.

    Raises:
        UserError: it may not, b is larger than N, or training diverged.
    """
    from stages.models.fit import fit, fresh

    if not may_see_test_labels:
        raise UserError("the greedy oracle sees labels of the test set; it needs to be allowed to")
    count, b, round = len(pool.candidates), pool.query_size, pool.round
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    rng = pool.generator(Purpose.SCORER)
    best, most = np.empty(0, np.int64), -1
    for _ in progress(range(batches), "try", "batch"):
        positions = rng.choice(count, b, replace=False)
        rows = pool.candidates[positions]
        labels = revealed.labels(rows)
        asked = labels >= 0  # others cost their label and are not learned from
        bought = dataclasses.replace(
            round,
            labeled=np.concatenate([round.labeled, rows[asked]]),
            labels=np.concatenate([round.labels, labels[asked]]),
            unlabeled=np.setdiff1d(round.unlabeled, rows),
            n=round.n + 1,
        )
        network = fresh(bought)
        fit(network, bought)
        correct = revealed.correct(network)
        if correct > most:
            best, most = positions, correct
    return best


def take(batch: Batch, b: int, _rng: np.random.Generator) -> np.ndarray:
    """The batch as it is."""
    return batch[:b]

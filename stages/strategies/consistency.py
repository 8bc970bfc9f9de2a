"""Candidates of which augmented images are predicted differently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from stages.catalogue.kinds import Passes
from stages.catalogue.strategy import Strategy
from stages.machine.randomness import Purpose
from stages.strategies.handshake import Scores

if TYPE_CHECKING:
    from stages.rounds.context import Pool

MIXMATCH = "stages.learners.mixmatch:train"
Views = Literal["task", "crop", "crop_flip"]

ENTRIES = {
    "ssl_consistency": Strategy(
        learner=MIXMATCH,
        scorer="stages.strategies.consistency:variance",
        source="Gao et al. 2020, section 3.2; SSLConsistency in Li et al. 2022",
        family="uncertainty",
        cost="T passes of the network",
        formula="sum_c Var_t p_tc, t over augmented images of a candidate",
    ),
    "ssl_inconsistency": Strategy(
        learner=MIXMATCH,
        scorer="stages.strategies.consistency:squared_difference",
        source="Gashi et al. 2024, section 5.2: MixMatch's loss of two augmentations as score",
        family="uncertainty",
        cost="2 passes of the network",
        formula="(1 / C) sum_c (p_1c - p_2c)^2, of two augmented images of a candidate",
    ),
}


def variance(pool: Pool, *, draws: Passes = 50, view: Views = "task") -> Scores:
    """Gao et al. 2020, eq. 3: sum over classes of the variance (ddof 0) of p_c, shape (N,).

    Of the model that is evaluated, in evaluation mode; after MixMatch or FixMatch the average.

    Args:
        draws: T, how many augmented images of each candidate.
        view: the augmentation, see :func:`stages.models.mixing.weak`.
    """
    return np.concatenate([variance_of(p) for p in augmented(pool, draws, view)])


def squared_difference(pool: Pool, *, view: Views = "task") -> Scores:
    """Mean over classes of the squared difference of two augmented predictions, shape (N,).

    Args:
        view: the augmentation, see :func:`stages.models.mixing.weak`.
    """
    return np.concatenate([np.square(p[0] - p[1]).mean(1) for p in augmented(pool, 2, view)])


def variance_of(p_T_N_C: np.ndarray) -> np.ndarray:
    """sum_c Var_t p_tc, in [0, 0.5], shape (N,).

    Examples:
        >>> variance_of(np.array([[[1.0, 0.0]], [[0.0, 1.0]]])).tolist()
        [0.5]
    """
    return (p_T_N_C - p_T_N_C[0]).var(0).sum(1)  # of equal predictions exactly 0


def augmented(pool: Pool, passes: int, name: str) -> Iterator[np.ndarray]:
    """Class probabilities of ``passes`` augmented images of consecutive candidates.

    float64, shape (passes, n, C) at a time. What happens to an image follows from its row and the
    number of the pass alone.
    """
    import torch

    from stages.geometry.grid import blocks
    from stages.geometry.probabilities import softmax
    from stages.models.batches import INFERENCE_BATCH
    from stages.models.mixing import weak
    from stages.models.views import draws_of

    change, batches = weak(pool.round.task, name), pool.batches
    pool.network.eval()
    for part in blocks(len(pool.candidates), INFERENCE_BATCH):
        rows, logits = pool.candidates[part], []
        raw = batches.raw(rows)
        for at in range(passes):
            images = change(raw, draws_of(pool.round, Purpose.SCORER, rows, at))
            with torch.no_grad():
                logits.append(pool.network(batches.normalise(images)))
        yield softmax(torch.stack(logits).double().cpu().numpy())

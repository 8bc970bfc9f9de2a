"""MaxHerding and UHerding: the candidate that raises what a kernel around the known ones covers."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from stages.catalogue.kinds import Amount, Drawn, Rate
from stages.catalogue.strategy import Strategy
from stages.geometry.grid import unit_rows
from stages.geometry.herding import Herding, smallest_gap
from stages.geometry.kernels import gaussian, top_hat
from stages.geometry.measures import margin_of
from stages.geometry.probabilities import softmax
from stages.machine.errors import UserError
from stages.strategies.handshake import Known

if TYPE_CHECKING:
    from stages.rounds.context import Pool

log = logging.getLogger(__name__)

ENTRIES = {
    "max_herding": Strategy(
        scorer="stages.strategies.features:embedding_and_labeled",
        selector="stages.strategies.herding:greedy",
        source="Bae et al. 2024 (MaxHerding), on the round's embeddings",
        family="diversity",
        cost="M^2 D (1 + log((L + b) / L)), M = subset",
        formula="argmax_x sum_n max(0, k(x_n, x) - max over j labeled or taken of k(x_n, x_j)), b "
        "times; k(x, y) = exp(-|x - y|^2 / sigma^2) of unit vectors",
    ),
    "uherding": Strategy(
        scorer="stages.strategies.herding:uncertain",
        selector="stages.strategies.herding:greedy",
        source="Bae et al. 2025 (UHerding), on the round's embeddings",
        family="hybrid",
        cost="a training; M^2 D (1 + log((L + b) / L)), M = subset",
        formula="argmax_x sum_n u_n max(0, k(x_n, x) - max over j labeled or taken of "
        "k(x_n, x_j)), b times; u = 1 - (p_(1) - p_(2)) of logits / temperature, k as in "
        "max_herding, sigma the smallest distance between labeled ones",
    ),
}
ONE_MORE = 1  # the part of the round that the model for the temperature is
TEMPERATURES = np.round(10.0 ** (np.arange(-24, 25) / 24), 6)  # 0.1 to 10
GRID = 2.0**-24  # of uncertainties: exp of a library differs in its last bits

Shape = Literal["gaussian", "top_hat"]


class Uncertain(NamedTuple):
    """What UHerding selects from.

    Attributes:
        candidates, labeled: embeddings, shapes (N, D) and (L, D).
        uncertainty: of the candidates, in [0, 1], shape (N,).
    """

    candidates: np.ndarray
    labeled: np.ndarray
    uncertainty: np.ndarray


def uncertain(pool: Pool, *, held_out: Rate = 0.3) -> Uncertain:
    """Embeddings, and 1 - (p_(1) - p_(2)) of softmax(logits / T).

    T is what calibrates a further model: as in the authors' code it is trained on all labeled rows
    but the last share ``held_out``, and T has the smallest expected calibration error on these.

    Args:
        held_out: share of the labeled rows, rounded down; 0, or too few for one: T = 1.
    """
    from stages.models.batches import classify

    scale = temperature(pool, int(held_out * len(pool.labeled)))
    logits = classify(pool.network, pool.embeddings, pool.batches.compute) / scale
    unsure = np.rint((1 + margin_of(softmax(logits))) / GRID) * GRID
    return Uncertain(pool.embeddings, pool.labeled_embeddings, unsure)


def temperature(pool: Pool, held_out: int) -> float:
    """The temperature at which a model that was not trained on the last rows is calibrated there.

    Args:
        held_out: how many rows; 0, or all: 1.
    """
    from stages.models.batches import classify, embed
    from stages.models.fit import fit, fresh

    if not 0 < held_out < len(pool.labeled):
        return 1.0
    round, compute = pool.round, pool.batches.compute
    known, last = round.labeled[:-held_out], round.labeled[-held_out:]
    given = dataclasses.replace(
        round, labeled=known, labels=round.labels[:-held_out], part=ONE_MORE
    )
    network = fresh(given)
    fit(network, given)
    logits = classify(network, embed(network, pool.batches, last), compute)
    found = best_temperature(logits, round.labels[-held_out:])
    log.info("uherding: temperature %.4g, by %d labels", found, held_out)
    return found


def best_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Of 49 temperatures from 0.1 to 10 that of the smallest calibration error, nearest to 1.

    Args:
        logits: shape (V, C).
        labels: shape (V,).
    """
    from stages.rounds.evaluation import expected_calibration_error

    right = logits.argmax(1) == labels
    errors = [
        expected_calibration_error(softmax(logits / scale).max(1), right) for scale in TEMPERATURES
    ]
    middle = np.abs(np.arange(len(errors)) - len(errors) // 2)
    return float(TEMPERATURES[np.lexsort((middle, np.round(errors, 9)))[0]])


def greedy(
    features: Known | Uncertain,
    b: int,
    rng: np.random.Generator,
    *,
    kernel: Shape = "gaussian",
    sigma: Amount = 0.0,
    subset: Drawn = 35_000,
) -> np.ndarray:
    """Greedy maximisation of what a kernel covers, :class:`stages.geometry.herding.Herding`.

    MaxHerding (Bae et al. 2024) counts every candidate alike, UHerding (Bae et al. 2025, Algorithm
    1) by its uncertainty; where none is uncertain, alike. Rows are divided by their length first.
    The batch covers at least 1 - 1/e of what the best one does. ``top_hat`` is ProbCover with the
    radius ``sigma``.

    Args:
        kernel: ``gaussian``, exp(-d^2 / sigma^2), or ``top_hat``, 1 where d < sigma.
        sigma: 0: 1 for MaxHerding; for UHerding the smallest distance between two labeled rows
            that differ (1 where there are no two).
        subset: draw this many candidates, take and cover these alone; 0: all. The authors' code,
            which holds all kernels, draws at most 35,000.

    Returns:
        Positions, int64, shape (b,), in order of selection.

    Raises:
        UserError: a feature is not finite, b is larger than N, or ``subset`` is below b.
    """
    pool, labeled, *uncertainty = features
    if kernel not in get_args(Shape):
        raise UserError(f"kernel is {kernel!r}; allowed: {', '.join(get_args(Shape))}")
    if b > len(pool):
        raise UserError(f"cannot take {b} of {len(pool)} candidates")
    if 0 < subset < b:
        raise UserError(f"subset is {subset}, but {b} are to be taken; allowed: 0, or {b} or more")
    order = rng.permutation(len(pool))[: subset or None]  # ties go to the first of a random order
    known = unit_rows(labeled, dtype=np.float32)
    weights = uncertainty[0][order] if uncertainty else np.ones(len(order))
    width = sigma or (smallest_gap(known) if uncertainty else 1.0) or 1.0
    shape = gaussian(width) if kernel == "gaussian" else top_hat(width)
    return order[Herding(unit_rows(pool[order], dtype=np.float32), known, weights, shape).run(b)]

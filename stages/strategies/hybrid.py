"""Hybrids of an uncertainty and a diversity, combined in six ways (Li et al. 2022, hybrid)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Count, LearningRate, Passes, Rate, Share, Steps
from stages.catalogue.parts import needs
from stages.catalogue.strategy import Strategy
from stages.geometry.measures import (
    bald_of,
    entropy_of,
    of_mean,
    over_blocks,
    variation_ratio_of,
)
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.strategies.top import top

if TYPE_CHECKING:
    from stages.models.discriminator import Training
    from stages.rounds.context import Pool

Uncertainty = Literal["entropy", "bald", "variation_ratio"]
Diversity = Literal["discriminator", "posterior_variance", "minimum_distance"]
Combination = Literal[
    "mean",
    "mean_decayed",
    "geometric_mean",
    "geometric_mean_decayed",
    "uncertainty_first",
    "diversity_first",
    "uncertainty",
    "diversity",
]
UNCERTAINTIES, DIVERSITIES = get_args(Uncertainty), get_args(Diversity)
STAGES = ("uncertainty_first", "diversity_first")
ALONE = ("uncertainty", "diversity")
COMBINATIONS = tuple(name for name in get_args(Combination) if name not in ALONE)

ENTRIES = {
    "hybrid": Strategy(
        scorer="stages.strategies.hybrid:score",
        selector="stages.strategies.hybrid:select",
        source="Li et al. 2022 (hybrid), sections 3.2 and 3.3",
        family="hybrid",
        cost="T N D C, and N L (C + L) or e (N + L) C^2",
        candidates=2000,
        formula="w U + (1 - w) D, or U^w D^(1 - w), w = alpha or 1 - exp(-beta t) at query t; or "
        "of the gamma b best by U the b best by D, or the other way round",
    ),
}


@dataclass(frozen=True)
class Criteria:
    """What is known of the candidates.

    Attributes:
        uncertainty, diversity: in [0, 1], shape (M,); None where the combination has no use for it.
        query: the number of this query, from 1.
        combination: how they are combined.
    """

    uncertainty: np.ndarray | None
    diversity: np.ndarray | None
    query: int
    combination: str


@needs(dropout=lambda settings: settings.get("combination") != "diversity")
def score(
    pool: Pool,
    *,
    uncertainty: Uncertainty = "variation_ratio",
    diversity: Diversity = "posterior_variance",
    combination: Combination = "geometric_mean_decayed",
    passes: Passes = 100,
    space: Literal["logits", "embedding"] = "logits",
    jitter: Annotated[float, Field(ge=1e-12, le=1)] = 1e-8,
    discriminator_epochs: Steps = 50,
    discriminator_batch_size: Count = 128,
    discriminator_learning_rate: LearningRate = 0.001,
    discriminator_dropout: Rate = 0.25,
) -> Criteria:
    """Both criteria of each candidate (Li et al. 2022, sections 3.2 and 4.1.1).

    Args:
        uncertainty: ``entropy``, ``bald`` or ``variation_ratio``, over dropout passes.
        diversity: ``discriminator``, ``posterior_variance`` or ``minimum_distance``.
        combination: of :func:`select`; ``uncertainty`` or ``diversity`` alone leaves the other one
            out.
        space: where distances are taken: ``logits`` (the paper's) or ``embedding``.
        jitter: of :func:`stages.geometry.diversity.posterior_variance`.

    Raises:
        UserError: an embedding is not finite.
    """
    from stages.models.discriminator import Training

    training = Training(
        discriminator_epochs,
        discriminator_batch_size,
        discriminator_learning_rate,
        discriminator_dropout,
    )
    # Diversity first: it keeps the embeddings, and the dropout passes go on from them.
    far = unsure = None
    if combination != "uncertainty":
        far = diverse(pool, diversity, space, jitter, training)
    if combination != "diversity":
        unsure = uncertain(pool, uncertainty, passes)
    return Criteria(unsure, far, pool.round.n + 1, combination)


def uncertain(pool: Pool, name: str, passes: int) -> np.ndarray:
    """Entropy and BALD over log C, variation ratio over 1 - 1/C; shape (N,)."""
    function, largest = {
        "entropy": (of_mean(entropy_of), np.log(pool.classes)),
        "bald": (bald_of, np.log(pool.classes)),
        "variation_ratio": (variation_ratio_of, 1 - 1 / pool.classes),
    }[name]
    values = over_blocks(function, pool.dropout_blocks(passes))
    return values / largest if largest > 0 else values  # of one class nothing is uncertain


def diverse(pool: Pool, name: str, space: str, jitter: float, training: Training) -> np.ndarray:
    """Discriminator score, posterior variance or minimum distance; shape (N,)."""
    from stages.geometry.diversity import minimum_distance, posterior_variance
    from stages.models.batches import classify
    from stages.models.discriminator import discriminator_score

    own, labeled = pool.embeddings, pool.labeled_embeddings
    if space == "logits":
        compute = pool.batches.compute
        own, labeled = (classify(pool.network, part, compute) for part in (own, labeled))
    if name == "discriminator":
        rng = pool.generator(Purpose.HYBRID_DISCRIMINATOR)
        return discriminator_score(own, labeled, training, pool.batches.compute, rng)
    if name == "posterior_variance":
        return posterior_variance(own, labeled, jitter)
    return minimum_distance(own, labeled)


def select(
    criteria: Criteria,
    b: int,
    rng: np.random.Generator,
    *,
    alpha: Share = 0.5,
    beta: Share = 0.6,
    gamma: Count = 3,
) -> np.ndarray:
    """``b`` positions by uncertainty U and diversity D, best first.

    ``mean``: w U + (1 - w) D with w = alpha; ``geometric_mean``: U^w D^(1 - w); ``..._decayed``:
    w = 1 - exp(-beta t), t the number of the query. ``uncertainty_first``: of the gamma b most
    uncertain candidates (all, where there are fewer) the b most diverse; ``diversity_first``: the
    other way round. ``uncertainty``, ``diversity``: one of them alone.

    Raises:
        UserError: a criterion is not finite, an unknown combination, or b above the candidates.
    """
    combination = criteria.combination
    if combination not in get_args(Combination):
        allowed = ", ".join(get_args(Combination))
        raise UserError(f"combination is {combination!r}; allowed: {allowed}")
    if combination in STAGES:
        order = [criteria.uncertainty, criteria.diversity]
        first, second = order if combination == "uncertainty_first" else order[::-1]
        kept = top(first, max(b, min(gamma * b, len(first))), rng)
        return kept[top(second[kept], b, rng)]
    if combination in ALONE:
        return top(getattr(criteria, combination), b, rng)
    weight = 1 - math.exp(-beta * criteria.query) if combination.endswith("decayed") else alpha
    scores = weighted(criteria, weight, geometric=combination.startswith("geometric"))
    return top(scores, b, rng)


def weighted(criteria: Criteria, weight: float, geometric: bool) -> np.ndarray:
    """Arithmetic or geometric mean, ``weight`` that of the uncertainty; 0^0 is 1; shape (M,)."""
    uncertainty, diversity = criteria.uncertainty, criteria.diversity
    if geometric:
        return uncertainty**weight * diversity ** (1 - weight)
    return weight * uncertainty + (1 - weight) * diversity

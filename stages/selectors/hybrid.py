"""Six ways of choosing by two criteria (Li et al. 2022, hybrid, section 3.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stages.machine.errors import UserError
from stages.selectors.top import top

MEANS = ("mean", "mean_decayed", "geometric_mean", "geometric_mean_decayed")
STAGES = ("uncertainty_first", "diversity_first")
ALONE = ("uncertainty", "diversity")
COMBINATIONS = (*MEANS, *STAGES, *ALONE)


@dataclass(frozen=True)
class Criteria:
    """What is known of the candidates.

    Attributes:
        uncertainty, diversity: in [0, 1], shape (M,); None where the combination has no use for it.
        query: the number of this query, from 1.
    """

    uncertainty: np.ndarray | None
    diversity: np.ndarray | None
    query: int


def choose(
    criteria: Criteria,
    b: int,
    rng: np.random.Generator,
    combination: str,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: int = 3,
) -> np.ndarray:
    """``b`` positions by uncertainty U and diversity D, best first.

    ``mean``: w U + (1 - w) D with w = alpha; ``geometric_mean``: U^w D^(1 - w); ``..._decayed``:
    w = 1 - exp(-beta t), t the number of the query. ``uncertainty_first``: of the gamma b most
    uncertain candidates (all, where there are fewer) the b most diverse; ``diversity_first``: the
    other way round. ``uncertainty``, ``diversity``: one of them alone.

    Raises:
        UserError: a criterion is not finite, an unknown combination, or b above the candidates.
    """
    if combination not in COMBINATIONS:
        raise UserError(f"combination is {combination!r}; allowed: {', '.join(COMBINATIONS)}")
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

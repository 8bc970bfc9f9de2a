"""Falcun: draws by uncertainty and by the distance of predictions to those already taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.catalogue.kinds import Amount
from stages.catalogue.strategy import Strategy
from stages.geometry.grid import blocks
from stages.geometry.measures import margin_of
from stages.machine.errors import UserError

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "falcun": Strategy(
        scorer="stages.strategies.falcun:chances",
        selector="stages.strategies.falcun:draw",
        source="Gilhuber et al. 2024 (FALCUN)",
        family="hybrid",
        cost="b N C",
        formula="draws in proportion to (u + d)^gamma; u = 1 - (p_(1) - p_(2)), d the smallest of "
        "u and sum_c |p_c - q_c| over the q taken, scaled to [0, 1] over the candidates left",
    ),
}
BLOCK = 4096
MANTISSA = 53
GRID = 2.0**-40  # of chances: exp of a library differs in its last bits

Chances = np.ndarray  # of each class, float, shape (N, C)


def chances(pool: Pool) -> Chances:
    """Class probabilities of the candidates, shape (N, C)."""
    return pool.probabilities


def draw(p_N_C: Chances, b: int, rng: np.random.Generator, *, gamma: Amount = 10.0) -> np.ndarray:
    """Gilhuber et al. 2024, Algorithm 1, as in the authors' code.

    The distance of a candidate begins as its uncertainty u and is lowered to its L1 distance to
    each pick; before each draw those of the candidates left are scaled to [0, 1]. Weights count as
    whole numbers, 2^-n of the largest, with 2^n N below 2^53, so a draw is the same in any order of
    sums. Where no weight is above 0 the draw is uniform. Memory: N C.

    Args:
        p_N_C: chances of each class, shape (N, C).
        gamma: how sharply the relevance u + d decides; 10 in the paper; 0: not at all.

    Returns:
        Positions, int64, shape (b,), in order of selection.

    Raises:
        UserError: a chance is not finite, or b is larger than N.
    """
    count = len(p_N_C)
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    if not np.isfinite(p_N_C).all():
        raise UserError("a chance of a class is not a finite number")
    unsure = _on_grid(1 + margin_of(p_N_C))
    apart, free, picks = unsure.copy(), np.ones(count, bool), np.empty(b, np.int64)
    for at in range(b):
        left = np.flatnonzero(free)
        weights = weights_of(unsure[left], apart[left], gamma, count)
        total = np.cumsum(weights)
        bar = rng.random() * total[-1]
        picks[at] = left[np.searchsorted(total, bar, side="right")]
        free[picks[at]] = False
        for part in blocks(count, BLOCK):
            distances = np.abs(p_N_C[part] - p_N_C[picks[at]]).sum(1)
            np.minimum(apart[part], _on_grid(distances), out=apart[part])
    return picks


def weights_of(unsure: np.ndarray, apart: np.ndarray, gamma: float, count: int) -> np.ndarray:
    """(u + d)^gamma, d scaled to [0, 1], as whole numbers; all 1 where none is above 0.

    Args:
        unsure, apart: of the candidates left, shape (M,).
        count: N; N times the largest weight is below 2^53.
    """
    low = apart.min()
    relevance = unsure + (apart - low) / ((apart.max() - low) or 1.0)
    top = relevance.max()
    if top == 0:
        return np.ones(len(unsure))
    return np.rint((relevance / top) ** gamma * 2.0 ** (MANTISSA - max(1, count.bit_length())))


def _on_grid(values: np.ndarray) -> np.ndarray:
    return np.rint(values / GRID) * GRID

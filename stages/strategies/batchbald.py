"""BatchBALD: the batch whose labels tell most about the weights, together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Passes
from stages.catalogue.parts import needs
from stages.catalogue.strategy import Strategy
from stages.geometry.configurations import TINY, Configurations, extend, grouped, mixture_entropy
from stages.geometry.probabilities import entropy
from stages.machine.errors import UserError

if TYPE_CHECKING:
    from stages.rounds.context import Pool

TIE = 1e-12  # nats; mutual information that differs by less is equal
LOOSE = 1e-4  # nats; far more than float32 adds to an entropy of 1e5 classes
GROUPS = (16, 256)
TOGETHER = (16, 256, 4096)  # candidates: with all configurations, with 256 groups, with 16
BLOCK = 20_000

PassesOfPool = np.ndarray  # class probabilities of T dropout passes, float64, shape (T, N, C)
# Of configurations, each with a number for every class and pass.
Samples = Annotated[int, Field(ge=2, le=10**8)]

ENTRIES = {
    "batchbald": Strategy(
        scorer="stages.strategies.batchbald:score",
        selector="stages.strategies.batchbald:greedy",
        source="Kirsch et al. 2019, Algorithm 1 (greedy BatchBALD)",
        family="uncertainty",
        cost="T N D C + at most b N T C samples",
        ordered=(("passes", "samples"),),
        formula="I(y_1, ..., y_b; w) = H(y_1, ..., y_b) - sum_i mean_t H[y_i | w_t], "
        "one candidate after the other",
    ),
}


@needs(dropout=True)
def score(pool: Pool, *, passes: Passes = 10) -> PassesOfPool:
    """Probabilities of ``passes`` dropout passes, shape (T, N, C): what batch strategies need.

    8 T N C bytes: where that is too much, ``candidates`` makes N smaller.
    """
    return pool.dropout_probabilities(passes)


def greedy(
    p_T_N_C: PassesOfPool, b: int, rng: np.random.Generator, *, samples: Samples = 10_000
) -> np.ndarray:
    """Kirsch et al. 2019, Algorithm 1: argmax_x I(y_taken, y_x; weights), b times.

    The joint entropy is a sum over all configurations of labels while ``samples`` holds them, then
    over ``samples`` drawn ones (40,000 in the authors' code). Which candidate is best is found
    without looking at each: means over groups of configurations bound the mutual information from
    above, and only what a bound leaves open is computed. The choice is that of a full search.
    Mutual information with T passes is log T at most: beyond that batches become arbitrary, so
    ``passes`` has to grow with b.

    Args:
        p_T_N_C: class probabilities of T dropout passes, float64.
        samples: configurations at most.

    Raises:
        UserError: a probability is not finite, b is larger than N, or fewer samples than passes.
    """
    passes, count, _ = p_T_N_C.shape
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    if samples < passes:
        raise UserError(f"samples is {samples}; allowed: the number of passes ({passes}) or more")
    expected, cross = _entropies(p_T_N_C)
    rank = rng.permutation(count)  # ties go to the first in a random order
    now, taken = Configurations.none_taken(passes), []
    picks = np.empty(b, np.int64)
    free = np.ones(count, bool)
    for at in range(b):
        # Gibbs' inequality: the entropy of a mixture is at most its cross-entropy.
        bound = np.where(free, (now.weights @ now.posteriors) @ cross - expected, -np.inf)
        levels = grouped(now, GROUPS)
        picks[at] = pick = _best(p_T_N_C, expected, bound, levels, rank)
        free[pick] = False
        taken.append(p_T_N_C[:, pick])
        if at + 1 < b:
            now = extend(now, taken, samples, rng)
    return picks


def _entropies(p_T_N_C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """mean_k H[p_k], shape (N,), and -sum_c p_k log mean_k p, shape (T, N)."""
    passes, count, _ = p_T_N_C.shape
    expected, cross = np.empty(count), np.empty((passes, count))
    for start in range(0, count, BLOCK):
        part = slice(start, start + BLOCK)
        chances = p_T_N_C[:, part]
        if not np.isfinite(chances).all():
            raise UserError("a probability is not a finite number")
        expected[part] = entropy(chances).mean(0)
        logs = np.log(np.maximum(chances.mean(0), TINY))
        cross[:, part] = -np.einsum("tnc,nc->tn", chances, logs)
    return expected, cross


def _best(
    p_T_N_C: np.ndarray,
    expected: np.ndarray,
    bound: np.ndarray,
    levels: list[tuple[np.ndarray, np.ndarray]],
    rank: np.ndarray,
) -> int:
    """The position of the largest gain in mutual information; among equals the lowest rank.

    The candidate with the highest bound is looked at more closely, until none can be better.
    """
    bound, refined = bound.copy(), np.zeros(len(bound), int)
    found, gains, best = [], [], -np.inf
    while True:
        first = int(bound.argmax())
        if bound[first] == -np.inf or bound[first] < best - 2 * TIE:
            break
        level = refined[first]
        part = np.flatnonzero((refined == level) & (bound > -np.inf) & (bound >= best - 2 * TIE))
        at_once = TOGETHER[min(len(levels) - 1 - level, len(TOGETHER) - 1)]
        if len(part) > at_once:
            part = part[np.argpartition(-bound[part], at_once)[:at_once]]
        last = level == len(levels) - 1
        gain = _entropy(*levels[level], p_T_N_C[:, part], exact=last) - expected[part]
        bound[part], refined[part] = gain, level + 1
        if last:  # no bound any more
            found.append(part)
            gains.append(gain)
            best, bound[part] = max(best, gain.max()), -np.inf
    candidates, steps = np.concatenate(found), np.round(np.concatenate(gains) / TIE)
    equal = candidates[steps == steps.max()]
    return int(equal[np.argmin(rank[equal])])


def _entropy(
    weights: np.ndarray, posteriors: np.ndarray, p_T_n_C: np.ndarray, exact: bool
) -> np.ndarray:
    """:func:`mixture_entropy`, or what it is at most, in float32.

    Of images that are all alike (duplicates) it is computed once.
    """
    if not exact:
        low = (array.astype(np.float32) for array in (weights, posteriors, p_T_n_C))
        return mixture_entropy(*low) + LOOSE
    rows = np.ascontiguousarray(p_T_n_C.transpose(1, 0, 2)).reshape(p_T_n_C.shape[1], -1)
    whole = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
    _, first, copies = np.unique(whole, return_index=True, return_inverse=True)
    return mixture_entropy(weights, posteriors, p_T_n_C[:, first])[copies]

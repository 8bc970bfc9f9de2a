"""Stochastic batches: scores with noise, so that a batch is not the same image again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from stages.catalogue.kinds import Passes, Positive
from stages.catalogue.parts import needs
from stages.catalogue.strategy import Strategy
from stages.geometry import measures
from stages.machine.errors import UserError
from stages.strategies import dropout, uncertainty
from stages.strategies.handshake import Scores
from stages.strategies.top import round_to_ties, top

if TYPE_CHECKING:
    from stages.rounds.context import Pool

KIRSCH = "Kirsch et al. 2023 (stochastic batch acquisition)"
Form = Literal["power", "softmax", "softrank"]
Amounts = np.ndarray  # float, 0 or more, shape (N,)


def _entry(name: str, formula: str, cost: str) -> Strategy:
    return Strategy(
        scorer="stages.strategies.stochastic:" + name,
        selector="stages.strategies.stochastic:noisy",
        source=KIRSCH,
        family="uncertainty",
        cost=cost,
        formula=f"the b largest log s + g, g from Gumbel(0, 1 / beta); s = {formula}",
    )


ENTRIES = {
    "power_bald": _entry("bald", measures.BALD, "T N D C"),
    "power_entropy": _entry("entropy", measures.ENTROPY, "N C"),
}


@needs(dropout=True)
def bald(pool: Pool, *, passes: Passes = 10) -> Scores | Amounts:
    """:func:`stages.geometry.measures.bald_of` ``passes`` dropout passes, shape (N,)."""
    return dropout.bald(pool, passes=passes)


def entropy(pool: Pool) -> Scores | Amounts:
    """:func:`stages.geometry.measures.entropy_of` the network as it is, shape (N,)."""
    return np.maximum(uncertainty.entropy(pool), 0)  # rounding alone can make it negative


def noisy(
    scores: Amounts,
    b: int,
    rng: np.random.Generator,
    *,
    beta: Positive = 1.0,
    form: Form = "power",
) -> np.ndarray:
    """Kirsch et al. 2023: the ``b`` largest of log s + g, each g from Gumbel(0, 1 / beta).

    That draws b candidates without replacement, in proportion to s^beta (Kool et al. 2019). A score
    of 0 has no chance while there are others; scores of 0 are drawn uniformly.

    Args:
        beta: 1 in the paper; above 0; the larger, the nearer to the b best.
        form: ``power``, or s itself (``softmax``), or minus the logarithm of its rank from 1, best
            first (``softrank``), in place of log s.

    Returns:
        Positions, int64, shape (b,), in order of selection.

    Raises:
        UserError: a score is below 0 or not finite, or b is larger than N.
    """
    if form not in get_args(Form):
        raise UserError(f"form is {form!r}; allowed: {', '.join(get_args(Form))}")
    if b > len(scores):
        raise UserError(f"cannot take {b} of {len(scores)} candidates")
    noise = rng.gumbel(size=len(scores)) / beta
    if form == "softmax":
        return top(scores + noise, b, rng)
    if form == "softrank":
        ranks = np.empty(len(scores))
        ranks[top(scores, len(scores), rng)] = np.arange(1, len(scores) + 1)
        return top(noise - np.log(ranks), b, rng)
    if scores.min(initial=0) < 0:
        raise UserError(f"score of candidate {scores.argmin()} is {scores.min()}; allowed: 0 or up")
    rounded = round_to_ties(scores)
    some = np.flatnonzero(rounded > 0)
    first = some[top(np.log(scores[some]) + noise[some], min(b, len(some)), rng)]
    rest = rng.permutation(np.flatnonzero(rounded <= 0))
    return np.concatenate([first, rest[: b - len(first)]])

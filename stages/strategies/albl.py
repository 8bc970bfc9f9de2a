"""ALBL: a bandit over strategies, EXP4.P, decides whose advice each query follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from stages.catalogue import find
from stages.catalogue.kinds import Count, Names
from stages.catalogue.strategy import Strategy
from stages.geometry import correct
from stages.geometry.bandit import Bandit, reward, shares_of, updated
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.strategies.handshake import Scored, Selection

if TYPE_CHECKING:
    from stages.rounds.context import Carry, Pool

ENTRIES = {
    "albl": Strategy(
        scorer="stages.strategies.albl:advice",
        selector="stages.strategies.albl:follow_advice",
        source="Hsu & Lin 2015 (ALBL, by EXP4.P)",
        family="hybrid",
        cost="of all in over together",
        formula="draws with q_i = sum_k p_k psi_k(i); p_k grows with the reward (1 / (n T)) "
        "sum_t [prediction t is right] / q_t",
    ),
}
OVER = ["random", "entropy", "kcenter"]
HANDING_ON = ("scorer", "selector")  # the learner is the same for all


@dataclass(frozen=True)
class Advised:
    """What ALBL selects from.

    Attributes:
        advice: of each strategy the positions that it advises, all equally, int64.
        bandit: the state, with the reward of the last round already in its weights.
        rows: row of each position, int64, shape (N,).
        horizon: queries of the whole run, T.
        carry: what the selectors of the strategies hand on.
    """

    advice: list[np.ndarray]
    bandit: Bandit
    rows: np.ndarray
    horizon: int
    carry: dict[str, np.ndarray]


class Consulted(NamedTuple):
    """What a strategy would take, and what it hands on, by role."""

    positions: np.ndarray
    carry: dict[str, dict[str, np.ndarray]]


def advice(
    pool: Pool,
    *,
    over: Names = OVER,
    horizon: Count = 10,
    delta: Annotated[float, Field(gt=0, le=1)] = 0.1,
) -> Advised | Scored:
    """The b candidates that each strategy of ``over`` would take, and the state of the bandit.

    Random sampling advises every candidate alike, as it does on its own; any other strategy its b
    picks alike. Strategies run with the catalogue's own settings. With the model of this round the
    last round's queries are rewarded (Hsu & Lin 2015).

    Args:
        horizon: rounds of the whole run; T is this times b.
        delta: of EXP4.P, in (0, 1].

    Raises:
        UserError: delta is above 1, or the carry belongs to other strategies.
    """
    if delta > 1:
        raise UserError(f"albl: delta is {delta}; allowed: above 0, 1 at most")
    queries = pool.round.queries(horizon)
    bandit = Bandit.fresh(len(over), len(pool.candidates))
    state = pool.carry.get("selector", {})
    if "rows" in state:
        bandit = learn(pool, Bandit.of(state), queries, delta)
        if len(bandit.log_weights) != len(over):
            raise UserError(
                f"albl: the last round was over {len(bandit.log_weights)} strategies, "
                f"this one is over {len(over)}"
            )
    picked: list[np.ndarray] = []
    handed_on: dict[str, dict[str, np.ndarray]] = {role: {} for role in HANDING_ON}
    # What strategies share is computed once, here, and copied with the pool.
    _ = pool.outputs
    for name, rng in zip(over, pool.generator(Purpose.ADVICE).spawn(len(over)), strict=True):
        consulted = consult(pool, name, rng)
        picked.append(consulted.positions)
        for role, arrays in consulted.carry.items():
            handed_on[role] |= {f"{name}/{key}": value for key, value in arrays.items()}
    advised = Advised(picked, bandit, pool.candidates, queries, handed_on["selector"])
    return Scored(advised, handed_on["scorer"])


def consult(pool: Pool, name: str, rng: np.random.Generator) -> Consulted:
    """What one strategy would take from this pool."""
    from stages.rounds import selection

    entry = find(name)
    kept = selection.drawn(len(pool.candidates), entry.candidates, rng)
    if entry.scorer == find("random").scorer:
        return Consulted(kept, {})
    own = pool.among(kept, own_carry(pool.carry, name))  # with what is computed already
    scored = selection.score(own, entry, entry.settings)
    chosen = selection.select(name, scored, own, entry, entry.settings, rng)
    carry = {"scorer": scored.carry, "selector": chosen.carry}
    return Consulted(kept[chosen.positions], carry)


def own_carry(carry: Carry, name: str) -> dict[str, Mapping[str, np.ndarray]]:
    """What the strategy ``name`` handed on, as it finds it on its own."""
    prefix = f"{name}/"
    return dict(carry) | {
        role: {
            key.removeprefix(prefix): value
            for key, value in carry.get(role, {}).items()
            if key.startswith(prefix)
        }
        for role in HANDING_ON
    }


def learn(pool: Pool, bandit: Bandit, queries: int, delta: float) -> Bandit:
    """Reward the last round's queries by the accuracy of this round's model on all so far."""
    from stages.models.batches import classify

    order = np.argsort(pool.labeled)
    # A query whose image is of no class that is asked for earns nothing.
    answered = np.isin(bandit.rows, pool.labeled)
    at = order[np.searchsorted(pool.labeled, bandit.rows[answered], sorter=order)]
    logits = classify(pool.network, pool.labeled_embeddings[at], pool.batches.compute)
    right = np.zeros(len(answered), bool)
    right[answered] = logits.argmax(1) == pool.labels[at]
    gained = reward(bandit, right, queries)
    return dataclasses.replace(bandit, log_weights=updated(bandit, gained, queries, delta))


def follow_advice(scored: Advised, b: int, rng: np.random.Generator) -> Selection:
    """Hsu & Lin 2015, Algorithm 1, b queries without replacement between two trainings.

    Each query draws a strategy with its p_k and then one of the candidates that it advises and that
    is not yet taken, so candidate i is drawn with q(i) = sum_k p_k psi_k(i). The carry keeps q(i).

    Raises:
        UserError: b is larger than N.
    """
    count, strategies = len(scored.rows), len(scored.advice)
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    shares = shares_of(scored.bandit.log_weights, scored.horizon)
    cumulated = np.cumsum(shares)
    advised = np.zeros((strategies, count), bool)
    for k, positions in enumerate(scored.advice):
        advised[k, positions] = True
    left = advised.sum(1)
    taken = np.zeros(count, bool)
    picks, drawn = np.empty(b, np.int64), np.empty((b, strategies))
    for at in range(b):
        k = int(np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right"))
        positions = scored.advice[k]
        pick = int(rng.choice(positions[~taken[positions]]))
        drawn[at] = advised[:, pick] / np.maximum(left, 1)
        picks[at], taken[pick] = pick, True
        left -= advised[:, pick]
    bandit = Bandit(
        scored.bandit.log_weights,
        np.concatenate([scored.bandit.rows, scored.rows[picks]]),
        np.concatenate([scored.bandit.chances, correct.sums(drawn * shares)]),
        shares,
        drawn,
        scored.bandit.total,
    )
    return Selection(picks, {**scored.carry, **bandit.arrays()})

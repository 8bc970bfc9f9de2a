"""The advice of several strategies, and what the bandit over them has learned."""

from __future__ import annotations

import dataclasses

import numpy as np

from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.models.batches import classify
from stages.rounds.pool import Pool, drawn
from stages.selectors import Selection
from stages.selectors.albl import Advised, Bandit, reward, updated

UNIFORM = "stages.scorers.trivial:constant"


def advice(pool: Pool, over: list[str], horizon: int, delta: float) -> Advised:
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
    queries = horizon * pool.query_size
    bandit = Bandit.fresh(len(over), len(pool.rows))
    if "albl_rows" in pool.carry:
        bandit = learn(pool, Bandit.of(pool.carry), queries, delta)
        if len(bandit.log_weights) != len(over):
            raise UserError(
                f"albl: the last round was over {len(bandit.log_weights)} strategies, "
                f"this one is over {len(over)}"
            )
    picked, carried = [], {}
    # What strategies share is computed once, here, and copied with the pool.
    _ = pool.outputs
    for name, rng in zip(over, pool.generator(Purpose.ADVICE).spawn(len(over)), strict=True):
        selection = consult(pool, name, rng)
        picked.append(selection.positions)
        carried |= {f"{name}/{key}": value for key, value in selection.carry.items()}
    return Advised(picked, bandit, pool.rows, queries, carried)


def consult(pool: Pool, name: str, rng: np.random.Generator) -> Selection:
    """What one strategy would take from this pool."""
    from stages import catalogue  # the table knows this module by its path

    entry = catalogue.find(name)
    kept = drawn(len(pool.rows), entry.settings.get("candidates", 0), rng)
    if entry.scorer == UNIFORM:
        return Selection(kept)
    own = pool.among(kept)  # with what is computed already
    prefix = f"{name}/"
    own.carry = {
        key.removeprefix(prefix): value
        for key, value in pool.carry.items()
        if key.startswith(prefix)
    }
    scored = catalogue.bind(entry.scorer, entry.settings)(own)
    chosen = catalogue.bind(entry.selector, entry.settings)(scored, pool.query_size, rng)
    chosen = chosen if isinstance(chosen, Selection) else Selection(chosen)
    return Selection(kept[chosen.positions], chosen.carry)


def learn(pool: Pool, bandit: Bandit, queries: int, delta: float) -> Bandit:
    """Reward the last round's queries by the accuracy of this round's model on all so far."""
    order = np.argsort(pool.labeled)
    at = order[np.searchsorted(pool.labeled, bandit.rows, sorter=order)]
    logits = classify(pool.network, pool.labeled_embeddings[at], pool.batches.compute)
    right = logits.argmax(1) == pool.labels[at]
    gained = reward(bandit, right, queries)
    return dataclasses.replace(bandit, log_weights=updated(bandit, gained, queries, delta))

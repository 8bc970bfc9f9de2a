"""Scoring and selecting: which unlabeled rows a round takes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.catalogue import parts
from stages.catalogue.strategy import Strategy
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.rounds.context import Learned, Pool, Round
from stages.rounds.oracle import Revealed
from stages.strategies.handshake import Scored, Selection
from stages.study import imported, ledger


@dataclass(frozen=True)
class Choice:
    """What was selected, and what it was selected from.

    Attributes:
        pool: the candidates.
        positions: of the selected ones in the pool, int64, shape (b,), in order of selection.
        scores: float, shape (U,), of every unlabeled row, NaN where it was no candidate; None where
            the scorer gives more than one number a candidate.
        carry: what scorer and selector hand on, by role and name.
    """

    pool: Pool
    positions: np.ndarray
    scores: np.ndarray | None
    carry: dict[str, dict[str, np.ndarray]]

    @property
    def rows(self) -> np.ndarray:
        """The selected rows, int64, shape (b,), in order of selection."""
        return self.pool.candidates[self.positions]


def drawn(count: int, candidates: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of a random part of ``count`` rows, rising: ``candidates`` of them, or all (0).

    So that uncertain images that are all alike do not fill the batch (Gashi et al. 2024, section
    on diversity). What has become smaller is taken whole.
    """
    if not 0 < candidates < count:
        return np.arange(count)
    return np.sort(rng.choice(count, candidates, replace=False))


def pool_of(round: Round, learned: Learned, settings: dict[str, Any]) -> Pool:
    """The pool of a round's candidates."""
    rng = round.generator(Purpose.CANDIDATES)
    kept = drawn(len(round.unlabeled), settings.get("candidates", 0), rng)
    return Pool(round=round, learned=learned, candidates=round.unlabeled[kept])


def score(
    pool: Pool,
    entry: Strategy,
    settings: dict[str, Any],
    revealed: Revealed | np.ndarray | None = None,
) -> Scored:
    """What the scorer gives.

    Args:
        revealed: what a bound may see (:func:`stages.rounds.oracle.reveal`), or the rows that a
            replay takes (:func:`replayed`).
    """
    scorer = parts.bind(entry.scorer, settings, "scorer")
    given = scorer(pool, revealed) if entry.bound or entry.replays else scorer(pool)
    return given if isinstance(given, Scored) else Scored(given)


def replayed(
    root: Path, chain: ledger.Chain, entry: Strategy, settings: dict[str, Any], seed: int
) -> np.ndarray | None:
    """The rows that a replay takes, int64, shape (b,); None for every other strategy.

    Args:
        root: of the study.
        chain: the run so far.
    """
    if not entry.replays:
        return None
    asked = parts.bind(entry.scorer, settings, "scorer").keywords
    return imported.following(imported.find(root, **asked), chain, seed).indices


def select(
    label: str,
    scored: Scored,
    pool: Pool,
    entry: Strategy,
    settings: dict[str, Any],
    rng: np.random.Generator,
) -> Selection:
    """The selector's choice from what the scorer gave, checked.

    Args:
        label: the strategy's, for a message.
    """
    selector = parts.bind(entry.selector, settings, "selector")
    further = {}
    if parts.CARRY in inspect.signature(selector.func).parameters:
        further[parts.CARRY] = pool.carry
    given = selector(scored.value, pool.query_size, rng, **further)
    selection = given if isinstance(given, Selection) else Selection(given)
    check_selection(selection.positions, pool.query_size, len(pool.candidates), label)
    return selection


def choose(
    label: str, scored: Scored, pool: Pool, entry: Strategy, settings: dict[str, Any]
) -> Choice:
    """The round's choice."""
    rng = pool.generator(Purpose.SELECT)
    selection = select(label, scored, pool, entry, settings, rng)
    handed_on = {"scorer": scored.carry, "selector": selection.carry}
    return Choice(pool, selection.positions, _scores(scored.value, pool), handed_on)


def _scores(value: object, pool: Pool) -> np.ndarray | None:
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        return None
    if len(pool.candidates) == len(pool.unlabeled):
        return value
    scores = np.full(len(pool.unlabeled), np.nan)
    scores[np.searchsorted(pool.unlabeled, pool.candidates)] = value
    return scores


def check_selection(positions: np.ndarray, b: int, candidates: int, label: str) -> None:
    """Raise unless a selector gave ``b`` different positions among the candidates."""
    positions = np.asarray(positions)
    right = positions.shape == (b,) and np.issubdtype(positions.dtype, np.integer)
    if (
        not right
        or len(np.unique(positions)) != b
        or not ((positions >= 0) & (positions < candidates)).all()
    ):
        raise UserError(
            f"strategy {label!r}: its selector must give {b} different positions below {candidates}"
        )

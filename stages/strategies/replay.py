"""Replay: the index sets that somebody else's run has selected, under one's own model.

Under the task that they come from this repeats the run; under another architecture it is the
transfer of Munjal et al. 2022, section 6.6. See docs/exchange.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import IMPORT
from stages.catalogue.strategy import Strategy
from stages.machine.errors import UserError

if TYPE_CHECKING:
    from stages.rounds.context import Pool

REPLAYS = {
    "replay": Strategy(
        scorer="stages.strategies.replay:imported",
        selector="stages.strategies.replay:take",
        source="Index sets of another run; Munjal et al. 2022, section 6.6 (transfer)",
        family="replay",
        cost="1",
        formula="what the imported run selected in this round, with this seed",
        replays=True,
    ),
}

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$"), IMPORT]
Of = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{0,64}$")]
Positions = np.ndarray  # int64, shape (b,), in order of selection


def imported(pool: Pool, rows: np.ndarray, *, source: Name, of: Of = "") -> Positions:  # noqa: ARG001
    """Positions among the candidates of the rows that an import says, in its order.

    Args:
        rows: of the imported link, int64, shape (b,); the round has looked them up.
        source: the import's name.
        of: whose runs, by the source's name of the strategy; empty: the only one.

    Raises:
        UserError: a row is no candidate.
    """
    positions = np.searchsorted(pool.candidates, rows)
    near = np.minimum(positions, len(pool.candidates) - 1)
    wrong = pool.candidates[near] != rows
    if wrong.any():
        raise UserError(f"the import {source} selects row {rows[wrong][0]}, which is no candidate")
    return positions.astype(np.int64)


def take(positions: Positions, b: int, _rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    """The rows as they are."""
    return positions

"""The pairwise penalty matrix."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from stages.reporting.given import Given
from stages.reporting.methods import PAIRED_T
from stages.reporting.table import APART, STRATEGY, Column, Table
from stages.statistics.paired import penalty_matrix


def penalty_table(
    rounds: pd.DataFrame, strategies, alpha: float, shared: Collection[tuple[str, int]] = ()
) -> pd.DataFrame:
    """Pairwise penalty matrix over all (task, budget) cells.

    Returns:
        DataFrame, a row for each ordered pair: strategy, against, penalty (the share of the cells
        in which the first beats the second), tested, cells.
    """
    place = {name: at for at, name in enumerate(strategies)}
    cells: dict[tuple, np.ndarray] = {}
    seeds = {seed: at for at, seed in enumerate(sorted(rounds["seed"].unique()))}
    columns = ["task", "labeled", "strategy", "seed", "accuracy"]
    for task, labeled, name, seed, accuracy in rounds[columns].itertuples(index=False):
        key = (task, labeled)
        if key in shared:
            continue
        if key not in cells:
            cells[key] = np.full((len(place), len(seeds)), np.nan)
        cells[key][place[name], seeds[seed]] = accuracy
    penalty, tested = penalty_matrix(list(cells.values()), alpha)
    names = list(place)
    rows = [
        (names[i], names[j], penalty[i, j], int(tested[i, j]), len(cells))
        for i in range(len(names))
        for j in range(len(names))
        if i != j
    ]
    return pd.DataFrame(rows, columns=["strategy", "against", "penalty", "tested", "cells"])


def _penalty(given: Given) -> pd.DataFrame:
    shared = {(cell.task, int(cell.labeled)) for cell in given.cells if cell.shared}
    return penalty_table(given.rounds, given.strategies, given.alpha, shared)


TABLES = [
    Table(
        name="penalty",
        title="Pairwise penalty",
        question=APART,
        build=_penalty,
        columns=(
            STRATEGY,
            Column("against", "Against"),
            Column("penalty", "Penalty"),
            Column("tested", "Cells tested"),
            Column("cells", "Cells"),
        ),
        note="Secondary. Share of all (task, budget) cells in which the first beats the second by "
        "a two-sided paired t test over seeds (Ash et al. 2020), not corrected for the "
        "number of cells; cells that cannot be tested count as not beaten.",
        methods=(
            PAIRED_T,
            """\
- **Pairwise penalty** (Ash et al. 2020, *Deep Batch Active Learning by Diverse, Uncertain Gradient
  Lower Bounds*): in how many cells of task and budget one strategy beats another by a two-sided
  paired t test over seeds. One test a cell, without correction.""",
        ),
    ),
]

"""Differences from the baseline along the budget."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.reporting.given import Given
from stages.reporting.read.frames import distinct_budgets
from stages.reporting.table import (
    HIGH,
    LABELED,
    LOW,
    P_VALUE,
    REASON,
    SAVED,
    SEEDS,
    STRATEGY,
    TASK,
    Column,
    T,
    Table,
)
from stages.statistics.along import differences_along


def along_table(rounds: pd.DataFrame, baseline: str, alpha: float) -> pd.DataFrame:
    """Every strategy minus the baseline at every budget, seed by seed.

    Args:
        rounds: as of `records.read_rounds`.
        baseline: name of a strategy; without it the table is empty.
        alpha: one minus the level of intervals and bands.

    Returns:
        DataFrame: task, then the columns of `along.differences_along`.
    """
    parts = []
    for task, own in distinct_budgets(rounds).groupby("task", sort=False):
        curves = own.pivot(index="seed", columns=["strategy", "labeled"], values="accuracy")
        counts = np.sort(own["labeled"].unique())
        values = {
            name: curves[name].reindex(columns=counts).to_numpy(dtype=np.float64)
            for name in own["strategy"].unique()
        }
        part = differences_along(values, counts, baseline, alpha=alpha)
        part.insert(0, "task", task)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _along(given: Given) -> pd.DataFrame:
    return along_table(given.rounds, given.baseline, given.alpha)


TABLES = [
    Table(
        name="along",
        title="Differences from the baseline along the budget",
        question=SAVED,
        build=_along,
        columns=(
            TASK,
            STRATEGY,
            LABELED,
            SEEDS,
            Column("difference", "Difference in accuracy"),
            Column("standard_error", "Std. error"),
            T,
            P_VALUE,
            LOW,
            HIGH,
            Column("band_low", "Band low"),
            Column("band_high", "Band high"),
            Column("band", "Band by"),
            REASON,
        ),
        note="Test accuracy minus the baseline's with the same seed. low and high hold at one "
        "budget, by a paired t test (assumes normal differences), not corrected for the number of "
        "budgets; the band holds at all budgets of one strategy together. Where no strategy has "
        "chosen yet nothing is tested.",
        methods=(
            """\
- **Differences along the budget**: paired by seed, with the interval of a paired t test (Student
  1908) at each budget and a band for all budgets of a strategy: Bonferroni's with fewer than ten
  seeds, else by the largest |t| over random signs of the seeds' curves (Liu 1988; Westfall & Young
  1993).""",
        ),
    ),
]

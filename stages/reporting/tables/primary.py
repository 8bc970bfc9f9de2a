"""The primary analysis: the one test that decides."""

from __future__ import annotations

import pandas as pd

from stages.reporting.read.frames import AUBC, measured
from stages.reporting.table import (
    BEST,
    DF,
    HIGH,
    LOW,
    P_VALUE,
    REASON,
    SEEDS,
    STRATEGY,
    TASK,
    VERDICT,
    Column,
    P,
    T,
    Table,
)
from stages.statistics.primary import against_baseline, method_of


def primary_table(runs: pd.DataFrame, settings) -> pd.DataFrame:
    """The primary analysis of AUBC on each task: every strategy against the baseline, by seed.

    Args:
        runs: as of `frames.runs_table`.
        settings: with `tasks`, `strategies` and `report`.

    Returns:
        DataFrame: task, the columns of `primary.against_baseline`, and analysis, its name.
    """
    report, parts = settings.report, []
    for task in settings.tasks:
        areas = measured(runs, task, AUBC).paired()
        part = against_baseline(
            areas,
            report.baseline,
            method=report.primary,
            alpha=report.alpha,
            margin=report.margin,
        )
        part.insert(0, "task", task)
        seeds = int(areas.notna().all(axis=1).sum())
        part.insert(len(part.columns) - 1, "analysis", method_of(seeds, report.primary))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


TABLES = [
    Table(
        name="primary",
        title="Primary analysis: against the baseline, paired by seed",
        question=BEST,
        build=lambda given: primary_table(given.runs, given.settings),
        columns=(
            TASK,
            STRATEGY,
            SEEDS,
            Column("difference", "Difference in AUBC"),
            Column("standard_error", "Std. error"),
            DF,
            T,
            P_VALUE,
            Column("p_adjusted", "p (family)", form=P, decimals=4),
            LOW,
            HIGH,
            Column("p_equivalent", "p (equivalence)", form=P, decimals=4),
            Column("seen", "Least difference seen"),
            VERDICT,
            Column("analysis", "Analysis"),
            REASON,
        ),
        note="The one test that decides, on AUBC, over all strategies as one family: better, "
        "equivalent (the difference is smaller than the margin), worse or undetermined. "
        "low and high hold for all strategies together without the steps of the tests, so that "
        "they may touch zero where a step decides; seen is the least difference that "
        "another study of this size shows four times in five. All other tests are secondary.",
        methods=(
            """\
- **Primary analysis**: differences from the baseline within each seed, so that what runs of a
  seed share does not count. *paired*, from five seeds on: t tests of the differences, each strategy
  with a deviation of its own, stepwise over the strategies. *blocked*, with fewer: a two-way layout
  of seeds and strategies, one deviation for all, Dunnett's test (1955), stepwise; it assumes that
  all strategies vary alike. *flips*, on request: the largest |t| over the signs of the differences
  (Westfall & Young 1993). **Equivalent**: two one-sided tests (Schuirmann 1987) of the margin.""",
        ),
        always=True,
        open=True,
    ),
]

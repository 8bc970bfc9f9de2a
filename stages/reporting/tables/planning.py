"""How sure the means are, and how many seeds it would take: bootstrap and power."""

from __future__ import annotations

import pandas as pd

from stages.reporting.read.frames import AUBC, measured
from stages.reporting.table import (
    HIGH,
    HIGHER,
    LOW,
    REASON,
    SEEDS,
    STRATEGY,
    TASK,
    TRUST,
    Column,
    Table,
)
from stages.statistics.planning import seeds_needed
from stages.statistics.resampling import LEAST, bootstrap_mean


def bootstrap_table(runs: pd.DataFrame, tasks, alpha: float) -> pd.DataFrame:
    """Intervals of the mean AUBC of every strategy, by t and by the bootstrap.

    Returns:
        DataFrame: task, strategy, n, aubc (mean), t_low, t_high, low, high (percentile), bca_low,
        bca_high, reason.
    """
    rows = []
    for task in tasks:
        for name, values in measured(runs, task, AUBC).groups.items():
            found = bootstrap_mean(values, alpha)
            rows.append((task, name, *found.values()))
    columns = ["task", "strategy", "n", "aubc", "t_low", "t_high", "low", "high", "bca_low",
               "bca_high", "reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def planning_table(primary: pd.DataFrame, settings) -> pd.DataFrame:
    """How many seeds the primary analysis needs to see the observed difference, and the margin.

    Args:
        primary: the table of that name.
        settings: with `report` (`primary`, `alpha`, `margin`).

    Returns:
        DataFrame: task, strategy, n, difference, deviation (of the differences within seeds),
        seeds_needed (for the observed difference), seeds_for_margin (for one as large as the
        margin), difference_seen (the least one that n seeds see), reason. Empty without a test.
    """
    report, rows = settings.report, []
    for _, family in primary.groupby("task", sort=False):
        for row in family.itertuples(index=False):
            deviation = row.standard_error * row.n**0.5
            plan = {"method": report.primary, "alpha": report.alpha}
            needed, reason = (None, row.reason)
            if not pd.isna(row.p):
                needed, reason = seeds_needed(
                    row.difference, deviation, row.df, len(family), **plan
                )
            margin = None
            if report.margin and not pd.isna(row.p):
                margin, _ = seeds_needed(report.margin, deviation, row.df, len(family), **plan)
            counts = (pd.NA if x is None else x for x in (needed, margin))
            rows.append(
                (
                    row.task,
                    row.strategy,
                    row.n,
                    row.difference,
                    deviation,
                    *counts,
                    row.seen,
                    reason,
                )
            )
    columns = ["task", "strategy", "n", "difference", "deviation", "seeds_needed",
               "seeds_for_margin", "difference_seen", "reason"]  # fmt: skip
    counts = {"seeds_needed": "Int64", "seeds_for_margin": "Int64"}
    return pd.DataFrame(rows, columns=columns).astype(counts)


TABLES = [
    Table(
        name="bootstrap",
        title="Intervals of the mean AUBC",
        question=TRUST,
        build=lambda given: bootstrap_table(given.runs, given.tasks, given.alpha),
        columns=(
            TASK,
            STRATEGY,
            SEEDS,
            Column("aubc", "AUBC", HIGHER),
            Column("t_low", "t low"),
            Column("t_high", "t high"),
            LOW,
            HIGH,
            Column("bca_low", "BCa low"),
            Column("bca_high", "BCa high"),
            REASON,
        ),
        note="Of the mean over seeds: by t (assumes normal runs), and from ten seeds on percentile "
        "and BCa intervals of the bootstrap, 10,000 resamples with a fixed seed. They hold for one "
        "strategy each, and do not use that strategies share their seeds.",
        methods=(
            f"""\
- **Intervals** of the mean: by Student's t, and by the bootstrap (Efron & Tibshirani 1993, *An
  Introduction to the Bootstrap*): percentiles of the means of resampled runs, and BCa, which
  corrects them for bias and skewness. The bootstrap's are given from {LEAST} runs on: with fewer
  they are too narrow, and of two values no more than the two values.""",
        ),
    ),
    Table(
        name="seeds_needed",
        title="Seeds needed",
        question=TRUST,
        build=lambda given: planning_table(given.table("primary"), given.settings),
        columns=(
            TASK,
            STRATEGY,
            SEEDS,
            Column("difference", "Difference in AUBC"),
            Column("deviation", "Std. deviation of differences"),
            Column("seeds_needed", "Seeds needed"),
            Column("seeds_for_margin", "Seeds for the margin"),
            Column("difference_seen", "Least difference seen"),
            REASON,
        ),
        note="Seeds with which the primary analysis sees, four times in five, a difference from "
        "the baseline as large as the observed one, and one as large as the margin; and the least "
        "difference that another study of this size sees. The level is that of the whole family, "
        "no other strategy differing; that the deviation is estimated from these seeds counts.",
        methods=(
            """\
- **Seeds needed**: for the primary analysis, at the level of its family, by the noncentral t
  distribution over what the true deviation may be, given the seeds that it was estimated from. An
  observed difference is itself uncertain: the margin is the better thing to plan for.""",
        ),
    ),
]

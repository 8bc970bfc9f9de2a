"""The main numbers: the curve, AUBC and final accuracy, win-tie-loss."""

from __future__ import annotations

import pandas as pd

from stages.reporting.methods import AREA, SHARED_SETS
from stages.reporting.read.frames import AUBC, FINAL, FULL_ROW, curve_table, measured
from stages.reporting.table import (
    BEST,
    HIGH,
    HIGHER,
    LABELED,
    LOW,
    RUNS,
    SEED,
    SEEDS,
    STRATEGY,
    TASK,
    Column,
    Table,
    mean,
)
from stages.statistics.measures import describe, ranks
from stages.statistics.wintieloss import win_tie_loss, win_tie_loss_spread


def summary_table(runs: pd.DataFrame, full: pd.DataFrame) -> pd.DataFrame:
    """Mean, deviation and rank of AUBC and final accuracy; the Full row of a task comes last.

    Args:
        runs: as of `runs_table`.
        full: as of `records.read_full`.
    """
    parts = []
    for task, of_task in runs.groupby("task", sort=False):
        cells = [
            (name, *describe(own[AUBC]), *describe(own[FINAL])[:2])
            for name, own in of_task.groupby("strategy", sort=False)
        ]
        part = pd.DataFrame(
            cells, columns=["strategy", "aubc_mean", "aubc_std", "n", "final_mean", "final_std"]
        )
        part["aubc_rank"] = ranks(part["aubc_mean"])
        part["final_rank"] = ranks(part["final_mean"])
        whole = full.loc[full["task"] == task, "accuracy"]
        if len(whole):
            mean, std, n = describe(whole)
            part.loc[len(part), ["strategy", "n", "final_mean", "final_std"]] = [
                FULL_ROW,
                n,
                mean,
                std,
            ]
        part.insert(0, "task", task)
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    return table[
        [
            "task",
            "strategy",
            "aubc_mean",
            "aubc_std",
            "aubc_rank",
            "final_mean",
            "final_std",
            "final_rank",
            "n",
        ]
    ].astype({"n": "int64"})


def win_tie_loss_table(runs: pd.DataFrame, means: pd.DataFrame, margin: float) -> pd.DataFrame:
    """Counts over all tasks, and how far the ranks depend on the seeds.

    Args:
        runs: as of `frames.runs_table`.
        means: (tasks, strategies) mean AUBC.
        margin: smallest difference that is still a tie.

    Returns:
        DataFrame: the columns of `win_tie_loss`, then rank_low, rank_high and first.
    """
    table = win_tie_loss(means, margin)
    wide = {
        task: measured(runs, task, AUBC).paired().reindex(columns=means.columns).to_numpy()
        for task in means.index
    }
    spread = win_tie_loss_spread(wide, margin).astype({"rank_low": "Int64", "rank_high": "Int64"})
    return pd.concat([table, spread], axis=1)


TABLES = [
    Table(
        name="summary",
        title="AUBC and final accuracy",
        question=BEST,
        build=lambda given: summary_table(given.runs, given.full),
        columns=(
            TASK,
            STRATEGY,
            mean("aubc", "AUBC", HIGHER),
            Column("aubc_rank", "AUBC rank"),
            mean("final", "Final accuracy", HIGHER),
            Column("final_rank", "Final rank"),
            SEEDS,
        ),
        note="Mean ± sample standard deviation over seeds.",
        methods=(AREA, SHARED_SETS),
        always=True,
    ),
    Table(
        name="win_tie_loss",
        title="Win, tie, loss over tasks",
        question=BEST,
        build=lambda given: win_tie_loss_table(
            given.runs, given.means, given.settings.report.margin
        ),
        columns=(
            STRATEGY,
            Column("wins", "Wins"),
            Column("ties", "Ties"),
            Column("losses", "Losses"),
            Column("points", "Points", HIGHER),
            Column("rank", "Rank"),
            Column("rank_low", "Rank from"),
            Column("rank_high", "Rank to"),
            Column("first", "First in", decimals=2),
        ),
        note="Every strategy against every other on mean AUBC; points are 2 × wins + ties. A "
        "missing cell loses to every available one and ties with another missing one. It looks "
        "at means alone: with other seeds the rank lies between the two given in 95 % of resamples "
        "(too narrow with fewer than ten seeds), and the strategy is first in this share of them. "
        "With one task this is the order of means and no more.",
        methods=(
            """\
- **Win, tie, loss**: of each pair the strategy with a mean AUBC higher by more than the margin wins
  (Zhan et al. 2022). It looks at means only and is no test; how far its ranks depend on the seeds
  that were run is found by drawing the seeds of each task anew.""",
        ),
        always=True,
    ),
    Table(
        name="curve",
        title="Accuracy at every budget",
        question=RUNS,
        build=lambda given: curve_table(given.drawn),
        columns=(
            TASK,
            STRATEGY,
            LABELED,
            Column("accuracy", "Test accuracy", HIGHER),
            Column("std", "Std. deviation"),
            LOW,
            HIGH,
            SEEDS,
        ),
        note="Mean over seeds; std is the sample standard deviation, low and high are mean ± std.",
        always=True,
        missing="",  # what plotting tools take for a gap
        path="curve.csv",
    ),
    Table(
        name="aubc",
        title="AUBC and final accuracy of every run",
        question=RUNS,
        build=lambda given: given.runs,
        columns=(
            TASK,
            STRATEGY,
            SEED,
            Column("aubc", "AUBC", HIGHER),
            Column("final_accuracy", "Final accuracy", HIGHER),
        ),
        always=True,
    ),
]

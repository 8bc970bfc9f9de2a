"""All strategies by rank: a row each, with what the primary analysis says of it."""

from __future__ import annotations

import pandas as pd

from stages.reporting.given import Given
from stages.reporting.read.frames import FULL_ROW
from stages.reporting.table import (
    BEST,
    HIGH,
    HIGHER,
    LOW,
    LOWER,
    SEEDS,
    STRATEGY,
    VERDICT,
    Column,
    P,
    Table,
    mean,
)

OF_TASK = "aubc: "
ONE_TASK = (
    STRATEGY,
    mean("aubc", "AUBC", HIGHER),
    Column("difference", "Difference from the baseline"),
    LOW,
    HIGH,
    Column("p_adjusted", "p (family)", form=P, decimals=4),
    VERDICT,
    mean("final", "Final accuracy", HIGHER),
    SEEDS,
)


def of_one_task(summary: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """The strategies of the only task by mean AUBC, the row of all labels last.

    Args:
        summary: as of `summary.summary_table`.
        held: as of `primary.primary_table`.

    Returns:
        DataFrame with the columns ONE_TASK; the baseline has no difference and no verdict.
    """
    said = ["strategy", "difference", "low", "high", "p_adjusted", "verdict"]
    rows = summary.merge(held[said], on="strategy", how="left")
    rows["verdict"] = rows["verdict"].fillna("")
    rows = rows.sort_values("aubc_rank", kind="stable", na_position="last")
    return rows[[name for column in ONE_TASK for name in (column.name, column.spread) if name]]


def of_tasks(summary: pd.DataFrame, held: pd.DataFrame, tasks: list[str]) -> pd.DataFrame:
    """A matrix: strategies by mean rank, a column for each task.

    Args:
        summary, held: as for `of_one_task`.
        tasks: names, in order.

    Returns:
        DataFrame: strategy, mean_rank (of the mean AUBC over tasks) and for each task its mean
        AUBC, standard deviation and verdict.
    """
    own = summary[summary["strategy"] != FULL_ROW]
    ranks = own.groupby("strategy", sort=False)["aubc_rank"].mean()
    ranks = ranks.sort_values(kind="stable")
    found = {"strategy": ranks.index, "mean_rank": ranks.to_numpy(dtype="float64")}
    for task in tasks:
        of_task = own[own["task"] == task].set_index("strategy").reindex(ranks.index)
        words = held[held["task"] == task].set_index("strategy")["verdict"].reindex(ranks.index)
        column = _column(task)
        found[column.name] = of_task["aubc_mean"].to_numpy()
        found[column.spread] = of_task["aubc_std"].to_numpy()
        found[column.mark] = words.fillna("").to_numpy()
    return pd.DataFrame(found)


def _column(task: str) -> Column:
    name = OF_TASK + task
    return Column(name, task, HIGHER, spread=f"{name}, std", mark=f"{name}, verdict")


def _columns(frame: pd.DataFrame) -> tuple[Column, ...]:
    if "mean_rank" not in frame:
        return ONE_TASK
    names = [name for name in frame.columns if name.startswith(OF_TASK)]
    tasks = [name.removeprefix(OF_TASK) for name in names[::3]]
    rank = Column("mean_rank", "Mean rank", LOWER, decimals=2)
    return STRATEGY, rank, *map(_column, tasks)


def _standing(given: Given) -> pd.DataFrame:
    summary, held = given.table("summary"), given.table("primary")
    if len(given.tasks) > 1:
        return of_tasks(summary, held, given.tasks)
    return of_one_task(summary, held)


TABLES = [
    Table(
        name="standing",
        title="All strategies by rank",
        question=BEST,
        build=_standing,
        columns=_columns,
        note="Mean AUBC ± sample standard deviation over seeds, the best first. Differences, "
        "intervals, p and verdicts are those of the primary analysis.",
        always=True,
        open=True,
    ),
]

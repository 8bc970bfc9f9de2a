"""What selections and trainings took, from this machine's clock; printed, never committed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stages.machine.errors import UserError
from stages.reporting.read import records
from stages.reporting.read.frames import runs_table
from stages.reporting.write.grid import grid
from stages.statistics.measures import describe


def cost_table(seconds: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Seconds of a run, and relative to the baseline.

    Args:
        seconds: as of `records.read_seconds`.
        baseline: name of a strategy.

    Returns:
        DataFrame: task, strategy, rounds (with a time, over all seeds), training, selection,
        total (mean seconds a round; total is their sum, as in Li et al. 2022), total_std (over
        seeds), training_ratio, selection_ratio, total_ratio (over the baseline; NaN without it or
        where it took no time).
    """
    rows = []
    for task, own in seconds.groupby("task", sort=False):
        part = []
        for name, runs in own.groupby("strategy", sort=False):
            means = runs.groupby("seed", sort=False)[["training", "selection"]].mean()
            total = describe(means.sum(axis=1))
            part.append((task, name, len(runs), *means.mean(), *total[:2]))
        table = pd.DataFrame(
            part,
            columns=["task", "strategy", "rounds", "training", "selection", "total", "total_std"],
        )
        base = table.set_index("strategy").reindex([baseline]).iloc[0]
        for column in ("training", "selection", "total"):
            value = base[column] if base[column] > 0 else float("nan")
            table[f"{column}_ratio"] = table[column] / value
        rows.append(table)
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def beside_accuracy(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Cost beside accuracy.

    Args:
        table: as of `cost_table`.
        runs: as of `frames.runs_table`.

    Returns:
        The table with aubc (mean over seeds) and front: whether no other strategy of the task has
        at least this AUBC in at most this total time, and one of the two better.
    """
    areas = runs.groupby(["task", "strategy"], sort=False)["aubc"].mean().rename("aubc")
    table = table.merge(areas.reset_index(), on=["task", "strategy"], how="left")
    front = []
    for row in table.itertuples():
        others = table[(table["task"] == row.task) & (table.index != row.Index)]
        as_good = (others["aubc"] >= row.aubc) & (others["total"] <= row.total)
        better = (others["aubc"] > row.aubc) | (others["total"] < row.total)
        front.append(not (as_good & better).any())
    return table.assign(front=front)


def report(settings, root: Path) -> str:
    """The cost table as Markdown, with what it rests on.

    Args:
        settings: with `tasks`, `strategies`, `seeds`, `rounds` and `report.baseline`.
        root: folder that holds `artifacts/`.
    """
    seconds = records.read_seconds(settings, root)
    if seconds.empty:
        return "No times here: a run leaves them under artifacts/, on the machine that it ran on."
    runs = len(settings.tasks) * len(settings.strategies) * len(settings.seeds)
    expected = runs * len(settings.rounds)
    table = cost_table(seconds, settings.report.baseline)
    said = ""
    try:
        table = beside_accuracy(table, runs_table(records.read_rounds(settings, root)))
        said = " front: no other strategy is at least as good in AUBC and at least as fast."
    except UserError:  # the study is not finished: times alone
        pass
    return (
        f"Mean seconds a round, wall clock, {len(seconds)} of {expected} rounds; selection is "
        f"scoring and selecting; ratios are over `{settings.report.baseline}`. Times of different "
        f"machines do not compare.{said}\n\n"
        + grid(table, {"training": 2, "selection": 4, "total": 2})
    )

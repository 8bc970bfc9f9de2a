"""What selections and trainings took, from this machine's clock; printed, never committed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stages.reporting.read import records
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
    return (
        f"Mean seconds a round, wall clock, {len(seconds)} of {expected} rounds; selection is "
        f"scoring and selecting; ratios are over `{settings.report.baseline}`. Times of different "
        f"machines do not compare.\n\n{grid(table, {'training': 2, 'selection': 4, 'total': 2})}"
    )

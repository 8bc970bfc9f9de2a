"""The tables of a report, from tidy result rows to CSV text."""

from __future__ import annotations

from itertools import combinations
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from stages.published import STUDIES
from stages.published.against import API, OURS, against
from stages.reporting.read.frames import (
    ACCURACY,
    ALL_BUDGETS,
    AUBC,
    FINAL,
    FULL_ROW,
    distinct_budgets,
    measured_groups,
    runs_table,
)
from stages.reporting.tables import measured, ranked, tested
from stages.reporting.tables.titles import TITLES
from stages.statistics.comparisons import NOT_AVAILABLE
from stages.statistics.measures import describe, ranks
from stages.statistics.paired import paired_table
from stages.statistics.wintieloss import win_tie_loss

__all__ = [
    "ACCURACY", "ALL_BUDGETS", "AUBC", "FINAL", "FULL_ROW", "TITLES", "build", "csv_path",
    "curve_table", "fixed", "metrics", "runs_table", "summary_table", "to_csv",
]  # fmt: skip

DECIMALS = {"h": 4, "t": 4, "df": 4, "statistic": 6}
DEFAULT_DECIMALS = 6
RANDOM = "random"


def curve_table(rounds: pd.DataFrame) -> pd.DataFrame:
    """Accuracy against labeled images, over seeds.

    Args:
        rounds: as of `records.read_rounds`.

    Returns:
        DataFrame with columns task, strategy, labeled, accuracy (mean), std (ddof = 1), low,
        high (mean -/+ std, cut to [0, 1]), n (seeds); std, low and high are NaN for one seed.
    """
    cells: dict[tuple, dict[int, list[float]]] = {}
    columns = ["task", "strategy", "labeled", "accuracy"]
    for task, strategy, labeled, value in distinct_budgets(rounds)[columns].itertuples(index=False):
        cells.setdefault((task, strategy), {}).setdefault(labeled, []).append(value)
    rows = []
    for key, budgets in cells.items():
        for labeled in sorted(budgets):
            mean, std, n = describe(budgets[labeled])
            rows.append((*key, labeled, mean, std, mean - std, mean + std, n))
    table = pd.DataFrame(
        rows, columns=["task", "strategy", "labeled", "accuracy", "std", "low", "high", "n"]
    )
    table[["low", "high"]] = np.clip(table[["low", "high"]], 0, 1)
    return table


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


def literature_table(made: dict[str, pd.DataFrame], full: pd.DataFrame, settings) -> pd.DataFrame:
    """Our numbers beside those of the five studies, where data set and method match.

    Args:
        made: the tables summary, curve and, if there is one, improvement.
        full: as of `records.read_full`.
        settings: with `tasks`, `task` and `report.baseline`: API is compared where that is random,
            over which the published one is.

    Returns:
        DataFrame: task, then the columns of `stages.published.against`; empty without a match.
    """
    parts = []
    for task in settings.tasks:
        dataset = settings.task[task].dataset.name
        curve = made["curve"].query("task == @task")
        counts = curve.groupby("strategy")["labeled"].agg(["min", "max"])
        counts.loc[FULL_ROW] = full.loc[full["task"] == task, "labeled"].agg(["min", "max"])
        ranges = {name: tuple(row) for name, row in counts.astype("float64").iterrows()}
        own = made["summary"].query("task == @task")
        rows = [(x.strategy, AUBC, *ranges[x.strategy], x.aubc_mean, x.n) for x in own.itertuples()]
        rows += [
            (x.strategy, FINAL, *ranges[x.strategy], x.final_mean, x.n) for x in own.itertuples()
        ]
        rows += [
            (x.strategy, ACCURACY, x.labeled, x.labeled, x.accuracy, x.n)
            for x in curve.itertuples()
        ]
        if "improvement" in made and settings.report.baseline == RANDOM:
            gains = made["improvement"].query("task == @task")
            rows += [
                (x.strategy, API, *ranges[x.strategy], x.api_mean, x.n) for x in gains.itertuples()
            ]
        ours = pd.DataFrame(rows, columns=OURS).dropna(subset="mean")
        for name in STUDIES:
            part = against(name, dataset, ours)
            if len(part):
                part.insert(0, "task", task)
                parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def tests_table(assumptions: pd.DataFrame, settings) -> pd.DataFrame:
    """Every test of the report: what it runs on, how much of it, what it assumes, what holds.

    Args:
        assumptions: the table of that name.
        settings: with `tasks`, `strategies` and `seeds`.

    Returns:
        DataFrame: task, test, applied_to, n, assumes, holds.
    """
    seeds, tasks = len(settings.seeds), len(settings.tasks)
    groups = f"{len(settings.strategies)} strategies x {seeds} seeds"
    shared = "runs of a seed share their initial set, so not fully independent"
    rows = []
    for task in settings.tasks:
        normal = "; ".join(
            f"{name}: {tested.assumption_counts(assumptions, task, test)}"
            for name, test in (
                ("Shapiro-Wilk", "shapiro_wilk"),
                ("Kolmogorov-Smirnov", "kolmogorov_smirnov"),
            )
        )
        equal = tested.assumption_counts(assumptions, task, "levene_median")
        every = "AUBC and accuracy at every budget"
        rows += [
            (task, "Kruskal-Wallis", every, groups, "independent runs", shared),
            (task, "(one-way ANOVA, not used)", every, groups, "equal variances",
             f"Levene: {equal}"),
            (task, "Welch ANOVA", every, groups, "normal groups", normal),
            (task, "Games-Howell", every, groups, "normal groups", normal),
            (task, "paired t", "AUBC", f"{seeds} seeds", "normal differences", "not tested"),
            (task, "Wilcoxon", "AUBC", f"{seeds} seeds", "symmetric differences", "not tested"),
            (task, "Friedman, Nemenyi", "AUBC", f"{seeds} seeds", "independent seeds",
             "by design"),
            (task, "bootstrap", "AUBC", f"{seeds} seeds", "independent, enough runs",
             "too few runs" if seeds < 10 else "by design"),
        ]  # fmt: skip
    size = f"{tasks} task" + ("s" if tasks != 1 else "")
    across = "too few tasks" if tasks < 2 else "as far as the tasks are unlike each other"
    rows += [
        (ranked.ALL_TASKS, "paired t, Wilcoxon", "mean AUBC", size, "independent tasks", across),
        (ranked.ALL_TASKS, "Friedman, Nemenyi", "mean AUBC", size, "independent tasks", across),
        (ranked.ALL_TASKS, "penalty", "accuracy at every budget", groups,
         "normal differences; one test a cell, uncorrected", "not tested"),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["task", "test", "applied_to", "n", "assumes", "holds"])


def build(
    rounds: pd.DataFrame,
    full: pd.DataFrame,
    settings,
    more: dict[str, pd.DataFrame] | None = None,
) -> dict[str, pd.DataFrame]:
    """All tables of a report.

    Args:
        rounds, full: as of `records.read_rounds` and `records.read_full`.
        settings: with `tasks`, `strategies`, `seeds`, `task` and `report` (`margin`, `alpha`,
            `baseline`).
        more: further tables, as of `overlap.read_overlap` and `tuned.read_tuned`.

    Returns:
        Name -> DataFrame, unrounded, rows in the order of the settings; the names are those of
        `titles.TITLES`. Tables for which there is nothing (two tasks, index sets, a published
        number) are left out; those of the first report are always there.
    """
    alpha, baseline = settings.report.alpha, settings.report.baseline
    tasks, strategies = list(settings.tasks), list(settings.strategies)
    runs = runs_table(rounds)
    curve = curve_table(rounds)
    means = runs.groupby(["task", "strategy"], sort=False)[AUBC].mean().unstack("strategy")
    means = means[strategies]
    cells = [cell for task in tasks for cell in measured_groups(rounds, runs, task)]
    assumptions = pd.DataFrame(tested.assumption_rows(cells, alpha), columns=tested.ASSUMPTIONS)
    kruskal, welch = tested.omnibus_tables(cells, alpha)
    held = tested.verdict_table(cells, baseline, alpha)
    made = {
        "curve": curve,
        "aubc": runs,
        "summary": summary_table(runs, full),
        "primary": tested.primary_table(runs, settings),
        "win_tie_loss": win_tie_loss(means, settings.report.margin),
    }
    made |= measured.build(rounds, curve, baseline)
    made |= {name: table for name, table in (more or {}).items() if len(table)}
    made |= {
        "tests": tests_table(assumptions, settings),
        "assumptions": assumptions,
        "kruskal_wallis": kruskal,
        "welch_anova": welch,
        "games_howell": tested.games_howell_table(runs, tasks, alpha),
        "verdicts": held,
    }
    pairs = list(combinations(strategies, 2))
    rest = {
        "verdict_lists": tested.verdict_lists(held),
        "paired_tasks": paired_table(means, pairs, alpha) if len(tasks) > 1 else pd.DataFrame(),
        "paired_seeds": tested.paired_seeds(runs, tasks, alpha),
        "penalty": tested.penalty_table(rounds, strategies, alpha),
        **ranked.rank_tables(runs, means, tasks, alpha),
        "bootstrap": tested.bootstrap_table(runs, tasks, alpha),
        "seeds_needed": tested.planning_table(runs, tasks, baseline, alpha),
        "literature": literature_table(made, full, settings),
    }
    return made | {name: table for name, table in rest.items() if len(table)}


def fixed(value: float, decimals: int, missing: str = NOT_AVAILABLE) -> str:
    """A number with fixed decimals, without a negative zero; `missing` for NaN."""
    if pd.isna(value):
        return missing
    text = f"{value:.{decimals}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def to_csv(table: pd.DataFrame, missing: str = NOT_AVAILABLE) -> str:
    r"""A table as CSV text with fixed decimals and \n line ends.

    Args:
        table: any table of `build`.
        missing: what stands for NaN.
    """
    shown = table.copy()
    for column in table.columns:
        kind = table[column].dtype
        if pd.api.types.is_float_dtype(kind):
            decimals = DECIMALS.get(column, DEFAULT_DECIMALS)
            shown[column] = [fixed(value, decimals, missing) for value in table[column]]
        elif pd.api.types.is_integer_dtype(kind):
            shown[column] = [missing if pd.isna(value) else str(value) for value in table[column]]
    return shown.to_csv(index=False, lineterminator="\n")


def metrics(summary: pd.DataFrame) -> dict:
    """The means of `summary` as {task: {strategy: {aubc, final_accuracy}}}, six decimals.

    Args:
        summary: as of `summary_table`; a Full row has no aubc.
    """
    found: dict = {}
    for row in summary.itertuples(index=False):
        cell = {AUBC: row.aubc_mean, FINAL: row.final_mean}
        found.setdefault(row.task, {})[row.strategy] = {
            key: round(float(value), DEFAULT_DECIMALS)
            for key, value in cell.items()
            if not pd.isna(value)
        }
    return found


def csv_path(name: str) -> PurePosixPath:
    """Where a table lies under `reports/`; the curve is apart, for `dvc plots`."""
    return PurePosixPath("curve.csv") if name == "curve" else PurePosixPath("tables", f"{name}.csv")

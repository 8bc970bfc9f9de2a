"""What the tests assume, and whether it holds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.reporting.read.frames import ACCURACY, ALL_TASKS, AUBC, Measured, answer, measured
from stages.reporting.table import (
    LABELED,
    MEASURE,
    P_VALUE,
    REASON,
    STRATEGY,
    TASK,
    TRUST,
    Column,
    Table,
)
from stages.statistics.assumptions import (
    LEAST_LILLIEFORS,
    brown_forsythe,
    kolmogorov_smirnov,
    shapiro_wilk,
)
from stages.statistics.primary import BLOCKED, FLIPS, PAIRED, method_of

WORDS = ("not rejected", "rejected")
PRIMARY, SECONDARY = "primary", "secondary"
ASSUMES = {
    PAIRED: "normal differences of independent seeds",
    BLOCKED: "normal differences of independent seeds, one deviation for all strategies",
    FLIPS: "symmetric differences of independent seeds",
}
ASSUMPTIONS = ["task", "measure", "labeled", "test", "strategy", "n", "statistic", "p",
               "assumption", "reason"]  # fmt: skip


def assumption_rows(cells: list[Measured], alpha: float) -> list[tuple]:
    """Normality of every group and equal variances of all groups, for every measure."""
    rows = []
    for cell in cells:
        if cell.shared:
            continue
        head = (cell.task, cell.measure, cell.labeled)
        for name, values in cell.groups.items():
            for test, run, least in (
                ("shapiro_wilk", shapiro_wilk, 3),
                ("kolmogorov_smirnov", kolmogorov_smirnov, LEAST_LILLIEFORS),
            ):
                statistic, p = run(values)
                few = f"fewer than {least} runs" if len(values) < least else "all values are equal"
                word = answer(p, alpha, *WORDS)
                reason = few if np.isnan(p) else ""
                rows.append((*head, test, name, len(values), statistic, p, word, reason))
        w, p = brown_forsythe(list(cell.groups.values()))
        sizes = [len(values) for values in cell.groups.values()]
        reason = "" if not np.isnan(p) else _no_levene(sizes)
        word = answer(p, alpha, *WORDS)
        rows.append((*head, "levene_median", "all", sum(sizes), w, p, word, reason))
    return rows


def _no_levene(sizes: list[int]) -> str:
    if len(sizes) < 2:
        return "there is one strategy"
    few = min(sizes) < 3
    return "a strategy has fewer than 3 runs" if few else "no spread within any strategy"


def assumption_counts(assumptions: pd.DataFrame, task: str, test: str) -> str:
    """On AUBC and at single budgets: in how many of the tests an assumption is rejected."""
    own = assumptions[(assumptions["task"] == task) & (assumptions["test"] == test)]
    own = own[own["p"].notna()]
    if own.empty:
        return "n/a"
    parts = []
    for measure, what in ((AUBC, "on AUBC"), (ACCURACY, "at single budgets")):
        tested = own[own["measure"] == measure]
        if len(tested):
            rejected = int((tested["assumption"] == "rejected").sum())
            parts.append(f"rejected {what} in {rejected} of {len(tested)}")
    return "; ".join(parts)


def tests_table(assumptions: pd.DataFrame, runs: pd.DataFrame, settings) -> pd.DataFrame:
    """Every test of the report: its role, what it runs on, how much of it, what it assumes.

    Args:
        assumptions: the table of that name.
        runs: as of `frames.runs_table`.
        settings: with `tasks`, `strategies`, `seeds` and `report`.

    Returns:
        DataFrame: task, test, role ("primary": the one that decides; "secondary": its verdicts
        are its own), applied_to, n, assumes, holds.
    """
    seeds, tasks = len(settings.seeds), len(settings.tasks)
    groups = f"{len(settings.strategies)} strategies x {seeds} seeds"
    shared = "runs of a seed share their initial set, so not fully independent"
    rows = []
    for task in settings.tasks:
        rows.append(_primary_row(assumptions, runs, task, settings))
        normal = "; ".join(
            f"{name}: {assumption_counts(assumptions, task, test)}"
            for name, test in (
                ("Shapiro-Wilk", "shapiro_wilk"),
                ("Kolmogorov-Smirnov", "kolmogorov_smirnov"),
            )
        )
        equal = assumption_counts(assumptions, task, "levene_median")
        every = "AUBC and accuracy at every budget"
        rows += [
            (task, "Kruskal-Wallis", SECONDARY, every, groups, "independent runs", shared),
            (task, "(one-way ANOVA, not used)", SECONDARY, every, groups, "equal variances",
             f"Levene: {equal}"),
            (task, "Welch ANOVA", SECONDARY, every, groups, "normal groups", normal),
            (task, "Games-Howell", SECONDARY, every, groups, "normal groups", normal),
            (task, "paired t", SECONDARY, "AUBC", f"{seeds} seeds", "normal differences",
             "not tested"),
            (task, "Wilcoxon", SECONDARY, "AUBC", f"{seeds} seeds", "symmetric differences",
             "not tested"),
            (task, "Friedman, Nemenyi", SECONDARY, "AUBC", f"{seeds} seeds", "independent seeds",
             "by design"),
            (task, "bootstrap", SECONDARY, "AUBC", f"{seeds} seeds", "independent, enough runs",
             "too few runs" if seeds < 10 else "by design"),
        ]  # fmt: skip
    size = f"{tasks} task" + ("s" if tasks != 1 else "")
    across = "too few tasks" if tasks < 2 else "as far as the tasks are unlike each other"
    rows += [
        (ALL_TASKS, "paired t, Wilcoxon", SECONDARY, "mean AUBC", size, "independent tasks",
         across),
        (ALL_TASKS, "Friedman, Nemenyi", SECONDARY, "mean AUBC", size, "independent tasks",
         across),
        (ALL_TASKS, "penalty", SECONDARY, "accuracy at every budget", groups,
         "normal differences; one test a cell, uncorrected", "not tested"),
    ]  # fmt: skip
    columns = ["task", "test", "role", "applied_to", "n", "assumes", "holds"]
    return pd.DataFrame(rows, columns=columns)


def _primary_row(assumptions, runs, task: str, settings) -> tuple:
    """The primary analysis of one task: what it assumes, and whether it holds."""
    areas = measured(runs, task, AUBC).paired().dropna()
    which = method_of(len(areas), settings.report.primary)
    baseline, others = settings.report.baseline, [
        name for name in areas.columns if name != settings.report.baseline
    ]  # fmt: skip
    holds = "n/a"
    if baseline in areas and len(areas) >= 3 and others:
        tested = [shapiro_wilk(areas[name] - areas[baseline])[1] for name in others]
        known = [p for p in tested if not np.isnan(p)]
        below = sum(p < settings.report.alpha for p in known)
        holds = f"Shapiro-Wilk of the differences: rejected in {below} of {len(known)}"
    if which == BLOCKED:
        equal = assumption_counts(assumptions, task, "levene_median")
        holds += f"; Levene: {equal}"
    size = f"{len(areas)} seeds"
    return (task, f"primary analysis: {which}", PRIMARY, "AUBC", size, ASSUMES[which], holds)


TABLES = [
    Table(
        name="tests",
        title="Tests, what they assume, and whether it holds",
        question=TRUST,
        build=lambda given: tests_table(given.table("assumptions"), given.runs, given.settings),
        columns=(
            TASK,
            Column("test", "Test"),
            Column("role", "Role"),
            Column("applied_to", "On"),
            Column("n", "n"),
            Column("assumes", "Assumes"),
            Column("holds", "Holds?"),
        ),
        note="One test is primary and decides; the others are secondary and their verdicts their "
        "own. Not rejecting an assumption does not prove it, least of all with few seeds.",
        always=True,
    ),
    Table(
        name="assumptions",
        title="Tests of assumptions",
        question=TRUST,
        build=lambda given: pd.DataFrame(
            assumption_rows(given.cells, given.alpha), columns=ASSUMPTIONS
        ),
        columns=(
            TASK,
            MEASURE,
            LABELED,
            Column("test", "Test", key=True),
            STRATEGY,
            Column("n", "n"),
            Column("statistic", "Statistic", decimals=3),
            P_VALUE,
            Column("assumption", "Assumption"),
            REASON,
        ),
        note="Shapiro-Wilk and Kolmogorov-Smirnov (with Lilliefors' distribution, as mean and "
        "deviation are estimated): normality of the runs of one strategy; Levene (centre: "
        "median): equal variances. Not corrected for their number.",
        methods=(
            """\
- **Shapiro-Wilk** (Shapiro & Wilk 1965) tests whether the runs of one strategy are normally
  distributed. **Kolmogorov-Smirnov** tests the same, with the distribution of Lilliefors (1967),
  because mean and deviation are estimated from the runs. **Levene's test** with the median as
  centre (Brown & Forsythe 1974) tests whether all strategies have equal variance. Not rejecting an
  assumption does not prove it.""",
        ),
        always=True,
    ),
]

"""Pairs of strategies on one task: Games-Howell, and every strategy against the baseline."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from stages.reporting.methods import HOLM, PAIRED_T, VERDICTS, WILCOXON
from stages.reporting.read.frames import AUBC, FINAL, SHARED, Measured, measured
from stages.reporting.table import (
    APART,
    DF,
    FIRST,
    HIGH,
    LABELED,
    LOW,
    MEASURE,
    P_HOLM,
    P_VALUE,
    REASON,
    SECOND,
    STRATEGY,
    TASK,
    VERDICT,
    Column,
    P,
    T,
    Table,
)
from stages.statistics.comparisons import NOT_AVAILABLE, games_howell, verdicts
from stages.statistics.paired import paired_table

NAN = float("nan")


def games_howell_table(runs: pd.DataFrame, tasks, alpha: float) -> pd.DataFrame:
    """Every pair of strategies, on AUBC and on final accuracy.

    Args:
        runs: as of `frames.runs_table`.
        tasks: names, in order.
        alpha: one minus the level of the intervals.
    """
    parts = []
    for task in tasks:
        for measure in (AUBC, FINAL):
            pairs = games_howell(measured(runs, task, measure).groups, alpha=alpha)
            pairs.insert(0, "measure", measure)
            pairs.insert(0, "task", task)
            parts.append(pairs)
    return pd.concat(parts, ignore_index=True)


def verdict_table(cells: list[Measured], baseline: str, alpha: float) -> pd.DataFrame:
    """Every strategy against the baseline, for every measure; what they share is not tested."""
    parts = []
    for cell in cells:
        part = verdicts(cell.groups, baseline, alpha)
        same = part["strategy"].isin(cell.alike(baseline))
        part.loc[same, "p"] = NAN
        part.loc[same, "verdict"], part.loc[same, "reason"] = NOT_AVAILABLE, SHARED
        part.insert(1, "measure", cell.measure)
        part.insert(2, "labeled", cell.labeled)
        part.insert(0, "task", cell.task)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def verdict_lists(held: pd.DataFrame) -> pd.DataFrame:
    """The verdicts as in Table 1 of Munjal et al. 2022: three lists for each measure and budget.

    Args:
        held: as of `verdict_table`.

    Returns:
        DataFrame: task, measure, budget, better, undetermined, worse, not_available: names,
        separated by commas.
    """
    words = {"better": "better", "undetermined": "undetermined", "worse": "worse",
             "n/a": "not_available"}  # fmt: skip
    lists: dict[tuple, dict[str, list[str]]] = {}
    columns = ["task", "measure", "labeled", "strategy", "verdict"]
    for *key, name, word in held[columns].itertuples(index=False):
        cell = lists.setdefault(tuple(key), {column: [] for column in words.values()})
        cell[words[word]].append(name)
    rows = [
        (*key, *(", ".join(names) or "none" for names in cell.values()))
        for key, cell in lists.items()
    ]
    return pd.DataFrame(rows, columns=["task", "measure", "budget", *words.values()])


def paired_seeds(runs: pd.DataFrame, tasks, alpha: float) -> pd.DataFrame:
    """All pairs of strategies on one task, paired by seed: t test and Wilcoxon on AUBC."""
    parts = []
    for task in tasks:
        values = measured(runs, task, AUBC).paired()
        part = paired_table(values, list(combinations(values.columns, 2)), alpha)
        part.insert(0, "task", task)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def paired_tasks(means: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """All pairs of strategies, paired by task; empty with one task.

    Args:
        means: (tasks, strategies) mean AUBC.
        alpha: one minus the level of the intervals.
    """
    pairs = list(combinations(means.columns, 2))
    return paired_table(means, pairs, alpha) if len(means) > 1 else pd.DataFrame()


DIFFERENCE = Column("difference", "Difference in AUBC")
PAIRED = (
    DIFFERENCE,
    T,
    DF,
    P_VALUE,
    P_HOLM,
    LOW,
    HIGH,
    Column("w", "W", decimals=1),
    Column("wilcoxon_p", "Wilcoxon p", form=P, decimals=4),
    Column("wilcoxon_p_holm", "Wilcoxon p (Holm)", form=P, decimals=4),
    REASON,
)
TABLES = [
    Table(
        name="games_howell",
        title="Pairs of strategies: Games-Howell",
        question=APART,
        build=lambda given: games_howell_table(given.runs, given.tasks, given.alpha),
        columns=(
            TASK,
            MEASURE,
            FIRST,
            SECOND,
            Column("n_first", "Seeds, first"),
            Column("n_second", "Seeds, second"),
            Column("difference", "Difference"),
            Column("standard_error", "Std. error"),
            T,
            DF,
            P_VALUE,
            LOW,
            HIGH,
            Column("g", "g"),
            Column("g_low", "g low"),
            Column("g_high", "g high"),
            REASON,
        ),
        note="Secondary. Difference is the first minus the second; low and high bound its "
        "interval. g is Hedges' g with the interval of one pair (Bonett 2008). Assumes normal "
        "means, not equal variances; p covers all pairs of one task and measure.",
        methods=(
            """\
- **Games-Howell** (1976) compares pairs of strategies without assuming equal variances: Welch's
  standard error sqrt(s1²/n1 + s2²/n2) and degrees of freedom, and the studentized range over all
  strategies, which covers all pairs of one task and one measure, not several tasks or budgets. It
  does assume roughly normal means. **Hedges' g** (1981) is the difference in standard deviations,
  corrected for few runs, with the interval of Bonett (2008).""",
        ),
        always=True,
    ),
    Table(
        name="verdicts",
        title="Verdicts against the baseline: Games-Howell",
        question=APART,
        build=lambda given: verdict_table(given.cells, given.baseline, given.alpha),
        columns=(
            TASK,
            STRATEGY,
            MEASURE,
            LABELED,
            Column("difference", "Difference"),
            P_VALUE,
            VERDICT,
            Column("n", "Seeds"),
            Column("n_baseline", "Seeds of the baseline"),
            REASON,
        ),
        note="Secondary, by Games-Howell: its verdicts are its own, not those of the primary "
        "analysis. p covers all pairs of one task and measure. Budgets that all strategies share "
        "are not tested.",
        methods=(VERDICTS,),
        always=True,
    ),
    Table(
        name="verdict_lists",
        title="Better, worse or undetermined against the baseline",
        question=APART,
        build=lambda given: verdict_lists(given.table("verdicts")),
        columns=(
            TASK,
            MEASURE,
            Column("budget", "Labeled images", key=True),
            Column("better", "Better"),
            Column("undetermined", "Undetermined"),
            Column("worse", "Worse"),
            Column("not_available", "Not tested"),
        ),
        note="Secondary, by Games-Howell at every budget, as in Table 1 of Munjal et al. 2022: "
        "these verdicts are its own, not those of the primary analysis.",
        methods=(VERDICTS,),
    ),
    Table(
        name="paired_tasks",
        title="Pairs of strategies across tasks",
        question=APART,
        build=lambda given: paired_tasks(given.means, given.alpha),
        columns=(FIRST, SECOND, Column("n", "Tasks"), *PAIRED),
        note="Secondary. Mean AUBC of each task: paired t test (assumes normal differences) and "
        "Wilcoxon signed-rank (assumes symmetric ones), independent tasks; Holm over all pairs.",
        methods=(PAIRED_T, WILCOXON, HOLM),
    ),
    Table(
        name="paired_seeds",
        title="Pairs of strategies across paired seeds",
        question=APART,
        build=lambda given: paired_seeds(given.runs, given.tasks, given.alpha),
        columns=(TASK, FIRST, SECOND, Column("n", "Seeds"), *PAIRED),
        note="Secondary. AUBC of runs that share seed and initial set: paired t test and exact "
        "Wilcoxon signed-rank; Holm over the pairs of a task. With n pairs Wilcoxon's p is at "
        "least 2 / 2^n (0.0625 for five).",
        methods=(PAIRED_T, WILCOXON, HOLM),
    ),
]

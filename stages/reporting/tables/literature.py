"""Our numbers beside published ones."""

from __future__ import annotations

import pandas as pd

from stages.published import STUDIES
from stages.published.against import API, OURS, against
from stages.reporting.given import Given
from stages.reporting.read import metric
from stages.reporting.read.frames import ACCURACY, AUBC, FINAL, FULL_ROW
from stages.reporting.table import PUBLISHED, SEEDS, STRATEGY, TASK, Column, Table
from stages.study.problem import PLAIN

RANDOM = "random"


def literature_table(made: dict[str, pd.DataFrame], full: pd.DataFrame, settings) -> pd.DataFrame:
    """Our numbers beside those of the five studies, where data set and method match.

    Args:
        made: the tables summary, curve and, if there is one, improvement.
        full: as of `records.read_full`.
        settings: with `tasks`, `task` and `report.baseline`: API is compared where that is random,
            over which the published one is.

    Returns:
        DataFrame: task, then the columns of `stages.published.against`; empty without a match, or
        where the report is about another measure than accuracy. Tasks with a problem of their own
        are left out.
    """
    parts = []
    if metric.chosen(settings) != metric.ACCURACY:
        return pd.DataFrame()  # the published ones are accuracies
    for task in settings.tasks:
        if getattr(getattr(settings.task[task], "problem", PLAIN), "facts", {}):
            continue  # of another pool, or with wrong labels
        dataset = settings.task[task].dataset.name
        curve = made["curve"].query("task == @task")
        counts = curve.groupby("strategy")["labeled"].agg(["min", "max"])
        counts.loc[FULL_ROW] = full.loc[full["task"] == task, "labeled"].agg(["min", "max"])
        counts["step"] = curve.groupby("strategy")["labeled"].agg(step_of)
        counts.loc[FULL_ROW, "step"] = 0
        ranges = {name: tuple(row) for name, row in counts.astype("float64").iterrows()}
        own = made["summary"].query("task == @task")
        rows = [(x.strategy, AUBC, *ranges[x.strategy], x.aubc_mean, x.n) for x in own.itertuples()]
        rows += [
            (x.strategy, FINAL, *ranges[x.strategy], x.final_mean, x.n) for x in own.itertuples()
        ]
        rows += [
            (x.strategy, ACCURACY, x.labeled, x.labeled, 0, x.accuracy, x.n)
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


def step_of(labeled: pd.Series) -> float:
    """Labels a round: 0 for one budget, NaN where rounds differ."""
    steps = set(labeled.sort_values().diff().dropna())
    return steps.pop() if len(steps) == 1 else float("nan") if steps else 0.0


def _literature(given: Given) -> pd.DataFrame:
    made = {"summary": given.table("summary"), "curve": given.curve}
    if len(gains := given.table("improvement")):
        made["improvement"] = gains
    return literature_table(made, given.full, given.settings)


TABLES = [
    Table(
        name="literature",
        title="Beside published numbers",
        question=PUBLISHED,
        build=_literature,
        columns=(
            TASK,
            Column("paper", "Paper"),
            Column("table", "Table"),
            STRATEGY,
            Column("method", "Method"),
            Column("measure", "Measure", key=True),
            Column("labeled", "Labeled images", key=True),
            Column("published_labeled", "Published at"),
            Column("ours", "Ours"),
            SEEDS,
            Column("published", "Published"),
            Column("published_std", "Published std."),
            Column("difference", "Difference"),
            Column("in_stds", "In std. deviations"),
            Column("note", "Note"),
        ),
        note="Where data set and method match, accuracies at equal labeled counts; in_stds is "
        "the difference in published standard deviations (brought to ddof = 1). AUBC, "
        "final accuracy and API over another range of labeled counts, or in other steps, are not "
        "comparable: no difference is given. Training settings may differ: see the note.",
        methods=(
            """\
- **Beside published numbers** nothing is tested: the difference is given in published standard
  deviations, of AUBC, final accuracy and API only over the same range of labeled counts in the
  same steps.""",
        ),
    ),
]

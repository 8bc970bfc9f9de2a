"""How training itself went: what learners tell of it."""

from __future__ import annotations

import pandas as pd

from stages.reporting.read.frames import distinct_budgets
from stages.reporting.read.records import TRAINING
from stages.reporting.table import LABELED, SEEDS, STRATEGY, TASK, TRAINED, Column, Table, mean
from stages.statistics.measures import describe


def training_table(rounds: pd.DataFrame) -> pd.DataFrame:
    """What learners tell of their own training, over seeds.

    Args:
        rounds: as of `records.read_rounds`.

    Returns:
        DataFrame: task, strategy, metric, labeled, value_mean, value_std, n; empty where no
        learner tells anything.
    """
    cells: dict[tuple, list[float]] = {}
    told = distinct_budgets(rounds[rounds[TRAINING].notna()])
    for task, strategy, labeled, found in told[
        ["task", "strategy", "labeled", TRAINING]
    ].itertuples(index=False):
        for metric, value in found.items():
            cells.setdefault((task, strategy, metric, labeled), []).append(value)
    order = {pair: at for at, pair in enumerate(dict.fromkeys(key[:3] for key in cells))}
    rows = [
        (*key, *describe(cells[key]))
        for key in sorted(cells, key=lambda key: (order[key[:3]], key[3]))
    ]
    columns = ["task", "strategy", "metric", "labeled", "value_mean", "value_std", "n"]
    return pd.DataFrame(rows, columns=columns)


TABLES = [
    Table(
        name="training",
        title="How training itself went",
        question=TRAINED,
        build=lambda given: training_table(given.rounds),
        columns=(
            TASK,
            STRATEGY,
            Column("metric", "Metric", key=True),
            LABELED,
            mean("value", "Value"),
            SEEDS,
        ),
        note="What learners tell of their own training, round by round, mean ± std over seeds: "
        "pseudo_labeled, how many unlabeled images were believed without buying their "
        "label, and pseudo_labeled_wrong, the share of them that were wrong (never known "
        "to the learner); mislabeled and none_of_these, how many of the labels bought were "
        "wrong, and how many of the images of no class that is asked for; all else as the "
        "learner's entry says.",
    ),
]

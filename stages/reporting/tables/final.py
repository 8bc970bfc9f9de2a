"""The last round: calibration, accuracy by class and by group."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.reporting.read.records import CALIBRATION, GROUPS
from stages.reporting.table import (
    HIGHER,
    LOWER,
    RIGHT,
    SEEDS,
    STRATEGY,
    TASK,
    Column,
    Table,
    mean,
)
from stages.statistics.measures import describe


def final_table(rounds: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Measures of the last round of each run, over seeds.

    Args:
        rounds: as of `records.read_rounds`.
        columns: of `rounds`; one without any value is left out.

    Returns:
        DataFrame: task, strategy, `<column>_mean` and `<column>_std` of each, n; empty where no
        column has values.
    """
    last = rounds.drop_duplicates(["task", "strategy", "seed"], keep="last")
    columns = [name for name in columns if last[name].notna().any()]
    rows = []
    for key, own in last.groupby(["task", "strategy"], sort=False):
        cells = [describe(own[name].dropna())[:2] for name in columns]
        rows.append((*key, *(x for cell in cells for x in cell), len(own)))
    names = [f"{name}_{part}" for name in columns for part in ("mean", "std")]
    table = pd.DataFrame(rows, columns=["task", "strategy", *names, "n"])
    return table if columns else table.iloc[:0]


def class_table(rounds: pd.DataFrame, class_names: dict[str, list[str]] | None = None):
    """Accuracy of each class in the last round, over seeds, and of the worst class of each run.

    Args:
        rounds: as of `records.read_rounds`.
        class_names: task -> names, numbers where there are none.

    Returns:
        DataFrame: task, strategy, class, accuracy_mean, accuracy_std, n. Class "worst" is the mean
        over runs of each run's lowest class accuracy. Empty without accuracies by class.
    """
    rows = []
    have = rounds[rounds["per_class"].notna()]
    for (task, name), own in have.groupby(["task", "strategy"], sort=False):
        values = np.array(own["per_class"].tolist(), dtype=np.float64)
        known = (class_names or {}).get(task) or [str(x) for x in range(values.shape[1])]
        for at, label in enumerate(known):
            column = values[:, at]
            rows.append((task, name, str(label), *describe(column[~np.isnan(column)])))
        rows.append((task, name, "worst", *describe(own["worst_class"].dropna())))
    columns = ["task", "strategy", "class", "accuracy_mean", "accuracy_std", "n"]
    return pd.DataFrame(rows, columns=columns)


def group_table(rounds: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each group of test images in the last round, mismatched and worst group.

    Args:
        rounds: as of `records.read_rounds`.

    Returns:
        DataFrame: task, strategy, group, group_accuracy_mean, group_accuracy_std, n; empty
        without groups.
    """
    cells: dict[tuple, list[float]] = {}
    for row in rounds[rounds["groups"].notna()].itertuples(index=False):
        named = dict(row.groups) | {name: getattr(row, name) for name in GROUPS}
        for group, value in named.items():
            if not np.isnan(value):
                cells.setdefault((row.task, row.strategy, group), []).append(value)
    rows = [(*key, *describe(values)) for key, values in cells.items()]
    columns = ["task", "strategy", "group", "group_accuracy_mean", "group_accuracy_std", "n"]
    return pd.DataFrame(rows, columns=columns)


TABLES = [
    Table(
        name="calibration",
        title="Calibration in the last round",
        question=RIGHT,
        build=lambda given: final_table(given.rounds, CALIBRATION),
        columns=(
            TASK,
            STRATEGY,
            mean("ece", "ECE", LOWER),
            mean("nll", "NLL (nats)", LOWER),
            SEEDS,
        ),
        note="Expected calibration error and mean negative log-likelihood (nats) on the test "
        "set, mean ± std over seeds; lower is better.",
        methods=(
            """\
- **Expected calibration error**: mean distance of accuracy and confidence over 15 equal bins of
  confidence (Guo et al. 2017, *On Calibration of Modern Neural Networks*). **NLL**: mean negative
  log-likelihood in nats.""",
        ),
    ),
    Table(
        name="classes",
        title="Accuracy by class in the last round",
        question=RIGHT,
        build=lambda given: class_table(given.rounds),
        columns=(
            TASK,
            STRATEGY,
            Column("class", "Class", key=True),
            mean("accuracy", "Accuracy", HIGHER),
            SEEDS,
        ),
        note="Mean ± std over seeds; worst is the mean over runs of each run's lowest class.",
    ),
    Table(
        name="groups",
        title="Accuracy by group in the last round",
        question=RIGHT,
        build=lambda given: group_table(given.rounds),
        columns=(
            TASK,
            STRATEGY,
            Column("group", "Group", key=True),
            mean("group_accuracy", "Accuracy", HIGHER),
            SEEDS,
        ),
        note="Mean ± std over seeds; worst_group is the lowest group of each run, mismatch all "
        "mismatched groups together (Zhan et al. 2022, Waterbird).",
    ),
]

"""Tables of measures: improvement, labels needed, classes, groups, calibration, selection."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from stages.reporting.read.frames import curves, distinct_budgets
from stages.reporting.read.records import CALIBRATION, GROUPS, SELECTION, TRAINING
from stages.statistics.measures import describe, improvement, labels_needed
from stages.statistics.paired import holm, paired_t

SHARES = (0.8, 0.9, 0.95, 1.0)
NEVER = "not reached"
NO_BASELINE = "the baseline is not among the strategies"


def improvement_table(rounds: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Average performance improvement over the baseline, paired by seed.

    Args:
        rounds: as of `records.read_rounds`.
        baseline: name of a strategy.

    Returns:
        DataFrame: task, strategy, api_mean, api_std (fractions), n, t, df, p (paired t against
        zero), p_holm (over the strategies of the task), reason. Empty without the baseline.
    """
    runs = dict(curves(rounds))
    gains: dict[tuple[str, str], list[float]] = {}
    for (task, name, seed), own in runs.items():
        other = runs.get((task, baseline, seed))
        if name != baseline and other is not None:
            gains.setdefault((task, name), []).append(improvement(*own, *other))
    rows = []
    for (task, name), values in gains.items():
        known = [value for value in values if not np.isnan(value)]
        test = paired_t(known, np.zeros(len(known)))
        mean, std, n = describe(known)
        rows.append((task, name, mean, std, n, test["t"], test["df"], test["p"], test["reason"]))
    columns = ["task", "strategy", "api_mean", "api_std", "n", "t", "df", "p", "reason"]
    table = pd.DataFrame(rows, columns=columns)
    adjusted = pd.Series(np.nan, index=table.index)
    for _, own in table.groupby("task", sort=False):
        adjusted[own.index] = holm(own["p"])
    table.insert(columns.index("p") + 1, "p_holm", adjusted)
    return table


def labels_table(curve: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Labels with which the mean curve of each strategy reaches given accuracies.

    The accuracies are shares (SHARES) of the baseline's mean final accuracy, or of the highest
    mean final accuracy where the baseline was not run.

    Args:
        curve: as of `tables.curve_table`.
        baseline: name of a strategy.

    Returns:
        DataFrame: task, target (accuracy), share, strategy, labels_needed, saving (one minus the
        labels over the baseline's), reason ("not reached", or why there is no saving).
    """
    rows = []
    for task, own in curve.groupby("task", sort=False):
        lines = {
            name: (line["labeled"].to_numpy(), line["accuracy"].to_numpy())
            for name, line in own.groupby("strategy", sort=False)
        }
        finals = {name: y[-1] for name, (_, y) in lines.items()}
        top = finals.get(baseline, max(finals.values()))
        for share in SHARES:
            target = math.floor(share * top * 1e6) / 1e6  # 100% of a mean is reached by it
            needed = {name: labels_needed(x, y, target) for name, (x, y) in lines.items()}
            base = needed.get(baseline, np.nan)
            for name, labels in needed.items():
                saving = 1 - labels / base
                reason = NEVER if np.isnan(labels) else ""
                if not reason and np.isnan(base):
                    reason = NO_BASELINE
                rows.append((task, target, share, name, labels, saving, reason))
    columns = ["task", "target", "share", "strategy", "labels_needed", "saving", "reason"]
    return pd.DataFrame(rows, columns=columns)


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


def by_round(rounds: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Means over seeds of some columns at every budget.

    Args:
        rounds: as of `records.read_rounds`.
        columns: of `rounds`; one without any value is left out.

    Returns:
        DataFrame: task, strategy, labeled, the columns, n (runs with a value in the first of
        them); rows without any value are left out; empty where there are none.
    """
    columns = [name for name in columns if rounds[name].notna().any()]
    rows = distinct_budgets(rounds)
    keys = ["task", "strategy", "labeled"]
    if not columns:
        return pd.DataFrame(columns=[*keys, "n"])
    rows = rows[rows[columns].notna().any(axis=1)]
    grouped = rows.groupby(keys, sort=False)
    table = grouped[columns].mean()
    table["n"] = grouped[columns[0]].count()
    return table.reset_index()


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


def build(rounds: pd.DataFrame, curve: pd.DataFrame, baseline: str) -> dict[str, pd.DataFrame]:
    """All tables of measures; one that would be empty is left out.

    Args:
        rounds: as of `records.read_rounds`.
        curve: as of `tables.curve_table`.
        baseline: the strategy that others are held against.

    Returns:
        Name -> DataFrame: improvement, labels_needed, calibration, classes, groups,
        class_balance, selection, training.
    """
    made = {
        "improvement": improvement_table(rounds, baseline),
        "labels_needed": labels_table(curve, baseline),
        "calibration": final_table(rounds, CALIBRATION),
        "classes": class_table(rounds),
        "groups": group_table(rounds),
        "class_balance": by_round(rounds, ["balance", "ratio"]),
        "selection": by_round(rounds, SELECTION),
        "training": training_table(rounds),
    }
    return {name: table for name, table in made.items() if len(table)}

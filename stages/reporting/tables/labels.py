"""What active learning saves: improvement over the baseline, labels needed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from stages.reporting.methods import HOLM, PAIRED_T
from stages.reporting.read.frames import curves
from stages.reporting.table import (
    DF,
    HIGHER,
    LOWER,
    P_HOLM,
    P_VALUE,
    REASON,
    SAVED,
    SEEDS,
    STRATEGY,
    TASK,
    Column,
    T,
    Table,
    mean,
)
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
        curve: as of `frames.curve_table`.
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


TABLES = [
    Table(
        name="improvement",
        title="Improvement over the baseline (API)",
        question=SAVED,
        build=lambda given: improvement_table(given.rounds, given.baseline),
        columns=(
            TASK,
            STRATEGY,
            mean("api", "API", HIGHER),
            SEEDS,
            T,
            DF,
            P_VALUE,
            P_HOLM,
            REASON,
        ),
        note="Accuracy minus the baseline's with the same seed, averaged over all rounds, the "
        "first included (Li et al. 2022, eq. 1). Paired t test over seeds, Holm over "
        "strategies; assumes normal differences. Secondary.",
        methods=(
            """\
- **API**, average performance improvement: accuracy minus the baseline's with the same seed, mean
  over all rounds (Li et al. 2022, *An Empirical Study on the Efficacy of Deep Active Learning for
  Image Classification*). A paired t test over seeds holds it against 0.""",
            PAIRED_T,
            HOLM,
        ),
    ),
    Table(
        name="labels_needed",
        open=True,
        title="Labels needed",
        question=SAVED,
        build=lambda given: labels_table(given.curve, given.baseline),
        columns=(
            TASK,
            Column("target", "Accuracy", key=True),
            Column("share", "Share of the baseline's", key=True, decimals=2),
            STRATEGY,
            Column("labels_needed", "Labels needed", LOWER),
            Column("saving", "Saving", HIGHER),
            REASON,
        ),
        note="Labeled images with which the mean curve first reaches an accuracy (a share of "
        "the baseline's final one), linear between rounds; saving is one minus the labels "
        "over the baseline's.",
        methods=(
            """\
- **Labels needed**: where the mean curve, straight between rounds, first reaches an accuracy.""",
        ),
    ),
]

"""What active learning saves: improvement over the baseline, labels needed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from stages.reporting.methods import HOLM, PAIRED_T
from stages.reporting.read.frames import curves, distinct_budgets
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
from stages.statistics.saved import labels_saved

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


def saved_table(rounds: pd.DataFrame, baseline: str, alpha: float) -> pd.DataFrame:
    """Labels that each strategy saves against the baseline, seed by seed.

    Args:
        rounds: as of `records.read_rounds`.
        baseline: name of a strategy; without it the table is empty.
        alpha: one minus the level of the intervals.

    Returns:
        DataFrame: task, share (of the baseline's mean final accuracy), strategy, the columns of
        `saved.labels_saved`.
    """
    parts = []
    for task, own in distinct_budgets(rounds).groupby("task", sort=False):
        curves = own.pivot(index="seed", columns=["strategy", "labeled"], values="accuracy")
        counts = np.sort(own["labeled"].unique())
        values = {
            name: curves[name].reindex(columns=counts).to_numpy(dtype=np.float64)
            for name in own["strategy"].unique()
        }
        if baseline not in values or np.isnan(values[baseline][:, -1]).all():
            continue
        top = np.nanmean(values[baseline][:, -1])
        targets = [math.floor(share * top * 1e6) / 1e6 for share in SHARES]
        for name in values:
            if name == baseline:
                continue
            part = labels_saved(counts, values[name], values[baseline], targets, alpha=alpha)
            part.insert(0, "strategy", name)
            part.insert(0, "share", SHARES)
            part.insert(0, "task", task)
            parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


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
    Table(
        name="labels_saved",
        title="Labels saved, seed by seed",
        question=SAVED,
        build=lambda given: saved_table(given.rounds, given.baseline, given.alpha),
        columns=(
            TASK,
            Column("share", "Share of the baseline's", key=True, decimals=2),
            STRATEGY,
            Column("target", "Accuracy", key=True),
            SEEDS,
            Column("reached", "Seeds that reach it"),
            Column("baseline_reached", "Of the baseline"),
            Column("labels", "Labels needed", LOWER, decimals=1),
            Column("saved", "Labels saved", HIGHER, decimals=1),
            Column("low", "Low", decimals=1),
            Column("high", "High", decimals=1),
            Column("ratio", "Labels over the baseline's", LOWER, decimals=2),
            Column("ratio_low", "Low", decimals=2),
            Column("ratio_high", "High", decimals=2),
            REASON,
        ),
        note="Secondary. Labels that the baseline needs to reach an accuracy (a share of its final "
        "one) less those that the strategy needs, with the same seed: mean and interval by a "
        "paired t test, and the ratio with Fieller's interval. Where a curve does not get there "
        "with some seed, a bound and no interval; the reason says which.",
        methods=(
            """\
- **Labels saved**: per seed, where each curve, straight between rounds, first reaches an accuracy;
  the difference by a paired t test, the ratio with the interval of Fieller (1954). A curve that
  does not get there needs more labels than there were: a bound.""",
        ),
    ),
]

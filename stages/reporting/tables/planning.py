"""How sure the means are, and how many seeds it would take: bootstrap and power."""

from __future__ import annotations

import pandas as pd

from stages.reporting.read.frames import AUBC, measured
from stages.reporting.table import (
    HIGH,
    HIGHER,
    LOW,
    REASON,
    SEEDS,
    STRATEGY,
    TASK,
    TRUST,
    Column,
    Table,
)
from stages.statistics.effects import difference_seen, seeds_needed
from stages.statistics.measures import describe
from stages.statistics.resampling import bootstrap_mean

POWER = 0.8
LEAST_RUNS = 3  # resamples of two values are three numbers, which are no interval


def bootstrap_table(runs: pd.DataFrame, tasks, alpha: float) -> pd.DataFrame:
    """Bootstrap intervals of the mean AUBC of every strategy.

    Returns:
        DataFrame: task, strategy, n, aubc (mean), low, high (percentile), bca_low, bca_high,
        reason.
    """
    rows = []
    for task in tasks:
        for name, values in measured(runs, task, AUBC).groups.items():
            found = bootstrap_mean(values, alpha)
            if 1 < found["n"] < LEAST_RUNS:
                found |= dict.fromkeys(("low", "high", "bca_low", "bca_high"), float("nan"))
                found["reason"] = found["reason"] or f"fewer than {LEAST_RUNS} runs"
            rows.append((task, name, *found.values()))
    columns = ["task", "strategy", "n", "aubc", "low", "high", "bca_low", "bca_high", "reason"]
    return pd.DataFrame(rows, columns=columns)


def planning_table(runs: pd.DataFrame, tasks, baseline: str, alpha: float) -> pd.DataFrame:
    """How many seeds it would take to see the observed difference from the baseline in AUBC.

    Returns:
        DataFrame: task, strategy, n, difference, std, baseline_std, seeds_needed (at power POWER
        by Welch's t test), difference_seen (the least one that n seeds see at that power), reason.
    """
    rows = []
    for task in tasks:
        groups = measured(runs, task, AUBC).groups
        if baseline not in groups:
            continue
        base, base_std, base_n = describe(groups[baseline])
        for name, values in groups.items():
            if name == baseline:
                continue
            mean, std, n = describe(values)
            needed, reason = seeds_needed(mean - base, std, base_std, alpha, POWER)
            seen = difference_seen(std, base_std, min(n, base_n), alpha, POWER)
            needed = pd.NA if needed is None else needed
            rows.append((task, name, n, mean - base, std, base_std, needed, seen, reason))
    columns = ["task", "strategy", "n", "difference", "std", "baseline_std", "seeds_needed",
               "difference_seen", "reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype({"seeds_needed": "Int64"})


TABLES = [
    Table(
        name="bootstrap",
        title="Bootstrap intervals of AUBC",
        question=TRUST,
        build=lambda given: bootstrap_table(given.runs, given.tasks, given.alpha),
        columns=(
            TASK,
            STRATEGY,
            SEEDS,
            Column("aubc", "AUBC", HIGHER),
            LOW,
            HIGH,
            Column("bca_low", "BCa low"),
            Column("bca_high", "BCa high"),
            REASON,
        ),
        note="Percentile and BCa intervals of the mean over seeds, 10,000 resamples with a "
        "fixed seed; too narrow with fewer than about ten runs. Assumes independent runs.",
        methods=(
            """\
- **Bootstrap intervals** of the mean (Efron & Tibshirani 1993, *An Introduction to the Bootstrap*):
  percentiles of the means of resampled runs, and BCa, which corrects them for bias and skewness.
  With fewer than about ten runs they are too narrow.""",
        ),
    ),
    Table(
        name="seeds_needed",
        title="Seeds needed",
        question=TRUST,
        build=lambda given: planning_table(given.runs, given.tasks, given.baseline, given.alpha),
        columns=(
            TASK,
            STRATEGY,
            SEEDS,
            Column("difference", "Difference in AUBC"),
            Column("std", "Std. deviation"),
            Column("baseline_std", "Std. of the baseline"),
            Column("seeds_needed", "Seeds needed"),
            Column("difference_seen", "Least difference seen"),
            REASON,
        ),
        note="Runs a strategy with which Welch's two-sided t test sees the observed difference "
        "from the baseline in AUBC with power 0.8, and the least difference that the "
        "present number sees. Assumes normal runs with the observed deviations, which few "
        "seeds give roughly, and known degrees of freedom: below five runs a strategy it "
        "is a rough guide.",
        methods=(
            """\
- **Seeds needed**: the power of Welch's (1947) two-sided t test by the noncentral t distribution,
  with the deviations observed here, which few seeds give roughly.""",
        ),
    ),
]

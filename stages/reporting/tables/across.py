"""Over all tasks: interquartile mean of the gain, probability of improvement, profiles."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.reporting.given import Given
from stages.reporting.read.frames import AUBC, measured
from stages.reporting.table import BEST, HIGHER, LOWER, REASON, STRATEGY, Column, Table
from stages.statistics.across import aggregate, gains, interval, performance_profile
from stages.statistics.ranking import alike_runs, block_ranks

LEVELS = 11
METHODS = (
    """\
- **Gain**: AUBC of a run minus the baseline's mean on the same task, so that tasks have one scale.
  **Interquartile mean**: of the middle half of the gains of all runs and tasks. **Probability of
  improvement**: the chance that a run's AUBC is above a run's of the baseline, mean over tasks.
  **Profile**: the share of runs with a gain above a level. Intervals: the seeds of each task drawn
  anew, for all strategies alike; where told, the tasks too (Agarwal et al. 2021, *Deep
  Reinforcement Learning at the Edge of the Statistical Precipice*). With fewer than ten seeds, or
  tasks, they are too narrow.""",
)


def areas_of(given: Given) -> dict[str, np.ndarray]:
    """AUBC of every run of every task.

    Returns:
        strategy -> (seeds, tasks) floats, over as many seeds as every task has complete; empty
        with one task, one strategy, no baseline, or a task without a complete seed.
    """
    if min(len(given.tasks), len(given.strategies)) < 2 or given.baseline not in given.strategies:
        return {}
    whole = [
        measured(given.runs, task, AUBC).paired().reindex(columns=given.strategies).dropna()
        for task in given.tasks
    ]
    seeds = min(len(areas) for areas in whole)
    if not seeds:
        return {}
    values = np.stack([areas.to_numpy()[:seeds] for areas in whole], axis=2)
    return {name: values[:, at] for at, name in enumerate(given.strategies)}


def across_table(given: Given) -> pd.DataFrame:
    """Every strategy over all tasks; empty with one task.

    Returns:
        DataFrame: strategy, mean_rank, alike (numbers of the groups of which no pair differs by
        Wilcoxon's test with Holm's correction), the columns of `across.aggregate`.
    """
    areas = areas_of(given)
    if not areas:
        return pd.DataFrame()
    table = aggregate(areas, given.baseline, alpha=given.alpha)
    ranks = block_ranks(given.means).mean()
    pairs = given.table("paired_tasks")
    differ = pairs["wilcoxon_p_holm"] < given.alpha
    apart = {frozenset(pair) for pair in pairs.loc[differ, ["first", "second"]].to_numpy()}
    order = ranks.sort_values(kind="stable").index.tolist()
    groups = alike_runs(len(order), lambda i, j: frozenset((order[i], order[j])) not in apart)
    own = {
        name: " ".join(str(n) for n, group in enumerate(groups, 1) if at in group) or "none"
        for at, name in enumerate(order)
    }
    table.insert(1, "mean_rank", ranks.reindex(table["strategy"]).to_numpy())
    table.insert(2, "alike", [own[name] for name in table["strategy"]])
    return table


def profile_table(given: Given) -> pd.DataFrame:
    """Share of the runs of all tasks with a gain above each level; empty with one task.

    Returns:
        DataFrame: strategy, gain (the level), share, share_low, share_high.
    """
    areas = areas_of(given)
    if not areas:
        return pd.DataFrame()
    values, base = np.stack(list(areas.values())), list(areas).index(given.baseline)
    widest = float(np.abs(gains(values, base)).max())
    levels = np.linspace(-widest, widest, LEVELS)

    def profile(drawn: np.ndarray) -> np.ndarray:
        return performance_profile(gains(drawn, base), levels)

    share, (low, high) = profile(values[None])[0], interval(profile, values, alpha=given.alpha)
    rows = [
        (name, levels[at], share[i, at], low[i, at], high[i, at])
        for i, name in enumerate(areas)
        for at in range(LEVELS)
    ]
    return pd.DataFrame(rows, columns=["strategy", "gain", "share", "share_low", "share_high"])


TABLES = [
    Table(
        name="across",
        title="Over all tasks: gain over the baseline",
        question=BEST,
        build=lambda given: given.once(across_table),
        columns=(
            STRATEGY,
            Column("mean_rank", "Mean rank", LOWER, decimals=2),
            Column("alike", "Not shown to differ"),
            Column("iqm", "Interquartile mean", HIGHER),
            Column("iqm_low", "Low (seeds)"),
            Column("iqm_high", "High (seeds)"),
            Column("iqm_tasks_low", "Low (seeds and tasks)"),
            Column("iqm_tasks_high", "High (seeds and tasks)"),
            Column("improvement", "Probability of improvement", HIGHER, decimals=2),
            Column("improvement_low", "Low", decimals=2),
            Column("improvement_high", "High", decimals=2),
            REASON,
        ),
        note="Secondary. Of the gain in AUBC over the baseline's mean on each task. Strategies "
        "that share a number are not shown to differ in any pair by Wilcoxon's test over tasks "
        "with Holm's correction; few tasks show nothing.",
        methods=METHODS,
    ),
    Table(
        name="profiles",
        title="Performance profiles",
        question=BEST,
        build=lambda given: given.once(profile_table),
        columns=(
            STRATEGY,
            Column("gain", "Gain in AUBC", key=True),
            Column("share", "Share of runs above", decimals=2),
            Column("share_low", "Low", decimals=2),
            Column("share_high", "High", decimals=2),
        ),
        note="Secondary. Share of the runs of all tasks whose gain in AUBC over the baseline's "
        "mean is above each level, with the interval of one level over other seeds.",
        methods=METHODS,
    ),
]

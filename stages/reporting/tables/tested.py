"""Tables of tests: assumptions, omnibus tests, pairs, ranks, resampling, planning."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from stages.reporting.read.frames import (
    ACCURACY,
    AUBC,
    DIFFER,
    FINAL,
    Measured,
    answer,
    count_text,
    measured,
)
from stages.statistics.assumptions import (
    LEAST_LILLIEFORS,
    brown_forsythe,
    kolmogorov_smirnov,
    shapiro_wilk,
)
from stages.statistics.comparisons import games_howell, verdicts
from stages.statistics.effects import difference_seen, seeds_needed
from stages.statistics.measures import describe
from stages.statistics.omnibus import kruskal_wallis, welch_anova
from stages.statistics.paired import holm, paired_table, penalty_matrix
from stages.statistics.primary import against_baseline, method_of
from stages.statistics.resampling import bootstrap_mean

WORDS = ("not rejected", "rejected")
POWER = 0.8
NAN = float("nan")


def assumption_rows(cells: list[Measured], alpha: float) -> list[tuple]:
    """Normality of every group and equal variances of all groups, for every measure."""
    rows = []
    for cell in cells:
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


ASSUMPTIONS = ["task", "measure", "labeled", "test", "strategy", "n", "statistic", "p",
               "assumption", "reason"]  # fmt: skip


def omnibus_tables(cells: list[Measured], alpha: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Kruskal-Wallis and Welch's analysis of variance over all strategies of one task.

    Returns:
        Two DataFrames: task, measure, labeled, groups, n_per_group, the statistic with its degrees
        of freedom, p, p_holm (over the tasks for AUBC, over tasks and budgets for
        accuracy), verdict, reason.
    """
    ranked, welch = [], []
    for cell in cells:
        head = (cell.task, cell.measure, cell.labeled)
        k, w = kruskal_wallis(cell.groups), welch_anova(cell.groups)
        sizes = (k["groups"], count_text(k["n"]))
        word = answer(k["p"], alpha, *DIFFER)
        ranked.append((*head, *sizes, k["h"], k["df"], k["p"], word, k["reason"]))
        word = answer(w["p"], alpha, *DIFFER)
        welch.append((*head, *sizes, w["f"], w["df1"], w["df2"], w["p"], word, w["reason"]))
    head, tail = ["task", "measure", "labeled", "groups", "n_per_group"], ["p", "verdict", "reason"]
    tables = (
        pd.DataFrame(ranked, columns=[*head, "h", "df", *tail]),
        pd.DataFrame(welch, columns=[*head, "f", "df1", "df2", *tail]),
    )
    for table in tables:
        adjusted = pd.Series(NAN, index=table.index)
        for _, own in table.groupby("measure", sort=False):
            adjusted[own.index] = holm(own["p"])
        table.insert(list(table.columns).index("p") + 1, "p_holm", adjusted)
    return tables


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


def primary_table(runs: pd.DataFrame, settings) -> pd.DataFrame:
    """The primary analysis of AUBC on each task: every strategy against the baseline, by seed.

    Args:
        runs: as of `frames.runs_table`.
        settings: with `tasks`, `strategies` and `report`.

    Returns:
        DataFrame: task, the columns of `primary.against_baseline`, and analysis, its name.
    """
    report, parts = settings.report, []
    for task in settings.tasks:
        areas = measured(runs, task, AUBC).paired()
        part = against_baseline(
            areas,
            report.baseline,
            method=report.primary,
            alpha=report.alpha,
            margin=report.margin,
        )
        part.insert(0, "task", task)
        seeds = int(areas.notna().all(axis=1).sum())
        part.insert(len(part.columns) - 1, "analysis", method_of(seeds, report.primary))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def verdict_table(cells: list[Measured], baseline: str, alpha: float) -> pd.DataFrame:
    """Every strategy against the baseline, for every measure."""
    parts = []
    for cell in cells:
        part = verdicts(cell.groups, baseline, alpha)
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


def penalty_table(rounds: pd.DataFrame, strategies, alpha: float) -> pd.DataFrame:
    """Pairwise penalty matrix over all (task, budget) cells.

    Returns:
        DataFrame, a row for each ordered pair: strategy, against, penalty (the share of the cells
        in which the first beats the second), tested, cells.
    """
    place = {name: at for at, name in enumerate(strategies)}
    cells: dict[tuple, np.ndarray] = {}
    seeds = {seed: at for at, seed in enumerate(sorted(rounds["seed"].unique()))}
    columns = ["task", "labeled", "strategy", "seed", "accuracy"]
    for task, labeled, name, seed, accuracy in rounds[columns].itertuples(index=False):
        key = (task, labeled)
        if key not in cells:
            cells[key] = np.full((len(place), len(seeds)), np.nan)
        cells[key][place[name], seeds[seed]] = accuracy
    penalty, tested = penalty_matrix(list(cells.values()), alpha)
    names = list(place)
    rows = [
        (names[i], names[j], penalty[i, j], int(tested[i, j]), len(cells))
        for i in range(len(names))
        for j in range(len(names))
        if i != j
    ]
    return pd.DataFrame(rows, columns=["strategy", "against", "penalty", "tested", "cells"])


def bootstrap_table(runs: pd.DataFrame, tasks, alpha: float) -> pd.DataFrame:
    """Intervals of the mean AUBC of every strategy, by t and by the bootstrap.

    Returns:
        DataFrame: task, strategy, n, aubc (mean), t_low, t_high, low, high (percentile), bca_low,
        bca_high, reason.
    """
    rows = []
    for task in tasks:
        for name, values in measured(runs, task, AUBC).groups.items():
            found = bootstrap_mean(values, alpha)
            rows.append((task, name, *found.values()))
    columns = ["task", "strategy", "n", "aubc", "t_low", "t_high", "low", "high", "bca_low",
               "bca_high", "reason"]  # fmt: skip
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

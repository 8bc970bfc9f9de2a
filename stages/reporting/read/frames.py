"""Result rows arranged for measures and tests: one value a run, one group a strategy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.reporting.read.records import FULL
from stages.statistics.comparisons import NOT_AVAILABLE
from stages.statistics.measures import aubc, describe

FULL_ROW = FULL
AUBC, ACCURACY, FINAL = "aubc", "accuracy", "final_accuracy"
ALL_BUDGETS = "all"
ALL_TASKS = "all tasks"
DIFFER = ("not shown to differ", "differ")
SHARED = "shared: no strategy has chosen yet"
# Beyond this digit two equal areas may differ by the order of summation only.
STABLE_DIGITS = 9

Groups = dict[str, np.ndarray]


@dataclass(frozen=True)
class Measured:
    """What one test is run on: one measure of one task.

    Attributes:
        task, measure, labeled: labeled is a count as text, or "all" for AUBC.
        groups: strategy -> (seeds,) floats.
        seeds: strategy -> the seeds of these values, in the same order.
        first: it is the first budget, whose labeled images no strategy chose.
    """

    task: str
    measure: str
    labeled: str
    groups: Groups
    seeds: dict[str, list[int]]
    first: bool = False

    @property
    def shared(self) -> bool:
        """Whether every strategy has the same values here, so that nothing can differ."""
        return len(self.groups) > 1 and self.alike(next(iter(self.groups))) >= set(self.groups)

    def alike(self, name: str) -> set[str]:
        """The strategies with the same values as one of them at the first budget, itself too."""
        if not self.first or name not in self.groups:
            return set()
        own = dict(zip(self.seeds[name], self.groups[name], strict=True))
        return {
            other
            for other, values in self.groups.items()
            if own == dict(zip(self.seeds[other], values, strict=True))
        }

    def paired(self) -> pd.DataFrame:
        """(seeds, strategies) table, NaN where a strategy lacks a seed."""
        columns = {
            name: pd.Series(values, index=self.seeds[name]) for name, values in self.groups.items()
        }
        return pd.DataFrame(columns).sort_index()


def distinct_budgets(rounds: pd.DataFrame) -> pd.DataFrame:
    """Rows of `rounds`, the last one where a chain stays at one labeled count.

    Args:
        rounds: as of `records.read_rounds`.
    """
    return rounds.drop_duplicates(["task", "strategy", "seed", "labeled"], keep="last")


def runs_table(rounds: pd.DataFrame) -> pd.DataFrame:
    """AUBC and final accuracy of every run.

    Args:
        rounds: as of `records.read_rounds`.

    Returns:
        DataFrame with columns task, strategy, seed, aubc, final_accuracy (fractions).
    """
    rows = [
        (*key, round(aubc(x, y), STABLE_DIGITS), float(y[-1])) for key, (x, y) in curves(rounds)
    ]
    return pd.DataFrame(rows, columns=["task", "strategy", "seed", AUBC, FINAL])


def curve_table(rounds: pd.DataFrame) -> pd.DataFrame:
    """Accuracy against labeled images, over seeds.

    Args:
        rounds: as of `records.read_rounds`.

    Returns:
        DataFrame with columns task, strategy, labeled, accuracy (mean), std (ddof = 1), low,
        high (mean -/+ std, cut to [0, 1]), n (seeds); std, low and high are NaN for one seed.
    """
    cells: dict[tuple, dict[int, list[float]]] = {}
    columns = ["task", "strategy", "labeled", "accuracy"]
    for task, strategy, labeled, value in distinct_budgets(rounds)[columns].itertuples(index=False):
        cells.setdefault((task, strategy), {}).setdefault(labeled, []).append(value)
    rows = []
    for key, budgets in cells.items():
        for labeled in sorted(budgets):
            mean, std, n = describe(budgets[labeled])
            rows.append((*key, labeled, mean, std, mean - std, mean + std, n))
    table = pd.DataFrame(
        rows, columns=["task", "strategy", "labeled", "accuracy", "std", "low", "high", "n"]
    )
    table[["low", "high"]] = np.clip(table[["low", "high"]], 0, 1)
    return table


def curves(rounds: pd.DataFrame) -> list[tuple[tuple, tuple[np.ndarray, np.ndarray]]]:
    """Every run as ((task, strategy, seed), (labeled counts, accuracies))."""
    rows = distinct_budgets(rounds)
    return [
        (key, (own["labeled"].to_numpy(), own["accuracy"].to_numpy()))
        for key, own in rows.groupby(["task", "strategy", "seed"], sort=False)
    ]


def measured_groups(rounds: pd.DataFrame, runs: pd.DataFrame, task: str) -> list[Measured]:
    """What the tests of one task are run on: AUBC first, then the accuracy at each budget.

    Args:
        rounds: as of `records.read_rounds`.
        runs: as of `runs_table`.
        task: its name.
    """
    found = [_measured(runs[runs["task"] == task], task, AUBC, ALL_BUDGETS)]
    rows = distinct_budgets(rounds[rounds["task"] == task])
    for at, (labeled, at_budget) in enumerate(rows.groupby("labeled", sort=True)):
        found.append(_measured(at_budget, task, ACCURACY, str(labeled), first=at == 0))
    return found


def measured(runs: pd.DataFrame, task: str, measure: str) -> Measured:
    """One column of `runs_table` for the tests of one task."""
    return _measured(runs[runs["task"] == task], task, measure, ALL_BUDGETS)


def _measured(
    rows: pd.DataFrame, task: str, measure: str, labeled: str, first: bool = False
) -> Measured:
    groups: dict[str, list[float]] = {}
    seeds: dict[str, list[int]] = {}
    for name, seed, value in zip(rows["strategy"], rows["seed"], rows[measure], strict=True):
        groups.setdefault(name, []).append(value)
        seeds.setdefault(name, []).append(seed)
    arrays = {name: np.array(values, dtype=np.float64) for name, values in groups.items()}
    return Measured(task, measure, labeled, arrays, seeds, first)


def answer(p: float, alpha: float, kept: str, rejected: str) -> str:
    """One of two words by p < alpha; n/a for NaN."""
    if np.isnan(p):
        return NOT_AVAILABLE
    return rejected if p < alpha else kept


def count_text(sizes: list[int]) -> str:
    """Group sizes as "5", or "5;4;5" where they differ."""
    return ";".join(map(str, sizes if len(set(sizes)) > 1 else sizes[:1]))

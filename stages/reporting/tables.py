"""The tables of a report, from tidy result rows to CSV text."""

from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from stages.reporting.records import FULL
from stages.statistics.assumptions import brown_forsythe, shapiro_wilk
from stages.statistics.comparisons import (
    NOT_AVAILABLE,
    games_howell,
    kruskal_wallis,
    verdicts,
)
from stages.statistics.measures import aubc, describe, ranks
from stages.statistics.wintieloss import win_tie_loss

FULL_ROW = FULL
AUBC, ACCURACY, FINAL = "aubc", "accuracy", "final_accuracy"
ALL_BUDGETS = "all"
WORDS = ("not rejected", "rejected")
DECIMALS = {"h": 4, "t": 4, "df": 4, "statistic": 6}
DEFAULT_DECIMALS = 6
# Beyond this digit two equal areas may differ by the order of summation only.
STABLE_DIGITS = 9

Groups = dict[str, np.ndarray]


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
    rows = []
    for key, run in distinct_budgets(rounds).groupby(["task", "strategy", "seed"], sort=False):
        area = round(aubc(run["labeled"], run["accuracy"]), STABLE_DIGITS)
        rows.append((*key, area, float(run["accuracy"].iloc[-1])))
    return pd.DataFrame(rows, columns=["task", "strategy", "seed", AUBC, FINAL])


def curve_table(rounds: pd.DataFrame) -> pd.DataFrame:
    """Accuracy against labeled images, over seeds.

    Args:
        rounds: as of `records.read_rounds`.

    Returns:
        DataFrame with columns task, strategy, labeled, accuracy (mean), std (ddof = 1), low,
        high (mean -/+ std, cut to [0, 1]), n (seeds); std, low and high are NaN for one seed.
    """
    rows = []
    groups = distinct_budgets(rounds).groupby(["task", "strategy"], sort=False)
    for (task, strategy), rows_of_strategy in groups:
        for labeled, cell in rows_of_strategy.groupby("labeled", sort=True):
            mean, std, n = describe(cell["accuracy"])
            low, high = np.clip([mean - std, mean + std], 0, 1)
            rows.append((task, strategy, labeled, mean, std, low, high, n))
    return pd.DataFrame(
        rows, columns=["task", "strategy", "labeled", "accuracy", "std", "low", "high", "n"]
    )


def summary_table(runs: pd.DataFrame, full: pd.DataFrame) -> pd.DataFrame:
    """Mean, deviation and rank of AUBC and final accuracy; the Full row of a task comes last.

    Args:
        runs: as of `runs_table`.
        full: as of `records.read_full`.
    """
    parts = []
    for task, of_task in runs.groupby("task", sort=False):
        cells = [
            (name, *describe(own[AUBC]), *describe(own[FINAL])[:2])
            for name, own in of_task.groupby("strategy", sort=False)
        ]
        part = pd.DataFrame(
            cells, columns=["strategy", "aubc_mean", "aubc_std", "n", "final_mean", "final_std"]
        )
        part["aubc_rank"] = ranks(part["aubc_mean"])
        part["final_rank"] = ranks(part["final_mean"])
        whole = full.loc[full["task"] == task, "accuracy"]
        if len(whole):
            mean, std, n = describe(whole)
            part.loc[len(part), ["strategy", "n", "final_mean", "final_std"]] = [
                FULL_ROW,
                n,
                mean,
                std,
            ]
        part.insert(0, "task", task)
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    return table[
        [
            "task",
            "strategy",
            "aubc_mean",
            "aubc_std",
            "aubc_rank",
            "final_mean",
            "final_std",
            "final_rank",
            "n",
        ]
    ].astype({"n": "int64"})


def measured_groups(
    rounds: pd.DataFrame, runs: pd.DataFrame, task: str
) -> list[tuple[str, str, Groups]]:
    """What the tests of one task are run on: AUBC first, then the accuracy at each budget.

    Returns:
        List of (measure, labeled count or "all", strategy -> (seeds,) floats).
    """
    of_task = runs[runs["task"] == task]
    found = [(AUBC, ALL_BUDGETS, _by_strategy(of_task, AUBC))]
    rows = distinct_budgets(rounds[rounds["task"] == task])
    for labeled, at_budget in rows.groupby("labeled", sort=True):
        found.append((ACCURACY, str(labeled), _by_strategy(at_budget, ACCURACY)))
    return found


def _by_strategy(rows: pd.DataFrame, column: str) -> Groups:
    return {
        name: own[column].to_numpy(dtype=np.float64)
        for name, own in rows.groupby("strategy", sort=False)
    }


def _answer(p: float, alpha: float, kept: str, rejected: str) -> str:
    if np.isnan(p):
        return NOT_AVAILABLE
    return rejected if p < alpha else kept


def assumption_rows(task: str, measured, alpha: float) -> list[tuple]:
    """Shapiro-Wilk of every group and Brown-Forsythe of all groups, for every measure."""
    rows = []
    for measure, labeled, groups in measured:
        for name, values in groups.items():
            w, p = shapiro_wilk(values)
            rows.append(
                (
                    task,
                    measure,
                    labeled,
                    "shapiro_wilk",
                    name,
                    len(values),
                    w,
                    p,
                    _answer(p, alpha, *WORDS),
                )
            )
        w, p = brown_forsythe(list(groups.values()))
        rows.append(
            (
                task,
                measure,
                labeled,
                "levene_median",
                "all",
                sum(map(len, groups.values())),
                w,
                p,
                _answer(p, alpha, *WORDS),
            )
        )
    return rows


def kruskal_rows(task: str, measured, alpha: float) -> list[tuple]:
    """Kruskal-Wallis over all strategies, for every measure."""
    rows = []
    for measure, labeled, groups in measured:
        test = kruskal_wallis(groups)
        sizes = test["n"] if len(set(test["n"])) > 1 else test["n"][:1]
        rows.append(
            (
                task,
                measure,
                labeled,
                test["groups"],
                ";".join(map(str, sizes)),
                test["h"],
                test["df"],
                test["p"],
                _answer(test["p"], alpha, "not shown to differ", "differ"),
            )
        )
    return rows


def games_howell_table(runs: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Every pair of strategies, on AUBC and on final accuracy.

    Args:
        runs: as of `runs_table`.
        alpha: one minus the level of the intervals.
    """
    parts = []
    for task, of_task in runs.groupby("task", sort=False):
        for measure in (AUBC, FINAL):
            pairs = games_howell(_by_strategy(of_task, measure), alpha=alpha)
            pairs.insert(0, "measure", measure)
            pairs.insert(0, "task", task)
            parts.append(pairs)
    return pd.concat(parts, ignore_index=True)


def verdict_table(task: str, measured, baseline: str, alpha: float) -> pd.DataFrame:
    """Every strategy against the baseline, for every measure."""
    parts = []
    for measure, labeled, groups in measured:
        part = verdicts(groups, baseline, alpha)
        part.insert(1, "measure", measure)
        part.insert(2, "labeled", labeled)
        part.insert(0, "task", task)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def build(rounds: pd.DataFrame, full: pd.DataFrame, settings) -> dict[str, pd.DataFrame]:
    """All tables of a report.

    Args:
        rounds, full: as of `records.read_rounds` and `records.read_full`.
        settings: with `tasks`, `strategies` and `report` (`margin`, `alpha`, `baseline`).

    Returns:
        Name -> DataFrame: curve, aubc, summary, win_tie_loss, assumptions, kruskal_wallis,
        games_howell and verdicts, unrounded, rows in the order of the settings.
    """
    alpha, baseline = settings.report.alpha, settings.report.baseline
    runs = runs_table(rounds)
    summary = summary_table(runs, full)
    means = runs.groupby(["task", "strategy"], sort=False)[AUBC].mean().unstack("strategy")
    assumptions, kruskal, held = [], [], []
    for task in settings.tasks:
        measured = measured_groups(rounds, runs, task)
        assumptions += assumption_rows(task, measured, alpha)
        kruskal += kruskal_rows(task, measured, alpha)
        held.append(verdict_table(task, measured, baseline, alpha))
    return {
        "curve": curve_table(rounds),
        "aubc": runs,
        "summary": summary,
        "win_tie_loss": win_tie_loss(means[list(settings.strategies)], settings.report.margin),
        "assumptions": pd.DataFrame(
            assumptions,
            columns=[
                "task",
                "measure",
                "labeled",
                "test",
                "strategy",
                "n",
                "statistic",
                "p",
                "assumption",
            ],
        ),
        "kruskal_wallis": pd.DataFrame(
            kruskal,
            columns=[
                "task",
                "measure",
                "labeled",
                "groups",
                "n_per_group",
                "h",
                "df",
                "p",
                "verdict",
            ],
        ),
        "games_howell": games_howell_table(runs, alpha),
        "verdicts": pd.concat(held, ignore_index=True),
    }


def fixed(value: float, decimals: int, missing: str = NOT_AVAILABLE) -> str:
    """A number with fixed decimals, without a negative zero; `missing` for NaN."""
    if pd.isna(value):
        return missing
    text = f"{value:.{decimals}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def to_csv(table: pd.DataFrame, missing: str = NOT_AVAILABLE) -> str:
    """A table as CSV text with fixed decimals and \\n line ends.

    Args:
        table: any table of `build`.
        missing: what stands for NaN.
    """
    shown = table.copy()
    for column in table.columns:
        kind = table[column].dtype
        if pd.api.types.is_float_dtype(kind):
            decimals = DECIMALS.get(column, DEFAULT_DECIMALS)
            shown[column] = [fixed(value, decimals, missing) for value in table[column]]
        elif pd.api.types.is_integer_dtype(kind):
            shown[column] = [missing if pd.isna(value) else str(value) for value in table[column]]
    return shown.to_csv(index=False, lineterminator="\n")


def metrics(summary: pd.DataFrame) -> dict:
    """The means of `summary` as {task: {strategy: {aubc, final_accuracy}}}, six decimals.

    Args:
        summary: as of `summary_table`; a Full row has no aubc.
    """
    found: dict = {}
    for row in summary.itertuples(index=False):
        cell = {AUBC: row.aubc_mean, FINAL: row.final_mean}
        found.setdefault(row.task, {})[row.strategy] = {
            key: round(float(value), DEFAULT_DECIMALS)
            for key, value in cell.items()
            if not pd.isna(value)
        }
    return found


def csv_path(name: str) -> PurePosixPath:
    """Where a table lies under `reports/`; the curve is apart, for `dvc plots`."""
    return PurePosixPath("curve.csv") if name == "curve" else PurePosixPath("tables", f"{name}.csv")

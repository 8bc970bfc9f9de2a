"""The data behind the page's charts, heat maps and rows of images."""

from __future__ import annotations

import pandas as pd

from stages.reporting.figures.figures import COLOURS, DASHES, MARKERS, styles
from stages.reporting.read.frames import AUBC, FULL_ROW

DECIMALS = 4
BEST = 3


def _rounded(values) -> list[float | None]:
    return [None if pd.isna(value) else round(float(value), DECIMALS) for value in values]


def looks(strategies: list[str], baseline: str) -> list[dict]:
    """Colour (-1: the baseline's), dashes and marker of every strategy, as in the figures."""
    style = styles(strategies, baseline)
    found = []
    for name in strategies:
        own = style[name]
        found.append(
            {
                "c": COLOURS.index(own["color"]) if own["color"] in COLOURS else -1,
                "d": DASHES.index(own["linestyle"]),
                "m": own["marker"],
            }
        )
    assert all(look["m"] in MARKERS for look in found)
    return found


def chart(
    rows: pd.DataFrame,
    strategies: list[str],
    value: str,
    label: str,
    full: float | None,
    spread: str | None = None,
    *,
    signed: bool = False,
) -> dict:
    """One chart: a line a strategy.

    Args:
        rows: of one task, with columns strategy, labeled, `value` and, optionally, `spread`.
        strategies: in display order.
        value, spread: columns of the line and of half the width of its band.
        label: of the vertical axis.
        full: height of the line for training on all labels, or of the baseline.
        signed: values are differences, not fractions between 0 and 1.

    Returns:
        What `page.js` draws; budgets stand once where the lines share them.
    """
    lines = []
    for number, name in enumerate(strategies):
        own = rows[rows["strategy"] == name].sort_values("labeled")
        if own.empty:
            continue
        line = {"s": number, "x": own["labeled"].astype(int).tolist(), "y": _rounded(own[value])}
        if spread in own.columns and own[spread].notna().any():
            line["d"] = _rounded(own[spread])
        lines.append(line)
    shared = lines[0]["x"] if lines and all(x["x"] == lines[0]["x"] for x in lines) else None
    for line in lines if shared else []:
        del line["x"]
    return {
        "label": label,
        "x": shared or [],
        "full": None if full is None else round(full, DECIMALS),
        "lines": lines,
        **({"signed": True} if signed else {}),
    }


def lines(curve: pd.DataFrame, strategies: list[str]) -> list[str]:
    """The strategies in display order, then what else has a curve: bounds."""
    return [*strategies, *(name for name in curve["strategy"].unique() if name not in strategies)]


def pairs(
    games_howell: pd.DataFrame, strategies: list[str], shown: set[str]
) -> dict[str, list[list]]:
    """Task -> [first, second, difference, p, low, high] of the pairs shown, on AUBC, by number."""
    place = {name: at for at, name in enumerate(strategies) if name in shown}
    found: dict[str, list[list]] = {}
    for row in games_howell[games_howell["measure"] == AUBC].itertuples(index=False):
        names = (getattr(row, "first", None), row.second)
        if all(name in place for name in names):
            numbers = [
                None if pd.isna(x) else round(float(x), 5)
                for x in (row.difference, row.p, row.low, row.high)
            ]
            found.setdefault(row.task, []).append([place[names[0]], place[names[1]], *numbers])
    return found


def ordered(summary: pd.DataFrame, task: str) -> list[str]:
    """The strategies of a task by mean AUBC, best first."""
    own = summary[(summary["task"] == task) & (summary["strategy"] != FULL_ROW)]
    return own.sort_values("aubc_rank", kind="stable")["strategy"].tolist()


def best(summary: pd.DataFrame, strategies: list[str], baseline: str) -> list[int]:
    """Numbers of the baseline and of the strategies with the highest AUBC on average."""
    own = summary[summary["strategy"] != FULL_ROW]
    means = own.groupby("strategy", sort=False)["aubc_mean"].mean().round(9)
    names = set(means.sort_values(ascending=False, kind="stable").index[:BEST]) | {baseline}
    return [at for at, name in enumerate(strategies) if name in names]


def half_widths(along: pd.DataFrame) -> pd.DataFrame:
    """Differences along the budget with half the width of their intervals, in column half."""
    return along.assign(half=(along["high"] - along["low"]) / 2)


def runs(rounds: pd.DataFrame, strategies: list[str]) -> dict[str, list]:
    """Every run for the page: task -> [strategy's number, seed, accuracies in units of 0.0001].

    Args:
        rounds: as of `records.read_rounds`.
        strategies: in display order.

    Returns:
        Lists with a fourth entry, the labeled counts, where they differ from the run's before.
    """
    place = {name: at for at, name in enumerate(strategies)}
    found: dict[str, list] = {}
    before: dict[str, list[int]] = {}
    for (task, name, seed), own in rounds.groupby(["task", "strategy", "seed"], sort=False):
        counts = own["labeled"].astype(int).tolist()
        values = (own["accuracy"] * 10_000).round().astype(int).tolist()
        same = before.get(task) == counts
        found.setdefault(task, []).append(
            [place[name], int(seed), values, *([] if same else [counts])]
        )
        before[task] = counts
    return found

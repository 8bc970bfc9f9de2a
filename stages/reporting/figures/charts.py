"""The data behind the page's charts, heat maps and rows of images."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path

import pandas as pd

from stages.machine.errors import UserError
from stages.reporting.figures.figures import COLOURS, DASHES, MARKERS, styles
from stages.reporting.read.frames import AUBC, FULL_ROW
from stages.study.layout import Layout

DECIMALS = 4
MOST_IMAGES = 10
BEST = 3
FIRST_SELECTED = "first_selected"
PNG = b"\x89PNG\r\n\x1a\n"


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
) -> dict:
    """One chart: a line a strategy.

    Args:
        rows: of one task, with columns strategy, labeled, `value` and, optionally, `spread`.
        strategies: in display order.
        value, spread: columns of the line and of half the width of its band.
        label: of the vertical axis.
        full: height of the line for training on all labels.

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
    }


def lines(curve: pd.DataFrame, strategies: list[str]) -> list[str]:
    """The strategies in display order, then what else has a curve: bounds."""
    return [*strategies, *(name for name in curve["strategy"].unique() if name not in strategies)]


def pairs(games_howell: pd.DataFrame, strategies: list[str]) -> dict[str, list[list]]:
    """Task -> [first, second, difference, p, low, high] of all pairs on AUBC, by number."""
    place = {name: at for at, name in enumerate(strategies)}
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


def best(summary: pd.DataFrame, strategies: list[str], baseline: str) -> list[int]:
    """Numbers of the baseline and of the strategies with the highest AUBC on average."""
    own = summary[summary["strategy"] != FULL_ROW]
    means = own.groupby("strategy", sort=False)["aubc_mean"].mean().round(9)
    names = set(means.sort_values(ascending=False, kind="stable").index[:BEST]) | {baseline}
    return [at for at, name in enumerate(strategies) if name in names]


def read_first_selected(settings, root: Path) -> dict[str, list[tuple[str, list[str]]]]:
    """The images that each strategy chose first, with the first seed.

    Args:
        settings: with `tasks`, `strategies`, `seeds` and `rounds`.
        root: folder that holds `reports/`.

    Returns:
        Task -> [(strategy, up to ten PNG images as base64)]; tasks without any are left out.

    Raises:
        UserError: for an entry that is not a list of PNG images.
    """
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for task in settings.tasks:
        for strategy in settings.strategies:
            path = Layout(root).result(task, strategy, settings.seeds[0], settings.rounds[0].n)
            images = json.loads(path.read_bytes()).get(FIRST_SELECTED)
            if not images:
                continue
            if not isinstance(images, list) or not all(map(_is_png, images)):
                name = path.relative_to(root).as_posix()
                raise UserError(f"{name}: {FIRST_SELECTED} is not a list of PNG images in base64")
            found.setdefault(task, []).append((strategy, images[:MOST_IMAGES]))
    return found


def _is_png(text) -> bool:
    try:
        return base64.b64decode(text, validate=True).startswith(PNG)
    except (binascii.Error, TypeError, ValueError):
        return False

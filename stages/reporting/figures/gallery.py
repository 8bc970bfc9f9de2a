"""Which figures a study gets, and what they are drawn from."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stages.reporting.figures import charts, diagrams, figures
from stages.reporting.read.frames import AUBC
from stages.statistics.ranking import block_ranks, critical_difference

MANY = 12  # figures from which starting processes pays
MOST_WORKERS = 4


def _column(table: pd.DataFrame | None, needed: set[str], names: tuple[str, ...]) -> str | None:
    """The first of several columns that a table has, if it has the needed ones too."""
    if table is None or not needed <= set(table.columns):
        return None
    return next((name for name in names if name in table.columns), None)


def overlap_squares(tables: dict[str, pd.DataFrame], settings) -> dict[str, np.ndarray]:
    """Task -> Jaccard index of all pairs after the last round; empty without such a table."""
    table = tables.get("overlap")
    value = _column(table, {"task", "first", "second"}, ("jaccard", "jaccard_mean", "overlap"))
    if value is None:
        return {}
    found = {}
    for task in settings.tasks:
        own = table[(table["task"] == task) & table[value].notna()]
        for order in ("round", "labeled"):
            if order in own.columns and len(own):
                own = own[own[order] == own[order].max()]
        if len(own):
            own = own.groupby(["first", "second"], sort=False, as_index=False)[value].mean()
            found[task] = diagrams.pair_matrix(own, list(settings.strategies), value)
    return found


def balance_lines(tables: dict[str, pd.DataFrame], settings) -> dict[str, pd.DataFrame]:
    """Task -> rows with strategy, labeled and value; empty without a table of class balance."""
    table = tables.get("class_balance")
    names = ("balance", "balance_mean", "evenness", "evenness_mean", "entropy", "entropy_mean")
    value = _column(table, {"task", "strategy", "labeled"}, names)
    if value is None:
        return {}
    table = table[table[value].notna()].rename(columns={value: "value"})
    keys = ["strategy", "labeled"]
    return {
        task: own.groupby(keys, sort=False, as_index=False)["value"].mean()
        for task in settings.tasks
        if len(own := table[table["task"] == task])
    }


def gallery(
    tables: dict[str, pd.DataFrame],
    full: pd.DataFrame,
    settings,
    balance: dict[str, pd.DataFrame],
    overlap: dict[str, np.ndarray],
) -> tuple[dict[str, Callable[[], Figure]], dict[str, str]]:
    """All figures of a study.

    Args:
        tables: as of `gathered.build`.
        full: as of `records.read_full`.
        settings: with `tasks`, `strategies`, `seeds` and `report`.
        balance, overlap: as of `balance_lines` and `overlap_squares`.

    Returns:
        Name -> function that draws it, and name -> title.
    """
    names, report = list(settings.strategies), settings.report
    seeds = len(settings.seeds)
    drawn: dict[str, Callable[[], Figure]] = {}
    titles: dict[str, str] = {}
    style = {"strategies": names, "baseline": report.baseline}

    def add(name: str, title: str, draw: Callable[..., Figure], *arguments, **options) -> None:
        titles[name] = title
        drawn[name] = partial(draw, *arguments, title=title, **options)

    tests = tables["games_howell"]
    tests = tests[tests["measure"] == AUBC]
    points = diagrams.scale([100 * tests["difference"].to_numpy()], diagrams.POINTS)
    shared = diagrams.scale(map(_off_diagonal, overlap.values()), diagrams.SHARES)
    for task in settings.tasks:
        ranked = charts.ordered(tables["summary"], task)
        accuracies = full.loc[full["task"] == task, "accuracy"]
        has_bands = seeds > 1 and len(names) <= figures.MOST_BANDS
        mean = f"mean of {seeds} seeds" if seeds > 1 else "1 seed"
        add(
            f"accuracy-{task}",
            f"{task}: {mean}" + (", band ± 1 std" if has_bands else ""),
            figures.accuracy_figure,
            tables["curve"].query("task == @task"),
            float(accuracies.mean()) if len(accuracies) else None,
            **style | {"strategies": charts.lines(tables["curve"], names)},
        )
        if len(names) > 1:
            add(
                f"pairs-{task}",
                f"{task}: differences in mean AUBC",
                diagrams.pairwise_figure,
                tests[tests["task"] == task],
                ranked,
                report.alpha,
                points,
                label="Difference in AUBC (percentage points)",
            )
        if "along" in tables:
            along = tables["along"]
            add(
                f"difference-{task}",
                f"{task}: difference from {report.baseline}",
                figures.line_figure,
                along[along["task"] == task],
                "difference",
                label=f"Test accuracy − {report.baseline}'s (fraction)",
                level=(0.0, f"{report.baseline} (baseline)"),
                baseline=report.baseline,
                strategies=[name for name in names if name != report.baseline],
            )
        if task in overlap:
            add(
                f"overlap-{task}",
                f"{task}: overlap of the selected images",
                diagrams.overlap_figure,
                overlap[task][np.ix_(*[[names.index(name) for name in ranked]] * 2)],
                ranked,
                shared,
                label="Jaccard index (fraction shared)",
            )
        if task in balance:
            add(
                f"balance-{task}",
                f"{task}: class balance of the labeled set",
                figures.line_figure,
                balance[task],
                "value",
                label="Class balance (entropy, fraction of its maximum)",
                level=None,
                **style,
            )
    for name, title, ranks, distance in critical_differences(tables, settings):
        add(name, title, diagrams.critical_difference_figure, ranks, distance)
    return drawn, titles


def _off_diagonal(square: np.ndarray) -> np.ndarray:
    return square[~np.eye(len(square), dtype=bool)]


def draw_all(drawn: dict[str, Callable[[], Figure]]) -> dict[str, dict[str, bytes]]:
    """Every figure as SVG, PDF and PNG; many of them in several processes.

    Args:
        drawn: name -> function that draws it, as of `gallery`.
    """
    workers = min(MOST_WORKERS, os.cpu_count() or 1)
    if len(drawn) < MANY or workers < 2:
        return {name: figures.render(draw) for name, draw in drawn.items()}
    # Fresh processes: a fork would copy the threads of numerical libraries half-way.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return dict(zip(drawn, pool.map(figures.render, drawn.values()), strict=True))


def critical_differences(
    tables: dict[str, pd.DataFrame], settings
) -> list[tuple[str, str, dict[str, float], float]]:
    """Nemenyi's test on AUBC, over tasks where there are several, else over the seeds.

    Args:
        tables: with `aubc`, as of `gathered.build`.
        settings: with `tasks`, `strategies` and `report`.

    Returns:
        (name, title, mean ranks, critical difference); none with fewer than two strategies or
        complete blocks, or where the critical difference is wider than the scale of ranks.
    """
    names, runs = list(settings.strategies), tables["aubc"]
    over = "task" if len(settings.tasks) > 1 else "seed"
    scores = runs.groupby([over, "strategy"], sort=False)[AUBC].mean().unstack("strategy")
    ranks = block_ranks(scores.reindex(columns=names))
    distance = critical_difference(len(names), len(ranks), settings.report.alpha)
    if not np.isfinite(distance) or distance > len(names) - 1:
        return []  # wider than the scale: every bar would join everything
    title = f"AUBC over {len(ranks)} {over}s: mean ranks, alpha {settings.report.alpha:g}"
    return [(f"critical-difference-{over}s", title, ranks.mean().to_dict(), distance)]

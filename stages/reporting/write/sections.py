"""What the sections of the page are made of: charts, heat maps, images, tables by question."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from stages.reporting.figures import charts
from stages.reporting.figures.diagrams import POINTS, SHARES, pair_matrix, scale
from stages.reporting.gathered import TABLES
from stages.reporting.numbers import count
from stages.reporting.read.frames import AUBC, FULL_ROW
from stages.reporting.read.images import First
from stages.reporting.shown import Shown
from stages.reporting.table import APART, CHOSEN, QUESTIONS, RUNS
from stages.reporting.write import heat

MOST_STATIC = 400_000  # bytes of static curves for readers without scripts
MOST_OPEN = 60  # rows of a table that is shown at once
FIRST_TASKS = 3  # whose charts are shown at once
IDS = {APART: "pairs", CHOSEN: "chosen", RUNS: "runs"}
ELSEWHERE = ("standing", "curve")


@dataclass
class Material:
    """What the page is made of.

    Attributes:
        tables: as of `gathered.build`, for charts and heat maps.
        shown: the tables as they are shown.
        manifests: as of `records.read_manifests`.
        figures: name -> {"svg", "pdf", "png"} of every figure, in the order of the page.
        titles: name -> title of every figure.
        rounds: as of `records.read_rounds`.
        balance: task -> rows with strategy, labeled, value; empty where unknown.
        overlap: task -> square of strategies; empty where unknown.
        first: as of `images.read_first_selected`.
        coverage: as of `coverage.covered`.
        cautions: as of `cautions.of`, those that can wait.
    """

    tables: dict[str, pd.DataFrame]
    shown: dict[str, Shown]
    manifests: dict[str, dict | None]
    figures: dict[str, dict[str, bytes]]
    titles: dict[str, str]
    rounds: pd.DataFrame
    balance: dict[str, pd.DataFrame] = field(default_factory=dict)
    overlap: dict[str, np.ndarray] = field(default_factory=dict)
    first: dict[str, list[First]] = field(default_factory=dict)
    coverage: list[str] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)


def _picture(material: Material, name: str) -> str:
    """A figure as a data URI."""
    content = base64.b64encode(material.figures[name]["svg"]).decode()
    return f"data:image/svg+xml;base64,{content}"


def _static(material: Material) -> set[str]:
    """Figures that stand in the page for readers without scripts: none if they are too large."""
    names = [name for name in material.figures if name.startswith(("accuracy-", "difference-"))]
    total = sum(len(material.figures[name]["svg"]) for name in names)
    return set(names) if total <= MOST_STATIC else set()


def curves(material: Material, settings, drawn: list[dict]) -> dict:
    """Differences from the baseline and accuracy, task by task.

    Args:
        material: of the page.
        settings: with `tasks`, `strategies`, `seeds` and `report`.
        drawn: what the script draws; the charts are added.

    Returns:
        names (of all lines), tasks (the charts of each), first (how many tasks are shown at
        once), about (a sentence).
    """
    curve, names = (
        material.tables["curve"],
        charts.lines(material.tables["curve"], settings.strategies),
    )
    along, static, tasks = material.tables.get("along"), _static(material), []
    for task in settings.tasks:
        boxes = []
        if along is not None:
            own = charts.half_widths(along[along["task"] == task])
            label = f"Accuracy − {settings.report.baseline}'s"
            made = charts.chart(own, names, "difference", label, 0.0, "half", signed=True)
            boxes.append((f"difference-{task}", f"{task}: difference from the baseline",
                          "difference in test accuracy", made))  # fmt: skip
        made = charts.chart(
            curve[curve["task"] == task], names, "accuracy", "Test accuracy (fraction correct)",
            full_accuracy(material, task), "std",
        )  # fmt: skip
        boxes.append((f"accuracy-{task}", f"{task}: test accuracy", "test accuracy", made))
        tasks.append([_box(material, drawn, static, *box) for box in boxes])
    seeds, level = len(settings.seeds), 100 * (1 - settings.report.alpha)
    band = (
        f"Bands: of differences the {level:g} % interval of a paired t test at each budget, of "
        "accuracy one standard deviation to either side."
        if seeds > 1
        else "One seed, so there are no bands."
    )
    about = (
        f"Each line is the mean over {count(seeds, 'seed')}; differences are taken seed by seed. "
        f"{band} At first the baseline and the best three are shown."
    )
    return {"names": names, "tasks": tasks, "first": FIRST_TASKS, "about": about}


def _box(material, drawn: list[dict], static: set[str], name, title, what, chart) -> dict:
    drawn.append(chart)
    picture = _picture(material, name) if name in static else ""
    return {"number": len(drawn) - 1, "name": name, "title": title, "what": what,
            "picture": picture}  # fmt: skip


def full_accuracy(material: Material, task: str) -> float | None:
    """Mean accuracy of training on all labels; None where it was not run."""
    summary = material.tables["summary"]
    own = summary[(summary["task"] == task) & (summary["strategy"] == FULL_ROW)]["final_mean"]
    return float(own.iloc[0]) if len(own) and pd.notna(own.iloc[0]) else None


def balance(material: Material, settings, drawn: list[dict]) -> list[dict]:
    """Charts of the class balance; as `curves`."""
    found = []
    for task, rows in material.balance.items():
        made = charts.chart(rows, settings.strategies, "value", "Class balance (1: even)", None)
        found.append(_box(material, drawn, set(), f"balance-{task}", task, "class balance", made))
    return found


def _kept(names: list[str], every: list[str]) -> str:
    if len(names) == len(every):
        return ""
    return f" The best {heat.MOST} of {len(every)} and the baseline; the CSV files have all."


def pairs(material: Material, settings) -> dict:
    """How each pair of strategies differs on each task."""
    alpha, every = settings.report.alpha, list(settings.strategies)
    tests = material.tables["games_howell"]
    tests = tests[tests["measure"] == AUBC]
    squares, names = {}, every
    for task in settings.tasks if len(every) > 1 else []:
        own = tests[tests["task"] == task]
        names = heat.shown_names(
            charts.ordered(material.tables["summary"], task), settings.report.baseline
        )
        square, p = (pair_matrix(own, names, x) for x in ("difference", "p"))
        squares[task] = names, 100 * square, p < alpha
    end = scale([square for _, square, _ in squares.values()], POINTS)
    maps = [
        heat.Heat("pairs", task, f"Differences in AUBC on {task}", own,
                  heat.shades(square, strong, end, percent=True))
        for task, (own, square, strong) in squares.items()
    ]  # fmt: skip
    about = (
        "Mean AUBC of the row minus the column, in percentage points: blue where the row is "
        "higher, orange where it is lower, best strategies first, one scale for all tasks. A frame "
        f"marks p < {alpha:g} (Games-Howell over all pairs of a task); what is not shown to "
        f"differ is faint, which is no evidence of equality.{_kept(names, every)}"
        if maps
        else "There is one strategy only, so there are no pairs."
    )
    diagrams = [
        {"name": name, "title": material.titles[name], "picture": _picture(material, name)}
        for name in material.figures
        if name.startswith("critical-difference")
    ]
    steps = heat.key(end, percent=True) if maps else []
    return {"about": about, "maps": maps, "scale": steps, "diagrams": diagrams}


def overlaps(material: Material, settings) -> dict:
    """How far strategies chose the same images."""
    every, shown = list(settings.strategies), {}
    for task, square in material.overlap.items():
        names = heat.shown_names(
            charts.ordered(material.tables["summary"], task), settings.report.baseline
        )
        at = [every.index(name) for name in names]
        own = square[np.ix_(at, at)].copy()
        np.fill_diagonal(own, np.nan)
        shown[task] = names, own
    end = scale([square for _, square in shown.values()], SHARES)
    maps = [
        heat.Heat("overlap", task, f"Overlap on {task}", names,
                  heat.shades(square, None, end, percent=False))
        for task, (names, square) in shown.items()
    ]  # fmt: skip
    about = (
        "Jaccard index of the labeled images that two strategies had chosen, the shared initial "
        "set left out, mean over seeds: 1 where they are the same, 0 where they have none in "
        f"common. One scale for all tasks.{_kept(*next(iter(shown.values()))[:1], every)}"
        if shown
        else ""
    )
    return {"about": about, "maps": maps, "scale": heat.key(end, percent=False) if maps else []}


def opened(material: Material) -> list[Shown]:
    """The tables that are shown at once."""
    return [
        shown for name, shown in material.shown.items()
        if TABLES[name].open and name not in ELSEWHERE and len(shown.rows) <= MOST_OPEN
    ]  # fmt: skip


def questions(material: Material, at_once: list[Shown]) -> list[dict]:
    """The other tables, each under the question that it answers."""
    there = {shown.table.name for shown in at_once}
    found = []
    for number, question in enumerate(QUESTIONS):
        own = [
            shown for name, shown in material.shown.items()
            if TABLES[name].question == question and name not in (*ELSEWHERE, *there)
        ]  # fmt: skip
        if own:
            about = count(len(own), "table")
            name = IDS.get(question, f"question-{number}")
            found.append({"id": name, "title": question, "about": about, "tables": own})
    return found

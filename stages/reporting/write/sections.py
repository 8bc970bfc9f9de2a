"""The sections of the page that show numbers: curves, pairs, images, tables."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html import escape

import numpy as np
import pandas as pd

from stages.reporting.figures import charts
from stages.reporting.figures.diagrams import pair_matrix
from stages.reporting.gathered import methods
from stages.reporting.numbers import count
from stages.reporting.read.frames import AUBC, FULL_ROW
from stages.reporting.shown import Shown
from stages.reporting.write import html

OPEN = ("summary", "primary", "win_tie_loss")
APART = ("fingerprints", "curve")
SHORT = 40  # rows up to which a table is printed although it is folded
MOST_STATIC = 1_000_000  # bytes of static vector curves for readers without scripts


@dataclass
class Material:
    """What the page is made of.

    Attributes:
        tables: as of `gathered.build`, for charts and heat maps.
        shown: the tables as they are shown.
        manifests: as of `records.read_manifests`.
        figures: name -> {"svg", "pdf", "png"} of every figure, in the order of the page.
        balance: task -> rows with strategy, labeled, value; empty where unknown.
        overlap: task -> square of strategies; empty where unknown.
        first: as of `charts.read_first_selected`.
        coverage: as of `coverage.covered`.
    """

    tables: dict[str, pd.DataFrame]
    shown: dict[str, Shown]
    manifests: dict[str, dict | None]
    figures: dict[str, dict[str, bytes]]
    titles: dict[str, str]
    balance: dict[str, pd.DataFrame] = field(default_factory=dict)
    overlap: dict[str, np.ndarray] = field(default_factory=dict)
    first: dict[str, list[tuple[str, list[str]]]] = field(default_factory=dict)
    coverage: list[str] = field(default_factory=list)


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _links(name: str) -> str:
    links = " ".join(
        f'<a href="figures/{escape(name)}.{kind}">{kind.upper()}</a>'
        for kind in ("svg", "pdf", "png")
    )
    return f'<span class="small">Figure beside this page: {links}</span>'


def _static(material: Material) -> dict[str, str]:
    """Task -> picture of its curves for readers without scripts."""
    curves = {
        name: kinds for name, kinds in material.figures.items() if name.startswith("accuracy-")
    }
    vector = sum(len(kinds["svg"]) for kinds in curves.values()) <= MOST_STATIC
    return {
        name.removeprefix("accuracy-"): _uri("svg+xml", kinds["svg"])
        if vector
        else _uri("png", kinds["png"])
        for name, kinds in curves.items()
    }


def _chart(number: int, name: str, title: str, what: str, picture: str = "") -> str:
    title = escape(title)
    static = (
        f'<noscript><div class="paper"><img src="{picture}" alt="{title}"></div></noscript>'
        if picture
        else ""
    )
    return (
        f'<div><h3>{title}</h3>{static}<figure class="chart" data-chart="{number}" hidden>'
        f'<div class="plot" tabindex="0" role="group" aria-roledescription="chart" '
        f'aria-label="{title}: {escape(what)} against labeled images. Left and right arrow keys '
        'move along the budgets, up and down choose a strategy."></div>'
        '<figcaption class="where"></figcaption><ul class="values"></ul>'
        f'<p class="hidden live" aria-live="polite"></p></figure>{_links(name)}</div>'
    )


def curves(material: Material, settings, drawn: list[dict]) -> str:
    """Accuracy and class balance against labeled images; what is charted is added to ``drawn``."""
    curve, summary = material.tables["curve"], material.tables["summary"]
    static, boxes, more = _static(material), [], []
    names = charts.lines(curve, settings.strategies)
    for task in settings.tasks:
        full = summary.loc[
            (summary["task"] == task) & (summary["strategy"] == FULL_ROW), "final_mean"
        ]
        boxes.append(
            _chart(len(drawn), f"accuracy-{task}", task, "test accuracy", static.get(task, ""))
        )
        drawn.append(
            charts.chart(
                curve[curve["task"] == task],
                names,
                "accuracy",
                "Test accuracy (fraction correct)",
                float(full.iloc[0]) if len(full) and pd.notna(full.iloc[0]) else None,
                "std",
            )
        )
    for task, rows in material.balance.items():
        name = f"balance-{task}"
        picture = _uri("png", material.figures[name]["png"])
        more.append(_chart(len(drawn), name, task, "class balance", picture))
        drawn.append(
            charts.chart(rows, settings.strategies, "value", "Class balance (1: even)", None)
        )
    picks = "".join(
        f'<label><input type="checkbox" data-s="{at}" checked>'
        f"<span>{html.breakable(name)}</span></label>"
        for at, name in enumerate(names)
    )
    band = (
        "The band is one standard deviation over seeds to either side. "
        if len(settings.seeds) > 1
        else "One seed, so there are no bands. "
    )
    balance = (
        "<h3>Class balance of the labeled set</h3><p>Entropy of the classes among the labeled "
        "images, divided by its largest value: 1 where all classes are labeled equally often.</p>"
        f'<div class="charts">{"".join(more)}</div>'
        if more
        else ""
    )
    return (
        '<section id="curves"><h2>Accuracy against labeled images</h2>\n'
        f"<p>Each line is the mean over {count(len(settings.seeds), 'seed')}. {band}"
        '<span class="tool">Point at a chart to read its values, or move to it with the Tab key '
        "and use the arrow keys.</span></p>\n"
        '<fieldset id="picks" hidden><legend>Strategies shown</legend>'
        f'<div class="picks">{picks}</div><div class="row">'
        '<button type="button" data-pick="all">All</button>'
        '<button type="button" data-pick="none">None</button>'
        '<button type="button" data-pick="best">Baseline and best three</button>'
        '<label><input type="checkbox" id="bands">Bands</label></div></fieldset>\n'
        f'<div class="charts">{"".join(boxes)}</div>\n{balance}</section>'
    )


def _heat_box(kind: str, task: str, table: str, name: str) -> str:
    return (
        f'<div class="heatbox" data-kind="{kind}" data-task="{escape(task)}">'
        f"<h3>{escape(task)}</h3>{table}"
        '<p class="small said tool" aria-live="polite">Point at a cell, or use the arrow keys in '
        f"the table, to read it in full.</p>{_links(name)}</div>"
    )


def pairs(material: Material, settings) -> str:
    """How each pair of strategies differs on each task, and how far they chose alike."""
    alpha, names = settings.report.alpha, list(settings.strategies)
    tests = material.tables["games_howell"]
    tests = tests[tests["measure"] == AUBC]
    boxes = []
    for task in settings.tasks if len(names) > 1 else []:
        own = tests[tests["task"] == task]
        square, p = pair_matrix(own, names, "difference"), pair_matrix(own, names, "p")
        table = html.heat_map(square, p < alpha, names, f"Differences in AUBC on {task}", True)
        boxes.append(_heat_box("pairs", task, table, f"pairs-{task}"))
    parts = [
        '<section id="pairs"><h2>Pairs of strategies</h2>\n<p>Mean AUBC of the row minus the '
        "column, in percentage points: blue where the row is higher, orange where it is lower. "
        f"A frame marks p &lt; {alpha:g} (Games-Howell over all pairs of a task); a cell without "
        "one is no evidence of equality.</p>\n",
        "".join(boxes) or "<p>There is one strategy only, so there are no pairs.</p>",
    ]
    for name in material.figures:
        if name.startswith("critical-difference"):
            picture = _uri("svg+xml", material.figures[name]["svg"])
            title = escape(material.titles[name])
            parts.append(
                f'<h3>{title}</h3><div class="paper" tabindex="0" role="region" '
                f'aria-label="{title}"><img src="{picture}" alt="Critical-difference diagram: '
                f'{title}. The numbers are in the tables."></div>{_links(name)}'
            )
    if material.overlap:
        parts.append(
            "<h3>How far the strategies chose the same images</h3><p>Jaccard index of the "
            "labeled images that two strategies had chosen, the shared initial set left out, "
            "mean over seeds: 1 where they are the same, 0 where they have none in common.</p>"
        )
        for task, square in material.overlap.items():
            square = square.copy()
            np.fill_diagonal(square, np.nan)
            table = html.heat_map(square, None, names, f"Overlap on {task}", False)
            parts.append(_heat_box("overlap", task, table, f"overlap-{task}"))
    return "\n".join(parts) + "</section>"


def first(material: Material, settings) -> str:
    """The images that each strategy chose first; nothing where none are known."""
    if not material.first:
        return ""
    parts = [
        '<section id="first"><h2>Images chosen first</h2>\n<p>What each strategy took in its '
        f"first round with seed {settings.seeds[0]}, in order of selection.</p>"
    ]
    for task, rows in material.first.items():
        parts.append(f"<h3>{escape(task)}</h3>")
        for strategy, images in rows:
            items = "".join(
                f'<li><img src="data:image/png;base64,{image}" '
                f'alt="{escape(strategy)}, choice {at}"></li>'
                for at, image in enumerate(images, 1)
            )
            parts.append(
                f'<div class="strip"><h4>{escape(strategy)}</h4><ol role="list">{items}</ol></div>'
            )
    return "\n".join(parts) + "</section>"


def tables(material: Material) -> str:
    """Every table but those that have a place of their own, and what is measured, in words."""
    parts = [
        '<section id="tables"><h2>Tables</h2>\n<p class="tool">A click on the head of a column '
        "sorts by it, a second one turns the order round; n/a stays last.</p>"
    ]
    order = sorted(material.shown, key=lambda name: name not in OPEN)
    for name in order:
        if name in APART:
            continue
        shown = material.shown[name]
        size = count(shown.total, "row")
        note = "".join(html.blocks(shown.table.note)) if shown.table.note else ""
        state = " open" if name in OPEN else ""
        short = " data-short" if len(shown.rows) <= SHORT else ""
        parts.append(
            f'<details id="table-{name}"{state}{short}><summary>{escape(shown.table.title)} '
            f'<span class="unit">{size}</span></summary>{note}{html.table(shown)}'
            f"{html.notes(shown)}</details>"
        )
    parts.append(
        '<details id="methods"><summary>Measures and tests in words</summary>'
        f"{html.blocks(methods(material.tables))}</details></section>"
    )
    return "\n".join(parts)

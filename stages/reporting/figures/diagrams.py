"""Heat maps and the critical-difference diagram."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from stages.reporting.numbers import fixed, signed
from stages.statistics.ranking import cliques

DIVERGING = LinearSegmentedColormap.from_list(
    "orange-white-blue",
    ["#8A3B00", "#E08214", "#FBD9A8", "#FEFEFE", "#B5D3EC", "#3A8BC4", "#08407E"],
)
SEQUENTIAL = LinearSegmentedColormap.from_list(
    "white-blue", ["#FEFEFE", "#CFE1F2", "#93C3DF", "#4A97C9", "#1764AB", "#08306B"]
)
POINTS = (0.5, 1, 2, 5, 10, 20, 50, 100)  # ends of a scale of percentage points
SHARES = (0.1, 0.2, 0.5, 1.0)  # and of one of fractions
FAINT = 0.25  # strength of the colour of what is not shown to differ
DARK = 0.42  # luminance below which white text reads better than black
MANY = 14  # strategies beyond which only significant differences are written out
MOST_NUMBERS = 26
GROUP_BAR = 0.16
GREY, BLACK = "#767676", "#1A1A1A"


def pair_matrix(pairs: pd.DataFrame, strategies: list[str], value: str) -> np.ndarray:
    """A measure of ordered pairs as a square, antisymmetric for differences, else symmetric.

    Args:
        pairs: rows with columns first, second and `value`, each pair once.
        strategies: order of rows and columns.
        value: "difference" changes its sign with the order of the pair, others do not.

    Returns:
        float64, shape (strategies, strategies); NaN on the diagonal and where there is no pair.
    """
    place = {name: at for at, name in enumerate(strategies)}
    square = np.full((len(strategies), len(strategies)), np.nan)
    sign = -1 if value == "difference" else 1
    for first, second, x in zip(pairs["first"], pairs["second"], pairs[value], strict=True):
        if first in place and second in place:
            square[place[first], place[second]] = x
            square[place[second], place[first]] = sign * x
    return square


def scale(squares: Iterable[np.ndarray], ends: tuple[float, ...]) -> float:
    """The end of the shortest scale that holds every value of all squares.

    Args:
        squares: of any shapes, NaN for no value.
        ends: to choose from, ascending.
    """
    finite = [np.abs(square[np.isfinite(square)]) for square in squares]
    largest = max((float(values.max()) for values in finite if len(values)), default=0.0)
    return next((end for end in ends if largest <= end), ends[-1])


def _ink(colour) -> str:
    """Black or white, whichever reads better on a colour."""
    return "white" if np.dot(colour[:3], (0.299, 0.587, 0.114)) < DARK else BLACK


def _write(axes, text: str, column: int, row: int, size: float, colour: str, bold=False) -> None:
    """A text in the middle of a cell, kept out of the layout, which it would slow down."""
    axes.text(
        column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=size, color=colour,
        fontweight="bold" if bold else "normal",
    ).set_in_layout(False)  # fmt: skip


def _grid(count: int, title: str) -> tuple[Figure, object]:
    side = max(3.6, min(0.44, 9.5 / count) * count + 1.6)
    figure = Figure(figsize=(side + 1.0, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(False)
    axes.set_aspect("equal")
    return figure, axes


def _finish(figure, axes, mesh, strategies: list[str], label: str) -> None:
    small = 8 if len(strategies) <= 24 else 6
    axes.set_xticks(np.arange(len(strategies)) + 0.5, strategies, rotation=90, fontsize=small)
    axes.set_yticks(np.arange(len(strategies)) + 0.5, strategies, fontsize=small)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    for side in axes.spines.values():
        side.set_visible(False)
    bar = figure.colorbar(mesh, ax=axes, shrink=0.75, pad=0.02)
    bar.set_label(label)
    bar.outline.set_visible(False)


def pairwise_figure(
    pairs: pd.DataFrame, strategies: list[str], alpha: float, end: float, *, title: str, label: str
) -> Figure:
    """Differences of all pairs (row minus column); significant ones are framed, others faint.

    Args:
        pairs: one task and measure, with columns first, second, difference (a fraction) and p.
        strategies: in display order.
        alpha: level of significance.
        end: of the scale to either side, in percentage points.
        title, label: of the figure and its scale.
    """
    differences = 100 * pair_matrix(pairs, strategies, "difference").round(6)
    p_values = pair_matrix(pairs, strategies, "p")
    figure, axes = _grid(len(strategies), title)
    norm = Normalize(-end, end)
    strength = np.where(p_values < alpha, differences, FAINT * differences)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(strength), cmap=DIVERGING, norm=norm, edgecolors="#DDDDDD",
        linewidth=0.5,
    )  # fmt: skip
    size = 7 if len(strategies) <= MANY else 6
    frames = []
    for (row, column), value in np.ndenumerate(differences):
        if np.isnan(value):
            _write(axes, "–" if row == column else "n/a", column, row, size, GREY)
            continue
        significant = p_values[row, column] < alpha
        if significant:
            frames.append(_frame(column, row))
        if len(strategies) <= MOST_NUMBERS:
            text = signed(value, 1)
            if len(strategies) > MANY and not significant:
                text = text[0] if text[0] in "+−" else "0"
            _write(
                axes,
                text,
                column,
                row,
                size,
                _ink(DIVERGING(norm(strength[row, column]))),
                significant,
            )
    if frames:
        whole = Path.make_compound_path(*frames)
        axes.add_patch(PathPatch(whole, fill=False, edgecolor="black", linewidth=1.1, zorder=2))
    _finish(figure, axes, mesh, strategies, label)
    axes.set_ylabel("Row strategy …")
    axes.set_xlabel(f"… minus column strategy. Framed: p < {alpha:g} (Games-Howell)")
    return figure


def _frame(column: int, row: int) -> Path:
    corners = [(0.06, 0.06), (0.94, 0.06), (0.94, 0.94), (0.06, 0.94), (0.06, 0.06)]
    return Path(np.array(corners) + (column, row), closed=True)


def overlap_figure(
    square: np.ndarray, strategies: list[str], end: float = 1.0, *, title: str, label: str
) -> Figure:
    """A symmetric measure between 0 and 1 of all pairs.

    Args:
        square: shape (strategies, strategies), NaN for unknown.
        strategies: in display order.
        end: of the scale.
        title, label: of the figure and its scale.
    """
    figure, axes = _grid(len(strategies), title)
    shown = square.round(6).copy()
    np.fill_diagonal(shown, np.nan)
    norm = Normalize(0, end)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(shown), cmap=SEQUENTIAL, norm=norm, edgecolors="#DDDDDD", linewidth=0.5
    )
    size = 7 if len(strategies) <= MANY else 6
    for (row, column), value in np.ndenumerate(shown):
        if np.isnan(value):
            _write(axes, "–", column, row, size, GREY)
        elif len(strategies) <= MANY:
            text = fixed(value, 2).removeprefix("0")
            _write(axes, text, column, row, size, _ink(SEQUENTIAL(norm(value))))
    _finish(figure, axes, mesh, strategies, label)
    return figure


def critical_difference_figure(ranks: dict[str, float], distance: float, *, title: str) -> Figure:
    """Demšar's diagram: mean ranks on a line, bars over groups that are not shown to differ.

    Args:
        ranks: strategy -> mean rank, 1 is best.
        distance: the critical difference of Nemenyi's test.
        title: of the figure.
    """
    names = sorted(ranks, key=lambda name: (ranks[name], name))
    values = np.array([ranks[name] for name in names]).round(6)
    groups = cliques(dict(zip(names, values.tolist(), strict=True)), distance)
    half = (len(names) + 1) // 2
    top = GROUP_BAR * (len(groups) + 1)
    height = top + 0.24 * half + 0.2
    figure = Figure(figsize=(8.2, max(1.9, 1.6 * height * 0.62 + 1.0)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    low, high = 1, max(len(names), 2)
    span = high - low
    axes.set_xlim(low - 0.34 * span, high + 0.34 * span)
    axes.set_ylim(-height, 0.55)
    axes.axis("off")
    axes.set_title(title, loc="left", fontsize=10)
    axes.plot([low, high], [0, 0], color="black", linewidth=1.2)
    step = max(1, span // 10)
    for tick in range(low, high + 1, step):
        axes.plot([tick, tick], [0, 0.07], color="black", linewidth=1)
        axes.text(tick, 0.1, str(tick), ha="center", va="bottom", fontsize=8)
    wide = min(distance, span)
    axes.plot([low, low + wide], [0.42, 0.42], color="black", linewidth=2.2)
    more = " (wider than the scale)" if distance > span else ""
    axes.text(low + wide + 0.02 * span, 0.42, f"CD = {distance:.2f}{more}", va="center", fontsize=8)
    for level, group in enumerate(groups, 1):
        y = -GROUP_BAR * level + 0.02
        first, last = (values[names.index(group[at])] for at in (0, -1))
        ends = first - 0.008 * span, last + 0.008 * span
        axes.plot(ends, [y, y], color="#0072B2", linewidth=3.4, solid_capstyle="butt")
    for at, name in enumerate(names):
        left = at < half
        depth = at if left else len(names) - 1 - at
        y = -top - 0.24 * depth
        edge = low - 0.03 * span if left else high + 0.03 * span
        axes.plot([values[at], values[at], edge], [0, y, y], color="#444444", linewidth=0.9)
        text = f"{name}  {values[at]:.2f}" if left else f"{values[at]:.2f}  {name}"
        axes.text(
            edge - 0.01 * span if left else edge + 0.01 * span, y, text,
            ha="right" if left else "left", va="center", fontsize=8.5,
        )  # fmt: skip
    axes.text(
        (low + high) / 2, -height + 0.02, "Mean rank (1 is best); bars join strategies that are "
        "not shown to differ", ha="center", va="bottom", fontsize=8, color="#444444",
    )  # fmt: skip
    return figure

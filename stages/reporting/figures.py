"""Accuracy-budget curves, the same bytes on every run."""

import io
from functools import partial

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's palette; their yellow is too faint for a line on white, so olive stands in.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B00"]
DASHES = ["-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h"]
BASELINE_STYLE = {"color": "black", "linestyle": "-", "marker": "o", "markerfacecolor": "white"}
FULL_COLOUR = "#444444"
LEGEND_INSIDE = 4
MOST_MARKERS = 12
SETTINGS = {
    "svg.fonttype": "path",
    "svg.hashsalt": "aledger",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
}


def styles(strategies: list[str], baseline: str) -> dict[str, dict]:
    """A line style for every strategy: no two alike in colour, dashes and marker together.

    Args:
        strategies: in display order.
        baseline: drawn in black with hollow circles.

    Returns:
        Strategy -> keyword arguments of `Axes.plot`. The numbers of colours, dashes and markers
        repeat jointly only after 84 strategies.
    """
    others = [name for name in strategies if name != baseline]
    found = {
        name: {
            "color": COLOURS[i % len(COLOURS)],
            "linestyle": DASHES[i % len(DASHES)],
            "marker": MARKERS[(i + 1) % len(MARKERS)],
        }
        for i, name in enumerate(others)
    }
    return found | {baseline: dict(BASELINE_STYLE)}


def accuracy_figure(
    curve: pd.DataFrame, full: float | None, *, title: str, strategies: list[str], baseline: str
) -> Figure:
    """Accuracy against labeled images, a line and a band of one standard deviation a strategy.

    Args:
        curve: rows of one task, as of `tables.curve_table`.
        full: mean accuracy of training on everything (a fraction), drawn as a dashed line.
        title: of the figure.
        strategies: in display order.
        baseline: the strategy drawn in black.

    Returns:
        A matplotlib Figure, unattached to any display.
    """
    legend_outside = len(strategies) > LEGEND_INSIDE
    rows = len(strategies) + (full is not None)
    figure = Figure(
        figsize=(8.2 if legend_outside else 6.4, max(4.2, 0.21 * rows + 0.8)), layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    look = styles(strategies, baseline)
    band = min(0.18, max(0.06, 0.9 / len(strategies)))
    for order, name in enumerate(strategies):
        own = curve[curve["strategy"] == name].sort_values("labeled")
        x = own["labeled"].to_numpy(dtype=np.float64)
        y, low, high = (
            own[key].to_numpy(dtype=np.float64).round(6) for key in ("accuracy", "low", "high")
        )
        top = 3 + order / 1000 if name != baseline else 4
        if np.isfinite(low).any():
            axes.fill_between(
                x, low, high, color=look[name]["color"], alpha=band, linewidth=0, zorder=2
            )
        axes.plot(
            x,
            y,
            label=name,
            linewidth=1.4,
            markersize=4.5,
            zorder=top,
            markevery=max(1, len(x) // MOST_MARKERS),
            **look[name],
        )
    if full is not None:
        axes.axhline(
            round(full, 6),
            color=FULL_COLOUR,
            linestyle=(0, (8, 4)),
            linewidth=1.1,
            label="Full (all labels)",
            zorder=1.5,
        )
    axes.set_xlabel("Labeled images (count)")
    axes.set_ylabel("Test accuracy (fraction correct)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_title(title, loc="left", fontsize=10)
    if legend_outside:
        figure.legend(loc="outside right upper", frameon=False, handlelength=3.6)
    else:
        axes.legend(loc="best", frameon=False, handlelength=3.6)
    return figure


def render(draw: partial) -> dict[str, bytes]:
    """A figure as SVG and PNG, without dates, versions or the user's own matplotlib settings.

    Args:
        draw: returns the Figure when called.

    Returns:
        {"svg": ..., "png": ...}
    """
    found = {}
    for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        # A figure drawn twice shifts its layout, so each file gets a figure of its own.
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(SETTINGS)
            stream = io.BytesIO()
            draw().savefig(stream, format=kind, metadata=metadata, dpi=150)
        found[kind] = stream.getvalue()
    return found

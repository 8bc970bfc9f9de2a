"""Lines against the number of labeled images, the same bytes on every run."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from PIL import Image

# Okabe and Ito's palette; their yellow is too faint for a line on white, so olive stands in.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B00"]
DASHES = ["-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h"]
BASELINE_STYLE = {"color": "black", "linestyle": "-", "marker": "o", "markerfacecolor": "white"}
FULL_COLOUR = "#444444"
LEGEND_INSIDE = 4
MOST_MARKERS = 12
MOST_BANDS = 8  # more of them overlap to a grey that says nothing
PNG_DPI = 115
CANVASES = {
    "svg": (FigureCanvasSVG, {"Date": None, "Creator": None}),
    "pdf": (FigureCanvasPdf, {"CreationDate": None, "Creator": None, "Producer": None}),
    "png": (FigureCanvasAgg, {"Software": None}),
}
# What a browser with a dark scheme draws otherwise; cells of heat maps keep their colours.
LIGHT = b'<style type="text/css">'
DARK = """@media (prefers-color-scheme: dark) {
svg { background: #12161c }
text:not([style*="fill:"]) { fill: #e6eaf0 }
:is(path, use)[style*="fill: #ffffff"] { fill: #12161c !important }
:is(path, use)[style*="stroke: #000000"] { stroke: #e6eaf0 !important }
:is(path, use)[style*="stroke: #444444"] { stroke: #a9b4c2 !important }
text[style*="fill: #444444"] { fill: #a9b4c2 !important }
}
"""
SETTINGS = {
    "svg.fonttype": "none",  # text stays text: smaller, and it can be searched and read aloud
    "pdf.compression": 9,
    "svg.hashsalt": "aledger",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
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
        curve: rows of one task, as of `frames.curve_table`.
        full: mean accuracy of training on everything (a fraction), drawn as a dashed line.
        title: of the figure.
        strategies: in display order.
        baseline: the strategy drawn in black.

    Returns:
        A matplotlib Figure, unattached to any display.
    """
    return line_figure(
        curve,
        "accuracy",
        label="Test accuracy (fraction correct)",
        level=None if full is None else (full, "Full (all labels)"),
        title=title,
        strategies=strategies,
        baseline=baseline,
    )


def line_figure(
    rows: pd.DataFrame,
    value: str,
    *,
    label: str,
    level: tuple[float, str] | None,
    title: str,
    strategies: list[str],
    baseline: str,
) -> Figure:
    """One measure against labeled images.

    Args:
        rows: of one task, with columns strategy, labeled, `value` and, for a band, low and high.
        value: the column drawn.
        label: of the vertical axis, with its unit.
        level: height and name of a horizontal dashed line.
        title, strategies, baseline: as for `accuracy_figure`.
    """
    legend_outside = len(strategies) > LEGEND_INSIDE
    count = len(strategies) + (level is not None)
    figure = Figure(
        figsize=(8.2 if legend_outside else 6.4, max(4.2, 0.21 * count + 0.8)),
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    look = styles(strategies, baseline)
    band = min(0.18, max(0.06, 0.9 / len(strategies)))
    for order, name in enumerate(strategies):
        own = rows[rows["strategy"] == name].sort_values("labeled")
        x, y = (own[key].to_numpy(dtype=np.float64).round(6) for key in ("labeled", value))
        if {"low", "high"} <= set(own.columns) and len(strategies) <= MOST_BANDS:
            low, high = (own[key].to_numpy(dtype=np.float64).round(6) for key in ("low", "high"))
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
            zorder=3 + order / 1000 if name != baseline else 4,
            # Each line has its markers in places of its own, so that they do not hide each other.
            markevery=_marker_places(len(x), order),
            **look[name],
        )
    if level is not None:
        axes.axhline(
            round(level[0], 6),
            color=FULL_COLOUR,
            linestyle=(0, (8, 4)),
            linewidth=1.1,
            label=level[1],
            zorder=1.5,
        )
    axes.set_xlabel("Labeled images (count)")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_title(title, loc="left", fontsize=10)
    if legend_outside:
        figure.legend(loc="outside right upper", frameon=False, handlelength=3.6)
    else:
        axes.legend(loc="best", frameon=False, handlelength=3.6)
    return figure


def _marker_places(points: int, order: int) -> int | tuple[int, int]:
    step = max(1, points // MOST_MARKERS)
    return (order % step, step) if step > 1 else 1


def render(draw: partial | Callable[[], Figure]) -> dict[str, bytes]:
    """A figure as SVG, PDF and PNG, without dates, versions or the user's matplotlib settings.

    Args:
        draw: returns the Figure when called.

    Returns:
        {"svg": ..., "pdf": ..., "png": ...}
    """
    found = {}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        figure = draw()
        _settle(figure)
        # Straight to the canvases: `savefig` would lay out and draw everything once more.
        for kind, (canvas, metadata) in CANVASES.items():
            stream = io.BytesIO()
            figure.set_dpi(PNG_DPI)
            getattr(canvas(figure), f"print_{kind}")(stream, metadata=metadata)
            found[kind] = stream.getvalue()
    found["png"] = _smaller(found["png"])
    found["svg"] = found["svg"].replace(LIGHT, LIGHT + DARK.encode(), 1)
    return found


def _settle(figure: Figure) -> None:
    """Lay the figure out, once and for all: each pass of the engine would shift it a little."""
    apart = [text for text in figure.findobj(Text) if not text.get_in_layout()]
    for text in apart:
        text.set_visible(False)
    for _ in range(2):
        figure.draw_without_rendering()
    for text in apart:
        text.set_visible(True)
    figure.set_layout_engine("none")


def _smaller(png: bytes) -> bytes:
    """The picture with a palette of 256 colours: a third of the size, and looks alike."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        flat = picture.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=0)
        flat.save(stream, format="PNG", optimize=True, dpi=(PNG_DPI, PNG_DPI))
    return stream.getvalue()

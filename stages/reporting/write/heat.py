"""Heat maps of pairs of strategies for the page: shades on one scale for all tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.reporting.numbers import fixed, signed

STEPS = 5  # shades on either side of zero
MOST = 24  # strategies in a map; what more there are is in the tables


@dataclass(frozen=True)
class Heat:
    """One map.

    Attributes:
        kind, task: "pairs" or "overlap", and of which task.
        label: of the table.
        names: of rows and columns, best first.
        rows: (class of the shade, text) of every cell.
    """

    kind: str
    task: str
    label: str
    names: list[str]
    rows: list[list[tuple[str, str]]]


def shown_names(names: list[str], baseline: str) -> list[str]:
    """The best of the strategies, the baseline among them.

    Args:
        names: best first.
        baseline: kept wherever it stands.
    """
    return [name for at, name in enumerate(names) if at < MOST or name == baseline]


def shades(
    square: np.ndarray, strong: np.ndarray | None, end: float, percent: bool
) -> list[list[tuple[str, str]]]:
    """Class and text of every cell.

    Args:
        square: shape (n, n); NaN for no value.
        strong: shape (n, n), cells that are shown to differ: they are framed, all others are
            faint; None where nothing is tested.
        end: of the scale, in the unit that is shown.
        percent: shown as signed percentage points, else as a fraction.
    """
    rows = []
    for at, values in enumerate(square):
        cells = []
        for other, value in enumerate(values):
            if np.isnan(value):
                cells.append(("", "–" if at == other else "n/a"))
                continue
            level = min(STEPS, int(np.ceil(round(STEPS * abs(value) / end, 6))))
            framed = strong is not None and strong[at, other]
            if strong is not None and not framed:
                level = min(level, 1)
            shade = f"{'p' if value >= 0 else 'm'}{level}" if level else "p0"
            text = signed(value, 1) if percent else fixed(value, 2)
            cells.append((shade + (" s" if framed else ""), text))
        rows.append(cells)
    return rows


def key(end: float, percent: bool) -> list[tuple[str, str]]:
    """The scale itself: class and text of each of its steps."""
    steps = [end * at / STEPS for at in range(1, STEPS + 1)]
    if not percent:
        return [(f"p{at}", f"≤ {step:g}") for at, step in enumerate(steps, 1)]
    low = [(f"m{at}", f"−{steps[at - 1]:g}") for at in range(STEPS, 0, -1)]
    return [*low, *((f"p{at}", f"+{step:g}") for at, step in enumerate(steps, 1))]

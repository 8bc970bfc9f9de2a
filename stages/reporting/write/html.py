"""Pieces of HTML: text, tables and heat maps."""

from __future__ import annotations

import json
import re
from html import escape

import numpy as np

from stages.reporting.numbers import fixed, signed
from stages.reporting.shown import Cell, Shown, legend

SENTENCE = 40  # characters from which a cell may be broken into lines
STEPS = 5  # shades on either side of zero


def inline(text: str) -> str:
    """One paragraph of Markdown as HTML: `code`, **bold**, *italics*, nothing else."""
    text = escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)
    return re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", text)


def blocks(text: str) -> str:
    """Paragraphs and lists of Markdown as HTML."""
    found = []
    for part in re.split(r"\n\s*\n", text.strip()):
        if part.startswith("- "):
            items = re.split(r"\n(?=- )", part)
            found.append(
                "<ul>" + "".join(f"<li>{inline(' '.join(x[2:].split()))}</li>" for x in items)
                + "</ul>"
            )  # fmt: skip
        elif part.startswith("#"):
            found.append(f"<h3>{inline(part.lstrip('# '))}</h3>")
        else:
            found.append(f"<p>{inline(' '.join(part.split()))}</p>")
    return "\n".join(found)


def breakable(name: str) -> str:
    """A name that may be broken after its underscores."""
    return escape(name).replace("_", "_<wbr>")


def data(value) -> str:
    """JSON that can stand inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _cell(cell: Cell, right: bool, first: bool) -> str:
    text = escape(cell.text, quote=False)
    if cell.long:
        text = f"<code>{escape(cell.long)}</code>"
    if cell.above_full:
        text = f"<b>{text}</b>"
    if cell.place:
        text += f"<sup>{cell.place}</sup>"
    if first:
        return f'<th scope="row">{text}</th>'
    # Where the text does not begin with the number, the sorting needs it apart.
    apart = isinstance(cell.key, float) and not re.match(r"-?\d", cell.text)
    key = f' data-k="{cell.key:g}"' if apart else ""
    kind = " class=n" if right else " class=wrap" if len(cell.text) > SENTENCE else ""
    return f"<td{kind}{key}>{text}</td>"


def table(shown: Shown, sortable: bool = True) -> str:
    """A table in a box that scrolls sideways, its caption for screen readers."""
    head = "".join(
        f'<th scope="col"{" class=n" if right else ""}>{escape(title)}</th>'
        for title, right in zip(shown.headers, shown.numeric, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            _cell(cell, right, at == 0)
            for at, (cell, right) in enumerate(zip(row, shown.numeric, strict=True))
        )
        + "</tr>"
        for row in shown.rows
    )
    title = escape(shown.table.title)
    kind = ' class="sortable"' if sortable else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {title}">'
        f'<table{kind}><caption class="hidden">{title}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def notes(shown: Shown) -> str:
    """What stands below a table: the explanation, the marks, where the rest is."""
    links = " ".join(
        f'<a href="tables/{shown.table.name}.{kind}">{word}</a>'
        for kind, word in (("csv", "CSV"), ("tex", "LaTeX"), ("md", "Markdown"))
    )
    shorter = (
        f"Shortened: {len(shown.rows)} of {shown.total} rows; the CSV file has all. "
        if shown.shortened
        else ""
    )
    return f'<p class="small">{legend(shown)} {shorter}Beside this page as {links}.</p>'


def heat_map(
    square: np.ndarray, strong: np.ndarray | None, names: list[str], label: str, percent: bool
) -> str:
    """A matrix of strategies as a coloured table.

    Args:
        square: shape (n, n); NaN for no value.
        strong: shape (n, n), cells that are framed; None for none.
        names: of rows and columns.
        label: of the table.
        percent: shown as signed percentage points on a scale around zero, else as a fraction.
    """
    finite = np.abs(square[np.isfinite(square)])
    limit = max(float(finite.max()) if len(finite) else 0.0, 1e-9)
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    rows = []
    for at, name in enumerate(names):
        cells = []
        for other, value in enumerate(square[at]):
            if np.isnan(value):
                cells.append(f"<td>{'–' if at == other else 'n/a'}</td>")
                continue
            level = int(np.ceil(round(STEPS * abs(value) / limit, 6)))
            shade = f"{'p' if value >= 0 else 'm'}{level}" if level else "p0"
            framed = " s" if strong is not None and strong[at, other] else ""
            text = signed(100 * value, 1) if percent else fixed(value, 2)
            cells.append(f'<td class="{shade}{framed}">{text}</td>')
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="scroll heat" tabindex="0" role="region" aria-label="{escape(label)}. Arrow '
        f'keys move from cell to cell.">'
        f'<table><caption class="hidden">{escape(label)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>\n" + "\n".join(rows)
        + "\n</tbody></table></div>"
    )  # fmt: skip

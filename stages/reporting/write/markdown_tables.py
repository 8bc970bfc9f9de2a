"""Tables as Markdown."""

from __future__ import annotations

import re

from stages.reporting.shown import SUPERSCRIPTS, Shown, legend


def table(headers: list[str], rows: list[list], right: int = 1) -> str:
    """A Markdown table; the columns from number `right` on are aligned to the right."""

    def line(cells):
        return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"

    rule = ["---" if x < right else "---:" for x in range(len(headers))]
    return "\n".join([line(headers), line(rule), *map(line, rows)])


def generic(shown: Shown) -> str:
    """A table as Markdown: the best three with superscripts, better than Full in bold."""
    rows = [
        [
            (f"**{_escape(cell.text)}**" if cell.above_full else _escape(cell.text))
            + SUPERSCRIPTS.get(cell.place, "")
            for cell in row
        ]
        for row in shown.rows
    ]
    signs = ["---:" if right else "---" for right in shown.numeric]
    lines = [f"| {' | '.join(cells)} |" for cells in (shown.headers, signs, *rows)]
    return "\n".join(lines)


def _escape(text: str) -> str:
    return re.sub(r"([\\|*_<`])", r"\\\1", text)


def whole(shown: Shown) -> str:
    """A table as a file of its own.

    Args:
        shown: as of `shown.present`.
    """
    parts = [f"# {shown.table.title}", shown.table.note, generic(shown), legend(shown)]
    if shown.shortened:
        parts.append(
            f"Shortened: {len(shown.rows)} of {shown.total} rows; "
            f"[{shown.table.name}.csv](../{shown.table.csv}) has all."
        )
    return "\n\n".join(filter(None, parts)) + "\n"

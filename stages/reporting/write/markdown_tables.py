"""Markdown: what is escaped in it, its tables, and where its template comes from."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.reporting.numbers import count, listing
from stages.reporting.shown import SIGNS, SUPERSCRIPTS, Shown, legend
from stages.reporting.write.templates import HERE


class Markdown(str):
    """Text that is Markdown already; all other text is escaped when it is put into a template."""

    __slots__ = ()


def escape(value) -> Markdown:
    r"""A value as text: signs with a meaning in Markdown get a backslash."""
    if isinstance(value, Markdown):
        return value
    # "<" begins a tag before a letter only; a p value keeps its own.
    return Markdown(re.sub(r"([\\|*_`]|<(?=[A-Za-z/!?]))", r"\\\1", str(value)))


def code(name) -> Markdown:
    """A name as code; a backquote in it would end it."""
    return Markdown(f"`{str(name).replace('`', chr(39))}`")


def table(headers: list, rows: list[list], right: int = 1) -> Markdown:
    """A Markdown table; the columns from number `right` on are aligned to the right."""

    def line(cells):
        texts = [
            cell.replace("|", r"\|") if isinstance(cell, Markdown) else escape(cell)
            for cell in cells
        ]
        return f"| {' | '.join(texts)} |"

    rule = [Markdown("---" if x < right else "---:") for x in range(len(headers))]
    return Markdown("\n".join([line(headers), line(rule), *map(line, rows)]))


def generic(shown: Shown) -> Markdown:
    """A table as Markdown: the best three with superscripts, better than Full in bold."""
    rows = [
        [
            (f"**{escape(cell.text)}**" if cell.above_full else escape(cell.text))
            + SUPERSCRIPTS.get(cell.place, "")
            + (f" {SIGNS[cell.verdict]}" if cell.verdict in SIGNS else "")
            for cell in row
        ]
        for row in shown.rows
    ]
    signs = ["---:" if right else "---" for right in shown.numeric]
    heads = [escape(head) for head in shown.headers]
    return Markdown("\n".join(f"| {' | '.join(cells)} |" for cells in (heads, signs, *rows)))


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


@cache
def environment() -> Environment:
    """Where the template comes from; what is put in is escaped unless it is Markdown."""
    made = Environment(
        loader=FileSystemLoader(HERE),
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "code": code, "count": count, "generic": generic, "legend": legend, "md": Markdown,
        "names": lambda names: Markdown(listing(names, most=len(names))),
    }  # fmt: skip
    return made

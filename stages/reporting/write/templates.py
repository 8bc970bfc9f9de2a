"""Templates of the page and of the Markdown report; what is put into them is always escaped."""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.reporting.numbers import count
from stages.reporting.shown import SIGNS, Cell, legend

HERE = Path(__file__).parents[1] / "templates"
SENTENCE = 40  # characters from which a cell may be broken into lines


def inline(text: str) -> Markup:
    """One paragraph of Markdown as HTML: `code`, **bold**, *italics*, nothing else."""
    text = escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)
    return Markup(re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", text))


def blocks(text: str) -> Markup:
    """Paragraphs and lists of Markdown as HTML."""
    found = []
    for part in re.split(r"\n\s*\n", text.strip()):
        if part.startswith("- "):
            items = re.split(r"\n(?=- )", part)
            rows = "".join(f"<li>{inline(' '.join(x[2:].split()))}</li>" for x in items)
            found.append(f"<ul>{rows}</ul>")
        else:
            found.append(f"<p>{inline(' '.join(part.split()))}</p>")
    return Markup("\n".join(found))


def breakable(name: str) -> Markup:
    """A name that may be broken after its underscores."""
    return Markup(escape(name).replace("_", "_<wbr>"))


def data(value) -> Markup:
    """JSON that can stand inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Markup(text)


def apart(cell: Cell) -> bool:
    """Whether sorting needs the number apart, since the text does not begin with it."""
    return isinstance(cell.key, float) and not re.match(r"-?\d", cell.text)


def file(name: str) -> Markup:
    """A file of ours, as it is."""
    return Markup((HERE / name).read_text(encoding="utf-8"))


@cache
def environment() -> Environment:
    """Where templates come from; an unknown name is an error, and HTML in a value is text."""
    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "apart": apart, "blocks": blocks, "breakable": breakable, "count": count,
        "inline": inline, "legend": legend, "verdict": lambda word: f"v-{word}",
    }  # fmt: skip
    made.globals |= {"sentence": SENTENCE, "signs": SIGNS | {"": "", "n/a": ""}}
    return made

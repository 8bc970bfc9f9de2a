"""Tables for a paper: LaTeX with booktabs, in one column where they fit it, else in both."""

from __future__ import annotations

import re

from stages.reporting.shown import HEX_SHOWN, SIGNS, Cell, Shown, legend
from stages.reporting.table import TASK

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "_": r"\_", "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "±": r"$\pm$", "−": r"$-$", "×": r"$\times$", "·": r"$\cdot$", "²": r"$^2$", "³": r"$^3$",
    "≤": r"$\leq$", "≥": r"$\geq$", "…": r"\dots{}", "–": "--", "∞": r"$\infty$",
    "α": r"$\alpha$", "η": r"$\eta$", "χ": r"$\chi$", "ε": r"$\varepsilon$", "Δ": r"$\Delta$",
    "√": r"$\surd$", "∩": r"$\cap$", "∪": r"$\cup$", "“": "``", "”": "''", "’": "'",
    "▲": r"$^{+}$", "▼": r"$^{-}$", "`": "", "*": r"{*}",
}  # fmt: skip
MOST_ROWS = 45  # of a piece that fits a page
SENTENCE = 26  # characters beyond which a cell may be broken into lines
BROKEN = 34  # characters that the column of such cells is wide
LETTER = 4.1  # points, on average, in the size of the tables
GAP = 3  # points on either side of a column
COLUMN = 225  # points: a column of a page with two
PACKAGES = r"% \usepackage{array,booktabs,graphicx}"


def escape(text: str) -> str:
    """Text that LaTeX sets as it is; backquotes of Markdown go, unknown symbols become "?"."""
    found = []
    for sign in text:
        if sign in SPECIAL:
            found.append(SPECIAL[sign])
        elif ord(sign) < 32:
            found.append(" ")
        # Latin letters are known to LaTeX's default encodings; anything further is not.
        elif ord(sign) < 127 or (0xC0 <= ord(sign) <= 0x17F):
            found.append(sign)
        else:
            found.append("?")
    return "".join(found)


def cell(value: Cell) -> str:
    """One cell with its marks."""
    text = escape(value.text)
    if isinstance(value.key, float):
        text = re.sub(r"(?<![\w.])-(?=[\d$])", "$-$", text)
    elif value.long:
        text = rf"\texttt{{{escape(value.long[:HEX_SHOWN])}}}"
    if value.above_full:
        text = rf"\textbf{{{text}}}"
    if value.place:
        text += rf"\textsuperscript{{{value.place}}}"
    return text + escape(SIGNS.get(value.verdict, ""))


def _body(rows: list[list[Cell]], grouped: bool) -> list[str]:
    lines, before = [], None
    for row in rows:
        if grouped:
            if row[0].text != before:
                before = row[0].text
                lines += [r"\midrule"] if lines else []
                lines.append(
                    rf"\multicolumn{{{len(row) - 1}}}{{l}}{{\emph{{{escape(before)}}}}} \\"
                )
            row = row[1:]
        lines.append(" & ".join(map(cell, row)) + r" \\")
    return lines


def _alignment(shown: Shown, skip: int) -> tuple[list[str], float]:
    """Numbers to the right, long sentences broken into lines; and the width of all in points."""
    found, width = [], 0.0
    for at in range(skip, len(shown.headers)):
        texts = [row[at].text for row in shown.rows]
        longest = max(map(len, texts), default=0)
        word = max((len(word) for text in texts for word in text.split()), default=0)
        broken = not shown.numeric[at] and longest > SENTENCE and word <= BROKEN
        letters = BROKEN if broken else max(longest, len(shown.headers[at]))
        width += LETTER * letters + 2 * GAP
        kind = rf">{{\raggedright\arraybackslash}}p{{{LETTER * BROKEN:.0f}pt}}"
        found.append(kind if broken else "r" if shown.numeric[at] else "l")
    return found, width


def _caption(shown: Shown) -> str:
    parts = [escape(shown.table.title.rstrip(".")) + "."]
    if shown.table.note:
        parts.append(escape(shown.table.note.rstrip(".")) + ".")
    parts += [escape(legend(shown))] if legend(shown) else []
    if shown.shortened:
        parts.append(f"The first {len(shown.rows)} of {shown.total} rows.")
    return " ".join(parts)


def _piece(shown: Shown, rows: list[list[Cell]], first: bool, grouped: bool) -> list[str]:
    """One float; the further ones of a long table carry its number on."""
    skip = 1 if grouped else 0
    columns, width = _alignment(shown, skip)
    kind = "table" if width <= COLUMN else "table*"
    body = _body(rows, grouped) or [
        rf"\multicolumn{{{len(columns)}}}{{l}}{{No rows: there is nothing to compare.}} \\"
    ]
    label = f"tab:{shown.table.name.replace('_', '-')}"
    title = escape(shown.table.title.rstrip("."))
    return [
        rf"\begin{{{kind}}}[tp]",
        *([] if first else [r"\addtocounter{table}{-1}"]),
        r"\centering\footnotesize",
        rf"\setlength{{\tabcolsep}}{{{GAP}pt}}",
        rf"\caption{{{_caption(shown)}}}\label{{{label}}}"
        if first
        else rf"\caption{{{title} (continued).}}",
        # Set once, and made smaller only where it is wider than the line.
        r"\sbox0{%",
        rf"\begin{{tabular}}{{@{{}}{''.join(columns)}@{{}}}}",
        r"\toprule",
        " & ".join(map(escape, shown.headers[skip:])) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}%",
        r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi",
        rf"\end{{{kind}}}",
    ]


def latex(shown: Shown) -> str:
    r"""A table as LaTeX, to be read in with \input.

    Args:
        shown: as of `shown.present`; a first column of tasks becomes headings of groups.

    Returns:
        A `table`, or a `table*` where it is wider than a column of two, in pieces where it is
        longer than a page; nothing is wider than its line.
    """
    grouped = len(shown.headers) > 2 and shown.columns[0] == TASK and bool(shown.rows)
    pieces = [shown.rows[at : at + MOST_ROWS] for at in range(0, len(shown.rows), MOST_ROWS)]
    lines = [PACKAGES]
    for at, rows in enumerate(pieces or [[]]):
        lines += _piece(shown, rows, at == 0, grouped)
    return "\n".join([*lines, ""])

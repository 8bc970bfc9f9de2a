"""Tables for a paper: LaTeX with booktabs, the best three of a column marked."""

from __future__ import annotations

import re

from stages.reporting.shown import HEX_SHOWN, Cell, Shown, legend
from stages.reporting.table import TASK

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "_": r"\_", "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "±": r"$\pm$", "−": r"$-$", "×": r"$\times$", "·": r"$\cdot$", "²": r"$^2$", "³": r"$^3$",
    "≤": r"$\leq$", "≥": r"$\geq$", "…": r"\dots{}", "–": "--", "∞": r"$\infty$",
    "α": r"$\alpha$", "η": r"$\eta$", "χ": r"$\chi$", "ε": r"$\varepsilon$", "Δ": r"$\Delta$",
    "√": r"$\surd$", "∩": r"$\cap$", "∪": r"$\cup$", "“": "``", "”": "''", "’": "'",
    "`": "", "*": r"{*}",
}  # fmt: skip
LONG = 45
SENTENCE = 26  # characters beyond which a cell may be broken into lines
LETTER = 0.014  # width of a letter as a share of a line
# Up to so many columns: font size and half the gap between columns in points.
SIZES = ((8, (r"\small", 5)), (11, (r"\footnotesize", 3)), (999, (r"\tiny", 2)))


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
    return text


def _body(shown: Shown, grouped: bool) -> list[str]:
    lines, before = [], None
    for row in shown.rows:
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


def _alignment(shown: Shown, skip: int) -> list[str]:
    """Numbers to the right; long sentences in paragraphs that share what is left of the line."""
    found, used = [], 0.0
    for at in range(skip, len(shown.headers)):
        longest = max((len(row[at].text) for row in shown.rows), default=0)
        found.append("r" if shown.numeric[at] else "l" if longest <= SENTENCE else "p")
        used += 0 if found[-1] == "p" else LETTER * max(longest, len(shown.headers[at]))
    share = max(0.4, 0.92 - used) / max(1, found.count("p"))
    return [rf"p{{{share:.2f}\linewidth}}" if kind == "p" else kind for kind in found]


def _caption(shown: Shown) -> str:
    parts = [escape(shown.table.title.rstrip(".")) + "."]
    if shown.table.note:
        parts.append(escape(shown.table.note.rstrip(".")) + ".")
    parts += [escape(legend(shown))] if legend(shown) else []
    if shown.shortened:
        parts.append(f"The first {len(shown.rows)} of {shown.total} rows.")
    return " ".join(parts)


def latex(shown: Shown) -> str:
    r"""A table as LaTeX, to be read in with \input.

    Args:
        shown: as of `shown.present`; a first column of tasks becomes headings of groups.

    Returns:
        A `table`, or a `longtable` where it does not fit a page; either needs booktabs.
    """
    grouped = len(shown.headers) > 2 and shown.columns[0] == TASK and bool(shown.rows)
    skip = 1 if grouped else 0
    headers = " & ".join(map(escape, shown.headers[skip:])) + r" \\"
    columns = _alignment(shown, skip)
    body = _body(shown, grouped) or [
        rf"\multicolumn{{{len(columns)}}}{{l}}{{No rows: there is nothing to compare.}} \\"
    ]
    label = f"tab:{shown.table.name.replace('_', '-')}"
    size, space = next(fit for most, fit in SIZES if len(columns) <= most)
    gap = rf"\setlength{{\tabcolsep}}{{{space}pt}}"
    if len(shown.rows) > LONG:
        return "\n".join(
            [
                r"% \usepackage{booktabs,longtable}",
                r"\begingroup",
                size,
                gap,
                rf"\begin{{longtable}}{{@{{}}{''.join(columns)}@{{}}}}",
                rf"\caption{{{_caption(shown)}}}\label{{{label}}}\\",
                r"\toprule",
                headers,
                r"\midrule",
                r"\endfirsthead",
                r"\toprule",
                headers,
                r"\midrule",
                r"\endhead",
                r"\bottomrule",
                r"\endfoot",
                *body,
                r"\end{longtable}",
                r"\endgroup",
                "",
            ]
        )
    return "\n".join(
        [
            r"% \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            size,
            gap,
            rf"\caption{{{_caption(shown)}}}",
            rf"\label{{{label}}}",
            rf"\begin{{tabular}}{{@{{}}{''.join(columns)}@{{}}}}",
            r"\toprule",
            headers,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )

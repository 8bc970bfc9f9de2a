"""Tables as shown: rounding, marks, and LaTeX that compiles."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from stages.reporting.shown import legend
from stages.reporting.shown import present as shown_as
from stages.reporting.table import BEST, HIGHER, LOWER, Column, P, Table, mean
from stages.reporting.write.latex import escape, latex
from stages.reporting.write.markdown_tables import generic

SUMMARY = pd.DataFrame(
    {
        "task": ["a"] * 5 + ["b"] * 3,
        "strategy": ["random", "bald", "badge", "kcenter", "full", "random", "bald", "full"],
        "aubc_mean": [0.5, 0.7, 0.6, 0.55, np.nan, 0.4, 0.4, np.nan],
        "aubc_std": [0.01, np.nan, 0.02, 0.01, np.nan, 0.1, 0.1, np.nan],
        "final_mean": [0.6, 0.9, 0.95, 0.6, 0.91, 0.5, 0.6, 0.7],
        "n": [3, 1, 3, 3, 3, 3, 3, 3],
    }
)


COLUMNS = (
    Column("task", "Task", key=True),
    Column("strategy", "Strategy"),
    Column("pair", "Pair"),
    Column("k", "k"),
    Column("first", "First"),
    mean("aubc", "AUBC", HIGHER),
    Column("aubc", "AUBC", HIGHER),
    mean("final", "Final accuracy", HIGHER),
    Column("ece", "ECE", LOWER),
    Column("difference", "Difference"),
    Column("p", "p", form=P, decimals=4),
    Column("seconds", "Seconds"),
    Column("flag", "Flag"),
    Column("n", "n"),
    Column("digest", "Digest"),
)


def present(name, frame, most=None, title="A table", note=""):
    declared = Table(name, title, BEST, lambda given: frame, COLUMNS, note)
    return shown_as(declared, frame, most)


def column(shown, name):
    return [row[shown.headers.index(name)] for row in shown.rows]


def test_best_three_and_above_full_are_marked_within_a_task():
    shown = present("summary", SUMMARY)
    area, final = column(shown, "AUBC"), column(shown, "Final accuracy")
    assert [cell.place for cell in area] == [0, 1, 2, 3, 0, 0, 0, 0]
    assert [cell.place for cell in final] == [3, 2, 1, 3, 0, 2, 1, 0]
    assert [cell.above_full for cell in final] == [False, False, True] + [False] * 5
    assert not any(cell.above_full for cell in area)
    assert [cell.text for cell in area][:5] == [
        "0.5000 ± 0.0100",
        "0.7000",
        "0.6000 ± 0.0200",
        "0.5500 ± 0.0100",
        "n/a",
    ]
    assert legend(shown).startswith("Superscripts") and "Full" in legend(shown)
    assert shown.headers == ["Task", "Strategy", "AUBC", "Final accuracy", "n"]


def test_lower_is_better_for_errors_and_ties_share_a_place():
    table = pd.DataFrame({"strategy": list("abcd"), "ece": [0.1, 0.02, 0.02, 0.3]})
    assert [cell.place for cell in column(present("x", table), "ECE")] == [3, 1, 1, 0]


def test_what_looks_equal_is_marked_equally():
    table = pd.DataFrame({"strategy": ["a", "b", "c"], "aubc": [0.80001, 0.80002, 0.7]})
    assert [cell.place for cell in column(present("x", table), "AUBC")] == [1, 1, 3]


def test_rows_that_do_not_compare_strategies_get_no_marks():
    twice = pd.DataFrame({"strategy": ["a", "a"], "aubc": [0.5, 0.6]})
    assert not present("x", twice).marked
    assert not present("x", pd.DataFrame({"pair": ["a"], "aubc": [0.5]})).marked


def test_long_tables_are_shortened_to_aubc_first():
    table = pd.DataFrame({"measure": ["accuracy"] * 50 + ["aubc"] * 3, "p": [0.5] * 53})
    shown = present("x", table, most=20)
    assert (len(shown.rows), shown.total, shown.shortened) == (3, 53, True)
    assert "first 3 of 53 rows" in latex(shown)


def test_numbers_as_shown():
    table = pd.DataFrame(
        {
            "p": [1e-7, 0.04, np.nan],
            "seconds": [1234.56, 2.0, np.inf],
            "flag": [True, False, None],
            "n": [1, 2, 3],
            "digest": ["ab" * 32, "n/a", "x"],
        }
    )
    shown = present("x", table)
    assert [cell.text for cell in column(shown, "p")] == ["<0.0001", "0.0400", "n/a"]
    assert [cell.text for cell in column(shown, "Flag")] == ["yes", "no", "n/a"]
    assert column(shown, "Seconds")[2].text == "∞"
    assert column(shown, "Digest")[0].text == "ab" * 6
    assert column(shown, "Digest")[1].key is None


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a_b & 5 %", r"a\_b \& 5 \%"),
        ("{x} $1 #2", r"\{x\} \$1 \#2"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("p < 0.05", r"p \textless{} 0.05"),
        ("0.5 ± 0.1", r"0.5 $\pm$ 0.1"),
        ("Demšar", "Demšar"),
        ("`bald`", "bald"),
        ("日", "?"),
        ("a\nb", "a b"),
    ],
)
def test_escaping(text, expected):
    assert escape(text) == expected


def test_structure_of_a_table():
    text = latex(present("summary", SUMMARY, title="Means_1", note="Over 3 seeds & 2 tasks."))
    for part in (
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
        r"\label{tab:summary}",
        r"\caption{Means\_1. Over 3 seeds \& 2 tasks. Superscripts",
        r"\resizebox{\linewidth}",
        r"\multicolumn{4}{l}{\emph{a}}",
        r"\textbf{0.9500}\textsuperscript{1}",
    ):
        assert part in text, part
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in rows if "multicolumn" not in line} == {3}
    negative = latex(present("x", pd.DataFrame({"first": ["a-b"], "difference": [-0.5]})))
    assert r"a-b & $-$0.5000 \\" in negative


def test_markdown_marks():
    text = generic(present("summary", SUMMARY))
    assert "| **0.9500**¹ |" in text
    assert text.splitlines()[1] == "| --- | --- | ---: | ---: | ---: |"
    assert r"a\|b\_c" in generic(present("x", pd.DataFrame({"k": ["a|b_c"]})))


NEEDS_LATEX = "no pdflatex; Debian: apt-get install texlive-latex-recommended"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason=NEEDS_LATEX)
@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
def test_tables_compile_and_nothing_is_wider_than_its_line(tmp_path, columns):
    strange = pd.DataFrame(
        {
            "strategy": ["a_b", "{x}$#%&~^\\", 'q"<>|*`', "é ± ² …"],
            "aubc": [0.1, 0.2, 0.3, -0.4],
            "digest": ["ab" * 32] * 4,
            "pair": ["a sentence of many words, so that it is broken into lines " * 2] * 4,
            "first": ["one_word_without_a_space_that_cannot_be_broken_into_lines"] * 4,
        }
    )
    wide = pd.DataFrame(
        {column.name: [0.123456] * 3 for column in COLUMNS if column.name != "task"}
    )
    long = pd.DataFrame({"task": ["t_1"] * 60, "p": np.linspace(0, 1, 60)})
    for name, table in (
        ("summary", SUMMARY),
        ("strange_1", strange),
        ("long", long),
        ("wide", wide),
        ("empty", pd.DataFrame({"strategy": [], "aubc": []})),
    ):
        (tmp_path / f"{name}.tex").write_text(latex(present(name, table)), encoding="utf-8")
    (tmp_path / "main.tex").write_text(
        f"\\documentclass[{columns}]{{article}}\\usepackage[T1]{{fontenc}}"
        "\\usepackage{array,booktabs,graphicx}\\hyphenpenalty=50"
        "\\begin{document}\\input{summary}\\input{strange_1}\\input{long}\\input{empty}"
        "\\input{wide}\\end{document}"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout

"""What a reader sees, in every format, against the numbers in the CSV files and the study's."""

from __future__ import annotations

import html as html_module
import itertools
import json
import re
from io import StringIO

import known
import numpy as np
import pandas as pd
import pytest
from known import ALPHA, BASELINE, BUDGETS, SEEDS, STRATEGIES, TASKS

from stages.reporting import gathered
from stages.reporting.figures import gallery
from stages.reporting.numbers import p_text
from stages.reporting.read import records
from stages.reporting.write.grid import grid

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning"),
]
SUPERSCRIPTS = {"¹": 1, "²": 2, "³": 3}
OTHERS = [name for name in STRATEGIES if name != BASELINE]


@pytest.fixture(scope="module")
def written():
    return known.report()


def csv(name):
    """A table as text, as it lies in its CSV file."""
    path = "curve.csv" if name == "curve" else f"tables/{name}.csv"
    return pd.read_csv(StringIO(known.report()[path]), dtype=str, keep_default_na=False)


def markdown_rows(text):
    """Header and rows of the first Markdown table in a text."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    end = next((at for at, line in enumerate(lines) if at > 1 and line.startswith("| ---")), None)
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines[: None if end is None else end - 1]
    ]
    return cells[0], cells[2:]


def from_markdown(cell):
    """(text, place, bold) of a cell."""
    place = SUPERSCRIPTS.get(cell[-1:], 0)
    cell = cell[:-1] if place else cell
    bold = cell.startswith("**") and cell.endswith("**")
    cell = cell[2:-2] if bold else cell
    return re.sub(r"\\([\\|*_<`])", r"\1", cell), place, bold


def latex_rows(text):
    """Rows of a LaTeX table, the heading of its group in front where it has groups."""
    # A long table comes in pieces; its last group goes on in the next one.
    pieces = re.findall(r"\\toprule.*?\\midrule(.*?)\\bottomrule", text, re.DOTALL)
    rows, group = [], None
    for line in "".join(pieces).splitlines():
        heading = re.match(r"\\multicolumn\{\d+\}\{l\}\{\\emph\{(.*)\}\} ", line)
        if heading:
            group = heading[1]
        elif line.endswith(r"\\") and "Continued" not in line:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)&", line[:-2])]
            rows.append(cells if group is None else [group, *cells])
    return rows


def from_latex(cell):
    found = re.fullmatch(r"(.*?)(?:\\textsuperscript\{(\d)\})?", cell)
    text, place = found[1], int(found[2] or 0)
    bold = text.startswith(r"\textbf{")
    text = text[8:-1] if bold else text
    for code, sign in (
        (r"\textless{}", "<"), (r"\textgreater{}", ">"), (r"$\pm$", "±"), ("$-$", "-"),
        (r"\_", "_"), (r"\&", "&"), (r"\%", "%"), (r"$\infty$", "∞"), (r"\texttt", ""),
        ("{", ""), ("}", ""),
    ):  # fmt: skip
        text = text.replace(code, sign)
    return text, place, bold


def html_rows(text, name):
    start = text.index(f'id="table-{name}"')
    body = text[text.index("<tbody>", start) : text.index("</tbody>", start)]
    return [
        re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


def from_html(cell):
    found = re.fullmatch(r"(<b>)?(?:<code>)?(.*?)(?:</code>)?(?:</b>)?(?:<sup>(\d)</sup>)?", cell)
    return html_module.unescape(found[2]), int(found[3] or 0), bool(found[1])


def shown_columns(table):
    """Columns that are shown, a deviation beside its mean, without those that say nothing."""
    return [
        name for name in table.columns
        if not (name.endswith("_std") and f"{name[:-4]}_mean" in table.columns)
        and not (table[name] == "").all()
    ]  # fmt: skip


def agrees(text, row, name):
    """Whether a shown cell is the CSV cell, rounded."""
    value = row[name]
    if value == "n/a" or not re.fullmatch(r"-?[\d.]+(e-?\d+)?|-?inf", value):
        return text == value or (len(value) == 64 and value.startswith(text) and len(text) >= 12)
    if text == "<0.0001":
        return float(value) < 0.0001 and (name == "p" or "p" in name.split("_"))
    first, _, spread = text.partition(" ± ")
    if first in ("∞", "-∞"):
        return float(value) == float(first.replace("∞", "inf"))
    decimals = len(first.partition(".")[2])
    close = abs(float(first) - float(value)) <= 0.5 * 10**-decimals + 1e-6
    beside = row.get(f"{name[:-5]}_std", "n/a") if name.endswith("_mean") else "n/a"
    if beside == "n/a":
        return close and not spread
    return close and abs(float(spread) - float(beside)) <= 0.5 * 10**-decimals + 1e-6


@pytest.mark.parametrize("kind", ["md", "tex", "html"])
@pytest.mark.parametrize("name", [name for name in known.TABLES if name != "standing"])
def test_every_cell_shown_is_the_csv_cell_rounded(written, name, kind):
    table = csv(name)
    if kind == "md":
        rows, clean = markdown_rows(written[f"tables/{name}.md"])[1], from_markdown
    elif kind == "tex":
        rows, clean = latex_rows(written[f"tables/{name}.tex"]), from_latex
    else:
        rows, clean = html_rows(written["index.html"], name), from_html
    columns = shown_columns(table)
    # No table of this study is so long that rows are left out.
    assert len(rows) == len(table) > 0
    for cells, (_, row) in zip(rows, table.iterrows(), strict=True):
        assert len(cells) == len(columns)
        for cell, column in zip(cells, columns, strict=True):
            text = clean(cell)[0]
            assert agrees(text, row, column), (column, text, row[column])


HIGH = {"aubc_mean": "summary", "final_mean": "summary", "points": "win_tie_loss",
        "api_mean": "improvement", "saving": "labels_needed", "accuracy_mean": "classes",
        "group_accuracy_mean": "groups"}  # fmt: skip
LOW = {"ece_mean": "calibration", "nll_mean": "calibration", "labels_needed": "labels_needed",
       "mean_rank": "mean_ranks"}  # fmt: skip


@pytest.mark.parametrize("kind", ["md", "tex", "html"])
@pytest.mark.parametrize("column", [*HIGH, *LOW])
def test_the_best_three_and_better_than_full_are_marked(written, column, kind):
    name = (HIGH | LOW)[column]
    table, sign = csv(name), -1 if column in LOW else 1
    at = shown_columns(table).index(column)
    rows, clean = {
        "md": lambda: (markdown_rows(written[f"tables/{name}.md"])[1], from_markdown),
        "tex": lambda: (latex_rows(written[f"tables/{name}.tex"]), from_latex),
        "html": lambda: (html_rows(written["index.html"], name), from_html),
    }[kind]()
    cells = [clean(row[at]) for row in rows]
    values = [
        np.nan if text == "n/a" else sign * float(text.partition(" ±")[0]) for text, *_ in cells
    ]
    keys = [x for x in ("task", "target", "class", "group") if x in table]
    group = [tuple(row[keys]) for _, row in table.iterrows()]
    full = {
        key: value
        for key, value, who in zip(group, values, table["strategy"], strict=True)
        if who == "full"
    }
    for key, value, who, (_, place, bold) in zip(
        group, values, table["strategy"], cells, strict=True
    ):
        others = [
            other for other, own, name_ in zip(values, group, table["strategy"], strict=True)
            if own == key and name_ != "full" and not np.isnan(other)
        ]  # fmt: skip
        rank = 1 + sum(other > value for other in others)
        marked = who != "full" and not np.isnan(value) and rank <= 3 and len(set(others)) > 1
        assert place == (rank if marked else 0)
        assert bold == (who != "full" and value > full.get(key, np.inf))


# --- the page of Markdown ---------------------------------------------------------------------


def section(text, start, end="\n#"):
    at = text.index(start)
    return text[at : text.index(end, at + len(start))]


def task_section(written, task, heading):
    text = written["report.md"]
    own = text[text.index(f"## Task `{task}`") :]
    return section(own, f"### {heading}")


@pytest.mark.parametrize("task", TASKS)
def test_summary_of_a_task(written, task):
    rows = markdown_rows(task_section(written, task, "Summary"))[1]
    table = csv("summary").query("task == @task")
    for cells, (_, row) in zip(rows, table.iterrows(), strict=True):
        full = row["strategy"] == "full"
        assert cells[0] == ("*Full*" if full else f"`{row['strategy']}`")
        assert cells[1] == ("" if full else spread(row["aubc_mean"], row["aubc_std"]))
        assert cells[2] == ("" if full else row["aubc_rank"])
        assert cells[3] == spread(row["final_mean"], row["final_std"])
        assert cells[4] == ("" if full else row["final_rank"])
        assert cells[5] == row["n"]


def spread(mean, std):
    return f"{float(mean):.4f} ± {float(std):.4f}"


def p_shown(p):
    return "<0.0001" if float(p) < 0.0001 else f"{float(p):.4f}"


@pytest.mark.parametrize("task", TASKS)
def test_kruskal_wallis_verdicts_and_pairs_of_a_task(written, task):
    rows = markdown_rows(task_section(written, task, "Do the strategies differ at all?"))[1]
    own = csv("kruskal_wallis").query("task == @task")
    for cells, (_, row) in zip(rows, own.iterrows(), strict=True):
        assert cells[:3] == [
            "AUBC" if row["measure"] == "aubc" else row["labeled"], row["groups"],
            row["n_per_group"]]  # fmt: skip
        assert float(cells[3]) == pytest.approx(float(row["h"]), abs=6e-4)
        assert cells[4:] == [f"{float(row['df']):.0f}", p_shown(row["p_holm"]), row["verdict"]]
    header, rows = markdown_rows(task_section(written, task, f"Verdicts against `{BASELINE}`"))
    assert header == ["Strategy", "AUBC", *map(str, BUDGETS[task])]
    own = csv("verdicts").query("task == @task")
    words = {"better": "better", "worse": "worse", "undetermined": "·"}
    for cells, name in zip(rows, OTHERS, strict=True):
        mine = own[own["strategy"] == name].set_index("labeled")["verdict"]
        expected = [words[mine[x]] for x in ("all", *map(str, BUDGETS[task]))]
        assert cells == [f"`{name}`", *expected]
    text = task_section(written, task, "Pairs of strategies")
    header, rows = markdown_rows(text)
    assert header[6] == "90 % interval"
    own = csv("games_howell").query("task == @task and measure == 'aubc'")
    below = (own["p"].astype(float) < ALPHA).sum()
    assert f"{below} pair" in text and f"of {len(own)} ha" in text and "p below 0.1 on AUBC" in text
    for cells, (_, row) in zip(rows, own.iterrows(), strict=True):
        number = row[["difference", "standard_error", "t", "df", "p", "low", "high"]].astype(float)
        word = "·" if number["p"] >= ALPHA else "higher" if number["difference"] > 0 else "lower"
        assert cells[0] == f"`{row['first']}` − `{row['second']}`"
        for cell, name, digits in (
            (cells[1], "difference", 4), (cells[2], "standard_error", 4), (cells[3], "t", 2),
            (cells[4], "df", 2), (cells[6].split(" to ")[0], "low", 4),
            (cells[6].split(" to ")[1], "high", 4),
        ):  # fmt: skip
            assert float(cell) == pytest.approx(number[name], abs=0.51 * 10**-digits)
        assert cells[5] == p_shown(number["p"]) and cells[7] == word


@pytest.mark.parametrize("task", TASKS)
def test_assumptions_of_a_task_in_words(written, task):
    text = task_section(written, task, "Assumptions")
    own = csv("assumptions").query("task == @task").assign(p=lambda x: x["p"].astype(float))
    for test, words in (
        ("shapiro_wilk", "Shapiro-Wilk {} normality"),
        ("levene_median", "Levene's test (centre: median) {} equal variances"),
    ):
        mine = own[own["test"] == test]
        said = "rejects" if (mine["p"] < ALPHA).any() else "does not reject"
        assert words.format(said) + " at alpha 0.1" in text
    normal = own[own["test"] == "shapiro_wilk"]
    for measure, what in (("aubc", "on AUBC"), ("accuracy", "on accuracy at single budgets")):
        mine = normal[normal["measure"] == measure]["p"]
        assert f"{what} in {(mine < ALPHA).sum()} of {len(mine)} tests" in text
    levene = own[(own["test"] == "levene_median") & (own["measure"] == "aubc")]["p"].item()
    assert f"on AUBC, p = {levene:.4f}" in text


def test_findings_say_what_the_tables_say(written):
    text = section(written["report.md"], "## Main findings", "## What was run")
    summary, held = csv("summary"), csv("primary")
    for task in TASKS:
        said = re.search(rf"\*\*{task}\*\*: (.*)", text)[1]
        own = summary[(summary["task"] == task) & (summary["strategy"] != "full")]
        means = own.set_index("strategy")["aubc_mean"].astype(float)
        best = means.idxmax()
        assert f"`{best}` has the highest mean AUBC, {means[best]:.4f}." in said
        assert "Kruskal" not in said and "Games" not in said  # one test decides
        by = "paired t tests over seeds with Holm's correction, alpha 0.1"
        assert f"Against `{BASELINE}` ({by})" in said
        verdicts = held.query("task == @task").set_index("strategy")
        seen = verdicts["seen"].astype(float)
        assert f"a difference in AUBC of {seen.min():.4f} to {seen.max():.4f} is seen" in said
        for word in ("better", "equivalent", "worse"):
            names = verdicts.index[verdicts["verdict"] == word]
            assert (f" is {word}" in said or f" are {word}" in said) == bool(len(names))
            for name in names:
                assert re.search(rf"`{name}`[^.;]* (is|are) {word}", said)
        for name in verdicts.index[verdicts["verdict"] == "undetermined"]:
            assert "no difference could be shown for any strategy" in said or re.search(
                rf"no difference could be shown for [^.;]*`{name}`", said
            )
    assert "win-tie-loss" not in text  # which is no test
    # The same words on the page.
    sentence = "has the highest mean AUBC"
    assert written["index.html"].count(sentence) == text.count(sentence) == len(TASKS)


def test_win_tie_loss_what_was_run_and_provenance(written):
    text = written["report.md"]
    rows = markdown_rows(section(text, "## Across tasks: win, tie, loss"))[1]
    own = csv("win_tie_loss")
    own = own.assign(rank=own["rank"].astype(int)).sort_values("rank", kind="stable").astype(str)
    columns = ["wins", "ties", "losses", "points", "rank"]
    assert rows == [[f"`{row['strategy']}`", *row[columns]] for _, row in own.iterrows()]
    assert "more than 0.01, compared" in text and "**margin** of a win = 0.01 in AUBC" in text
    rows = markdown_rows(section(text, "## What was run"))[1]
    assert rows == [
        [f"`{task}`", name, "3", str(known.FULL[task]), "1000", ", ".join(map(str, BUDGETS[task]))]
        for task, name in TASKS.items()
    ]
    assert "**Seeds** (5): 3, 1, 4, 0, 7." in text
    rows = markdown_rows(section(text, "### Data"))[1]
    assert rows == [
        [f"`{x}`", name, known.DIGESTS[x], f"source of {x}", f"license of {x}"]
        for x, name in TASKS.items()
    ]
    prints = csv("fingerprints").set_index(["task", "strategy", "seed"])["fingerprint"]
    header, rows = markdown_rows(text[text.index("### Chains") :])
    assert header == ["Task", "Strategy", *(f"seed {seed}" for seed in SEEDS)]
    for cells, (task, name) in zip(rows, itertools.product(TASKS, STRATEGIES), strict=True):
        expected = [f"`{prints[task, name, str(seed)][:12]}`" for seed in SEEDS]
        assert cells == [f"`{task}`", f"`{name}`", *expected]


# --- the page of HTML -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(written):
    text = written["index.html"]
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


def test_charts_of_the_page_hold_the_curves(data):
    assert data["strategies"] == STRATEGIES and data["alpha"] == ALPHA
    curve, balance, summary = csv("curve"), csv("class_balance"), csv("summary")
    charts = [(task, curve, "accuracy", "std") for task in TASKS]
    charts += [(task, balance, "balance", None) for task in TASKS]
    drawn = [chart for chart in data["charts"] if "signed" not in chart]
    for chart, (task, table, value, std) in zip(drawn, charts, strict=True):
        assert chart["x"] == BUDGETS[task]
        assert [line["s"] for line in chart["lines"]] == list(range(4))
        for line, name in zip(chart["lines"], STRATEGIES, strict=True):
            own = table[(table["task"] == task) & (table["strategy"] == name)]
            assert line["y"] == pytest.approx(own[value].astype(float).tolist(), abs=6e-5)
            assert ("d" in line) == (std is not None)
            if std:
                assert line["d"] == pytest.approx(own[std].astype(float).tolist(), abs=6e-5)
        full = summary.query("task == @task and strategy == 'full'")["final_mean"].astype(float)
        expected = round(full.item(), 4) if std else None
        assert chart["full"] == (pytest.approx(expected) if std else None)


def test_charts_of_differences_hold_the_table(data):
    along = csv("along")
    drawn = [chart for chart in data["charts"] if "signed" in chart]
    for chart, task in zip(drawn, TASKS, strict=True):
        assert chart["full"] == 0 and BASELINE in chart["label"]
        assert [STRATEGIES[line["s"]] for line in chart["lines"]] == OTHERS
        for line, name in zip(chart["lines"], OTHERS, strict=True):
            own = along[(along["task"] == task) & (along["strategy"] == name)]
            assert line["y"] == pytest.approx(own["difference"].astype(float).tolist(), abs=6e-5)
            for half, low, high in zip(line["d"], own["low"], own["high"], strict=True):
                assert half == pytest.approx((float(high) - float(low)) / 2, abs=6e-5)


def test_runs_of_the_page_hold_every_accuracy(data):
    rounds = known.numbers()
    for task in TASKS:
        counts = None
        for number, seed, values, *changed in data["runs"][task]:
            counts = changed[0] if changed else counts
            own = rounds[(rounds["task"] == task) & (rounds["seed"] == seed)]
            own = own[own["strategy"] == STRATEGIES[number]].sort_values("round")
            assert counts == own["labeled"].tolist()
            shown = [10_000 * right / known.TESTED for right in own["correct"]]
            assert values == pytest.approx(shown, abs=0.51)
        assert len(data["runs"][task]) == len(STRATEGIES) * len(SEEDS)


def test_pairs_of_the_page_and_its_best_three(data):
    own = csv("games_howell").query("measure == 'aubc'")
    for task in TASKS:
        rows = own[own["task"] == task]
        for found, (_, row) in zip(data["pairs"][task], rows.iterrows(), strict=True):
            assert [STRATEGIES[x] for x in found[:2]] == [row["first"], row["second"]]
            numbers = row[["difference", "p", "low", "high"]].astype(float)
            assert found[2:] == pytest.approx(numbers.tolist(), abs=6e-6)
    summary = csv("summary").query("strategy != 'full'")
    means = summary.assign(a=summary["aubc_mean"].astype(float)).groupby("strategy")["a"].mean()
    best = set(means.nlargest(3).index) | {BASELINE}
    assert data["best"] == [at for at, name in enumerate(STRATEGIES) if name in best]
    assert [look["c"] for look in data["looks"]].index(-1) == STRATEGIES.index(BASELINE)


@pytest.mark.parametrize("task", TASKS)
def test_heat_map_of_the_page(written, task):
    text = written["index.html"]
    start = text.index(f'data-kind="pairs" data-task="{task}"')
    body = text[text.index("<tbody>", start) : text.index("</tbody>", start)]
    own = csv("games_howell").query("measure == 'aubc' and task == @task")
    pairs = {}
    for _, row in own.iterrows():
        gap, p = float(row["difference"]), float(row["p"])
        pairs[row["first"], row["second"]], pairs[row["second"], row["first"]] = (gap, p), (-gap, p)
    ends = (0.5, 1, 2, 5, 10, 20, 50, 100)
    # One scale for all tasks.
    every = csv("games_howell").query("measure == 'aubc'")["difference"].astype(float).abs()
    limit = min(end for end in ends if end >= 100 * every.max()) / 100
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', body)
    best = csv("summary").query("task == @task and strategy != 'full'")
    best = best.assign(rank=best["aubc_rank"].astype(int)).sort_values("rank")["strategy"].tolist()
    assert [name for name, _ in rows] == best
    for name, cells in rows:
        found = re.findall(r"<td(?: class=\"(\w+)( s)?\")?>(.*?)</td>", cells)
        for other, (shade, framed, shown) in zip(best, found, strict=True):
            if other == name:
                assert shown == "–"
                continue
            gap, p = pairs[name, other]
            assert float(shown.replace("−", "-")) == pytest.approx(100 * gap, abs=0.051)
            assert (framed == " s") == (p < ALPHA)
            assert shade[0] == ("p" if gap >= 0 else "m")
            level = int(np.ceil(round(5 * abs(gap) / limit, 6)))
            assert int(shade[1]) == (level if framed else min(level, 1))  # else it is faint


# --- the figures ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Name -> figure, drawn from the files."""
    root = tmp_path_factory.mktemp("figures")
    known.write(root)
    settings = known.settings()
    rounds, full = records.read_rounds(settings, root), records.read_full(settings, root)
    made = gathered.build(rounds, full, settings)
    drawn, titles = gallery.gallery(made, full, settings, gallery.balance_lines(made, settings), {})
    return {name: draw() for name, draw in drawn.items()}, titles


@pytest.mark.parametrize("task", TASKS)
def test_curves_are_drawn_from_the_table(figures, task):
    drawn, titles = figures
    assert titles[f"accuracy-{task}"] == f"{task}: mean of 5 seeds, band ± 1 std"
    for name, table, value in (
        (f"accuracy-{task}", csv("curve"), "accuracy"),
        (f"balance-{task}", csv("class_balance"), "balance"),
    ):
        axes = drawn[name].axes[0]
        lines = {line.get_label(): line for line in axes.lines}
        for strategy in STRATEGIES:
            own = table[(table["task"] == task) & (table["strategy"] == strategy)]
            x, y = lines[strategy].get_data()
            assert x.tolist() == BUDGETS[task]
            assert y == pytest.approx(own[value].astype(float).to_numpy(), abs=2e-6)
        if value == "accuracy":
            full = csv("summary").query("task == @task and strategy == 'full'")["final_mean"]
            level = lines["Full (all labels)"].get_ydata()
            assert level == pytest.approx([float(full.item())] * 2, abs=1e-6)
            bands = [path for band in axes.collections for path in band.get_paths()]
            for path, strategy in zip(bands, STRATEGIES, strict=True):
                own = table[(table["task"] == task) & (table["strategy"] == strategy)]
                assert path.vertices[:, 1].min() == pytest.approx(
                    own["low"].astype(float).min(), abs=2e-6
                )
                assert path.vertices[:, 1].max() == pytest.approx(
                    own["high"].astype(float).max(), abs=2e-6
                )


@pytest.mark.parametrize("task", TASKS)
def test_pairs_are_drawn_from_the_table(figures, task):
    axes = figures[0][f"pairs-{task}"].axes[0]
    own = csv("games_howell").query("measure == 'aubc' and task == @task")
    best = csv("summary").query("task == @task and strategy != 'full'")
    best = best.assign(rank=best["aubc_rank"].astype(int)).sort_values("rank")["strategy"].tolist()
    texts = {
        (int(x.get_position()[1] - 0.5), int(x.get_position()[0] - 0.5)): x for x in axes.texts
    }
    for _, row in own.iterrows():
        i, j = best.index(row["first"]), best.index(row["second"])
        for at, sign in (((i, j), 1), ((j, i), -1)):
            value = float(texts[at].get_text().replace("−", "-"))
            assert value == pytest.approx(sign * 100 * float(row["difference"]), abs=0.051)
            bold = texts[at].get_fontweight() == "bold"
            assert bold == (float(row["p"]) < ALPHA)
    assert "p < 0.1 (Games-Howell)" in axes.get_xlabel()


def test_the_critical_difference_is_drawn_from_the_table(figures):
    drawn, titles = figures
    name = "critical-difference-tasks"
    assert titles[name] == "AUBC over 2 tasks: mean ranks, alpha 0.1"
    texts = [text.get_text() for text in drawn[name].axes[0].texts]
    ranks = csv("mean_ranks").query("task == 'all tasks'").set_index("strategy")["mean_rank"]
    for strategy in STRATEGIES:
        number = f"{float(ranks[strategy]):.2f}"
        assert f"{strategy}  {number}" in texts or f"{number}  {strategy}" in texts
    distance = float(csv("friedman").query("task == 'all tasks'")["cd"].item())
    assert any(text.startswith(f"CD = {distance:.2f}") for text in texts)


# --- small pieces -----------------------------------------------------------------------------


def test_p_values_in_words():
    assert [p_text(x) for x in (0.012345, 0.00009, 0.0001, np.nan)] == [
        "p = 0.0123", "p < 0.0001", "p = 0.0001", "p n/a"]  # fmt: skip


def test_grid_shows_numbers_words_and_small_p_values():
    table = pd.DataFrame(
        {"name": ["a|b", "c"], "p": [0.00001, 0.5], "x_p": [np.nan, 0.2], "y": [1.23456, -1e-9],
         "flag": [True, False], "n": [1, 2]}
    )  # fmt: skip
    assert grid(table, {"y": 2}).splitlines() == [
        "| name | p | x p | y | flag | n |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| a\\|b | <0.0001 | n/a | 1.23 | yes | 1 |",
        "| c | 0.5000 | 0.2000 | 0.00 | no | 2 |",
    ]

"""Tables as declared: gathered from their files, what is not tested, the standing of strategies."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from test_reporting import make_settings as small_settings
from test_reporting import make_study
from test_statistics_tables import make_rounds, make_settings

from stages.report import render
from stages.reporting import gathered, tables
from stages.reporting.figures import gallery
from stages.reporting.read.frames import SHARED
from stages.reporting.table import QUESTIONS
from stages.reporting.write.findings import limits, main_findings

pytestmark = pytest.mark.filterwarnings("error")
NO_FULL = pd.DataFrame(columns=["task", "seed", "labeled", "accuracy"])
NAMES = ("random", "good", "bad", "odd")


def alike_at_first(t, s, seed, n):
    """At the first budget all strategies have the same runs, later each has its own level."""
    rng = np.random.default_rng([t, seed, n, s if n else 0])
    level = (0.0, 0.06, -0.06, 0.0)[s] if n else 0.0
    return float(np.round(0.5 + 0.1 * n + level + rng.normal(0, 0.01), 3))


def build(tasks=("a",), seeds=range(5), accuracy=alike_at_first, rounds=4):
    settings = make_settings(tasks, NAMES, seeds, rounds)
    settings.report.primary = "auto"
    return gathered.build(make_rounds(settings, accuracy), NO_FULL, settings), settings


# one file a table


OWN = """
import pandas as pd
from stages.reporting.table import RUNS, TASK, Column, Table

def rows(given):
    return pd.DataFrame({"task": given.tasks, "half": 0.5})

TABLES = [Table("halves", "Halves", RUNS, rows, (TASK, Column("half", "Half (share)", digits=2)))]
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    def put(text):
        (tmp_path / "own_table.py").write_text(text)
        monkeypatch.setattr(tables, "__path__", [*tables.__path__, str(tmp_path)])
        monkeypatch.delitem(__import__("sys").modules, "stages.reporting.tables.own_table", False)
        return gathered.gather()

    return put


def test_a_table_is_one_file(own, tmp_path, monkeypatch):
    found = own(OWN)
    monkeypatch.setattr(gathered, "TABLES", found)
    monkeypatch.setattr("stages.reporting.write.sections.TABLES", found)
    settings = small_settings(strategies=("random", "entropy"), seeds=(0, 1), rounds=2)
    make_study(tmp_path, settings)
    outputs = render(settings, tmp_path)
    assert outputs["tables/halves.csv"] == "task,half\ndigits,0.50\n"
    assert "Half (share)" in outputs["tables/halves.tex"]
    assert "| digits | 0.5000 |" in outputs["tables/halves.md"]
    assert 'id="table-halves"' in outputs["index.html"]
    assert "### Halves" in outputs["report.md"]


def test_two_tables_of_one_name_and_a_column_that_is_not_declared_are_refused(own, monkeypatch):
    with pytest.raises(ValueError, match="named alike"):
        own(OWN.replace('"halves"', '"summary"'))
    monkeypatch.setattr(gathered, "TABLES", own(OWN.replace('"half": 0.5', '"x": 1')))
    with pytest.raises(ValueError, match="table halves does not declare x"):
        build()


def test_every_table_has_a_question_a_title_and_headings_for_people():
    for name, table in gathered.TABLES.items():
        assert table.question in QUESTIONS and table.title and table.name == name
        columns = table.declared(pd.DataFrame())
        assert all(column.heading and "_" not in column.heading for column in columns), name
        names = [column.name for column in columns]
        assert len(set(names)) == len(names), name


# what is not tested


def test_a_first_budget_that_all_share_is_not_tested_and_does_not_count():
    made, _ = build()
    for name in ("kruskal_wallis", "welch_anova"):
        own = made[name].set_index("labeled")
        assert own.loc["10", "reason"] == SHARED and own.loc["10", "verdict"] == "n/a"
        assert own.loc["10", ["p", "p_holm"]].isna().all()
        tested = own.loc[["20", "30", "40"]].sort_values("p")
        # Three budgets are the family, not four.
        assert tested["p_holm"].iloc[0] == pytest.approx(3 * tested["p"].iloc[0])
    assert "10" not in set(made["assumptions"]["labeled"])
    held = made["verdicts"].query("labeled == '10'")
    assert set(held["verdict"]) == {"n/a"} and set(held["reason"]) == {SHARED}
    assert set(made["penalty"]["cells"]) == {3}
    good = made["penalty"].query("strategy == 'good' and against == 'bad'")
    assert good["penalty"].item() == 1
    lists = made["verdict_lists"].query("budget == '10'")
    assert lists["not_available"].item() == "good, bad, odd"


def test_a_budget_where_strategies_happen_to_agree_later_is_tested():
    made, _ = build(accuracy=lambda t, s, seed, n: alike_at_first(t, s if n != 2 else 0, seed, n))
    assert SHARED not in set(made["kruskal_wallis"].query("labeled != '10'")["reason"])
    own, _ = build(accuracy=lambda t, s, seed, n: alike_at_first(t, s, seed, n + 1))
    assert SHARED not in set(own["kruskal_wallis"]["reason"])


def test_a_learner_of_its_own_is_tested_at_the_first_budget_too():
    """Its labeled images are the same, its training is not."""
    made, _ = build(accuracy=lambda t, s, seed, n: alike_at_first(t, s, seed, n) + 0.1 * (s == 1))
    held = made["verdicts"].query("labeled == '10'").set_index("strategy")
    assert held.loc["good", "verdict"] == "better"
    assert held.loc[["bad", "odd"], "reason"].tolist() == [SHARED, SHARED]
    assert made["kruskal_wallis"].set_index("labeled").loc["10", "verdict"] == "differ"


def test_the_verdict_of_a_family_is_by_the_corrected_p():
    made, settings = build(tasks=("a", "b"))
    for name in ("kruskal_wallis", "welch_anova"):
        own = made[name].dropna(subset="p")
        assert (own["verdict"] == "differ").tolist() == (own["p_holm"] < 0.05).tolist()
    # One test has p just below alpha, its family of six does not.
    lowered = settings.report.alpha = float(made["kruskal_wallis"]["p"].max()) + 1e-9
    turned = gathered.build(make_rounds(settings, alike_at_first), NO_FULL, settings)
    rows = turned["kruskal_wallis"].dropna(subset="p")
    between = rows[(rows["p"] < lowered) & (rows["p_holm"] >= lowered)]
    assert len(between) and set(between["verdict"]) == {"not shown to differ"}


def test_nine_runs_have_no_bootstrap_interval_and_ten_have_one():
    made, _ = build(seeds=range(9))
    own = made["bootstrap"]
    assert own[["low", "high", "bca_low", "bca_high"]].isna().all(axis=None)
    assert own[["t_low", "t_high"]].notna().all(axis=None)
    assert set(own["reason"]) == {"fewer than 10 runs"}
    assert build(seeds=range(10))[0]["bootstrap"]["low"].notna().all()


# standing


def test_strategies_of_one_task_stand_by_rank_with_the_primary_verdict():
    made, _ = build()
    own = made["standing"]
    assert own["strategy"].iloc[0] == "good" and own["strategy"].iloc[-1] == "bad"
    assert own["aubc_mean"].is_monotonic_decreasing
    held = made["primary"].set_index("strategy")["verdict"]
    for row in own.itertuples():
        assert row.verdict == held.get(row.strategy, "")


def test_strategies_of_several_tasks_are_a_matrix():
    made, _ = build(tasks=("a", "b, std"))
    own = made["standing"].set_index("strategy")
    assert own.index[0] == "good" and own["mean_rank"].is_monotonic_increasing
    for task in ("a", "b, std"):
        areas = made["summary"].query("task == @task").set_index("strategy")
        assert (own[f"aubc: {task}"] == areas["aubc_mean"].reindex(own.index)).all()
        assert (own[f"aubc: {task}, std"] == areas["aubc_std"].reindex(own.index)).all()
        assert own.loc["bad", f"aubc: {task}, verdict"] == "worse"
    assert own["mean_rank"]["good"] == 1


def test_findings_of_many_tasks_are_counted_not_repeated():
    made, settings = build(tasks=[f"t{n}" for n in range(5)], rounds=2)
    text = "\n\n".join(main_findings(made, settings))
    assert "on 5 tasks (paired t tests" in text and "better are `good` on 5" in text
    assert set(made["primary"].query("strategy == 'bad'")["verdict"]) == {"worse"}
    assert re.search(r"`bad` (and `odd` are|is) worse on at least one task and better on", text)
    assert len(text) < 900


def test_a_critical_difference_wider_than_the_scale_is_not_drawn_and_said_so():
    made, settings = build(tasks=("a", "b"))
    assert gallery.critical_differences(made, settings) == []  # 3.3 on a scale from 1 to 4
    notes = [note for note in limits(made, settings) if "no diagram is drawn" in note]
    assert len(notes) == 1 and "3.32 over 2 tasks" in notes[0] and "from 1 to 4" in notes[0]
    many, settings = build(tasks=("a",), seeds=range(8))
    assert len(gallery.critical_differences(many, settings)) == 1
    assert not [note for note in limits(many, settings) if "no diagram" in note]


def test_a_name_is_text_in_every_format(tmp_path):
    hostile = "<img src=x onerror=a>|_*{$"
    settings = small_settings(strategies=("random", hostile), seeds=(0, 1), rounds=2)
    make_study(tmp_path, settings, seals=False)
    outputs = render(settings, tmp_path)
    page, text = outputs["index.html"], outputs["report.md"]
    assert "<img src=x" not in page and "&lt;img src=x" in page
    assert not re.search(r"(?<!\\)<img", re.sub(r"`[^`\n]*`", "", text))  # code is shown as it is
    for row in (line for line in text.splitlines() if "img src=x" in line and line[0] == "|"):
        assert len(re.split(r"(?<!\\)\|", row)) > 3 and r"\|" in row
    assert r"\{\$" in outputs["tables/standing.tex"]

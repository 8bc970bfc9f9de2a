"""The report on settings chosen on the validation set, and the methods it describes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pandas as pd
import pytest
from test_reporting import make_settings, make_study, read

from stages.machine.errors import UserError
from stages.report import render, report
from stages.reporting.gathered import TABLES, methods
from stages.reporting.tables import tuned

pytestmark = pytest.mark.filterwarnings("error")

GRIDS = {
    "mixed": {"alpha": [0.1, 0.5, 0.9]},
    "staged": {"gamma": [2, 4], "space": ["logits", "embedding"]},
}
RIGHT = {  # of 50 validation images, a list for each seed
    "mixed": [[40, 41, 30], [40, 42, 30], [45, 30, 30]],
    "staged": [[10, 20, 30, 40], [10, 20, 40, 30], [0, 0, 0, 0]],
}


@pytest.fixture
def study(tmp_path):
    settings = make_settings(strategies=("random", "mixed", "staged"))
    settings.tuned = list(GRIDS)

    def grid(label):
        lists = GRIDS.get(label, {})
        return [
            dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())
        ]

    settings.grid = grid
    make_study(tmp_path, settings)
    for name, right in RIGHT.items():
        for seed, counts in enumerate(right):
            put(tmp_path, name, seed, grid(name), counts)
    return settings, tmp_path


def put(root: Path, name: str, seed: int, grid: list[dict], counts: list[int], **changes) -> Path:
    path = root / f"reports/tuned/digits/{name}/seed-{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    candidates = [{"values": v, "correct": n} for v, n in zip(grid, counts, strict=True)]
    record = {"format": 1, "validation": 50, "candidates": candidates, **changes}
    path.write_text(json.dumps(record))
    return path


def test_what_was_chosen_and_what_it_achieved(study):
    settings, root = study
    made = tuned.read_tuned(settings, root)
    short = made["tuned"].set_index("strategy")
    # 40 + 40 + 45 = 125 of 150 beats 113: of all seeds, not of most.
    assert short.loc["mixed", ["task", "setting", "chosen", "n"]].tolist() == [
        "digits",
        "alpha",
        "0.1",
        3,
    ]
    assert short.loc["mixed", "validation_mean"] == pytest.approx(125 / 150)
    assert short.loc["mixed", "validation_std"] == pytest.approx(
        pd.Series([0.8, 0.8, 0.9]).std(ddof=1)
    )
    assert short.loc["mixed", "candidates"] == "0.1: 0.8333; 0.5: 0.7533; 0.9: 0.6000"
    # Equal: the first.
    assert short.loc["staged", "setting"] == "gamma, space"
    assert short.loc["staged", "chosen"] == "4, logits"
    long = made["tuned_candidates"]
    assert len(long) == 3 * (3 + 4)
    own = long.query("strategy == 'staged' and seed == 1")
    assert own["candidate"].tolist() == ["2, logits", "2, embedding", "4, logits", "4, embedding"]
    assert own["chosen"].tolist() == ["no", "no", "yes", "no"]
    assert own["correct"].tolist() == [10, 20, 40, 30]
    assert own["validation"].tolist() == [0.2, 0.4, 0.8, 0.6]
    assert set(own["validation_images"]) == {50}


def test_the_report_has_the_table_in_every_format(study):
    settings, root = study
    report(settings, root)
    title = TABLES["tuned"].title
    rows = read(root, "tables/tuned.csv")
    assert rows["chosen"].tolist() == ["0.1", "4, logits"]
    assert rows["validation_mean"].tolist() == ["0.833333", "0.466667"]
    text = (root / "reports/report.md").read_text()
    assert f"### {title}" in text and "- **Tuned** (2): `mixed`" in text
    assert "| digits | mixed | alpha | 0.1 | 0.8333 ± 0.0577 | 3 |" in text
    page = (root / "reports/index.html").read_text()
    assert 'id="table-tuned"' in page and 'id="table-tuned_candidates"' in page and title in page
    latex = (root / "reports/tables/tuned.tex").read_text()
    assert title in latex and "0.8333" in latex
    assert len(read(root, "tables/tuned_candidates.csv")) == 21
    assert "**Tuned settings**" in text and "Tuned settings" in page


def test_without_tuning_there_is_no_word_of_it(tmp_path):
    settings = make_settings()
    make_study(tmp_path, settings)
    outputs = render(settings, tmp_path)
    assert not [name for name in outputs if "tuned" in name]
    for name in ("report.md", "index.html"):
        assert "Settings chosen" not in outputs[name] and "Tuned" not in outputs[name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation": 0}, "does not say how many validation rows"),
        ({"validation": None}, "does not say how many validation rows"),
        ({"candidates": []}, "not about the candidates in params.yaml"),
    ],
)
def test_a_damaged_file_is_named(study, changes, message):
    settings, root = study
    put(root, "mixed", 1, settings.grid("mixed"), [1, 2, 3], **changes)
    with pytest.raises(UserError, match=rf"tuned/digits/mixed/seed-1.json: {message}"):
        report(settings, root)


def test_a_missing_file_is_named(study):
    settings, root = study
    (root / "reports/tuned/digits/mixed/seed-2.json").unlink()
    with pytest.raises(UserError, match="seed-2.json: missing; run dvc repro"):
        report(settings, root)


# the methods in words


def test_every_paragraph_is_an_item_of_a_list():
    for table in TABLES.values():
        for text in table.methods:
            assert text.startswith("- ") and not text.endswith("\n")
            assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("assumptions", ["Shapiro-Wilk", "Kolmogorov-Smirnov", "Lilliefors", "Brown & Forsythe"]),
        ("kruskal_wallis", ["Kruskal-Wallis** (1952)", "Holm's correction** (1979)"]),
        ("welch_anova", ["Welch's analysis of variance** (1951)"]),
        ("games_howell", ["Games-Howell** (1976)", "Hedges' g"]),
        ("verdicts", ["Table 1 of Munjal et al. 2022"]),
        ("paired_seeds", ["Student 1908", "Wilcoxon's signed-rank test** (1945)", "Holm's"]),
        ("paired_tasks", ["Student 1908", "Wilcoxon's signed-rank test** (1945)", "Holm's"]),
        ("improvement", ["API", "Student 1908", "Holm's"]),
        ("penalty", ["Ash et al. 2020"]),
        ("friedman", ["Friedman's test** (1937)", "Iman & Davenport (1980)"]),
        ("nemenyi", ["Nemenyi's test** (1963"]),
        ("bootstrap", ["Efron & Tibshirani 1993"]),
        ("seeds_needed", ["for the primary analysis"]),
        ("calibration", ["Guo et al. 2017"]),
        ("overlap", ["Jaccard"]),
        ("tuned", ["validation sets of all seeds"]),
        ("win_tie_loss", ["by more than the margin"]),
    ],
)
def test_a_test_is_described_if_and_only_if_the_report_has_it(table, words):
    everything, without = methods(TABLES), methods(["summary"])
    for word in words:
        assert word in methods([table]) and word in everything
        assert word not in without
    assert "**AUBC**" in without


def test_the_report_describes_its_tests_and_no_other(tmp_path):
    """One task: pairs across tasks are not there, so are not described by themselves."""
    settings = make_settings()
    make_study(tmp_path, settings)
    outputs = render(settings, tmp_path)
    names = {Path(name).stem for name in outputs if name.endswith(".csv")}
    text = outputs["report.md"].split("## Measures and tests")[1]
    told = {paragraph for name in names for paragraph in TABLES[name].methods}
    for table in TABLES.values():
        for paragraph in table.methods:
            assert (text.count(paragraph) == 1) == (paragraph in told), table.name
    assert "Wilcoxon's signed-rank" in outputs["index.html"]

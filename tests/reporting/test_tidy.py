"""Results for other software, held against the report and read by that software."""

from __future__ import annotations

import io
import json
import sys

import known
import numpy as np
import pandas as pd
import pytest

from stages import report
from stages.machine.errors import UserError
from stages.reporting.write import tidy


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tidy")
    known.write(folder)
    return folder


@pytest.fixture(scope="module")
def rows(root):
    return tidy.tidy(known.settings(), root)


def areas():
    table = pd.read_csv(io.StringIO(known.report()["tables/aubc.csv"]))
    return table.pivot(index=["task", "seed"], columns="strategy", values="aubc")


def test_one_row_a_round_with_the_documented_columns(root, rows):
    read = pd.read_csv(io.BytesIO(tidy.write("tidy-csv", known.settings(), root)))
    assert list(read) == list(tidy.COLUMNS)
    assert len(read) == len(known.TASKS) * len(known.STRATEGIES) * len(known.SEEDS) * 4
    pd.testing.assert_frame_equal(read, rows, check_dtype=False, check_exact=True)
    numbers = known.numbers().set_index(["task", "strategy", "seed", "round"])["correct"]
    own = read.set_index(["task", "strategy", "seed", "round"])
    assert (own["correct"] == numbers.reindex(own.index)).all()
    assert (own["accuracy"] == own["correct"] / own["test"]).all()
    assert dict(zip(read["task"], read["dataset"], strict=True)) == known.TASKS


def test_parquet_is_the_same_table_and_says_what_its_columns_are(root, rows):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(tidy.write("parquet", known.settings(), root)))
    pd.testing.assert_frame_equal(table.to_pandas(), rows, check_dtype=False)
    for name, about in tidy.COLUMNS.items():
        assert table.schema.field(name).metadata[b"description"].decode() == about


def test_without_pyarrow_one_line_says_so(root, rows, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match="needs pyarrow: pip install"):
        tidy.FORMATS["parquet"](rows)


def test_autorank_takes_the_table(root, rows):
    text = tidy.write("autorank", known.settings(), root)
    read = pd.read_csv(io.BytesIO(text), index_col=0)
    expected = areas().groupby("task", sort=False).mean()
    assert list(read.index) == list(known.TASKS) and list(read) == known.STRATEGIES
    for task in known.TASKS:
        assert read.loc[task].to_dict() == pytest.approx(expected.loc[task].to_dict(), abs=1e-6)
    one = pd.read_csv(io.BytesIO(tidy.FORMATS["autorank"](rows[rows["task"] == "m"])), index_col=0)
    assert sorted(one.index) == sorted(known.SEEDS)  # one task: seeds are the blocks
    autorank = pytest.importorskip("autorank")
    found = autorank.autorank(one, alpha=0.05, verbose=False)
    means = one.mean()
    assert set(found.rankdf.index) == set(known.STRATEGIES)
    assert found.rankdf["mean"].reindex(means.index).to_numpy() == pytest.approx(means.to_numpy())


def test_rliable_takes_the_scores(root):
    found = json.loads(tidy.write("rliable", known.settings(), root))
    scores = {name: np.array(values) for name, values in found.items()}
    assert list(scores) == known.STRATEGIES
    table = areas()
    for name, values in scores.items():
        assert values.shape == (len(known.SEEDS), len(known.TASKS))
        expected = table[name].unstack("task")[list(known.TASKS)].to_numpy()
        assert np.sort(values, 0) == pytest.approx(np.sort(expected, 0), abs=1e-6)
    metrics = pytest.importorskip("rliable.metrics")
    assert metrics.aggregate_mean(scores["badge"]) == pytest.approx(scores["badge"].mean())
    better = metrics.probability_of_improvement(scores["badge"], scores["entropy"])
    assert 0.5 < better <= 1


def test_the_command_line_leaves_the_report_alone(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("stages.study.settings.load", lambda path: known.settings())
    before = sorted(root.rglob("*"))
    report.main(["--format", "tidy-csv", "--root", str(root)])
    assert capsys.readouterr().out.startswith("task,dataset,strategy,bound,seed,round,labeled")
    target = tmp_path / "all.csv"
    report.main(["--format", "autorank", "--output", str(target), "--root", str(root)])
    assert target.read_text().startswith("task,badge,random,kcenter,entropy\n")
    for wrong, words in (
        (["--format", "parquet"], "say where to write it: --output FILE"),
        (["--output", "x.csv"], "--output is for --format"),
    ):
        with pytest.raises(SystemExit):
            report.main([*wrong, "--root", str(root)])
        message = capsys.readouterr().err
        assert words in message and message.count("\n") == 1
    assert sorted(root.rglob("*")) == before


def test_another_measure_stands_in_a_column_of_its_own(root):
    settings = known.settings()
    settings.report.metric = "worst_class"
    found = tidy.tidy(settings, root)
    assert (found["accuracy"] == (found["correct"] / found["test"]).round(6)).all()
    assert found["value"].tolist() == found["worst_class"].tolist()
    assert found["value"].tolist() != found["accuracy"].tolist()


def test_published_accuracies_stand_beside_accuracies_of_the_same_problem_alone(root):
    from stages.reporting import gathered
    from stages.reporting.read import records
    from stages.study.problem import Problem

    def table(settings):
        rounds = records.read_rounds(settings, root)
        full = records.read_full(known.settings(), root)
        return gathered.build(rounds, full, settings, root).get("literature")

    assert set(table(known.settings())["task"]) == set(known.TASKS)
    noisy, other = known.settings(), known.settings()
    noisy.task["m"].problem = Problem(noise=0.1)
    assert set(table(noisy)["task"]) == {"c"}
    other.report.metric = "worst_class"
    assert table(other) is None

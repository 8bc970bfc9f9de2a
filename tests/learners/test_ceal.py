"""CEAL: what is believed, what it is trained on, and that nothing else differs."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import plain
import pytest
from halves import problem, same, weights
from scipy.stats import entropy
from study import grow, tree, write_params

from stages.checking.records import Place, faults
from stages.full import full
from stages.learners import ceal
from stages.learners.supervised import train
from stages.models import state
from stages.prepare import prepare
from stages.rounds.opening import Run
from stages.split import split
from stages.study import ledger, settings
from stages.study.layout import Layout
from stages.tune import Tuning
from stages.verify import verify


def sharp(given, scale: float):
    """A trained network whose logits are ``scale`` times as far apart."""
    learned = train(given)
    for parameter in learned.network.classifier.parameters():
        parameter.data *= scale
    return learned.network


def test_a_one_hot_prediction_is_believed_however_small_the_threshold():
    """-0 log 0 is 0: most implementations have NaN there, and NaN is never below a threshold."""
    given = problem(rows=20)
    found = ceal.sure_of(sharp(given, 1e9), given, 1e-12)
    assert found["rows"].tolist() == given.unlabeled.tolist()
    assert found["labels"].dtype == np.int64


def test_nothing_is_believed_below_a_threshold_of_zero():
    given = problem(rows=20)
    for threshold in (0.0, -0.1):
        found = ceal.sure_of(sharp(given, 1e9), given, threshold)
        assert len(found["rows"]) == len(found["labels"]) == 0


def test_believed_are_those_with_an_entropy_below_the_threshold():
    given = problem(rows=20, epochs=6)
    network = train(given).network
    images = plain.torch.from_numpy((given.batches.images.numpy() / 255 - 0.4) / 0.3)
    arrays = {name: value.copy() for name, value in state(network).items()}
    chances = plain.chances_of(images[given.unlabeled], arrays, "small_cnn")
    exact = entropy(chances, axis=1)
    threshold = float(np.median(exact))
    found = ceal.sure_of(network, given, threshold)
    clear = np.abs(exact - threshold) > 1e-4
    wanted = given.unlabeled[(exact < threshold) & clear]
    assert set(wanted.tolist()) <= set(found["rows"].tolist())
    assert not set(given.unlabeled[(exact > threshold) & clear].tolist()) & set(found["rows"])
    labels = dict(zip(given.unlabeled.tolist(), chances.argmax(1).tolist(), strict=True))
    assert [labels[row] for row in found["rows"].tolist()] == found["labels"].tolist()


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_a_delta_of_zero_is_plain_training(how):
    given = problem(how=how)
    plainly, found = train(given), ceal.train(given, delta=0.0)
    assert same(weights(plainly), weights(found))
    assert {name: len(value) for name, value in found.carry.items()} == {"rows": 0, "labels": 0}


def test_believed_rows_are_trained_on_like_labeled_ones_with_the_believed_label():
    given = problem(rows=20, round_n=3)
    rows = given.unlabeled[:7]
    wrong = 1 - np.arange(60)[rows] % 2
    told = dataclasses.replace(given, carry={"learner": {"rows": rows, "labels": wrong}})
    wanted = dataclasses.replace(
        given,
        labeled=np.concatenate([given.labeled, rows]),
        labels=np.concatenate([given.labels, wrong]),
    )
    learned = ceal.train(told, delta=0.5)
    assert same(weights(learned), weights(train(wanted)))
    assert learned.parts["pseudo_labeled"]["rows"].tolist() == rows.tolist()


def test_a_row_that_was_bought_since_has_its_own_label():
    given = problem(rows=20)
    rows = np.array([5, 30, 19, 40])  # 5 and 19 are labeled
    told = dataclasses.replace(
        given, carry={"learner": {"rows": rows, "labels": np.array([1, 1, 0, 0])}}
    )
    found = ceal.believed_of(told)
    assert found["rows"].tolist() == [30, 40] and found["labels"].tolist() == [1, 0]


@pytest.mark.parametrize(("n", "below"), [(0, 0.3), (2, 0.1), (3, 0.0), (9, -0.6)])
def test_the_threshold_falls_with_the_rounds(monkeypatch, n, below):
    seen = []
    none = {"rows": np.empty(0, np.int64), "labels": np.empty(0, np.int64)}
    monkeypatch.setattr(ceal, "sure_of", lambda network, round, limit: seen.append(limit) or none)
    ceal.train(problem(round_n=n, epochs=1), delta=0.3, decay=0.1)
    assert seen == [pytest.approx(below)]


# whole runs


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("ceal")
    strategies = {
        "entropy": {},
        "off": {"use": "ceal", "delta": 0.0},
        "sure": {"use": "ceal", "delta": 1.5, "decay": 0.2},
        "margins": {"learner": {"use": "ceal", "delta": 1.5}, "scorer": "margin"},
    }
    path = write_params(
        root,
        tree(strategies=list(strategies), strategy=strategies, seeds=[0], task__digits__epochs=3),
    )
    study = settings.load(path)
    prepare(study, root, "digits")
    split(study, root, "digits", 0)
    full(study, root, "digits", 0)
    for name in strategies:
        grow(study, root, "digits", name, 0)
    return root


def picks(root: Path, name: str) -> list[list[int]]:
    last = ledger.walk(Layout(root).link("digits", name, 0, "end"))
    return [link.indices.tolist() for link in last.links]


def record(root: Path, name: str, n: int) -> dict:
    return json.loads(Layout(root).result("digits", name, 0, n).read_text())


def test_with_delta_zero_the_run_is_that_of_the_query_alone(grown):
    assert picks(grown, "off") == picks(grown, "entropy")
    for n in range(len(picks(grown, "off")) - 1):
        off, alone = record(grown, "off", n), record(grown, "entropy", n)
        assert off.pop("pseudo_labeled") == {"count": 0, "wrong": 0}
        assert {**off, "strategy": "entropy"} == alone


def test_pseudo_labels_cost_no_budget_and_are_never_in_the_ledger(grown):
    sizes = [len(link) for link in picks(grown, "entropy")]
    for name in ("sure", "margins"):
        assert [len(link) for link in picks(grown, name)] == sizes
        assert record(grown, name, 1)["labeled"] == record(grown, "entropy", 1)["labeled"]
    assert not verify(grown).faults


@pytest.mark.parametrize("name", ["sure", "margins"])
def test_a_record_counts_what_was_believed_and_what_was_wrong(grown, name):
    """From the files of the run, the network written out: the predictions of the last round."""
    data = plain.Data.read(grown / "data/digits")
    layout, chain = Layout(grown), ledger.walk(Layout(grown).link("digits", name, 0, "end"))
    assert record(grown, name, 0)["pseudo_labeled"] == {"count": 0, "wrong": 0}
    known = chain.initial.indices.tolist() + chain.validation.indices.tolist()
    some = 0
    for n, link in enumerate(chain.links[1:-1], start=1):
        pool = np.setdiff1d(np.arange(len(data.labels)), known)
        with np.load(layout.artifacts("digits", name, 0, n) / "model.npz") as stored:
            chances = plain.chances_of(data.normal(data.images[pool]), dict(stored), "small_cnn")
        limit = 1.5 - {"sure": 0.2, "margins": 0.0033}[name] * (n - 1)
        unsure = entropy(chances, axis=1)
        believed = (unsure < limit) & ~np.isin(pool, link.indices)
        wrong = chances.argmax(1) != data.labels[pool]
        slack = int((np.abs(unsure - limit) < 1e-3).sum())
        found = record(grown, name, n)["pseudo_labeled"]
        assert abs(found["count"] - believed.sum()) <= slack
        assert abs(found["wrong"] - (believed & wrong).sum()) <= slack
        known += link.indices.tolist()
        some += found["wrong"]
    assert some > 0


def test_learners_are_tuned_like_any_setting(grown, tmp_path):
    shutil.copytree(grown, tmp_path / "study")
    root = tmp_path / "study"
    path = write_params(
        root,
        tree(
            strategies=["tried"],
            tuned=["tried"],
            strategy={"tried": {"use": "ceal", "learner": {"delta": [0.0, 1.5]}}},
            seeds=[0],
            task__digits__epochs=1,
            task__digits__split__validation=40,
        ),
    )
    study = settings.load(path)
    split(study, root, "digits", 0)
    found = Tuning(Run(study, Layout(root), "digits", "tried", 0)).measure()
    assert [one["values"] for one in found] == [{"delta": 0.0}, {"delta": 1.5}]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"count": 3, "wrong": 4}, "pseudo_labeled.wrong is 4, more than count, which is 3"),
        ({"count": 3}, "allowed: count and wrong"),
        ({"count": 3, "wrong": -1}, "allowed: count and wrong"),
        ({"count": 3, "wrong": 1, "right": 2}, "allowed: count and wrong"),
        ([3, 1], "allowed: count and wrong"),
    ],
)
def test_a_forged_count_is_noticed(grown, value, said):
    forged = record(grown, "sure", 1) | {"pseudo_labeled": value}
    place = Place("digits", "sure", 0, 1, None, None, None)
    assert any(said in line for line in faults(forged, place))

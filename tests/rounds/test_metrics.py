"""Balanced accuracy, macro-F1, AUROC and groups: against scikit-learn, and by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some
from sklearn import metrics as theirs

from stages.checking import metrics as checks
from stages.geometry.probabilities import softmax
from stages.machine.errors import UserError
from stages.reporting.read import cautions, metric, records
from stages.rounds.evaluation import further, measure, of_groups, one_vs_rest
from stages.study import measures, posed

ALL = measures.MEASURES


def sample(classes: int, rows: int, seed: int, levels: int = 1000):
    """Logits with ties and labels; some classes may be missing among the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows) if seed % 2 else rng.integers(0, 2, rows)
    logits = np.round(rng.normal(size=(rows, classes)) * levels) / levels * 3
    logits[np.arange(rows), labels] += rng.integers(0, 3)
    return logits, labels


@given(
    some.integers(2, 6), some.integers(3, 80), some.integers(0, 10**6), some.sampled_from([1, 9])
)
@pytest.mark.filterwarnings("ignore")
def test_as_scikit_learn_has_it(classes, rows, seed, levels):
    logits, labels = sample(classes, rows, seed, levels)
    predicted = logits.argmax(1)
    found = further(logits, labels, classes, ALL)
    wanted = theirs.balanced_accuracy_score(labels, predicted)
    assert found["balanced_accuracy"] == pytest.approx(wanted, abs=1e-6)
    wanted = theirs.f1_score(labels, predicted, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(wanted, abs=1e-6)
    areas = [
        theirs.roc_auc_score(labels == c, softmax(logits)[:, c].round(12))
        for c in range(classes)
        if 0 < (labels == c).sum() < rows
    ]
    if areas:
        assert found["auroc"] == pytest.approx(np.mean(areas), abs=1e-6)
    else:
        assert found["auroc"] is None
    assert found["per_class_predicted"] == np.bincount(predicted, minlength=classes).tolist()


def test_the_macro_auroc_of_scikit_learn_whole():
    logits, labels = sample(4, 200, 7)
    assert set(labels) == set(range(4))
    wanted = theirs.roc_auc_score(labels, softmax(logits), multi_class="ovr", average="macro")
    assert one_vs_rest(logits, labels) == pytest.approx(wanted, abs=1e-9)


def test_log_odds_keep_apart_what_is_next_to_one():
    """p differs by 1e-18 only, which float64 cannot tell next to 1."""
    logits = np.array([[50.0, 0.0], [51.0, 0.0], [49.0, 0.0], [48.0, 0.0]])
    assert one_vs_rest(logits, np.array([0, 0, 1, 1])) == 1.0


def test_nine_hundred_to_one_hundred():
    """The common class everywhere: accuracy 0.9, and the measures that see through it."""
    labels = np.repeat([0, 1], [900, 100])
    logits = np.tile([1.0, 0.0], (1000, 1))
    assert measure(logits, labels, 2)["accuracy"] == 0.9
    found = further(logits, labels, 2, ALL)
    assert found == {
        "balanced_accuracy": 0.5,
        "macro_f1": round(2 * 900 / 1900 / 2, 6),
        "auroc": 0.5,
        "per_class_predicted": [1000, 0],
    }


def test_only_what_is_asked_for():
    logits, labels = sample(3, 30, 1)
    assert set(further(logits, labels, 3, ["auroc"])) == {"auroc", "per_class_predicted"}
    assert posed.MEASURES == checks.MEASURES == ALL


def test_groups_by_hand():
    right = np.array([True, False, True, True])
    names = ("land on land", "land on water", "none")
    found = of_groups(right, np.array([0, 0, 1, 0]), names, (False, True, False))
    assert found == {
        "land on land": {"test": 3, "correct": 2, "mismatch": False},
        "land on water": {"test": 1, "correct": 1, "mismatch": True},
        "none": {"test": 0, "correct": 0, "mismatch": False},
    }


def test_groups_without_a_word_of_mismatch():
    found = of_groups(np.array([True, False]), np.array([0, 0]), ("a",), ())
    assert found == {"a": {"test": 2, "correct": 1, "mismatch": False}}


# what a record says of them

RECORD = {
    "test": 30, "labeled": 9, "per_class_test": [10, 20], "per_class_correct": [5, 20],
    "per_class_predicted": [5, 25], "balanced_accuracy": 0.75, "macro_f1": 0.777778, "auroc": 0.8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"balanced_accuracy": 0.76}, "balanced_accuracy is 0.76, but the counts by class make it"),
        ({"macro_f1": 0.7}, "macro_f1 is 0.7, but the counts by class make it 0.777778"),
        ({"per_class_predicted": [5, 24]}, "per_class_predicted does not add up to test"),
        ({"per_class_predicted": [4, 26]}, "per_class_predicted is below per_class_correct"),
        ({"auroc": 1.5}, "auroc is 1.5, allowed: a fraction"),
        ({"macro_f1": None}, "macro_f1 is None, allowed: a fraction"),
        ({"per_class_predicted": "x"}, "per_class_predicted is 'x', allowed: a count for each"),
    ],
)
def test_a_record_that_contradicts_itself(changes, said):
    assert not [*checks.types(RECORD), *checks.faults(RECORD, ALL)]
    record = RECORD | changes
    found = list(checks.types(record)) or list(checks.faults(record, ALL))
    assert any(said in fault for fault in found)


def test_a_record_has_what_the_settings_ask_for():
    found = list(checks.faults(RECORD, ("auroc",)))
    assert "macro_f1 is there, but no setting asks for it" in found
    bare = {key: RECORD[key] for key in ("test", "per_class_test", "per_class_correct")}
    assert list(checks.faults(bare, ())) == []
    assert "auroc is missing" in list(checks.faults(bare, ("auroc",)))
    assert checks.asked({"metrics": ["auroc", "macro_f1"]}) == ("macro_f1", "auroc")
    assert checks.asked({"metrics": "auroc"}) == checks.asked({}) == ()


# the report


def about(name):
    return SimpleNamespace(report=SimpleNamespace(metric=name))


def test_the_report_is_about_what_is_chosen():
    record = {"accuracy": 0.9, "per_class_test": [9, 1], "per_class_correct": [9, 0], "auroc": 0.6}
    more = {"worst_class": 0.0, "worst_group": float("nan"), "mismatch": float("nan")}
    found = [metric.value_of(name, record, more, "r") for name in posed.METRICS[:2]]
    assert found == [0.9, 0.5]
    assert metric.value_of("auroc", record, more, "r") == 0.6
    assert metric.value_of("worst_class", record, more, "r") == 0.0
    for name in ("macro_f1", "worst_group", "mismatch"):
        with pytest.raises(UserError, match=f"report.metric is '{name}', which r does not have"):
            metric.value_of(name, record, more, "r")
    assert metric.said(about("accuracy")) == []
    for name in posed.METRICS[1:]:
        assert f"report.metric: {name}" in metric.said(about(name))[0]


def test_a_class_that_is_never_recognised_is_told():
    rows = [
        ("t", "random", None), ("t", "random", [0.9, 0.0, 0.5]), ("t", "entropy", [0.9, 0.1, 0.0]),
        ("t", "entropy", [1.0, 0.2, 0.1]), ("u", "random", [0.5, float("nan")]),
    ]  # fmt: skip
    rounds = pd.DataFrame(rows, columns=["task", "strategy", "per_class"])
    (found,), seldom = cautions.of(rounds, about("accuracy"))
    assert seldom == []
    assert "On `t` the last model of 2 of 3 runs" in found
    assert "(number 1, 2; `random` 1, `entropy` 1)" in found
    right = pd.DataFrame([("t", "random", [0.9, 0.5, 0.5])] * 2, columns=rounds.columns)
    first, (found,) = cautions.of(pd.concat([rounds[:2], right]), about("accuracy"))
    assert first == [] and "1 of 3 runs" in found  # now and then: no reason to begin with it


def test_wrong_labels_are_told_beside_what_learners_tell():
    record = {"mislabeled": 3, "none_of_these": 0, "signature": {"critic_auc": 0.5}}
    told = {"critic_auc": 0.5, "mislabeled": 3.0, "none_of_these": 0.0}
    assert records._of_training(record) == told and records._of_training({}) == {}

"""A record is held against itself, its place, its chain and the manifest."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sealed import MANIFEST, TEST, put, record, thumbnail
from study import DROP

from stages.checking import records
from stages.checking.data import read_manifest
from stages.checking.records import Place, faults
from stages.machine.errors import UserError
from stages.machine.reading import read_json, read_regular, shown
from stages.rounds.evaluation import measure

LABELED = [0, 1, 2, 3, 4, 5, 6, 7, 8]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> records.Data:
    path = tmp_path_factory.mktemp("data") / "manifest.json"
    put(path, MANIFEST)
    return read_manifest(path)


def sound(n: int | None = 1, chosen: int = 3) -> dict:
    return record("random", 0, n, LABELED, chosen)


def changed(changes: dict, n: int | None = 1) -> dict:
    found = sound(n, 0 if n is None else 3) | changes
    return {key: value for key, value in found.items() if value is not DROP}


def place(data: records.Data | None, n: int | None = 1) -> Place:
    chosen = None if n is None else 3
    strategy = "full" if n is None else "random"
    return Place("toy", strategy, 0, n, data, 9, chosen, (3, 3, 3), True)


@pytest.mark.parametrize("n", [0, 1, None])
def test_what_the_stages_write_is_sound(data, n):
    found = changed({"strategy": "full" if n is None else "random"}, n)
    assert faults(found, place(data, n)) == []


def test_what_an_evaluation_measures_is_sound():
    rng = np.random.default_rng(1)
    for scale in (0.0, 0.1, 1, 30):
        for classes in (2, 3, 10):
            labels = rng.integers(0, classes, 50)
            measured = measure(scale * rng.normal(size=(50, classes)), labels, classes)
            own = sound() | measured | {"labeled_per_class": [9] + [0] * (classes - 1)}
            assert faults(own, Place("toy", "random", 0, 1)) == []


BAD = [
    ({"format": 2}, None),
    ({"task": DROP}, "lacks the key 'task'"),
    ({"task": "other"}, "task is 'other', but its path says 'toy'"),
    ({"seed": False}, "seed is False, but its path says 0"),
    ({"round": 1.0}, "round is 1.0, but its path says 1"),
    ({"labeled": 999}, "labeled_per_class adds up to 9, but labeled is 999"),
    ({"labeled": -1}, "labeled is -1, allowed: a count"),
    ({"labeled": 9.0}, "labeled is 9.0, allowed: a count"),
    ({"labeled": True}, "labeled is True, allowed: a count"),
    ({"labeled": "9"}, "labeled is '9', allowed: a count"),
    ({"test": 10, "correct": 7, "accuracy": 0.7}, "per_class_test adds up to 30, but test is 10"),
    ({"test": 29, "accuracy": round(20 / 29, 6), "per_class_test": [10, 10, 9]}, "test is 29"),
    ({"test": 0, "correct": 0, "accuracy": 0}, "test is 0, allowed: 1 or more"),
    ({"correct": 31}, "correct is 31, more than the 30 of test"),
    ({"correct": 21}, "accuracy 0.666667 is not 21 correct of 30"),
    ({"accuracy": 0.666668}, "accuracy 0.666668 is not 20 correct of 30"),
    ({"accuracy": 0.6666666667}, "is not 20 correct of 30"),
    ({"accuracy": 1.5}, "accuracy is 1.5, allowed: a fraction in [0, 1]"),
    ({"accuracy": True}, "accuracy is True, allowed"),
    ({"ece": -3}, "ece is -3, allowed: a fraction in [0, 1]"),
    ({"ece": 1.01}, "ece is 1.01, allowed"),
    ({"ece": "x"}, "ece is 'x', allowed"),
    ({"ece": 0.1234567}, "ece is 0.1234567, allowed: six decimals"),
    ({"nll": -0.1}, "nll is -0.1, allowed: 0 or more"),
    ({"nll": 0.1}, "nll is 0.1, but errors alone make it 0.231049 or more"),
    ({"nll": DROP}, "lacks the key 'nll'"),
    ({"per_class_test": [10, 10, 11]}, "per_class_test adds up to 31, but test is 30"),
    ({"per_class_test": [11, 10, 9]}, "per_class_test is not test_per_class of"),
    ({"per_class_correct": [8, 7, 6]}, "per_class_correct adds up to 21, but correct is 20"),
    ({"per_class_correct": [11, 7, 2]}, "per_class_correct[0] is 11, more than the 10"),
    ({"per_class_correct": [8, 12]}, "classes differ in number"),
    ({"per_class_correct": [8, 7.0, 5]}, "per_class_correct is [8, 7.0, 5], allowed: a list"),
    ({"per_class_correct": []}, "per_class_correct is [], allowed: a list"),
    ({"per_class_correct": "abc"}, "per_class_correct is 'abc', allowed: a list"),
    ({"labeled_per_class": [9, 0, -1]}, "labeled_per_class is [9, 0, -1], allowed: a list"),
    ({"labeled_per_class": [4, 3, 2]}, "labeled_per_class is not what the labels say: [3, 3, 3]"),
    ({"labeled_per_class": [4, 5]}, "labeled_per_class has 2 classes"),
    ({"labeled": 12, "labeled_per_class": [4, 4, 4]}, "labeled is 12, its chain has 9"),
    ({"labeled": 63, "labeled_per_class": [21, 21, 21]}, "labeled_per_class[0] is 21"),
    ({"labeled": 63, "labeled_per_class": [21, 21, 21]}, "has 60 training rows"),
    ({"selected": 4}, "selected is 4, its chain has 3"),
    ({"selected": 0}, "selection is there, but selected is 0"),
    ({"selected": DROP}, "lacks the key 'selected'"),
    ({"selection": []}, "selection is [], allowed: diversity"),
    ({"selection": {}}, "lacks the key 'selection.diversity'"),
    ({"selection": {"diversity": True}}, "selection.diversity is True, allowed: 0 or more"),
    ({"selection": {"diversity": -1}}, "selection.diversity is -1, allowed: 0 or more"),
    ({"selection": {"uncertainty": 1.1}}, "selection.uncertainty is 1.1, allowed: a fraction"),
    ({"selection": {"uncertainty": 0.9}}, "selection.uncertainty is 0.9, allowed: up to 1 - 1/3"),
    ({"selection": {"inconsistency": 2}}, "selection.inconsistency is 2, allowed: a fraction"),
    ({"selection": {"mine": 2}}, "selection.mine is no field of a record"),
    ({"first_selected": [thumbnail()] * 3}, "first_selected stands in round 1"),
    ({"groups": []}, "groups is [], allowed"),
    ({"groups": {"x": 1}}, "groups.x is 1, allowed"),
    ({"groups": {"x": {"test": 30}}}, "groups.x is {'test': 30}, allowed"),
    ({"groups": {"x": {"test": 30, "correct": 20, "mismatch": 1}}}, "groups.x is"),
    ({"groups": {"x": {"test": 30, "correct": 19}}}, "groups: correct adds up to 19"),
    ({"groups": {"x": {"test": 29, "correct": 20}}}, "groups: test adds up to 29"),
    (
        {"groups": {"x": {"test": 10, "correct": 12}, "y": {"test": 20, "correct": 8}}},
        "groups.x: correct is 12, more than the 10 of test",
    ),
    ({"extra": 1}, "'extra' is no field of a record"),
]


@pytest.mark.parametrize(("changes", "said"), BAD)
def test_a_contradiction_names_file_and_field(data, tmp_path, changes, said):
    path = tmp_path / "round-1.json"
    put(path, changed(changes))
    if said is None:
        with pytest.raises(UserError, match="not a result file of format 1"):
            records.read(path, place(data))
        return
    _, found = records.read(path, place(data))
    assert any(said in fault for fault in found), found
    assert all(fault.startswith(f"{path}: ") for fault in found)


@pytest.mark.parametrize(
    ("images", "right"),
    [
        ([thumbnail()] * 3, True),
        ([thumbnail(side=64)] * 3, True),
        ([thumbnail(side=65)] * 3, False),
        ([thumbnail()] * 2, False),
        ([thumbnail()] * 4, False),
        ([], True),  # whoever owns the images shows none
        ("abc", False),
        ([1, 2, 3], False),
        (["<script>"] * 3, False),
        ([base64.b64encode(b"\x89PNG\r\n\x1a\n<script>").decode()] * 3, False),
        ([thumbnail()[:-8]] * 3, False),
        ([thumbnail() + "AAAA"] * 3, False),
        ([base64.b64encode(base64.b64decode(thumbnail())[:40] + b"x" * 40).decode()] * 3, False),
    ],
)
def test_images_chosen_first_are_small_whole_pictures(data, images, right):
    found = faults(changed({"first_selected": images}, 0), place(data, 0))
    assert (found == []) == right
    assert all(fault.startswith("first_selected") for fault in found)


def test_at_most_ten_images_are_shown():
    own = sound(0, 12) | {"first_selected": [thumbnail()] * 10, "selected": 12}
    assert faults(own, Place("toy", "random", 0, 0)) == []
    assert faults(own | {"selected": 5}, Place("toy", "random", 0, 0))


def test_a_record_of_the_first_days_is_sound_where_it_need_not_be_complete():
    core = {key: value for key, value in sound().items() if key in records.CORE}
    assert faults(core, Place("toy", "random", 0, 1)) == []
    assert faults(core, Place("toy", "random", 0, 1, complete=True))
    assert faults(core | {"ece": 2}, Place("toy", "random", 0, 1))


def test_groups_that_add_up_are_sound(data):
    groups = {"x": {"test": 20, "correct": 15}, "y": {"test": 10, "correct": 5, "mismatch": True}}
    assert faults(changed({"groups": groups}), place(data)) == []


def test_the_least_nll_of_errors_is_reached(data):
    """Two equal logits: the true class has 1/2 and loses the tie."""
    measured = measure(np.zeros((TEST, 2)), np.ones(TEST, int), 2)
    assert measured["nll"] == round(math.log(2), 6) and measured["accuracy"] == 0
    own = {key: measured[key] for key in ("test", "correct", "accuracy", "nll", "ece")}
    core = {key: value for key, value in sound().items() if key in records.CORE} | own
    assert faults(core, Place("toy", "random", 0, 1)) == []
    assert faults(core | {"nll": 0.69314}, Place("toy", "random", 0, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": Infinity}', "Infinity is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": 1e999}', "beyond all numbers"),
        ('{"a": ' + "9" * 5000 + "}", "an integer of 5000 digits"),
        ('{"a": 1, "a": 1}', "the key 'a' twice"),
        ('{"b": {"a": 1, "a": 2}}', "the key 'a' twice"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deep"),
        ("\ufeff{}", "not valid JSON"),
        ('{"a": 1} x', "not valid JSON"),
    ],
)
def test_json_by_the_letter(tmp_path, text, said):
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as fault:
        read_json(path)
    assert said in str(fault.value) and str(fault.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b'{"a": "\xff"}', '{"a": 1}'.encode("utf-16")])
def test_json_is_utf_8(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not valid JSON"):
        read_json(path)


def test_json_keeps_what_is_right(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": [1, -2.5e-3, "\u00e9", null, true], "b": 123456789012345678}')
    assert read_json(path) == {"a": [1, -0.0025, "\u00e9", None, True], "b": 123456789012345678}


def test_the_limit_of_a_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(UserError, match="larger than 4 bytes"):
        read_regular(path, 4)
    with pytest.raises(UserError, match="larger than"):
        read_json(path, 4)


@given(st.text(), st.integers(4, 60))
def test_what_is_shown_is_one_printable_line(text, most):
    line = shown(text, most)
    assert line.isprintable() or line == ""
    assert len(line) <= 10 * (most + 40)
    if text.isprintable() and len(text) <= most:
        assert line == text


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 100) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["test", "correct", "diversity", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(sorted(records.KNOWN)), JSONS)
def test_any_value_in_any_field_is_judged_without_a_traceback(key, value):
    data = records.Data(Path("m"), "toy", 60, 30, (20, 20, 20), (10, 10, 10))
    for n in (0, 1, None):
        own = changed({"strategy": "full" if n is None else "random"}, n)
        before = own.get(key, DROP)
        found = faults(own | {key: value}, place(data, n))
        assert all(isinstance(fault, str) and fault.isprintable() for fault in found)
        json.dumps(found)
        optional = key in ("groups", "format", "selection", "selected", "first_selected")
        if not found and not optional:
            assert before == value or key in ("ece", "nll", "per_class_correct")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"digest": "abc"}, "not a manifest"),
        ({"name": 1}, "not a manifest"),
        ({"classes": []}, "classes is []"),
        ({"classes": "abc"}, "classes is 'abc'"),
        ({"train": 0}, "train is 0, allowed: 1 or more"),
        ({"test": True}, "test is True, allowed: 1 or more"),
        ({"test": 31}, "test_per_class adds up to 30, but test is 31"),
        ({"train_per_class": [20, 40]}, "train_per_class is [20, 40], allowed: a count for each"),
        ({"train_per_class": [20, 41, -1]}, "train_per_class is [20, 41, -1], allowed"),
        ({"test_per_class": None}, "test_per_class is None"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_named(tmp_path, changes, said):
    path = tmp_path / "manifest.json"
    put(path, MANIFEST | changes)
    with pytest.raises(UserError) as fault:
        read_manifest(path)
    assert str(fault.value).startswith(f"{path}: {said}")

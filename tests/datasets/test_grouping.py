"""Groups of images: written run by run, read back or refused, part of the data's identity."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import prepare
from stages.datasets.grouping import Grouping, as_runs, from_runs, grouping, read
from stages.datasets.images import Images
from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError

NUMBERS = st.lists(st.integers(0, 5), max_size=40).map(lambda given: np.array(given, np.int64))


@given(NUMBERS)
def test_runs_are_read_back(numbers):
    text = as_runs(numbers)
    assert (from_runs(text, len(numbers)) == numbers).all()
    assert from_runs(text, len(numbers) + 1) is None


def test_runs_are_short():
    assert as_runs(np.array([0, 0, 0, 2, 1, 1])) == "0*3 2 1*2"
    assert as_runs(np.empty(0, np.int64)) == ""


@pytest.mark.parametrize(
    "text", ["0*0", "01", "-1", "1*", "*3", "1  1", "1*2*3", "a", "1*-2", " 1"]
)
def test_no_runs(text):
    assert from_runs(text, 1) is None and from_runs(text, 2) is None


def test_a_huge_run_takes_no_memory():
    assert from_runs("0*9999999999 1*9999999999", 5) is None


def toy(**more) -> Images:
    images, labels = np.zeros((4, 1, 2, 2), np.uint8), np.arange(4) % 2
    return Images(images, labels, images[:3], labels[:3], ("a", "b"), "toy", "none", "none", **more)


HALVES = grouping(["x", "x", "y", "z"], ["y", "y", "x"])


def test_names_are_sorted_and_numbered():
    assert HALVES.names == ("x", "y", "z")
    assert HALVES.train.tolist() == [0, 0, 1, 2] and HALVES.test.tolist() == [1, 1, 0]
    assert HALVES.shared() == 2 and not toy(groups=HALVES, patients=HALVES).faults()


def test_a_data_set_without_groups_says_nothing_of_them():
    assert not {"groups", "patients"} & set(toy().manifest())
    assert toy(groups=HALVES).digest() != toy().digest() != toy(patients=HALVES).digest()
    other = dataclasses.replace(HALVES, test=HALVES.test[::-1].copy())
    assert toy(groups=other).digest() != toy(groups=HALVES).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"train": HALVES.train[:3]},
        {"test": HALVES.test + 5},
        {"test": HALVES.test - 1},
        {"train": HALVES.train.astype(np.int32)},
        {"names": ("x", "x", "z")},
        {"names": ()},
        {"mismatch": (True,)},
    ],
)
def test_groups_that_do_not_fit_are_a_fault(change):
    assert toy(groups=dataclasses.replace(HALVES, **change)).faults()


@pytest.fixture
def folder(tmp_path):
    against = dataclasses.replace(HALVES, mismatch=(False, True, False))
    prepare.write(toy(groups=against), tmp_path / "data/toy")
    return tmp_path / "data/toy"


def test_prepared_groups_are_those_that_were_written(folder):
    groups = Prepared(folder).groups
    assert isinstance(groups, Grouping) and groups.mismatch == (False, True, False)
    assert groups.train.dtype == np.int64 and groups.train.tolist() == [0, 0, 1, 2]
    assert Prepared(folder).patients is None


@pytest.mark.parametrize(
    "change",
    [
        {"train": "0*3"},
        {"train": "0*3 7"},
        {"names": ["x"]},
        {"names": "xyz"},
        {"mismatch": [1, 2, 3]},
        {"mismatch": [True]},
        {"test": None},
    ],
)
def test_groups_that_do_not_fit_the_manifest_are_one_line(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["groups"] |= change
    path.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"manifest\.json: groups are not one for each image"):
        print(Prepared(folder).groups)
    assert read([], {"train": 1, "test": 1}) is None

"""A table of one's own images: what it says is what is read; any fault is one line with its row."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from folders import one_line
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.datasets.drawing import drawn
from stages.datasets.images import Images
from stages.datasets.sources import load
from stages.machine.errors import UserError
from stages.study.settings import Dataset


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve images of 2 x 3 in two folders; image n is n grey."""
    for at in range(12):
        path = tmp_path / "mine" / ("a b" if at % 2 else "ü") / f"{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3, 2), (at, at, at)).save(path)
    return tmp_path / "mine"


def name(at: int) -> str:
    return f"{'a b' if at % 2 else 'ü'}/{at}.png"


def write(root: Path, lines: list[str], end: str = "\n", mark: bytes = b"") -> None:
    (root / "images.csv").write_bytes(mark + end.join([*lines, ""]).encode())


def read(root: Path, **given) -> Images:
    return load(Dataset(name="table", root=str(root), **given))


def refused(root: Path, **given) -> str:
    with pytest.raises(UserError) as raised:
        read(root, **given)
    return one_line(raised)


FULL = ["path,label,split,group,patient"] + [
    f"{name(at)},{'cat' if at % 3 else 'dog'},{'test' if at > 7 else 'train'},g{at % 2},p{at // 2}"
    for at in range(12)
]


def shades(images: np.ndarray) -> list[int]:
    return images[:, 0, 0, 0].tolist()


def test_rows_stay_in_their_order(root):
    write(root, FULL)
    images = read(root)
    assert shades(images.train_images) == list(range(8))
    assert shades(images.test_images) == list(range(8, 12))
    assert images.classes == ("cat", "dog")
    assert images.train_labels.tolist() == [1, 0, 0, 1, 0, 0, 1, 0]
    assert [images.groups.names[at] for at in images.groups.train] == ["g0", "g1"] * 4
    # Who they are is in no file that is published.
    patients = [images.patients.names[at] for at in images.patients.test]
    assert patients == ["patient 5"] * 2 + ["patient 6"] * 2
    assert "p4" not in str(images.manifest())
    assert images.about["table"]["name"] == "images.csv" and "drawn" not in images.about


@pytest.mark.parametrize(
    ("end", "mark", "change"),
    [
        ("\r\n", b"", str),
        ("\n", b"\xef\xbb\xbf", str),
        ("\r\n", b"\xef\xbb\xbf", str),
        ("\n", b"", lambda line: ",".join(f'"{cell}"' for cell in line.split(","))),
        ("\n\n", b"", str),
    ],
)
def test_a_spreadsheets_ways_of_writing_are_one_table(root, end, mark, change):
    write(root, FULL)
    digest = read(root).digest()
    write(root, [change(line) for line in FULL], end, mark)
    assert read(root).digest() == digest


def test_validation_images_are_left_out_unless_they_train(root):
    lines = [line.replace("test", "validation", at == 12) for at, line in enumerate(FULL)]
    write(root, lines)
    images = read(root)
    assert len(images.test_labels) == 3 and "left out: validation images 1" in images.notes
    assert len(read(root, validation="train").train_labels) == 9


def test_without_split_patients_stay_whole(root):
    lines = [",".join(line.split(",")[i] for i in (0, 1, 4)) for line in FULL]
    write(root, lines)
    images = read(root, test=0.34, seed=3)
    assert images.patients.shared() == 0 and 2 <= len(images.test_labels) <= 6
    assert images.about["drawn"] == {"by": "patient", "test": 0.34, "seed": 3}
    assert read(root, test=0.34, seed=3).digest() == images.digest()
    others = {read(root, test=0.34, seed=seed).digest() for seed in range(8)}
    assert len(others) > 2


def test_without_patients_the_draw_is_stratified(root):
    lines = [",".join(line.split(",")[:2]) for line in FULL]
    write(root, lines)
    images = read(root, test=0.25)
    assert np.bincount(images.test_labels).tolist() == [2, 1]
    assert images.about["drawn"]["by"] == "image" and images.patients is None


ROW = f"{name(0)},cat"
BAD = {
    "line 3: path '../x.png' leads out": [ROW, "../x.png,dog"],
    "line 3: path '/etc/passwd' leads out": [ROW, "/etc/passwd,dog"],
    "line 3: path 'ü/../../x' leads out": [ROW, "ü/../../x,dog"],
    "line 3: path 'a\\\\0.png' has a backslash": [ROW, "a\\0.png,dog"],
    "line 3: path ''; allowed": [ROW, ",dog"],
    "no such file": [ROW, "ü/99.png,dog"],
    "not a regular file": [ROW, "ü,dog"],
    "the image of line 2 again": [ROW, f"./{name(0)},dog"],
    "line 3: label is empty": [ROW, f"{name(1)},"],
    "line 3: label is empty ": [ROW, f'{name(1)}," "'],
    "has spaces around it": [ROW, f"{name(1)},cat "],
    "differs from 'cat' by case": [ROW, f"{name(1)},Cat"],
    "one label only": [ROW, f"{name(1)},cat"],
    "3 cells, the header has 2": [ROW, f"{name(1)},dog,1"],
    "1 cells, the header has 2": [ROW, name(1)],
    "not CSV": [ROW, f'"{name(1)},dog'],
    "no rows below": [],
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_row_is_one_line(root, message):
    write(root, ["path,label", *BAD[message]])
    said = refused(root)
    assert "images.csv" in said and message.strip() in said.replace("\\\\", "\\").replace(
        "a\\0", "a\\\\0"
    )


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("path,lable", "no column 'label'"),
        ("path;label", "no column 'path'"),
        ("path,label,Split", "unknown column 'Split'; did you mean 'split'?"),
        ("path,label,label", "the column 'label' twice"),
        ("", "no column 'path'"),
    ],
)
def test_a_bad_header_is_one_line(root, header, message):
    write(root, [header, ROW])
    said = refused(root)
    assert "line 1" in said and message in said


def test_further_columns_are_left_out_on_request(root):
    write(
        root,
        ["path,label,age", f"{ROW},3", f"{name(1)},dog,4", f"{name(2)},cat,5"]
        + [f"{name(3)},dog,1"],
    )
    assert "unknown column 'age'" in refused(root)
    assert read(root, columns="any", test=0.5).classes == ("cat", "dog")


@pytest.mark.parametrize("value", ["", "tset", "TEST"])
def test_a_split_that_is_none_is_one_line(root, value):
    write(root, [*FULL, ""][:12] + [f"{name(11)},cat,{value},g,p"])
    said = refused(root)
    assert "line 13: split" in said and "allowed" in said


def test_a_class_that_only_test_has_is_refused(root):
    write(root, ["path,label,split", f"{ROW},train", f"{name(1)},dog,test", f"{name(2)},cat,test"])
    assert "no training images of the class 'dog'" in refused(root)


def test_bytes_that_are_no_text_are_one_line(root):
    (root / "images.csv").write_bytes(b"path,label\nx,\xff\xfe\n")
    assert "line 2: not UTF-8" in refused(root)
    (root / "images.csv").write_bytes("path,label\n".encode("utf-16"))
    assert "not UTF-8" in refused(root)


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_the_same_image(root):
    outside = root.parent / "outside.png"
    Image.new("RGB", (3, 2)).save(outside)
    os.symlink(outside, root / "out.png")
    os.symlink(root / name(0), root / "in.png")
    write(root, ["path,label", ROW, "out.png,dog"])
    assert "leads out of" in refused(root)
    write(root, ["path,label", ROW, "in.png,dog"])
    assert "the image of line 2 again" in refused(root)


def test_the_table_itself_may_not_lie_outside(root):
    write(root.parent, FULL)
    assert "dataset.table: path '../images.csv' leads out" in refused(root, table="../images.csv")
    assert "dataset.table" in refused(root, table="none.csv")


def test_another_image_in_a_named_file_is_noticed_by_its_digest(root):
    write(root, FULL)
    listing = read(root).about["files"]["listing"]
    Image.new("RGB", (3, 2), (99, 0, 0)).save(root / name(1))
    assert f"dataset.sha256 says {listing}" in refused(root, sha256=listing)


# the draw


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_units_stay_whole_and_shares_are_near(data):
    count = data.draw(st.integers(4, 60))
    labels = data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    units = data.draw(st.lists(st.integers(0, 12).map(str), min_size=count, max_size=count))
    share, seed = data.draw(st.floats(0.05, 0.6)), data.draw(st.integers(0, 9))
    test = drawn(labels, share, seed, units)
    for unit in set(units):
        assert len({bool(test[at]) for at in range(count) if units[at] == unit}) == 1
    # No unit more or less would bring the counts nearer, by the same measure.
    numbers = np.array(labels)
    sizes = np.maximum(np.bincount(numbers, minlength=3), 1)
    want = share * np.bincount(numbers, minlength=3)
    off = np.abs(np.bincount(numbers[test], minlength=3) - want) / sizes
    largest = max(units.count(unit) for unit in set(units))
    assert off.max() <= 1 and np.abs(test.sum() - want.sum()) <= largest + 3 * sizes.max()


def test_single_images_are_drawn_to_the_share():
    labels = [0] * 10 + [1] * 3 + [2]
    test = drawn(labels, 0.2, 0)
    assert np.bincount(np.array(labels)[test], minlength=3).tolist() == [2, 1, 0]
    assert (drawn(labels, 0.2, 0) == test).all() and (drawn(labels, 0.2, 1) != test).any()
    chosen = np.mean([drawn([0] * 10, 0.2, seed) for seed in range(400)], axis=0)
    assert (np.abs(chosen - 0.2) < 0.08).all()


def test_many_small_patients_give_the_share_of_each_class():
    rng = np.random.default_rng(0)
    units = [str(n) for n in rng.integers(0, 200, 2000)]
    labels = [int(unit) % 3 for unit in units]
    test = drawn(labels, 0.2, 0, units)
    for label in range(3):
        own = np.array(labels) == label
        assert abs(test[own].mean() - 0.2) < 0.01

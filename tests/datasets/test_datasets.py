"""Where images come from: right arrays, and one clear line for every kind of damage."""

from __future__ import annotations

import errno
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_digits

from stages.datasets.images import PARTS, Images, channel_statistics
from stages.datasets.prepared import Prepared, _mapped
from stages.datasets.sources import load
from stages.machine.errors import UserError
from stages.split import draw_balanced, draw_uniform
from stages.study import carry
from stages.study.settings import Dataset

DIGITS = "4f111ee8ca581e54c975db836ab215e31b5d9192236062840d6e72128d4b2688"


def one_line(raised: pytest.ExceptionInfo) -> str:
    message = str(raised.value)
    assert "\n" not in message.strip()
    return message


# digits


@pytest.fixture(scope="module")
def digits() -> Images:
    return load(Dataset(name="digits"))


def test_digits_have_their_shape(digits):
    assert digits.train_images.shape == (1438, 1, 8, 8)
    assert digits.test_images.shape == (359, 1, 8, 8)
    assert {getattr(digits, part).dtype.name for part in PARTS} == {"uint8", "int64"}
    assert digits.classes == tuple("0123456789")
    assert set(digits.train_labels) == set(digits.test_labels) == set(range(10))
    assert digits.train_images.max() == 240


def test_digits_never_change(digits):
    assert digits.digest() == DIGITS


def test_digits_are_all_there_and_none_is_twice(digits):
    values, labels = load_digits(return_X_y=True)
    both = np.concatenate([digits.train_images, digits.test_images]).reshape(len(values), -1) / 15
    order, wanted = np.lexsort(both.T), np.lexsort(values.T)
    assert (both[order] == values[wanted]).all()
    rebuilt = np.concatenate([digits.train_labels, digits.test_labels])
    assert sorted(zip(map(bytes, both.astype("u1")), rebuilt, strict=True)) == sorted(
        zip(map(bytes, values.astype("u1")), labels, strict=True)
    )


def test_a_digest_depends_on_every_array_and_shape(digits):
    toy = Images(
        np.zeros((4, 1, 2, 2), np.uint8),
        np.arange(4),
        np.zeros((2, 1, 2, 2), np.uint8),
        np.arange(2),
        ("a",) * 4,
        "toy",
        "",
        "",
    )
    digests = {toy.digest()}
    for part in PARTS:
        changed = getattr(toy, part).copy()
        changed.flat[-1] += 1
        digests.add(Images(**{**vars(toy), part: changed}).digest())
    digests.add(Images(**{**vars(toy), "train_images": np.zeros((4, 2, 1, 2), np.uint8)}).digest())
    assert len(digests) == 6


# statistics and manifest


@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 6), st.sampled_from([1, 3]), st.integers(1, 5), st.integers(1, 5)),
    )
)
def test_channel_statistics_are_numpys(images):
    mean, std = channel_statistics(images)
    scaled = images.astype(np.float64) / 255
    np.testing.assert_allclose(mean, scaled.mean((0, 2, 3)), atol=1e-8)
    np.testing.assert_allclose(std, scaled.std((0, 2, 3)), atol=1e-8)


def test_channel_statistics_do_not_depend_on_the_order(digits):
    shuffled = np.random.default_rng(0).permutation(digits.train_images)
    assert channel_statistics(shuffled) == channel_statistics(digits.train_images)


def test_the_manifest_describes_the_data(prepared_study, digits):
    manifest = json.loads((prepared_study / "data/digits/manifest.json").read_text())
    assert (manifest["train"], manifest["test"], manifest["shape"]) == (1438, 359, [1, 8, 8])
    assert manifest["digest"] == digits.digest()
    assert sum(manifest["train_per_class"]) == 1438 and sum(manifest["test_per_class"]) == 359
    assert manifest["source"] and manifest["license"]


def test_prepared_arrays_are_those_of_the_source(prepared_study, digits):
    data = Prepared(prepared_study / "data/digits")
    for part in PARTS:
        assert (data.array(part) == getattr(digits, part)).all()
    assert (data.rows, data.classes) == (1438, 10)
    assert data.identity == f"digits sha256:{digits.digest()}"


def test_writing_to_a_prepared_array_leaves_the_file_alone(study_copy):
    path = study_copy / "data/digits/train_labels.npy"
    before = path.read_bytes()
    Prepared(study_copy / "data/digits").array("train_labels")[:] = 7
    assert path.read_bytes() == before


def test_an_array_larger_than_the_memory_is_the_same_array(study_copy, monkeypatch):
    data = Prepared(study_copy / "data/digits")
    whole, load_file = {part: data.array(part).copy() for part in PARTS}, np.load

    def refuses(path, mmap_mode, **more):
        if mmap_mode == "c":
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return load_file(path, mmap_mode=mmap_mode, **more)

    monkeypatch.setattr(np, "load", refuses)
    for part in PARTS:
        path = study_copy / f"data/digits/{part}.npy"
        before, array = path.read_bytes(), data.array(part)
        assert (array == whole[part]).all() and array.dtype == whole[part].dtype
        array[:] = 7  # torch wants to be able to
        assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform != "linux", reason="files with holes, and Linux's rule for memory")
def test_a_file_larger_than_any_memory_is_mapped(tmp_path):
    path = tmp_path / "large.npy"
    with open(path, "wb") as stream:
        said = {"descr": "|u1", "fortran_order": False, "shape": (2**42, 1)}
        np.lib.format.write_array_header_1_0(stream, said)
        try:
            stream.truncate(stream.tell() + 2**42)  # all hole
        except OSError:
            pytest.skip("no such files on this disk")
    assert _mapped(path)[2**41, 0] == 0


@pytest.mark.parametrize("kept", [0, 1, 5, 64, 1000])
def test_a_truncated_array_is_one_line(study_copy, kept):
    path = study_copy / "data/digits/train_images.npy"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"train_images\.npy: not a whole \.npy file") as raised:
        Prepared(study_copy / "data/digits").array("train_images")
    one_line(raised)


def test_a_pickled_array_is_never_loaded(study_copy):
    path = study_copy / "data/digits/train_labels.npy"
    np.save(path, np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"train_labels\.npy"):
        Prepared(study_copy / "data/digits").array("train_labels")


def test_a_missing_array_is_one_line(study_copy):
    (study_copy / "data/digits/test_images.npy").unlink()
    with pytest.raises(UserError, match=r"test_images\.npy: missing; run dvc repro prepare"):
        Prepared(study_copy / "data/digits").array("test_images")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', '{"name": "digits"}'])
def test_a_damaged_manifest_is_one_line(study_copy, text):
    (study_copy / "data/digits/manifest.json").write_text(text)
    with pytest.raises(UserError, match=r"manifest\.json: not") as raised:
        print(Prepared(study_copy / "data/digits").identity)
    one_line(raised)


@pytest.mark.parametrize("kept", [0, 1, 10, 100])
def test_a_truncated_carry_is_one_line(tmp_path, kept):
    carry.write(tmp_path, {"learner": {"weights": np.arange(100)}})
    path = tmp_path / "carry.npz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"carry\.npz: damaged"):
        carry.read(tmp_path)


def test_a_missing_carry_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"carry\.npz: missing; run dvc repro"):
        carry.read(tmp_path)


# what is drawn from them


LABELS = np.repeat(np.arange(5), [40, 30, 20, 8, 2])


@given(st.integers(0, 100), st.integers(0, 1000))
def test_a_balanced_draw_takes_the_classes_in_turn(size, seed):
    rows = draw_balanced(np.arange(100), LABELS, size, np.random.default_rng(seed))
    assert len(rows) == len(set(rows.tolist())) == size
    counts = np.bincount(LABELS[rows], minlength=5)
    unlimited = counts[counts < np.bincount(LABELS)]
    if len(unlimited):
        assert counts.max() - unlimited.min() <= 1


@given(st.integers(0, 100), st.integers(0, 1000))
def test_a_uniform_draw_takes_different_rows(size, seed):
    rows = draw_uniform(np.arange(100), size, np.random.default_rng(seed))
    assert len(set(rows.tolist())) == size and set(rows.tolist()) <= set(range(100))


def test_a_remainder_of_a_balanced_draw_favours_no_class():
    labels = np.repeat(np.arange(4), 10)
    extra = np.zeros(4)
    for seed in range(800):
        rows = draw_balanced(np.arange(40), labels, 5, np.random.default_rng(seed))
        extra += np.bincount(labels[rows], minlength=4) == 2
    assert (np.abs(extra / 800 - 0.25) < 0.06).all()


def test_sets_of_different_seeds_differ_and_do_not_overlap(prepared_study):
    sets = {
        (seed, name): set(
            np.loadtxt(prepared_study / f"splits/digits/seed-{seed}/{name}.txt", dtype=int)
        )
        for seed in (0, 1)
        for name in ("initial", "validation")
    }
    assert len(sets[0, "initial"]) == 12 and len(sets[0, "validation"]) == 5
    for name in ("initial", "validation"):
        assert sets[0, name] != sets[1, name]
    for seed in (0, 1):
        assert not sets[seed, "initial"] & sets[seed, "validation"]

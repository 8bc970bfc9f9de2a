"""Where images come from: right arrays, and one clear line for every kind of damage."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from sklearn.datasets import load_digits
from study import tree, write_params

from stages import carry
from stages.datasets import Images, Prepared, load
from stages.datasets.images import PARTS, channel_statistics
from stages.datasets.sources import DIGESTS, data_root
from stages.errors import UserError
from stages.prepare import main as prepare_main
from stages.settings import Dataset
from stages.split import draw_balanced, draw_uniform

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
    carry.write(tmp_path, {"weights": np.arange(100)})
    path = tmp_path / "carry.npz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"carry\.npz: damaged"):
        carry.read(tmp_path)


def test_a_carry_comes_back(tmp_path):
    given = {"weights": np.arange(6.0).reshape(2, 3), "step": np.array(4)}
    carry.write(tmp_path, given)
    back = carry.read(tmp_path)
    assert back.keys() == given.keys()
    assert all((back[name] == given[name]).all() for name in given)
    carry.write(tmp_path, {})
    assert carry.read(tmp_path) == {}


def test_a_missing_carry_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"carry\.npz: missing; run dvc repro"):
        carry.read(tmp_path)


# a folder of one's own


def paint(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "animals"
    for part, count in (("train", 4), ("test", 2)):
        for c, name in enumerate(("cat", "ant", "bee")):
            for at in reversed(range(count)):
                paint(root / part / name / f"{at}.png", (10 * c, 20 * at, 30))
    (root / "train/cat/notes.txt").write_text("no image")
    return root


def read(folder: Path, **settings) -> Images:
    return load(Dataset(name="folder", root=str(folder), **settings))


def test_classes_and_files_are_sorted(folder):
    images = read(folder)
    assert images.classes == ("ant", "bee", "cat")
    assert images.train_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert images.train_images.shape == (12, 3, 4, 6) and images.test_images.shape == (6, 3, 4, 6)
    assert images.train_images[:, 0, 0, 0].tolist() == [10] * 4 + [20] * 4 + [0] * 4
    assert images.train_images[:, 1, 0, 0].tolist() == [0, 20, 40, 60] * 3


def test_the_order_of_the_directory_plays_no_part(folder, tmp_path, monkeypatch):
    before = read(folder).digest()
    listing, glob = Path.iterdir, Path.rglob
    monkeypatch.setattr(Path, "iterdir", lambda self: reversed(list(listing(self))))
    monkeypatch.setattr(Path, "rglob", lambda self, what: reversed(list(glob(self, what))))
    assert read(folder).digest() == before


def test_where_the_folder_lies_plays_no_part(folder, tmp_path):
    before = read(folder).digest()
    shutil.move(folder, tmp_path / "elsewhere")
    assert read(tmp_path / "elsewhere").digest() == before


def test_grey_images(folder):
    images = read(folder, channels=1)
    assert images.train_images.shape == (12, 1, 4, 6)
    assert images.train_images[0, 0, 0, 0] == round(0.299 * 10 + 0.114 * 30)


def test_grey_files_become_rgb_and_transparency_goes(folder):
    Image.new("L", (6, 4), 99).save(folder / "train/ant/0.png")
    Image.new("RGBA", (6, 4), (1, 2, 3, 0)).save(folder / "train/ant/1.png")
    images = read(folder).train_images
    assert images[0, :, 0, 0].tolist() == [99, 99, 99]
    assert images[1, :, 0, 0].tolist() == [1, 2, 3]


def test_resizing(folder):
    paint(folder / "train/ant/9.png", (5, 5, 5), (20, 30))
    images = read(folder, size=(8, 5))
    assert images.train_images.shape == (13, 3, 8, 5) and images.test_images.shape == (6, 3, 8, 5)


def test_images_in_folders_within_a_class_are_found(folder):
    paint(folder / "train/ant/more/0.PNG", (1, 1, 1))
    assert len(read(folder).train_images) == 13


def test_a_class_may_have_no_test_images(folder):
    shutil.rmtree(folder / "test/bee")
    images = read(folder)
    assert images.test_labels.tolist() == [0, 0, 2, 2]
    assert images.manifest()["test_per_class"] == [2, 0, 2]


def spoil(root: Path, how: str) -> None:
    if how == "no train":
        shutil.rmtree(root / "train")
    elif how == "no test":
        shutil.rmtree(root / "test")
    elif how == "no classes":
        shutil.rmtree(root / "train")
        (root / "train").mkdir()
    elif how == "no images":
        for path in root.glob("test/*/*"):
            path.unlink()
    elif how == "text":
        (root / "train/bee/1.png").write_text("hello")
    elif how == "empty":
        (root / "train/bee/1.png").write_bytes(b"")
    elif how == "truncated":
        noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
        Image.fromarray(noise).save(root / "train/bee/1.png")
        whole = (root / "train/bee/1.png").read_bytes()
        (root / "train/bee/1.png").write_bytes(whole[: len(whole) // 2])
    elif how == "broken chunk":
        whole = bytearray((root / "train/bee/1.png").read_bytes())
        whole[37] ^= 0xFF
        whole[41] ^= 0xFF
        (root / "train/bee/1.png").write_bytes(bytes(whole))
    elif how == "sizes":
        paint(root / "train/bee/1.png", (1, 1, 1), (6, 5))
    elif how == "test sizes":
        for path in root.glob("test/*/*.png"):
            paint(path, (1, 1, 1), (7, 4))
    else:
        paint(root / "test/wasp/0.png", (1, 1, 1))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no train", "train: no such folder; expected train/<class>"),
        ("no test", "test: no such folder; expected train/<class>"),
        ("no classes", "train: no class folders"),
        ("no images", "test: no images; allowed endings: .bmp"),
        ("text", r"bee/1\.png: not a readable image"),
        ("empty", r"bee/1\.png: not a readable image"),
        ("truncated", r"bee/1\.png: not a readable image"),
        ("broken chunk", r"bee/1\.png: not a readable image"),
        ("sizes", r"bee/1\.png: 5x6 pixels, the others have 4x6; set dataset.size"),
        ("test sizes", r"test/ant/0\.png: 4x7 pixels, the others have 4x6; set dataset.size"),
        ("wasp", "test/wasp: this class is not under .*train"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_line(folder, how, message):
    spoil(folder, how)
    with pytest.raises(UserError, match=message) as raised:
        read(folder)
    one_line(raised)


def test_a_folder_must_be_named():
    with pytest.raises(UserError, match="dataset.root must name the folder"):
        load(Dataset(name="folder"))


def test_a_folder_can_be_prepared(folder, tmp_path):
    study = tree(task__digits__dataset={"name": "folder", "root": str(folder), "channels": 1})
    write_params(tmp_path / "study", study)
    prepare_main(["--task", "digits", "--root", str(tmp_path / "study")])
    data = Prepared(tmp_path / "study/data/digits")
    assert data.array("train_images").shape == (12, 1, 4, 6)
    assert str(tmp_path) not in (tmp_path / "study/data/digits/manifest.json").read_text()


# published data sets


def write_idx(root: Path, rows: int = 30) -> Path:
    """Files of MNIST's format with random content."""
    raw = root / "MNIST/raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        images = rng.integers(0, 256, (rows, 28, 28)).astype(np.uint8)
        labels = rng.integers(0, 10, rows).astype(np.uint8)
        for name, kind, array in (("images-idx3", 3, images), ("labels-idx1", 1, labels)):
            header = (0x0800 + kind).to_bytes(4, "big")
            header += b"".join(side.to_bytes(4, "big") for side in array.shape)
            (raw / f"{part}-{name}-ubyte").write_bytes(header + array.tobytes())
            with gzip.open(raw / f"{part}-{name}-ubyte.gz", "wb") as stream:
                stream.write(header + array.tobytes())
    return raw


def mnist(root: Path) -> Dataset:
    return Dataset(name="mnist", root=str(root), download=False)


def test_files_that_were_not_published_are_refused(tmp_path):
    write_idx(tmp_path)
    with pytest.raises(UserError, match="the files of mnist are not the published ones") as raised:
        load(mnist(tmp_path))
    assert DIGESTS["mnist"][:12] in one_line(raised)


def test_idx_files_are_read(tmp_path, monkeypatch):
    raw = write_idx(tmp_path)
    monkeypatch.setattr("stages.datasets.sources.DIGESTS", {})
    images = load(mnist(tmp_path))
    assert images.train_images.shape == images.test_images.shape == (30, 1, 28, 28)
    pixels = np.frombuffer((raw / "t10k-images-idx3-ubyte").read_bytes()[16:], np.uint8)
    labels = np.frombuffer((raw / "t10k-labels-idx1-ubyte").read_bytes()[8:], np.uint8)
    assert (images.test_images.reshape(-1) == pixels).all()
    assert (images.test_labels == labels).all() and images.test_labels.dtype == np.int64
    assert len(images.classes) == 10 and images.name == "mnist"


def test_missing_files_without_download_are_one_line(tmp_path):
    with pytest.raises(
        UserError,
        match=r"the files of mnist are missing or damaged and "
        r"dataset.download is false; expected MNIST/raw",
    ) as raised:
        load(mnist(tmp_path))
    one_line(raised)


@pytest.mark.parametrize("damage", ["truncated", "header", "kind", "empty", "long"])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_damaged_files_are_one_line(tmp_path, damage, file):
    path = write_idx(tmp_path) / file
    whole = path.read_bytes()
    path.write_bytes(
        {
            "truncated": whole[:-5],
            "header": b"\xff" * 4 + whole[4:],
            "empty": b"",
            "kind": whole[:3] + bytes([4 - whole[3]]) + whole[4:],
            "long": whole + b"more",
        }[damage]
    )
    with pytest.raises(UserError, match="the files of mnist are (missing or damaged|not the p)"):
        load(mnist(tmp_path))


def test_missing_batches_of_cifar_are_one_line(tmp_path):
    with pytest.raises(UserError, match="expected cifar-10-batches-py/"):
        load(Dataset(name="cifar10", root=str(tmp_path), download=False))


def test_where_files_are_looked_for(monkeypatch):
    monkeypatch.delenv("ALEDGER_DATA", raising=False)
    assert data_root(Dataset(name="mnist")) == Path("~/.cache/aledger").expanduser()
    monkeypatch.setenv("ALEDGER_DATA", "/data/sets")
    assert data_root(Dataset(name="mnist")) == Path("/data/sets")
    assert data_root(Dataset(name="mnist", root="mine")) == Path("mine")


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
def test_a_uniform_draw_ignores_labels(size, seed):
    rows = draw_uniform(np.arange(100), LABELS, size, np.random.default_rng(seed))
    others = draw_uniform(np.arange(100), LABELS[::-1], size, np.random.default_rng(seed))
    assert len(set(rows.tolist())) == size and (rows == others).all()


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

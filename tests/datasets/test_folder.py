"""A folder of one's own: which files count, and one clear line for every kind of damage."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from folders import animals, one_line, paint, read
from PIL import Image
from study import tree, write_params

from stages.datasets import limits, listing
from stages.datasets.folder import load as read_folder
from stages.datasets.prepared import Prepared
from stages.datasets.sources import load
from stages.machine.errors import UserError
from stages.prepare import main as prepare_main
from stages.study.settings import Dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return animals(tmp_path / "animals")


@pytest.fixture(autouse=True)
def nothing_hangs():
    """A test that waits for a pipe fails after ten seconds instead of never."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("waits for ever"))
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refused(folder: Path, **settings) -> str:
    with pytest.raises(UserError) as raised:
        read(folder, **settings)
    return one_line(raised)


def notes(folder: Path, **settings) -> str:
    return "\n".join(read(folder, **settings).notes)


# what is read


def test_classes_and_files_are_sorted(folder):
    images = read(folder)
    assert images.classes == ("ant", "bee", "cat")
    assert images.train_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert images.train_labels.dtype == images.test_labels.dtype == np.int64
    assert images.train_images.shape == (12, 3, 4, 6) and images.test_images.shape == (6, 3, 4, 6)
    assert images.train_images[:, 0, 0, 0].tolist() == [10] * 4 + [20] * 4 + [0] * 4
    assert images.train_images[:, 1, 0, 0].tolist() == [0, 20, 40, 60] * 3


def test_files_of_folders_within_a_class_come_in_the_order_of_their_paths(folder):
    for at, name in enumerate(("b/0.png", "a/1.PNG", "a/b/0.png", "a-b/0.png", "A/0.png")):
        paint(folder / "train/ant" / name, (200, at, 0))
    ants = read(folder).train_images[:9]
    # Path parts are compared, so a/ comes before a-b/ with all that is in it.
    assert ants[4:, 1, 0, 0].tolist() == [4, 1, 2, 3, 0]


def test_the_order_of_the_directory_plays_no_part(folder, monkeypatch):
    before = read(folder).digest()
    scandir = os.scandir

    class Backwards:
        def __init__(self, path):
            with scandir(path) as entries:
                self.entries = list(entries)[::-1]

        def __enter__(self):
            return iter(sorted(self.entries, key=lambda entry: entry.name, reverse=True))

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", Backwards)
    assert read(folder).digest() == before


def test_where_the_folder_lies_plays_no_part(folder, tmp_path):
    before = read(folder).digest()
    shutil.move(folder, tmp_path / "elsewhere")
    assert read(tmp_path / "elsewhere").digest() == before


def test_resizing(folder):
    paint(folder / "train/ant/9.png", (5, 5, 5), (20, 30))
    images = read(folder, size=(8, 5))
    assert images.train_images.shape == (13, 3, 8, 5) and images.test_images.shape == (6, 3, 8, 5)
    assert "4x6 to 30x20, 2 different; resized to 8x5" in "\n".join(images.notes)


def test_a_class_may_have_no_test_images(folder):
    shutil.rmtree(folder / "test/bee")
    images = read(folder)
    assert images.test_labels.tolist() == [0, 0, 2, 2]
    assert images.manifest()["test_per_class"] == [2, 0, 2]


# what is left out, and said


def test_hidden_and_system_names_are_left_out_and_said(folder):
    whole = read(folder)
    for place in ("train/.ipynb_checkpoints", "train/__MACOSX", "test/.git", "train/ant/@eaDir"):
        paint(folder / place / "0.png", (9, 9, 9), (50, 50))
    (folder / "train/ant/._0.png").write_bytes(b"\0\5\x16\7")
    images = read(folder)
    assert images.classes == whole.classes and images.digest() == whole.digest()
    assert "hidden 5" in "\n".join(images.notes)


def test_other_files_are_counted_and_said(folder):
    for name in ("train/bee/a.NPY", "train/bee/more.txt", "train/bee/none", "test/x.csv"):
        (folder / name).write_text("x")
    paint(folder / "train/loose.png", (1, 1, 1))
    said = notes(folder)
    for text in ("ending .npy 1", "ending .txt 2", "ending none 1", "ending .csv 1"):
        assert text in said
    assert "directly in train/ 1" in said


def test_nothing_left_out_is_nothing_said(folder):
    (folder / "train/cat/notes.txt").unlink()
    assert "left out" not in notes(folder) and "duplicates" not in notes(folder)


def test_copies_across_training_and_test_are_said(folder):
    shutil.copy(folder / "train/ant/0.png", folder / "test/ant/7.png")
    shutil.copy(folder / "train/ant/1.png", folder / "test/bee/7.png")
    shutil.copy(folder / "train/ant/2.png", folder / "train/bee/7.png")
    shutil.copy(folder / "train/ant/2.png", folder / "train/ant/8.png")
    assert (
        "duplicates: 2 training images are copies of others; 1 training images have several "
        "labels; 2 test images are also in the training set; 1 of them under another label"
    ) in notes(folder)


# links


def test_links_are_followed(folder, tmp_path):
    before = read(folder).digest()
    shutil.move(folder / "train/ant", tmp_path / "far")
    (folder / "train/ant").symlink_to(tmp_path / "far")
    shutil.move(folder / "train/bee/1.png", tmp_path / "one.png")
    (folder / "train/bee/1.png").symlink_to(tmp_path / "one.png")
    assert read(folder).digest() == before


@pytest.mark.parametrize(
    ("link", "to", "message"),
    [
        ("train/ant/loop", "..", "ant/loop: the same folder as .*train, by a link"),
        ("train/ant/other", "../bee", "train/bee: the same folder as .*ant/other, by a link"),
        ("train/dog", "ant", "train/dog: the same folder as .*train/ant, by a link"),
        ("train/ant/x.png", "nowhere.png", "x.png: a link that leads to nothing"),
        ("train/ant/x.png", "x.png", "x.png: links in a circle, or too many"),
        ("train/dog", "nowhere", "train/dog: a link that leads to nothing"),
        ("train/ant/x.png", "/dev/zero", "x.png: a device, not a regular file"),
    ],
)
def test_a_link_that_misleads_is_one_line(folder, link, to, message):
    (folder / link).symlink_to(to)
    with pytest.raises(UserError, match=message):
        read(folder)


def test_training_images_are_no_test_set(folder):
    shutil.rmtree(folder / "test")
    (folder / "test").symlink_to("train")
    assert "test: the same folder as" in refused(folder)


def test_folders_linked_in_a_braid_end_at_once(folder, tmp_path):
    (tmp_path / "20").mkdir()
    for level in reversed(range(20)):
        (tmp_path / f"{level}").mkdir()
        for name in "ab":
            (tmp_path / f"{level}" / name).symlink_to(tmp_path / f"{level + 1}")
    (folder / "train/ant/x").symlink_to(tmp_path / "0")
    assert "the same folder as" in refused(folder)


# what is refused


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
    elif how == "one class":
        for path in [*root.glob("*/bee"), *root.glob("*/cat")]:
            shutil.rmtree(path)
    elif how == "empty class":
        (root / "train/wasp").mkdir()
    elif how == "class of texts":
        (root / "train/wasp").mkdir()
        (root / "train/wasp/a.txt").write_text("x")
    elif how == "case":
        paint(root / "train/Bee/0.png", (1, 1, 1))
    elif how == "Unicode":
        paint(root / "train/caf\u00e9/0.png", (1, 1, 1))
        paint(root / "train/cafe\u0301/0.png", (1, 1, 1))
    elif how == "test in another form":
        shutil.move(root / "test/bee", root / "test/BEE")
    elif how == "line end":
        paint(root / "train/wa\nsp/0.png", (1, 1, 1))
    elif how == "undecodable":
        paint(root / os.fsdecode(b"train/wasp\xff/0.png"), (1, 1, 1))
    elif how == "pipe":
        os.mkfifo(root / "train/bee/9.png")
    elif how == "train is a pipe":
        shutil.rmtree(root / "train")
        os.mkfifo(root / "train")
    else:
        paint(root / "test/wasp/0.png", (1, 1, 1))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no train", "train: no such folder; expected train/<class>"),
        ("no test", "test: no such folder; expected train/<class>"),
        ("no classes", "train: no class folders"),
        ("no images", "test: no images; allowed endings: .bmp"),
        ("text", r"bee/1\.png: not a readable image \(no PNG, JPEG"),
        ("empty", r"bee/1\.png: not a readable image \(0 bytes\)"),
        ("truncated", r"bee/1\.png: not a readable image"),
        ("broken chunk", r"bee/1\.png: not a readable image"),
        ("sizes", r"bee/1\.png: 5x6 pixels, the others have 4x6; set dataset.size"),
        ("test sizes", r"test/ant/0\.png: 4x7 pixels, the others have 4x6; set dataset.size"),
        ("wasp", "test/wasp: this class is not under .*train$"),
        ("one class", r"train: one class only \(ant\); allowed: two or more"),
        ("empty class", "train/wasp: no images in this class; allowed endings: .bmp"),
        ("class of texts", "train/wasp: no images in this class"),
        ("case", "train/bee: differs from 'Bee' by case or Unicode form only"),
        ("Unicode", "train/caf\u00e9: differs from 'cafe\u0301' by case or Unicode form only"),
        ("test in another form", r"test/BEE: this class is not under .*\('bee' is, in other case"),
        ("line end", r"train/wa\\nsp: a class name must be printable"),
        ("undecodable", r"train/wasp\\udcff: a class name must be printable"),
        ("pipe", r"bee/9\.png: a FIFO, not a regular file"),
        ("train is a pipe", "train: not a folder"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_line(folder, how, message):
    spoil(folder, how)
    with pytest.raises(UserError, match=message) as raised:
        read(folder)
    one_line(raised)


def test_a_class_that_cannot_be_read_does_not_vanish(folder, monkeypatch):
    scandir = os.scandir

    def denied(path):
        if Path(path).name == "bee":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert "train/bee: cannot be read (Permission denied)" in refused(folder)


def test_a_file_that_cannot_be_read_is_not_called_missing(folder, monkeypatch):
    opened = open

    def denied(path, *rest, **options):
        if Path(path).name == "1.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *rest, **options)

    monkeypatch.setattr("builtins.open", denied)
    assert "ant/1.png: cannot be read (Permission denied)" in refused(folder)


@pytest.mark.parametrize("name", [b"x" * 251, b"a\nb", b"a\xffb", b"a  b", b"\x1b[2J", b"a%s{0}"])
def test_any_file_name_will_do_and_can_be_shown(folder, name):
    path = folder / "train/ant" / os.fsdecode(name + b".png")
    paint(path, (7, 7, 7))
    assert len(read(folder).train_images) == 13
    path.write_bytes(b"x")
    message = refused(folder)
    assert listing.shown(path) in message and message.isprintable() and "  " not in message
    message.encode()


def test_a_path_too_long_is_one_line(tmp_path):
    assert "cannot be read (File name too long)" in refused(tmp_path / ("x" * 300))


@pytest.mark.parametrize("root", ["~nosuchuser/data", "a\0b"])
def test_a_root_that_is_no_path_is_one_line(root):
    with pytest.raises(UserError, match=r"dataset\.root: .* is no path") as raised:
        load(Dataset(name="folder", root=root))
    one_line(raised)


def test_a_folder_must_be_named():
    with pytest.raises(UserError, match="dataset.root must name the folder"):
        load(Dataset(name="folder"))


# memory


@pytest.mark.parametrize("size", [(10**9, 10**9), (2**62, 1), (1, 2**26 + 1)])
def test_an_absurd_size_is_refused_before_anything_is_read(folder, size, monkeypatch):
    monkeypatch.setattr("stages.datasets.reading.read_image", None)
    with pytest.raises(UserError, match="allowed: up to 67108864"):
        read_folder(folder, size=size)


def test_more_than_the_memory_is_refused_before_it_is_taken(folder, monkeypatch):
    monkeypatch.setattr("stages.datasets.reading.available_memory", lambda: 18 * 3 * 4 * 6 - 1)
    monkeypatch.setattr(np, "empty", None)
    message = refused(folder)
    assert "18 images of 4x6 pixels and 3 channels need 1296 bytes of memory; 1295 bytes are" in (
        message
    )
    monkeypatch.undo()
    monkeypatch.setattr("stages.datasets.reading.available_memory", lambda: 18 * 3 * 4 * 6)
    assert len(read(folder).train_images) == 12


def test_available_memory_is_what_the_system_says():
    there = limits.available_memory()
    assert 2**20 < there <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


# prepare


def test_a_folder_can_be_prepared(folder, tmp_path, capsys):
    study = tree(task__digits__dataset={"name": "folder", "root": str(folder), "channels": 1})
    write_params(tmp_path / "study", study)
    prepare_main(["--task", "digits", "--root", str(tmp_path / "study")])
    data = Prepared(tmp_path / "study/data/digits")
    assert data.array("train_images").shape == (12, 1, 4, 6)
    assert str(tmp_path) not in (tmp_path / "study/data/digits/manifest.json").read_text()
    assert capsys.readouterr().out.splitlines() == [
        "digits: 12 training and 6 test images, 4x6 grey, 3 classes",
        "  train: ant 4, bee 4, cat 4",
        "  test: ant 2, bee 2, cat 2",
        "  files: PNG 18; modes: RGB 18",
        "  sizes (height x width): 4x6",
        "  changed: colour to grey 18",
        "  left out: ending .txt 1",
    ]

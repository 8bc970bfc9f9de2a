"""The stage prepare: five whole files or those of before, and what it prints."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from folders import animals, read
from study import REPO, tree, write_params

from stages import prepare
from stages.datasets.images import PARTS, Images
from stages.datasets.prepared import Prepared
from stages.datasets.room import arrays_in, is_in, room
from stages.datasets.summary import duplicates, summary
from stages.machine import files
from stages.machine.errors import UserError

NAMES = sorted([*(f"{part}.npy" for part in PARTS), "manifest.json"])


def toy(value: int, rows: int = 6) -> Images:
    """Training and test images of one grey level each."""
    images = np.full((rows, 1, 2, 3), value, np.uint8)
    labels = np.arange(rows) % 2
    return Images(images, labels, images[:2], labels[:2], ("a", "b"), "toy", "none", "none")


def state(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    prepare.write(toy(1), tmp_path / "data/toy")
    return tmp_path / "data"


def test_five_files_are_written_and_nothing_else(data):
    assert sorted(state(data)) == [f"toy/{name}" for name in NAMES]
    (data / "toy/protocol.json").write_text("{}")
    prepare.write(toy(2), data / "toy")
    assert Prepared(data / "toy").array("train_images").max() == 2
    assert sorted(state(data)) == sorted([f"toy/{name}" for name in NAMES] + ["toy/protocol.json"])


@pytest.mark.parametrize("failing", range(5))
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no room on the disk"),
        (OSError("8 requested and 4 written"), "no room on the disk"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
    ],
)
def test_what_cannot_be_written_leaves_the_files_of_before(
    data, monkeypatch, failing, error, message
):
    before, calls, write = state(data), [], files.write_atomically

    def fails(path, fill):
        calls.append(path)
        if len(calls) == failing + 1:
            write(path, lambda stream: stream.write(b"half"))
            raise error
        write(path, fill)

    monkeypatch.setattr(files, "write_atomically", fails)
    with pytest.raises(UserError, match=rf"data/toy: cannot be written \({message}\)") as raised:
        prepare.write(toy(2), data / "toy")
    assert "\n" not in str(raised.value) and state(data) == before


@pytest.mark.parametrize("moved", range(6))
def test_while_files_move_there_is_no_manifest(data, monkeypatch, moved):
    """Killed between two moves: old and new arrays are never taken for one data set."""
    calls, replace = [], os.replace

    class Killed(BaseException):
        pass

    def stops(source, to):
        if Path(to).parent == data / "toy":
            calls.append(to)
            if len(calls) == moved + 1:
                raise Killed
        replace(source, to)

    monkeypatch.setattr(os, "replace", stops)
    try:
        prepare.write(toy(2), data / "toy")
    except Killed:
        with pytest.raises(UserError, match=r"manifest\.json: missing; run the stage prepare"):
            print(Prepared(data / "toy").identity)
    monkeypatch.undo()
    prepare.write(toy(3), data / "toy")
    assert sorted(state(data)) == [f"toy/{name}" for name in NAMES]


def test_what_a_killed_run_left_is_cleared_away(data):
    (data / ".toy.new").mkdir()
    (data / ".toy.new/train_images.npy").write_bytes(b"half")
    prepare.write(toy(2), data / "toy")
    assert sorted(state(data)) == [f"toy/{name}" for name in NAMES]


def test_a_limit_of_the_system_is_one_line(tmp_path):
    write_params(tmp_path, tree())
    done = subprocess.run(
        [sys.executable, "-m", "stages.prepare", "--task", "digits", "--root", str(tmp_path)],
        cwd=REPO,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "train_images.npy: cannot be written" in done.stderr
    assert not list((tmp_path / "data").rglob("*.*"))


# what is printed


def test_prepare_says_what_it_read(tmp_path, capsys):
    write_params(tmp_path, tree())
    prepare.main(["--task", "digits", "--root", str(tmp_path)])
    assert capsys.readouterr().out.splitlines() == [
        "digits: 1438 training and 359 test images, 8x8 grey, 10 classes",
        "  train: 0 151, 1 161, 2 143, 3 131, 4 147, 5 154, 6 150, 7 136, 8 127, 9 138",
        "  test: 0 27, 1 21, 2 34, 3 52, 4 34, 5 28, 6 31, 7 43, 8 47, 9 42",
    ]


def test_many_classes_are_two_numbers():
    images = toy(1, rows=20)
    many = dataclasses.replace(
        images,
        train_labels=np.array([*range(13), *[3] * 7]),
        test_labels=np.array([5, 6]),
        classes=tuple(f"c{n}" for n in range(13)),
    )
    assert summary("toy", many)[1:3] == [
        "train: 1 (c0) to 8 (c3) a class",
        "test: 0 (c0) to 1 (c5) a class",
    ]


def test_a_terminal_of_ascii_prints_any_class(tmp_path, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(
        prepare, "prepare", lambda *_: dataclasses.replace(toy(1), classes=("é", "b"))
    )
    write_params(tmp_path, tree())
    prepare.main(["--task", "digits", "--root", str(tmp_path)])
    stream.flush()
    assert b"train: \\xe9 3, b 3" in stream.buffer.getvalue()


def test_copies_are_counted_as_brute_force_counts_them():
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 2, (n, 1, 2, 2)).astype(np.uint8) for n in (12, 9))
    labels, others = rng.integers(0, 2, 12), rng.integers(0, 2, 9)
    again = sum(any((train[i] == train[j]).all() for j in range(i)) for i in range(12))
    kinds = {train[i].tobytes() for i in range(12)}
    by = {kind: {labels[i] for i in range(12) if train[i].tobytes() == kind} for kind in kinds}
    torn = sum(len(found) > 1 for found in by.values())
    leaked = sum(image.tobytes() in kinds for image in test)
    wrong = sum(
        t.tobytes() in by and b not in by[t.tobytes()] for t, b in zip(test, others, strict=True)
    )
    assert again and torn and leaked and wrong
    assert duplicates(train, labels, test, others) == [
        f"duplicates: {again} training images are copies of others; {torn} training images have "
        f"several labels; {leaked} test images are also in the training set; {wrong} of them under "
        f"another label"
    ]


# what later stages read


@pytest.mark.parametrize(
    "change",
    [
        {"train": "six"},
        {"train": 0},
        {"train": True},
        {"train": 10**30},
        {"shape": [1, 2]},
        {"shape": "1x2x3"},
        {"classes": 2},
        {"classes": []},
        {"mean": [float("nan")]},
        {"mean": []},
        {"std": ["1"]},
        {"name": 3},
        {"digest": None},
    ],
)
def test_a_manifest_of_another_kind_is_one_line(data, change):
    path = data / "toy/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=r"manifest\.json: not a manifest; run the stage prepare"):
        print(Prepared(data / "toy").identity)


@pytest.mark.parametrize("text", ["[" * 100_000, "\x00", '{"a": ' * 50_000])
def test_a_hostile_manifest_is_one_line(data, text):
    (data / "toy/manifest.json").write_text(text)
    with pytest.raises(UserError, match=r"manifest\.json: not"):
        print(Prepared(data / "toy").identity)


@pytest.mark.parametrize("name", ["manifest.json", "train_images.npy"])
def test_what_is_no_file_is_one_line_and_no_hang(data, name):
    path = data / "toy" / name
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match=f"{name}: not a regular file"):
        Prepared(data / "toy").array("train_images")


def test_a_file_that_cannot_be_read_is_not_called_missing(data, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(UserError, match=r"manifest\.json: cannot be read \(Permission denied\)"):
        print(Prepared(data / "toy").identity)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("how", ["rows", "kind"])
def test_an_array_that_is_not_the_manifests_is_one_line(data, part, how):
    path = data / f"toy/{part}.npy"
    array = np.load(path)
    np.save(path, array[:-1] if how == "rows" else array.astype(np.float32))
    with pytest.raises(UserError, match=rf"{part}\.npy: .* manifest\.json has .*; run the stage"):
        Prepared(data / "toy").array(part)


# data that are larger than the memory


def test_pixels_that_were_written_one_by_one_are_the_same_file(tmp_path):
    folder = animals(tmp_path / "animals")
    images = read(folder)
    with arrays_in(tmp_path / "data/.toy.new"):
        mapped = read(folder)
    for part in ("train_images", "test_images"):
        assert is_in(getattr(mapped, part), tmp_path / f"data/.toy.new/{part}.npy")
    assert mapped.digest() == images.digest() and mapped.manifest() == images.manifest()
    prepare.write(mapped, tmp_path / "data/toy")
    prepare.write(images, tmp_path / "data/plain")
    names = [f"{part}.npy" for part in PARTS]
    assert [(tmp_path / "data/toy" / name).read_bytes() for name in names] == [
        (tmp_path / "data/plain" / name).read_bytes() for name in names
    ]
    assert sorted(state(tmp_path / "data/toy")) == NAMES
    assert (tmp_path / "data/toy/train_images.npy").stat().st_mode & 0o777 == 0o644


def test_a_part_of_a_written_array_is_not_taken_for_the_whole(tmp_path):
    with arrays_in(tmp_path):
        array = room("train_images", (6, 1, 2, 3))
    path = tmp_path / "train_images.npy"
    assert is_in(array, path) and not is_in(array, tmp_path / "test_images.npy")
    for other in (array[1:], array.reshape(6, 6), array.transpose(0, 1, 3, 2), np.array(array)):
        assert not is_in(other, path)


def test_prepare_leaves_nothing_beside_the_data_if_reading_fails(tmp_path):
    folder = animals(tmp_path / "animals")
    (folder / "test/bee/0.png").write_bytes(b"x")
    section = {"name": "folder", "root": str(folder), "size": [8, 8]}
    small = {"initial": 2, "validation": 0, "balanced": False}
    write_params(
        tmp_path,
        tree(task__digits__dataset=section, task__digits__split=small, task__digits__query_size=1),
    )
    with pytest.raises(SystemExit):
        prepare.main(["--task", "digits", "--root", str(tmp_path)])
    assert not (tmp_path / "data/digits").exists() and not list((tmp_path / "data").glob(".*"))


def test_a_folder_larger_than_the_memory_is_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr("stages.datasets.reading.available_memory", lambda: 1)
    folder = animals(tmp_path / "animals")
    with pytest.raises(UserError, match="need 1296 bytes of memory; 1 bytes are free"):
        read(folder)
    with arrays_in(tmp_path / "here"):
        assert len(read(folder).train_images) == 12


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EFBIG])
def test_a_disk_without_room_is_one_line_before_a_pixel_is_read(tmp_path, monkeypatch, error):
    folder = animals(tmp_path / "animals")

    def full(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with arrays_in(tmp_path / "here"), pytest.raises(UserError) as raised:
        read(folder)
    said = str(raised.value)
    assert "train_images.npy: cannot be written" in said and "864 bytes needed" in said
    assert "\n" not in said

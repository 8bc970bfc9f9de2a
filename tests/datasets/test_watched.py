"""A folder that changed after it was prepared is noticed; one in which nothing happened costs
a look."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from folders import animals, paint
from repository import commit, dvc, environment, make_repository, ran
from study import rounds, tree, write_params

from stages import recipes, status
from stages.datasets import watched
from stages.machine.reading import read_json
from stages.study import settings
from stages.study.layout import Layout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return animals(tmp_path / "animals")


def parts(folder: Path) -> list[Path]:
    return [folder / "train", folder / "test"]


def test_the_digest_is_of_names_and_contents_alone(folder, tmp_path):
    first = watched.content(tmp_path / "one", "t", parts(folder))
    for path in folder.rglob("*.png"):
        os.utime(path, (1, 1))
    assert watched.content(tmp_path / "one", "t", parts(folder)) == first
    assert watched.content(tmp_path / "two", "t", parts(folder)) == first
    assert first["files"] == 18


def overwrite(folder: Path) -> None:
    path = folder / "train/ant/0.png"
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**6))


CHANGES = {
    "added": lambda folder: paint(folder / "train/ant/z.png", (1, 2, 3)),
    "removed": lambda folder: (folder / "test/bee/0.png").unlink(),
    "renamed": lambda folder: (folder / "train/ant/0.png").rename(folder / "train/ant/00.png"),
    "moved": lambda folder: (folder / "train/ant/0.png").rename(folder / "train/bee/x.png"),
    "overwritten": overwrite,
    "class": lambda folder: (folder / "train/dog").mkdir(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_gives_another_digest(folder, tmp_path, change):
    before = watched.content(tmp_path, "t", parts(folder))
    state = watched.noted(tmp_path, "t")["state"]
    CHANGES[change](folder)
    assert watched.scan(parts(folder)).state != state
    assert watched.content(tmp_path, "t", parts(folder)) != before


def test_names_that_nobody_means_are_no_change(folder, tmp_path):
    before = watched.content(tmp_path, "t", parts(folder))
    (folder / "train/ant/.DS_Store").write_bytes(b"x")
    (folder / "train/ant/notes.txt").write_bytes(b"x")
    (folder / "train/@eaDir").mkdir()
    assert watched.scan(parts(folder)).state == watched.noted(tmp_path, "t")["state"]
    assert watched.content(tmp_path, "t", parts(folder)) == before


def test_files_that_were_seen_are_not_opened_again(folder, tmp_path, monkeypatch):
    watched.content(tmp_path, "t", parts(folder))
    opened, digest = [], watched._sha256
    monkeypatch.setattr(
        watched, "_sha256", lambda place, name: opened.append(name) or digest(place, name)
    )
    watched.content(tmp_path, "t", parts(folder))
    assert not opened
    paint(folder / "train/ant/z.png", (1, 2, 3))
    watched.content(tmp_path, "t", parts(folder))
    assert [name for name in opened if not name.endswith("/")] == ["train/ant/z.png"]


@pytest.mark.parametrize("content", [b"", b"x", b"{}", b'{"state": 1, "content": {}}'])
def test_a_damaged_note_is_no_note(folder, tmp_path, content):
    before = watched.content(tmp_path, "t", parts(folder))
    for ending in ("json", "npy"):
        (tmp_path / watched.PLACE / f"t.{ending}").write_bytes(content)
    assert watched.content(tmp_path, "t", parts(folder)) == before
    np.save(tmp_path / watched.PLACE / "t.npy", np.zeros((3, 4)))
    overwrite(folder)
    assert watched.content(tmp_path, "t", parts(folder)) != before


def test_circles_pipes_and_what_cannot_be_read_hold_nobody_up(folder, tmp_path):
    os.symlink(folder / "train", folder / "train/ant/again")
    os.symlink(folder / "nothing", folder / "train/ant/nothing.png")
    os.mkfifo(folder / "train/ant/pipe.png")
    assert watched.content(tmp_path, "t", parts(folder))["files"] == 20


# the study


@pytest.fixture
def study(tmp_path, folder) -> Path:
    root = tmp_path / "study"
    root.mkdir()
    section = {"name": "folder", "root": str(folder), "size": [8, 8]}
    split = {"initial": 4, "validation": 0, "balanced": False}
    write_params(
        root,
        tree(task__digits__dataset=section, task__digits__split=split, task__digits__query_size=1),
    )
    return root


def images_of(root: Path) -> dict:
    recipes.recipes(settings.load(root / "params.yaml"), root)
    return read_json(Layout(root).recipe("data-digits")).get("images")


def test_the_recipe_of_the_data_says_what_lies_in_the_folder(study, folder):
    before = images_of(study)
    assert before["files"] == 18 and images_of(study) == before
    paint(folder / "train/ant/z.png", (1, 2, 3))
    assert images_of(study)["files"] == 19


def test_where_the_folder_is_not_here_the_recipe_stays(study, folder):
    before = images_of(study)
    folder.rename(folder.with_name("elsewhere"))
    assert images_of(study) == before


def test_features_of_a_folder_are_those_of_its_images(study, folder):
    inner = {"name": "folder", "root": str(folder), "size": [8, 8]}
    section = {
        "name": "features",
        "of": inner,
        "model": {"name": "small_cnn", "weights": "x.npz", "sha256": "0" * 64},
    }
    write_params(study, tree(task__digits__dataset=section, task__digits__model={"name": "linear"}))
    assert images_of(study)["files"] == 18


def test_a_data_set_without_a_folder_says_nothing(tmp_path):
    write_params(tmp_path, tree())
    assert images_of(tmp_path) is None


def test_status_says_that_images_have_changed(study, folder):
    loaded = settings.load(study / "params.yaml")
    assert not list(watched.changes(loaded, study))  # nobody has looked yet
    images_of(study)
    assert not list(watched.changes(loaded, study))
    paint(folder / "train/ant/z.png", (1, 2, 3))
    (line,) = watched.changes(loaded, study)
    assert line.startswith(
        "task digits: its images have changed since they were prepared (19 files"
    )
    assert "before 18" in line and "make repro prepares them again" in line


def test_status_prints_it(study, folder, monkeypatch):
    monkeypatch.setattr(status, "_lying", lambda _: iter(()))
    images_of(study)
    paint(folder / "train/ant/z.png", (1, 2, 3))
    assert any("its images have changed" in line for line in status.lines(study))
    (study / "params.yaml").write_text("nothing: here")
    assert not any("its images have changed" in line for line in status.lines(study))


def call(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=root,
        env=environment(root),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
def test_dvc_prepares_again_what_has_changed(tmp_path):
    """By the coordinator anywhere; by plain DVC where the folder lies in the study."""
    root = tmp_path / "study"
    make_repository(root)
    folder = animals(root / "pictures")
    changes = {
        "task__digits__dataset": {"name": "folder", "root": "pictures", "size": [8, 8]},
        "task__digits__split": {"initial": 4, "validation": 0, "balanced": False},
        "task__digits__query_size": 1,
        "strategies": ["random"],
        "strategy": {},
        "rounds": rounds(1),
        "seeds": [0],
        "full": [],
        "task__digits__epochs": 1,
        "task__digits__batch_size": 4,
        "task__digits__model": {"name": "small_cnn"},
    }
    write_params(root, tree(**changes))
    grow = ("stages.grow", "--engine", "serial", "--targets", "prepare")
    said = call(root, *grow)
    assert "3 stages ran" in said or "2 stages ran" in said, said
    commit(root)
    assert "0 stages ran" in call(root, *grow)
    paint(folder / "train/ant/z.png", (1, 2, 3))
    assert "its images have changed" in call(root, "stages.status")
    assert "2 stages ran" in (said := call(root, *grow)), said  # recipes, prepare
    assert "its images have changed" not in call(root, "stages.status")
    assert "0 stages ran" in call(root, *grow)
    # Plain DVC, with the folder named under code.
    write_params(root, tree(**changes, code=["pictures"]))
    dvc(root, "repro", "prepare")
    assert not ran(dvc(root, "repro", "prepare"))
    overwrite(folder)
    assert ran(dvc(root, "repro", "prepare")) == ["code@pictures", "prepare@digits", "recipes"]
    assert "up to date" in dvc(root, "status", "prepare")

"""Pictures of private data are in nothing that git holds, unless their owner says so."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from study import grow, rounds, tree, write_params

from stages import protocol, report
from stages.checking.plan import read
from stages.checking.study import Study
from stages.prepare import prepare
from stages.split import split
from stages.study import settings
from stages.study.layout import Layout
from stages.study.schema import Dataset

SIDE = 8


def painted(root: Path) -> Path:
    """A folder of noise, so that no image is like another, nor like anything else."""
    rng = np.random.default_rng(5)
    for part, count in (("train", 12), ("test", 4)):
        for name in ("a", "b"):
            for at in range(count):
                path = root / part / name / f"{at}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
                Image.fromarray(pixels).save(path)
    return root


def study_of(root: Path, images: Path, **changes) -> settings.Settings:
    """A study of the folder, of two rounds, grown, with its report."""
    dataset = {"name": "folder", "root": str(images), "channels": 1}
    split_of = {"initial": 4, "validation": 0, "balanced": True}
    given = {
        "seeds": [0], "full": [], "rounds": rounds(2), "strategies": ["random", "entropy"],
        "task__digits__dataset": dataset, "task__digits__split": split_of,
        "task__digits__query_size": 3, "task__digits__model": {"name": "linear"},
        "task__digits__epochs": 1, "task__digits__learning_rate": 0.01,
    }  # fmt: skip
    study = settings.load(write_params(root, tree(**given | changes)))
    prepare(study, root, "digits")
    protocol.protocol(study, root, "digits")
    split(study, root, "digits", 0)
    for strategy in study.strategies:
        grow(study, root, "digits", strategy, 0)
    report.report(study, root)
    return study


def pixels_in(folder: Path, images: Path) -> set[str]:
    """Names of files that hold a picture of the images' size, or the bytes of an image."""
    arrays = [np.asarray(Image.open(path)).tobytes() for path in images.rglob("*.png")]
    raw = [path.read_bytes() for path in images.rglob("*.png")]
    found = set()
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        for start in (b"iVBORw0KGgo",):
            at = content.find(start)
            while at >= 0:
                end = at
                while (
                    end < len(content)
                    and chr(content[end]).isascii()
                    and (chr(content[end]).isalnum() or content[end] in b"+/=")
                ):
                    end += 1
                picture = Image.open(io.BytesIO(base64.b64decode(content[at:end])))
                if picture.size == (SIDE, SIDE):
                    found.add(path.name)
                at = content.find(start, end)
        if any(array in content for array in arrays) or any(one in content for one in raw):
            found.add(path.name)
    return found


def test_a_study_of_a_folder_has_no_pixel_in_its_reports(tmp_path):
    images = painted(tmp_path / "mine")
    root = tmp_path / "study"
    study = study_of(root, images)
    record = json.loads(Layout(root).result("digits", "random", 0, 0).read_text())
    assert record["first_selected"] == [] and record["selection"]
    assert not pixels_in(root / "reports", images) and not pixels_in(root / "splits", images)
    assert not Study(root, read(root / "params.yaml")).check().faults
    assert "thumbnails" not in json.loads(Layout(root).protocol("digits").read_text())
    shown = study_of(root, images, task__digits__thumbnails=True)
    assert pixels_in(root / "reports", images) >= {"round-0.json", "index.html"}
    said = json.loads(Layout(root).protocol("digits").read_text())
    assert said["thumbnails"] is True  # so the rounds are made anew
    assert not Study(root, read(root / "params.yaml")).check().faults
    assert shown.task["digits"].shows_pixels and not study.task["digits"].shows_pixels
    report.report(study, root)  # results that have them, of somebody who wants none
    assert pixels_in(root / "reports", images) == {"round-0.json"}


@pytest.mark.parametrize(
    ("given", "public"),
    [
        ({"name": "digits"}, True),
        ({"name": "mnist"}, True),
        ({"name": "mnist", "root": "/data"}, True),
        ({"name": "folder", "root": "/mine"}, False),
        ({"name": "stages.datasets.digits:load"}, False),
    ],
)
def test_what_is_public(given, public):
    assert Dataset(**given).public is public


@pytest.mark.parametrize(("said", "shows"), [("auto", True), (True, True), (False, False)])
def test_the_owner_decides(tmp_path, said, shows):
    study = settings.load(write_params(tmp_path, tree(task__digits__thumbnails=said)))
    assert study.task["digits"].shows_pixels is shows
    for bad in ("yes", [1]):
        with pytest.raises(Exception, match="thumbnails"):
            settings.load(write_params(tmp_path, tree(task__digits__thumbnails=bad)))

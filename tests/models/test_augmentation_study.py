"""A study whose task has a list of operations: its settings, its protocol, its rounds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from study import edit, grow, rounds, tree, write_params

from stages.machine.errors import UserError
from stages.prepare import prepare
from stages.protocol import check, protocol
from stages.split import split
from stages.study import settings
from stages.study.footprint import Footprint

LIST = ["crop", {"rotation": 10}, {"randaugment": {"operations": 1, "magnitude": 4}}]
SMALL = tree(
    strategies=["random"],
    seeds=[0],
    rounds=rounds(2),
    task__digits__epochs=1,
    task__digits__padding=1,
    task__digits__augmentation=LIST,
)


def load(root, **changes):
    return settings.load(write_params(root, edit(SMALL, changes)))


@pytest.mark.parametrize(
    ("augmentation", "line"),
    [
        ("crops", "task.digits.augmentation: 'crops' is no augmentation; allowed: none, crop, cro"),
        (["crops"], "task.digits.augmentation: unknown operation 'crops'; did you mean 'crop'? al"),
        (
            [{"rotation": 500}],
            "task.digits.augmentation: rotation.degrees is 500; allowed: a number from 1 to 180,",
        ),
        (
            [{"randaugment": {"magnitude": 12, "variant": "munjal"}}],
            "task.digits.augmentation: randaugment.magnitude is 12, but munjal has levels from 0",
        ),
        (
            [{"crop": {"padding": 8}}],
            "task.digits.padding is 8, but images are 8x8 and a crop may be all padding",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_of_the_file(tmp_path, augmentation, line):
    with pytest.raises(UserError) as caught:
        load(tmp_path, task__digits__augmentation=augmentation)
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(f"{tmp_path / 'params.yaml'}: {line}")


def test_rounds_with_a_list_of_operations_repeat_and_a_changed_one_changes_them(tmp_path):
    found = []
    for at, changes in enumerate([{}, {}, {"task__digits__augmentation": [*LIST, "flip"]}]):
        root = tmp_path / str(at)
        study = load(root, **changes)
        prepare(study, root, "digits")
        split(study, root, "digits", 0)
        protocol(study, root, "digits")
        check(study, root, "digits")
        grow(study, root, "digits", "random", 0)
        weights = [np.load(path) for path in sorted(root.rglob("artifacts/**/model.npz"))]
        assert weights
        found.append(b"".join(one[key].tobytes() for one in weights for key in one.files))
    assert found[0] == found[1] != found[2]
    path = next((tmp_path / "0").rglob("protocol.json"))
    said = json.loads(path.read_text(encoding="utf-8"))["augmentation"]
    assert said[1] == {"rotation": {"degrees": 10.0}} and said[0]["crop"]["mode"] == "zero"
    with pytest.raises(UserError, match="not that of params.yaml"):
        check(load(tmp_path / "0", task__digits__augmentation=LIST[:1]), tmp_path / "0", "digits")


def test_the_code_of_operations_counts_as_code_of_a_learner():
    reached = Footprint().reached(["stages.learners.supervised"])
    for name in ("chain", "draws", "geometry", "operations", "randaugment", "resampling", "tables"):
        assert f"stages.models.augmentation.{name}" in str(reached)
    assert "stages.catalogue.augmentation" in str(reached)

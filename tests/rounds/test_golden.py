"""What portable studies compute, bit for bit: digests of index sets, results and weights.

tests/golden.py says which studies, and how the digests are renewed when a change is meant.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args, get_origin

import golden
import pytest
from golden import STUDIES, parameters, run
from oldest import CAPS
from study import REPO

from stages import catalogue
from stages.study.sections import PRETRAINED
from stages.study.settings import Task

KNOWN = json.loads(golden.DIGESTS.read_text(encoding="utf-8"))
# Of the problem, of imports, of pictures: their own tests go over them.
ELSEWHERE = {"oracle", "pool", "metrics", "start", "imported", "thumbnails"}
ONLY_OFF = {"amp", "channels_last", "compile"}  # they need `reproducible: off`


SLOW = {"rest"}
NAMES = [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in STUDIES]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_computes_what_it_always_did(name, tmp_path):
    found = run(name, tmp_path)
    different = [key for key in KNOWN[name] if found.get(key) != KNOWN[name][key]]
    assert not different, "tests/golden.py says how to renew them"
    assert found.keys() == KNOWN[name].keys()


def test_every_setting_of_a_task_is_in_use_and_every_choice():
    seen: dict[tuple[type, str], set] = {}
    for name in STUDIES:
        task = Task.model_validate(parameters(name, Path("nowhere"))["task"]["digits"])
        for section in (task, task.split, task.model):
            for key in type(section).model_fields:
                seen.setdefault((type(section), key), set()).add(str(getattr(section, key)))
    for (section, key), values in seen.items():
        field = section.model_fields[key]
        if (
            key in ONLY_OFF | ELSEWHERE or key in PRETRAINED
        ):  # those are of a file: test_weights.py has it
            continue
        assert values - {str(field.default)}, f"{key} has its default everywhere"
        if get_origin(field.annotation) is Literal:
            assert values == set(get_args(field.annotation)), key


def test_every_strategy_is_among_them():
    names = {
        options.get("use", name)
        for study in STUDIES.values()
        for name, options in study["strategies"].items()
        if "scorer" not in options  # put together
    }
    assert names == set(catalogue.STRATEGIES)


@pytest.mark.slow
def test_they_are_the_same_under_the_lowest_instruction_sets():
    done = subprocess.run(
        [sys.executable, "tests/golden.py"],
        cwd=REPO,
        env={**os.environ, **CAPS, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""

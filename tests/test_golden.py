"""What portable studies compute, bit for bit: digests of index sets, results and weights.

tests/golden.py says which studies, and how the digests are renewed when a change is meant.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args, get_origin

import golden
import pytest
from golden import STUDIES, parameters, run

from stages import catalogue
from stages.settings import Task

KNOWN = json.loads(golden.DIGESTS.read_text(encoding="utf-8"))
ONLY_OFF = {"amp", "channels_last"}  # they need `reproducible: off`


@pytest.mark.parametrize("name", STUDIES)
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
        if key in ONLY_OFF:
            continue
        assert values - {str(field.default)}, f"{key} has its default everywhere"
        if get_origin(field.annotation) is Literal:
            assert values == set(get_args(field.annotation)), key


def test_every_family_is_among_them():
    names = {
        options.get("use", name)
        for study in STUDIES.values()
        for name, options in study["strategies"].items()
    }
    assert {catalogue.STRATEGIES[name].family for name in names} == {
        entry.family for entry in catalogue.STRATEGIES.values()
    }

"""A round's identity: which edit makes which rounds stale, seen by real DVC."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from repository import commit, environment, make_repository
from study import rounds, tree, write_params

from stages import recipes
from stages.machine.errors import UserError
from stages.study import settings
from stages.study.layout import Layout

OWN = '''"""A strategy of one's own."""

import numpy as np

from stages.catalogue import SUPERVISED, TOP, Strategy


def score(pool, *, sign: int = 1):
    """Rows in order."""
    return {sign} * np.arange(len(pool.candidates), dtype=float)


mine = Strategy(SUPERVISED, "{package}.al:score", TOP, "here", "baseline", "N")
'''
STRATEGIES = {
    "random": {},
    "bald": {"passes": 10},
    "badge": {},
    "inside": {"use": "mylab.al:mine"},
    "outside": {"use": "otherlab.al:mine"},
    "sure": {"learner": "ceal", "scorer": "bald"},
}
ALL = set(STRATEGIES)


def write_own(folder: Path, package: str, sign: int = 1) -> None:
    (folder / package).mkdir(parents=True, exist_ok=True)
    (folder / package / "__init__.py").write_text("")
    (folder / package / "al.py").write_text(OWN.format(package=package, sign=sign))


def environ(root: Path) -> dict[str, str]:
    return {**environment(root), "PYTHONPATH": str(root.parent / "elsewhere")}


def dvc(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=environ(root),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study with every kind of strategy, grown by DVC."""
    root = tmp_path_factory.mktemp("recipes") / "study"
    make_repository(root)
    changes = {
        "strategies": list(STRATEGIES),
        "strategy": STRATEGIES,
        "code": ["mylab"],
        "rounds": rounds(2),
        "seeds": [0],
        "task__digits__epochs": 1,
    }
    write_params(root, tree(**changes))
    write_own(root, "mylab")
    write_own(root.parent / "elsewhere", "otherlab")
    commit(root)
    dvc(root, "repro")
    commit(root)
    return root


@pytest.fixture
def study(grown: Path, tmp_path: Path) -> Path:
    """A copy that a test may edit, with the modules outside it."""
    shutil.copytree(grown.parent, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy/study"


REMADE = """
from stages import protocol, recipes
recipes.main([])
protocol.main(["--task", "digits"])
"""


def stale(root: Path, by_dvc: bool = False) -> set[str]:
    """Strategies of which DVC would run rounds, once recipes and protocol are as they must be.

    Both are made by DVC, or, which is quicker, by the same code in one process.
    """
    if by_dvc:
        dvc(root, "repro", "recipes", "protocol")
    else:
        subprocess.run([sys.executable, "-c", REMADE], cwd=root, env=environ(root), check=True)
    said = json.loads(dvc(root, "status", "--json"))
    found = {re.fullmatch(r"round@digits-(\w+)-0-round\d", name) for name in said}
    return {match[1] for match in found if match}


def edited(path: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        (root / path).write_text(text.replace(old, new), encoding="utf-8")

    return edit


def new_file(root: Path) -> None:
    for room in ("strategies", "learners", "models/architectures", "datasets", "geometry"):
        (root / f"stages/{room}/newest.py").write_text(
            "def newest(scored, b, rng):\n    return 1\n"
        )


ROWS = {
    "nothing": (lambda root: None, set()),
    "new files beside the others": (new_file, set()),
    "a learner": (
        edited("stages/learners/ceal.py", "\n\ndef believed", "\n\nNEW = 1\n\n\ndef believed"),
        {"sure"},
    ),
    "the task's architecture": (
        edited("stages/models/architectures/small_cnn.py", "\n\ndef ", "\n\nNEW = 1\n\n\ndef "),
        ALL,
    ),
    "another architecture": (
        edited("stages/models/architectures/lenet.py", "\n\ndef ", "\n\nNEW = 1\n\n\ndef "),
        set(),
    ),
    "another data set": (
        edited(
            "stages/datasets/torchvision_sets.py", "\n\ndef _load", "\n\nNEW = 1\n\n\ndef _load"
        ),
        set(),
    ),
    "code of one strategy": (
        edited("stages/strategies/badge.py", "\n\ndef kmeans", "\n\nNEW = 1\n\n\ndef kmeans"),
        {"badge"},
    ),
    "a comment": (
        edited("stages/strategies/badge.py", "\n\ndef kmeans", "\n\n# why\n\n\ndef kmeans"),
        set(),
    ),
    "a docstring": (
        edited("stages/machine/randomness.py", "Every random number", "Each number"),
        set(),
    ),
    "randomness": (
        edited("stages/machine/randomness.py", "    SELECT = 7", "    SELECT = 77"),
        ALL,
    ),
    "exact arithmetic": (
        edited("stages/models/exact.py", "\n\ndef sqrt", "\n\nNEW = 1\n\n\ndef sqrt"),
        ALL,
    ),
    "the ledger": (edited("stages/study/ledger.py", "aledger 1", "aledger 2"), ALL),
    "the report": (
        edited(
            "stages/reporting/cost.py", "import pandas as pd\n", "import pandas as pd\nimport re\n"
        ),
        set(),
    ),
    "a default of others": (
        edited("stages/learners/committee.py", "members: Members = 5", "members: Members = 6"),
        set(),
    ),
    "a bound": (edited("stages/catalogue/kinds.py", "le=10_000)]", "le=20_000)]"), set()),
    "a value that is the default, left out": (
        edited("params.yaml", "bald:\n    passes: 10", "bald: {}"),
        set(),
    ),
    "another value": (edited("params.yaml", "passes: 10", "passes: 11"), {"bald"}),
    "a part in another's place": (
        edited("params.yaml", "scorer: bald", "scorer: margin"),
        {"sure"},
    ),
    "one's own module, inside": (lambda root: write_own(root, "mylab", -1), {"inside"}),
    "threads, under portable": (edited("params.yaml", "threads: 1", "threads: 2"), set()),
    "a setting of the task": (edited("params.yaml", "epochs: 1", "epochs: 2"), ALL),
}


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_what_an_edit_makes_stale(study: Path, row: str) -> None:
    edit, expected = ROWS[row]
    edit(study)
    assert stale(study) == expected


@pytest.mark.slow
def test_dvc_makes_recipes_and_protocol_anew_where_they_must_be(study: Path) -> None:
    for row in ("one's own module, inside", "a learner", "another architecture"):
        ROWS[row][0](study)
    assert stale(study, by_dvc=True) == {"inside", "sure"}


@pytest.mark.slow
def test_a_changed_default_makes_exactly_its_strategy_stale(study: Path) -> None:
    edited("params.yaml", "bald:\n    passes: 10", "bald: {}")(study)
    path = "stages/strategies/dropout.py"
    edited(path, "passes: Passes = 10", "passes: Passes = 12")(study)
    assert stale(study) == {"bald", "sure"}  # both score by it


@pytest.mark.slow
def test_nothing_is_stale_after_a_run(grown: Path) -> None:
    assert "up to date" in dvc(grown, "status")


@pytest.mark.slow
def test_code_outside_is_noticed_by_a_recipe_made_anew_and_refused_by_a_round(study: Path) -> None:
    write_own(study.parent / "elsewhere", "otherlab", -1)
    assert stale(study, by_dvc=True) == set()  # DVC looks into this folder only
    arguments = [
        "--task",
        "digits",
        "--strategy",
        "outside",
        "--seed",
        "0",
        "--round",
        "0",
        "--next",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "stages.round", *arguments],
        cwd=study,
        env=environ(study),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "otherlab.al is not the code that it names" in done.stderr
    assert "Traceback" not in done.stderr
    subprocess.run(
        [sys.executable, "-m", "stages.recipes"], cwd=study, env=environ(study), check=True
    )
    assert stale(study) == {"outside"}


def test_a_recipe_is_checked_by_key_and_module(tmp_path: Path) -> None:
    study = settings.load(write_params(tmp_path, tree(strategies=["random", "bald"])))
    layout = Layout(tmp_path)
    with pytest.raises(UserError, match=r"bald\.json: missing"):
        recipes.check(study, layout, "bald")
    recipes.recipes(study, tmp_path)
    recipes.check(study, layout, "bald")
    recipes.check_stage(layout, "full")
    content = json.loads(layout.recipe("bald").read_text())
    assert content["settings"] == {"candidates": 0, "passes": 10}
    for change, message in (
        ({"settings": {"candidates": 0, "passes": 11}}, "settings is not that of params.yaml"),
        ({"code": {**content["code"], "stages.round": "0"}}, "stages.round is not the code"),
        ({"code": {}}, "is not the code that it names"),
        ({"code": None}, "is not the code that it names"),
    ):
        layout.recipe("bald").write_text(json.dumps(content | change))
        with pytest.raises(UserError, match=message):
            recipes.check(study, layout, "bald")


def test_recipes_of_strategies_that_are_gone_are_removed(tmp_path: Path) -> None:
    recipes.recipes(settings.load(write_params(tmp_path, tree())), tmp_path)
    recipes.recipes(settings.load(write_params(tmp_path, tree(strategies=["random"]))), tmp_path)
    names = sorted(os.listdir(tmp_path / "data/recipes"))
    assert names == [
        "data-digits.json",
        "model-digits.json",
        "random.json",
        "split-digits.json",
        "stage-full.json",
        "stage-split.json",
        "stage-start.json",
    ]


def test_a_module_that_ran_and_that_the_recipe_lacks_is_refused(tmp_path: Path) -> None:
    study = settings.load(write_params(tmp_path, tree(strategies=["random"])))
    recipes.recipes(study, tmp_path)
    path = Layout(tmp_path).recipe("random")
    content = json.loads(path.read_text())
    content["code"] = {"stages": content["code"]["stages"]}
    path.write_text(json.dumps(content))
    Layout(tmp_path).protocol("digits").parent.mkdir(parents=True)
    Layout(tmp_path).protocol("digits").write_text("{}")
    with pytest.raises(UserError, match="knows nothing of the module stages"):
        recipes.check_loaded(Layout(tmp_path), "random", "digits")
    recipes.check_loaded(Layout(tmp_path), "random", "digits", frozenset(sys.modules))


def test_a_folder_of_ones_own_is_noted(tmp_path: Path) -> None:
    write_own(tmp_path, "mylab")
    recipes.note("mylab", tmp_path)
    lines = (tmp_path / "data/code/mylab.digests").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["mylab/__init__.py", "mylab/al.py"]
    with pytest.raises(UserError, match="no folder here"):
        recipes.note("nothing", tmp_path)

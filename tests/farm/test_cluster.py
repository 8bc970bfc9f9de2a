"""A cluster in miniature: machines that share no folder, and studies that tune settings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repository import commit, dvc, environment, git, make_repository
from test_plan import call, same_as

from stages import mend

pytestmark = pytest.mark.slow
MIXED = {
    "use": "hybrid",
    "uncertainty": "entropy",
    "diversity": "minimum_distance",
    "combination": "mean",
    "passes": 3,
    "alpha": [0.1, 0.9],
}
RUNS = ("random", "mixed")


def clone(source: Path, target: Path) -> Path:
    git(source.parent, "clone", "--quiet", str(source), str(target))
    return target


def grow(root: Path, *targets: str) -> subprocess.Popen[str]:
    """A machine at work on some of the runs."""
    return subprocess.Popen(
        [sys.executable, "-m", "stages.grow", "--workers", "1", "--targets", *targets],
        cwd=root,
        env=environment(root),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_clones_that_share_nothing_but_a_remote(
    bare: Path, made_grown: Path, tmp_path: Path
) -> None:
    dvc(bare, "remote", "add", "--default", "store", str(tmp_path / "store"))
    commit(bare)
    dvc(bare, "push", "--quiet")
    machines = {
        clone(bare, tmp_path / "first"): ["round@digits-random-0-round1"],
        clone(bare, tmp_path / "second"): ["round@digits-entropy-0-round1", "full@digits-0"],
    }
    for machine in machines:
        dvc(machine, "pull", "--quiet", "--allow-missing")
    at_work = [grow(machine, *targets) for machine, targets in machines.items()]
    for process in at_work:
        said = process.communicate(timeout=900)[0]
        assert process.returncode == 0, said
    places = []
    for machine in machines:
        commit(machine)
        dvc(machine, "push", "--quiet")
        places.append(clone(machine, tmp_path / f"{machine.name}-as-seen-from-here"))
        shutil.rmtree(machine)  # the machine is gone; the remote and its commits are not
        dvc(places[-1], "pull", "--quiet", "--allow-missing")
    said = call(bare, "stages.join", *map(str, places))
    assert "3 runs joined, 0 were here\n" in said
    same_as(bare, made_grown)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A study that tunes a strategy, after split; the same after tune; and grown."""
    start = tmp_path_factory.mktemp("tuned") / "start"
    strategies = {"random": {}, "mixed": MIXED}
    make_repository(start, strategies=[*strategies], strategy=strategies, tuned=["mixed"])
    dvc(start, "repro", "recipes", "prepare", "protocol", "split")
    commit(start)
    ready, whole = start.with_name("ready"), start.with_name("whole")
    shutil.copytree(start, ready, symlinks=True)
    dvc(ready, "repro", "tune")
    commit(ready)
    shutil.copytree(ready, whole, symlinks=True)
    dvc(whole, "repro")
    mend.tidy(whole)
    commit(whole)
    return start, ready, whole


def copy(root: Path, target: Path) -> Path:
    return Path(shutil.copytree(root, target, symlinks=True))


@pytest.mark.parametrize("here", ["after tune", "before it"])
def test_runs_of_a_tuned_strategy_are_joined(tuned, tmp_path: Path, here: str) -> None:
    start, ready, whole = tuned
    place = copy(ready, tmp_path / "place")
    machines = [grow(place, "round@digits-mixed-0-round1"), None]
    said = machines[0].communicate(timeout=900)[0]
    assert machines[0].returncode == 0, said
    root = copy(ready if here == "after tune" else start, tmp_path / "here")
    said = call(root, "stages.join", str(place))
    assert "digits/mixed/seed-0: from" in said and "1 runs joined, 0 were here" in said
    process = grow(root, "report")
    said = process.communicate(timeout=900)[0]
    assert process.returncode == 0, said
    same_as(root, whole)


def test_an_array_job_grows_a_tuned_strategy(tuned, tmp_path: Path) -> None:
    _, ready, whole = tuned
    root = copy(ready, tmp_path / "here")
    places = []
    for strategy in ("random", "mixed", "full"):
        places.append(tmp_path / strategy)
        words = ["--task", "digits", "--strategy", strategy, "--seed", "0"]
        call(root, "stages.chain", *words, "--root", str(places[-1]), "--inputs", str(root))
    assert "3 runs joined, 0 were here\n" in call(root, "stages.join", *map(str, places))
    same_as(root, whole)


def test_another_choice_of_tune_is_refused(tuned, tmp_path: Path) -> None:
    _, ready, whole = tuned
    here, place = copy(ready, tmp_path / "here"), copy(whole, tmp_path / "place")
    path = here / "reports/tuned/digits/mixed/seed-0.json"
    text = path.read_text()
    assert '"alpha": 0.1' in text and '"alpha": 0.9' in text
    path.write_text(text.replace("0.1", "0.2"))
    said = call(here, "stages.join", str(place), fails=True)
    assert "digits/mixed/seed-0: from" not in said
    assert f"error: {place}: other inputs: reports/tuned/digits/mixed/seed-0.json: " in said
    assert not (here / "splits/digits/mixed/seed-0").exists()

"""Whose weights are kept changes no result, and nothing that has run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from repository import contents, dvc, git, ran
from study import grow, tree, write_params

from stages import full, mend
from stages.checking import plan
from stages.farm import runs
from stages.machine.errors import UserError
from stages.reporting.read.records import read_full
from stages.study import leftover, settings
from stages.study.layout import Layout
from stages.verify import verify

WEIGHTS = {"model.npz", "scores.npy"}
KEPT = {
    "all": {"round-0": set(), "round-1": WEIGHTS, "round-2": WEIGHTS, "round-end": {"model.npz"}},
    "last": {"round-0": set(), "round-1": set(), "round-2": set(), "round-end": {"model.npz"}},
    "none": {"round-0": set(), "round-1": set(), "round-2": set(), "round-end": set()},
}


@pytest.mark.parametrize("first", ["all", "last", "none"])
def test_what_is_kept_of_a_run(study_copy: Path, first: str) -> None:
    results = []
    for keep in (first, *({*KEPT} - {first})):  # also over what another choice has left
        study = settings.load(write_params(study_copy, tree(keep=keep)))
        grow(study, study_copy, "digits", "entropy", 0)
        full.full(study, study_copy, "digits", 0)
        layout = Layout(study_copy)
        for name, kept in KEPT[keep].items():
            folder = layout.artifacts("digits", "entropy", 0, name.removeprefix("round-"))
            assert {path.name for path in folder.iterdir()} == kept | {"carry.npz"}
        whole = {path.name for path in layout.full_artifacts("digits", 0).iterdir()}
        assert whole == {"carry.npz"} | ({"model.npz"} if keep != "none" else set())
        results.append(contents(study_copy, "splits", "reports"))
    assert results[0] == results[1] == results[2]


def test_full_is_for_some_seeds(tmp_path: Path) -> None:
    study = settings.load(write_params(tmp_path, tree(full=[1])))
    assert study.full_seeds == [1]
    assert [run for run in runs.all_runs(study) if run[1] is None] == [("digits", None, 1)]
    assert plan.read(tmp_path / "params.yaml").full == (1,)
    write_params(tmp_path, {key: value for key, value in tree().items() if key != "full"})
    assert settings.load(tmp_path / "params.yaml").full_seeds == [0, 1]
    assert plan.read(tmp_path / "params.yaml").full == (0, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"full": [2]}, "full: 2 is not among the seeds; allowed: 0, 1"),
        ({"full": [1, 1]}, "full: 1 stands there twice"),
        ({"full": "none"}, "full is 'none'; input should be a valid list"),
        ({"keep": "some"}, "keep is 'some'; did you mean 'none'? allowed: last, all, none"),
    ],
)
def test_bad_values_are_one_line(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(UserError) as raised:
        settings.load(write_params(tmp_path, tree(**changes)))
    assert raised.value.faults == (f"{tmp_path}/params.yaml: {message}",)


@pytest.mark.parametrize("said", [[7], "all", [True], [-1]])
def test_a_stranger_s_full_is_checked(tmp_path: Path, said: object) -> None:
    write_params(tmp_path, tree(full=said))
    with pytest.raises(UserError, match="full is .*, allowed: a list of some of the seeds"):
        plan.read(tmp_path / "params.yaml")


def test_a_full_row_of_a_seed_that_is_not_named_does_not_count(study_copy: Path) -> None:
    study = settings.load(write_params(study_copy, tree(strategies=["random"], rounds=ONE)))
    for seed in study.seeds:
        full.full(study, study_copy, "digits", seed)
        grow(study, study_copy, "digits", "random", seed)
    assert read_full(study, study_copy)["seed"].tolist() == [0, 1]
    assert verify(study_copy).faults == [] and leftover.leftovers(study, study_copy) == []
    fewer = tree(strategies=["random"], rounds=ONE, full=[1])
    study = settings.load(write_params(study_copy, fewer))
    assert read_full(study, study_copy)["seed"].tolist() == [1]
    found = verify(study_copy)
    assert found.faults == []
    assert [line for line in found.notices if "reports/rounds/digits/seed-0: not named" in line]
    gone = [path.relative_to(study_copy) for path in leftover.leftovers(study, study_copy)]
    assert list(map(str, gone)) == ["artifacts/digits/seed-0", "reports/rounds/digits/seed-0"]
    leftover.remove(leftover.leftovers(study, study_copy))
    assert verify(study_copy).notices == []
    (study_copy / "reports/rounds/digits/seed-1/full.json").unlink()
    assert any("full.json" in line for line in verify(study_copy).faults)


ONE = [{"n": 0, "next": "end"}]


@pytest.mark.slow
def test_another_choice_makes_nothing_stale_and_links_do_not_harm_the_cache(
    grown: Path, made_grown: Path
) -> None:
    models = list((made_grown / "artifacts").rglob("model.npz"))
    assert models and any(path.stat().st_nlink > 1 for path in models)  # as dvc repro leaves them
    params = grown / "params.yaml"
    before = contents(grown, "splits", "reports/rounds")
    params.write_text(params.read_text().replace("keep: all", "keep: none"))
    assert ran(dvc(grown, "repro")) == []
    objects = contents(grown, ".dvc/cache/files/md5")
    # The copy of the study that the fixture made has no links any more: DVC makes them anew.
    shutil.rmtree(grown / "artifacts/digits")
    dvc(grown, "checkout", "--relink")
    linked = list((grown / "artifacts/digits").rglob("*.npz"))
    assert linked and all(path.stat().st_nlink > 1 for path in linked)
    dvc(grown, "repro", "-f", "-s", "round@digits-random-0-round0")  # writes no weights now
    assert contents(grown, ".dvc/cache/files/md5").items() >= objects.items()
    for path in (grown / ".dvc/cache/files/md5").rglob("*"):
        assert not path.is_file() or path.stat().st_mode & 0o777 == 0o444
    assert contents(grown, "splits", "reports/rounds") == before
    left = grown / "artifacts/digits/random/seed-0/round-1"
    assert {path.name for path in left.iterdir()} == {"carry.npz"}
    assert dvc(grown, "status", "-q") == ""
    git(grown, "checkout", "--", "dvc.lock", "params.yaml")
    dvc(grown, "checkout", "--force")
    assert {path.name for path in left.iterdir()} == {"carry.npz", *WEIGHTS}
    with np.load(left / "model.npz") as arrays:
        assert arrays.files
    mend.mend(grown)
    assert dvc(grown, "status", "-q") == ""

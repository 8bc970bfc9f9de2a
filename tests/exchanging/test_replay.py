"""A replay selects what was imported, and refuses what does not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sources import INITIAL, QUERY, bring, ledger_of
from study import grow, rounds, tree, write_params

from stages import recipes
from stages.catalogue import REPLAYS, STRATEGIES, composed
from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError
from stages.round import Run, run_round
from stages.split import split
from stages.start import start
from stages.study import imported, ledger, settings
from stages.study.layout import Layout

AGAIN = {"use": "replay", "source": "theirs"}


def study_of(root: Path, **changes):
    changes = {"strategies": ["random", "again"], "strategy__again": AGAIN} | changes
    changes = {"task__digits__split__imported": "theirs"} | changes
    return settings.load(write_params(root, tree(**changes)))


@pytest.fixture
def here(study_copy: Path, prepared_study: Path, tmp_path: Path) -> Path:
    """A study with an import of another one, and the sets of that."""
    ledger_of(tmp_path / "theirs", prepared_study / "data/digits")
    bring(study_copy, tmp_path / "theirs")
    shutil.rmtree(study_copy / "splits")
    study = study_of(study_copy)
    for seed in study.seeds:
        split(study, study_copy, "digits", seed)
    return study_copy


def selected(root: Path, strategy: str, seed: int, task: str = "digits") -> list[list[int]]:
    chain = ledger.walk(Layout(root).link(task, strategy, seed, "end"))
    parts = [chain.validation, chain.initial, *chain.links[1:-1]]
    return [link.indices.tolist() for link in parts]


def test_a_run_repeats_itself_to_the_byte(study_copy, tmp_path):
    """The run of a strategy, exported by its files alone, trained again on the same sets."""
    changes = {"seeds": [0], "strategies": ["entropy"], "rounds": rounds(3)}
    one = tmp_path / "one"
    shutil.copytree(study_copy, one)
    grow(settings.load(write_params(one, tree(**changes))), one, "digits", "entropy", 0)
    bring(study_copy, one)
    study = study_of(study_copy, seeds=[0], task__digits__split__imported=None)
    grow(study, study_copy, "digits", "again", 0)
    assert selected(study_copy, "again", 0) == selected(one, "entropy", 0)
    for n in range(3):
        mine = json.loads(Layout(study_copy).result("digits", "again", 0, n).read_text())
        theirs = json.loads(Layout(one).result("digits", "entropy", 0, n).read_text())
        assert mine.pop("strategy") == "again" and theirs.pop("strategy") == "entropy"
        assert mine == theirs


def test_transfer_is_a_replay_under_another_model(here, prepared_study):
    study = study_of(here, seeds=[1], task__digits__model={"name": "linear"})
    grow(study, here, "digits", "again", 1)
    parts = imported.find(here, "theirs").chain(1)
    expected = [parts.validation, parts.initial, *parts.links[1:]]
    assert selected(here, "again", 1) == [link.indices.tolist() for link in expected]
    grow(study, here, "digits", "random", 1)  # begins with the same sets
    assert selected(here, "random", 1)[:2] == selected(here, "again", 1)[:2]


def test_another_learner_may_look_at_the_same_rows(here):
    study = study_of(here, strategy__again=AGAIN | {"learner": "ceal"}, rounds=rounds(2))
    grow(study, here, "digits", "again", 0)
    assert (
        selected(here, "again", 0)[2]
        == imported.find(here, "theirs").chain(0).links[1].indices.tolist()
    )


def test_it_is_no_strategy_that_can_be_consulted_or_tuned(here):
    assert set(REPLAYS) == {"replay"} and "replay" not in STRATEGIES
    with pytest.raises(UserError, match="selects what an import says, and weighs nothing"):
        study_of(here, strategy__again={"use": "albl", "over": ["random", "replay"]})
    with pytest.raises(UserError, match="'again' is a replay, and replays are not tuned"):
        lists = {"use": "replay", "source": ["theirs", "ours"]}
        study_of(here, strategy__again=lists, tuned=["again"])
    with pytest.raises(UserError, match=r"again.source is missing"):
        study_of(here, strategy__again={"use": "replay"})
    with pytest.raises(UserError, match=r"source is '../x'; allowed: the name of an import"):
        study_of(here, strategy__again={"use": "replay", "source": "../x"})
    with pytest.raises(UserError, match="split.imported"):
        study_of(here, task__digits__split__imported="../x")
    assert composed("replay", {"source": "theirs"})[0].replays


def test_its_recipe_has_the_digest_and_no_other_has(here, monkeypatch):
    monkeypatch.chdir(here)
    study = study_of(here)
    recipes.recipes(study, here)
    before = {path.name: path.read_text() for path in Layout(here).recipes.iterdir()}
    own = json.loads(before["again.json"])
    assert own["imported"] == imported.find(here, "theirs").digest
    shared = json.loads(before["stage-split.json"])["imported"]
    assert shared == {"theirs": imported.read(here, "theirs").digest}
    assert "imported" not in json.loads(before["random.json"])
    recipes.check(study, Layout(here), "again")
    path = here / "imported/theirs/splits/digits/margin/seed-1/round-2.txt"
    lines = path.read_text().splitlines()
    spare = next(row for row in map(str, range(1438)) if row not in all_rows(here))
    path.write_text("\n".join([*lines[:-1], spare]) + "\n")
    path.with_name("round-end.txt").unlink()
    with pytest.raises(UserError, match=r"again.json: imported is not that of params.yaml"):
        recipes.check(study, Layout(here), "again")
    recipes.recipes(study, here)
    after = {path.name: path.read_text() for path in Layout(here).recipes.iterdir()}
    assert [name for name in after if after[name] != before[name]] == ["again.json"]


def all_rows(root: Path) -> set[str]:
    chain = imported.find(root, "theirs").chain(1)
    return set(map(str, [*chain.validation.indices, *chain.labeled]))


def test_the_sets_of_an_import_are_those_of_the_split(here):
    for seed in (0, 1):
        folder = Layout(here).shared_split("digits", seed)
        theirs = imported.read(here, "theirs").shared(seed)
        for name, link in zip(("validation", "initial"), theirs, strict=True):
            assert ledger.read(folder / f"{name}.txt").indices.tolist() == link.indices.tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rounds": rounds(4)}, r"the run selects 2 times, 'rounds' in params.yaml select 3 times"),
        ({"task__digits__query_size": 5}, r"round-1.txt: holds 6 rows, task.digits.query_size is"),
        ({"task__digits__split__initial": 9}, r"initial.txt: holds 12 rows, .*initial is 9"),
        ({"seeds": [0, 7]}, r"theirs: has no seed 7; allowed: 0, 1"),
        ({"strategy__again": AGAIN | {"of": "bald"}}, r"has no strategy 'bald'"),
        ({"strategy__again": AGAIN | {"source": "their"}}, "no import 'their'; did you mean 'thei"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_trained(here, changes, message):
    with pytest.raises(UserError, match=message):
        recipes.recipes(study_of(here, **changes), here)


def test_a_split_of_other_sizes_is_refused(here):
    study = study_of(here, task__digits__split__validation=4)
    with pytest.raises(UserError, match="validation.txt: holds 5 rows, .*validation is 4"):
        split(study, here, "digits", 0)


@pytest.mark.parametrize("own", [{"balanced": True}, {"start": "balanced"}])
def test_sets_that_are_taken_are_not_drawn_as_well(here, own):
    own = {f"task__digits__split__{key}": value for key, value in own.items()}
    with pytest.raises(UserError, match="split.imported brings the initial set, and balanced or"):
        study_of(here, **own)


def test_an_import_may_not_begin_with_copies_of_the_validation_images(here):
    data = Prepared(Layout(here).data("digits"))
    shared = here / "imported/theirs/splits/digits/seed-0"
    old = ledger.read(shared / "initial.txt")
    rows, parent = data.rows, None
    validation = ledger.read(shared / "validation.txt").indices
    initial = old.indices.copy()
    initial[0] = validation[0] + rows  # the second copy of that image
    for name, indices in (("validation", validation), ("initial", initial)):
        parent = ledger.write(
            shared / f"{name}.txt", indices, data=data.identity, rows=2 * rows, task="digits",
            strategy="shared", seed=0, round_n=name, parent=parent,
            total=len(indices) if name == "initial" else 0,
        )  # fmt: skip
    study = study_of(here, task__digits__pool={"copies": 2})
    with pytest.raises(UserError, match=rf"row {validation[0] + rows} of the initial set shows"):
        split(study, here, "digits", 0)


def first_round(root: Path, **changes) -> None:
    study = study_of(root, **changes)
    start(study, root, "digits", "again", 0)
    run_round(Run(study, Layout(root), "digits", "again", 0), 0, 1)


def test_another_initial_set_is_refused(here):
    drawn = study_of(here, task__digits__split__imported=None)
    split(drawn, here, "digits", 0)
    with pytest.raises(UserError, match="not the initial set of .*split.imported: theirs"):
        first_round(here)


def test_other_data_are_refused(here):
    folder = here / "imported/theirs"
    shutil.rmtree(folder)
    bare = here.parent / "bare"
    data = json.loads((here / "data/digits/manifest.json").read_text())["digest"]
    manifest = here.parent / "other/manifest.json"
    manifest.parent.mkdir()
    text = (here / "data/digits/manifest.json").read_text()
    manifest.write_text(text.replace(data, "0" * 64))
    for name in ("train_images", "train_labels"):
        shutil.copy(here / f"data/digits/{name}.npy", manifest.parent)
    ledger_of(bare, manifest.parent)
    bring(here, bare)
    with pytest.raises(UserError, match="these index sets are about digits sha256:000"):
        first_round(here)
    with pytest.raises(UserError, match="these index sets are about digits sha256:000"):
        split(study_of(here), here, "digits", 0)


def test_a_validation_set_of_ones_own_must_not_touch_the_rows(here):
    """The same initial set, but other validation rows."""
    theirs = imported.find(here, "theirs").chain(0)
    layout = Layout(here).shared_split("digits", 0)
    common = {
        "data": theirs.initial.header["data"], "rows": 1438, "task": "digits",
        "strategy": ledger.SHARED, "seed": 0,
    }  # fmt: skip
    taken = theirs.links[1].indices[:5]
    parent = ledger.write(layout / "validation.txt", taken, round_n="validation", parent=None,
                          total=0, **common)  # fmt: skip
    ledger.write(layout / "initial.txt", theirs.initial.indices, round_n="initial", parent=parent,
                 total=INITIAL, **common)  # fmt: skip
    with pytest.raises(UserError, match=r"row \d+ is in the validation set"):
        first_round(here)


def test_an_import_that_ends_too_soon(here):
    with pytest.raises(UserError, match="is the last, round 2 needs one more"):
        source = imported.find(here, "theirs")
        imported.following(source, source.chain(0), 0)


def test_the_order_is_that_of_the_import(here):
    source = imported.find(here, "theirs")
    own = source.chain(0)
    own.links = own.links[:2]
    link = imported.following(source, own, 0)
    assert link.indices.tolist() == source.chain(0).links[2].indices.tolist()
    assert len(link.indices) == QUERY and (np.diff(link.indices) < 0).any()


def test_a_damaged_source_file_is_one_line(here):
    path = here / "imported/theirs/source.json"
    path.write_text(path.read_text().replace('"digits"', '"../up"'))
    with pytest.raises(UserError, match="source.json: not what stages.exchange writes"):
        imported.find(here, "theirs")

"""Finished runs of other places are taken if somebody vouches for them, each from its owner."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from repository import contents, dvc, git, ran
from study import reseal
from test_plan import call, same_as

from stages.farm import grown, lockfile, runs
from stages.farm.places import difference, hash_of
from stages.study import settings
from stages.study.layout import Layout

pytestmark = pytest.mark.slow
RANDOM, ENTROPY, FULL = (("digits", name, 0) for name in ("random", "entropy", None))


def without(root: Path, *gone: runs.Run) -> Path:
    """Take runs out of a study, and out of its dvc.lock."""
    study, layout = settings.load(root / "params.yaml"), Layout(root)
    entries = lockfile.load((root / "dvc.lock").read_text())
    for run in gone:
        for path in runs.committed(study, layout, run):
            path.unlink()
        for path in runs.left(study, layout, run):
            shutil.rmtree(path)
        for name in runs.stages_of(study, run):
            del entries[name]
    lockfile.write(root / "dvc.lock", entries, list(entries))
    return root


def copy(root: Path, name: str) -> Path:
    return Path(shutil.copytree(root, root.with_name(name), symlinks=True))


def note(root: Path, run: runs.Run) -> None:
    """Vouch for a run as `stages.chain` does."""
    study, layout = settings.load(root / "params.yaml"), Layout(root)
    said = {"format": grown.FORMAT, "inputs": grown.digests(layout, run), "done": []}
    for n in [*(item.n for item in study.rounds), "end"]:
        grown.note(layout, run, said, layout.link(*run, n))


def test_each_run_comes_from_its_owner(bare: Path, grown: Path, made_grown: Path) -> None:
    first = without(copy(grown, "first"), ENTROPY)
    second = without(copy(grown, "second"), RANDOM, FULL)
    said = call(bare, "stages.join", str(first), str(second))
    assert f"digits/random/seed-0: from {first}\n" in said
    assert f"digits/entropy/seed-0: from {second}\n" in said
    assert f"digits/full/seed-0: from {first}\n3 runs joined, 0 were here\n" in said
    same_as(bare, made_grown)


def test_what_nobody_has_finished_is_counted_and_grown_later(bare: Path, grown: Path) -> None:
    said = call(bare, "stages.join", str(without(grown, ENTROPY)))
    assert said.endswith(
        "2 runs joined, 0 were here; nobody has finished 1, make repro grows them\n"
    )
    assert ran(dvc(bare, "repro")) == [
        "report", "round@digits-entropy-0-round0", "round@digits-entropy-0-round1",
        "start@digits-entropy-0",
    ]  # fmt: skip


def test_weights_come_from_the_cache_or_stay_away(bare: Path, grown: Path, tmp_path: Path) -> None:
    for folder in Layout(grown).root.glob("artifacts/digits/*"):
        shutil.rmtree(folder)
    plain = copy(bare, "plain")
    call(bare, "stages.join", str(grown))
    assert dvc(bare, "status", "-q") == ""
    assert len(list(bare.rglob("carry.npz"))) == 7
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(grown), str(clone))
    call(plain, "stages.join", str(clone))
    assert list(plain.rglob("carry.npz")) == []
    assert ran(dvc(plain, "repro", "--allow-missing", "--dry")) == []
    assert (plain / "dvc.lock").read_text() == (grown / "dvc.lock").read_text()


def test_a_damaged_object_is_not_taken(bare: Path, grown: Path) -> None:
    for folder in Layout(grown).root.glob("artifacts/digits/*"):
        shutil.rmtree(folder)
    study = settings.load(grown / "params.yaml")
    entry = lockfile.load((grown / "dvc.lock").read_text())[runs.stages_of(study, RANDOM)[2]]
    (kept,) = [item["md5"] for item in entry["outs"] if item["path"].startswith("artifacts")]
    objects = grown / ".dvc/cache/files/md5"
    listed = json.loads((objects / kept[:2] / kept[2:]).read_text())
    model = next(item["md5"] for item in listed if item["relpath"] == "model.npz")
    path = objects / model[:2] / model[2:]
    path.chmod(0o644)
    path.write_bytes(b"something else")
    call(bare, "stages.join", str(grown))
    assert not (bare / "artifacts/digits/random/seed-0/round-end").exists()
    assert (bare / "artifacts/digits/entropy/seed-0/round-end/model.npz").exists()
    assert not (bare / ".dvc/cache/files/md5" / model[:2] / model[2:]).exists()


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("data/digits/protocol.json", '"epochs": 1', '"epochs": 3', "epochs is 3, here 1"),
        ("data/digits/manifest.json", '"name": "digits"', '"name": "other"', "name is 'other'"),
        ("data/recipes/random.json", '"candidates": 0', '"candidates": 5', "candidates is 5"),
        ("splits/digits/seed-0/initial.txt", "# count: 12", "# count: 13", "initial.txt"),
        (
            "splits/digits/random/seed-0/round-1.txt",
            "# total: 18",
            "# total: 19",
            "round-1.txt: changed after",
        ),
        ("reports/rounds/digits/random/seed-0/round-0.json", '"nll": ', '"nll": 1', "round-0.json"),
        ("dvc.lock", "--task digits --strategy random", "--more", "another command"),
        ("dvc.lock", "      size: ", "      size: x", "damaged; run python -m stages.mend"),
    ],
)
def test_what_differs_is_named_and_nothing_changes(
    bare: Path, grown: Path, path: str, old: str, new: str, said: str
) -> None:
    text = (grown / path).read_text()
    assert old in text
    (grown / path).write_text(text.replace(old, new, 1))
    before = contents(bare, "splits", "data", "reports/rounds")
    wanted = [line for line in call(bare, "stages.join", str(grown), fails=True).splitlines()]
    assert all(str(grown) in line for line in wanted if line.startswith("error: ")), wanted
    assert any(said in line for line in wanted if line.startswith("error: ")), wanted
    after = contents(bare, "splits", "data", "reports/rounds")
    assert before.items() <= after.items()
    assert not [name for name in after if "random/seed-0" in name]


def test_finished_differently_is_a_conflict(bare: Path, grown: Path) -> None:
    other = copy(grown, "other")
    path = other / "reports/rounds/digits/random/seed-0/round-0.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ece": 0.5}, indent=1) + "\n")
    said = call(bare, "stages.join", str(other), fails=True)
    assert "round-0.json" in said and "digits/random/seed-0: from" not in said
    reseal(other)
    said = call(bare, "stages.join", str(other), fails=True)
    assert "digits/random/seed-0: nobody vouches for it:" in said
    assert "0 runs joined, 2 were here" in said
    note(other, RANDOM)
    said = call(bare, "stages.join", str(grown), str(other), fails=True)
    line = f"error: digits/random/seed-0: finished differently in {grown} and {other} ("
    assert line in said and "nothing changed for it" in said
    assert not (bare / "splits/digits/random").exists()
    said = call(grown, "stages.join", str(other), fails=True)
    assert "finished differently in this folder and" in said
    assert git(grown, "status", "--porcelain", "splits", "reports", "dvc.lock") == ""
    said = call(bare, "stages.join", str(other))
    assert f"digits/random/seed-0: from {other}\n1 runs joined, 2 were here\n" in said
    assert dvc(bare, "status", "-q") == ""


def test_a_run_that_is_out_of_date_here_comes_from_elsewhere(grown: Path, made_grown: Path) -> None:
    other = copy(grown, "other")
    path = grown / "reports/rounds/digits/random/seed-0/round-1.json"
    path.write_text(path.read_text().replace('"nll": ', '"nll": 1'))
    entries = lockfile.load((grown / "dvc.lock").read_text())
    entries["round@digits-entropy-0-round0"]["deps"][0]["md5"] = "0" * 32
    lockfile.write(grown / "dvc.lock", entries, list(entries))
    said = call(grown, "stages.join", str(other))
    assert "2 runs joined, 1 were here" in said
    same_as(grown, made_grown)


def test_a_place_must_be_there(bare: Path) -> None:
    said = call(bare, "stages.join", "nowhere", fails=True)
    assert said == "error: nowhere: no such folder\n"


def test_hashes_are_those_of_dvc(made_grown: Path) -> None:
    entries = lockfile.load((made_grown / "dvc.lock").read_text())
    items = [item for entry in entries.values() for item in [*entry["outs"], *entry["deps"]]]
    assert len(items) > 40
    assert {
        item["path"] for item in items if hash_of(made_grown / item["path"]) != item["md5"]
    } == (set())
    assert hash_of(made_grown / "nothing") is None


def test_a_difference_is_said_by_its_key() -> None:
    sides = [json.dumps({"a": {"b": at}, "code": {"stages.x": at}}).encode() for at in (1, 2)]
    assert difference(*sides, "x.json") == "x.json: a.b is 2, here 1"
    sides = [json.dumps({"code": {"stages.x": at}}).encode() for at in (1, 2)]
    assert difference(*sides, "x.json") == "x.json: the code of stages.x"
    assert difference(b"{}", b"[", "x.json") == "x.json"
    assert difference(b"a", b"b", "initial.txt") == "initial.txt"


def test_two_seals_that_are_equal_are_one_run(grown: Path) -> None:
    assert call(grown, "stages.join", str(copy(grown, "other"))) == "0 runs joined, 3 were here\n"

"""dvc.lock from the text of each entry, in the bytes that DVC writes."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import pytest
from study import REPO

from stages.farm import lockfile

LONG = {
    "cmd": "python -m stages.round --task digits --strategy exploitation_exploration --seed 12 "
    "--round 3 --next end --and something that DVC breaks into another line at this place",
    "deps": [{"path": "data/a b.json", "hash": "md5", "md5": "12" * 16, "size": 1}],
    "params": {
        "params.yaml": {
            "rounds": [{"n": 0, "next": "end"}],
            "task.digits.split": {"initial": 20, "balanced": False, "rate": 1e-05, "none": None},
            "text": "yes: 'no'",
            "several": "a\nb\n",
            "numbers": {1: 0.1, 2: [True, "3", ""]},
        }
    },
    "outs": [{"path": "out", "hash": "md5", "md5": "59" * 16 + ".dir", "size": 9, "nfiles": 2}],
}


def test_entries_one_by_one_are_what_dvc_writes_of_all(tmp_path: Path) -> None:
    from dvc.utils.serialize import dumps_yaml

    entries = {name: copy.deepcopy(LONG) for name in ("round@digits-bald-0-round0", "report")}
    entries["report"]["cmd"] = ["a", "b"]
    lockfile.write(tmp_path / "dvc.lock", entries, list(entries))
    text = (tmp_path / "dvc.lock").read_text()
    assert text == dumps_yaml({"schema": "2.0", "stages": entries})
    found = lockfile.texts(text)
    assert list(found) == list(entries) and lockfile.HEAD + "".join(found.values()) == text


def test_the_committed_lock_is_made_of_its_entries() -> None:
    text = (REPO / "dvc.lock").read_text()
    found, entries = lockfile.texts(text), lockfile.load(text)
    assert list(found) == list(entries)
    some = list(entries)[::17]
    assert all(found[name] == lockfile.dumped(name, entries[name]) for name in some)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("schema: '2.0'\n", "", 1),
        lambda text: text + "datasets: []\n",
        lambda text: text.replace("stages:\n", "stages:\n# a comment\n", 1),
        lambda text: text[:-1],
        lambda text: "",
        lambda text: lockfile.HEAD,
        lambda text: text.replace("  report:\n", "  'report':\n"),
    ],
)
def test_other_forms_are_not_taken_apart(change, tmp_path: Path) -> None:
    lockfile.write(tmp_path / "dvc.lock", {"report": LONG}, [])
    text = change((tmp_path / "dvc.lock").read_text())
    assert lockfile.texts(text) is None
    (tmp_path / "dvc.lock").write_text(text)
    found = lockfile.texts_of(tmp_path / "dvc.lock")
    assert found in ({}, {"report": lockfile.dumped("report", LONG)})


def test_ten_thousand_entries_are_put_in_order_in_no_time(tmp_path: Path) -> None:
    text = lockfile.dumped("name@0", LONG)
    texts = {f"name@{at}": text.replace("name@0", f"name@{at}") for at in range(10_000)}
    order, began = sorted(texts), time.perf_counter()
    lockfile.write_texts(tmp_path / "dvc.lock", texts, order)
    assert list(lockfile.texts_of(tmp_path / "dvc.lock")) == order
    assert time.perf_counter() - began < 5


def test_parts_of_params_yaml_that_are_shared_have_anchors_as_dvc_counts_them(
    tmp_path: Path,
) -> None:
    """``a: &here {..}`` and ``b: *here`` are one object: an anchor, unique in the whole file."""
    from dvc.utils.serialize import dumps_yaml

    def entry() -> dict:
        mapping, seeds = {"name": "digits", "root": None}, [0, 1]
        held = {"a": mapping, "full": seeds, "b": mapping, "several": [mapping], "seeds": seeds}
        return copy.deepcopy(LONG) | {"params": {"params.yaml": held}}

    entries = {"split": entry(), "prepare": copy.deepcopy(LONG), "round": entry()}
    whole = dumps_yaml({"schema": "2.0", "stages": entries})
    assert "&id004" in whole
    path = tmp_path / "dvc.lock"
    lockfile.write(path, entries, list(entries))
    assert path.read_text() == whole and lockfile.load(whole) == entries
    found = lockfile.texts(whole)
    assert found == {name: lockfile.dumped(name, one) for name, one in entries.items()}
    order = ["round", "prepare", "split"]
    lockfile.write_texts(path, found, order)
    assert path.read_text() == dumps_yaml(
        {"schema": "2.0", "stages": {name: entries[name] for name in order}}
    )

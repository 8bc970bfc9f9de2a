"""``python -m stages.verify``: every change to an index set is found and named."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from attacks import judge
from hypothesis import given
from hypothesis import strategies as st
from sealed import (
    INITIAL,
    LABELS,
    MANIFEST,
    ROWS,
    SEEDS,
    STRATEGIES,
    VALIDATION,
    params,
    put,
    write_run,
    write_study,
)
from sealed import edit as edit_json
from study import DATA, DROP, REPO, reseal, rounds, write_chain, write_params

from stages.machine.errors import UserError
from stages.reporting.read.records import read_rounds
from stages.study import ledger
from stages.verify import main, verify

SETS = {"validation": [40, 41], "initial": [5, 1]}


def grow(root: Path, **changes) -> list:
    return write_chain(root, [[7, 3, 9], [30, 20, 10]], **{**SETS, **changes})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two strategies and two seeds, all sound."""
    for seed in (0, 1):
        for strategy in ("random", "entropy"):
            grow(tmp_path, seed=seed, strategy=strategy)
    return tmp_path


def only_fault(root: Path) -> str:
    faults = verify(root).faults
    assert len(faults) == 1, faults
    return faults[0]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_sound_chains_have_fingerprints(root):
    found = verify(root)
    assert found.faults == []
    assert sorted(found.fingerprints) == [
        "toy/entropy/seed-0",
        "toy/entropy/seed-1",
        "toy/random/seed-0",
        "toy/random/seed-1",
    ]
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in found.fingerprints.values())
    assert len(set(found.fingerprints.values())) == 4


@pytest.fixture(scope="module")
def lone_chain(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("lone")
    grow(root)
    return root


@given(st.data())
def test_any_changed_byte_is_found(lone_chain, data):
    paths = sorted(lone_chain.glob("splits/**/*.txt"))
    path = data.draw(st.sampled_from(paths))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda new: new != content[at]))
    path.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
    try:
        assert verify(lone_chain).faults, (path.name, at, value)
    finally:
        path.write_bytes(content)


def test_any_changed_byte_of_a_seal_is_found(lone_chain):
    """No later file pins a seal, so it must give away any change by itself."""
    path = lone_chain / "splits/toy/random/seed-0/round-end.txt"
    content = path.read_bytes()
    line_ends = {*range(0x09, 0x0E), *range(0x1C, 0x21), 0x00, 0x7F, 0x85}
    unnoticed = []
    try:
        for at, old in enumerate(content):
            others = line_ends if old == 0x0A else {0x0D}
            for value in (others | {old ^ 1}) - {old}:
                path.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
                if not verify(lone_chain).faults:
                    unnoticed.append((at, old, value))
    finally:
        path.write_bytes(content)
    assert unnoticed == []


@given(st.data())
def test_any_lost_or_doubled_byte_is_found(lone_chain, data):
    path = data.draw(st.sampled_from(sorted(lone_chain.glob("splits/**/*.txt"))))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    middle = content[at : at + 1] * data.draw(st.sampled_from([0, 2]))
    path.write_bytes(content[:at] + middle + content[at + 1 :])
    try:
        assert verify(lone_chain).faults, (path.name, at)
    finally:
        path.write_bytes(content)


def test_an_edited_link_is_named(root):
    path = root / "splits/toy/random/seed-1/round-1.txt"
    edit(path, "\n3\n", "\n4\n")
    assert only_fault(root).startswith(f"{path}: changed after round-2.txt was written")


def test_a_duplicate_is_named_with_its_line(root):
    path = root / "splits/toy/random/seed-1/round-1.txt"
    edit(path, "\n3\n", "\n7\n")
    assert only_fault(root) == f"{path}:12: row 7 was already taken in an earlier line"


def test_a_missing_link_is_named(root):
    path = root / "splits/toy/entropy/seed-0/round-1.txt"
    path.unlink()
    assert only_fault(root) == f"{path}: missing link"


def test_a_missing_seal_is_named(root):
    (root / "splits/toy/entropy/seed-0/round-end.txt").unlink()
    assert only_fault(root) == (
        f"{root / 'splits/toy/entropy/seed-0'}: no seal (round-end.txt): the run is not finished"
    )


def test_a_changed_initial_set_is_found_in_every_run_that_uses_it(root):
    edit(root / "splits/toy/seed-0/initial.txt", "\n5\n", "\n6\n")
    found = verify(root)
    assert set(found.fingerprints) == {"toy/entropy/seed-1", "toy/random/seed-1"}
    assert len(found.faults) == 2
    assert all("seed-0/initial.txt: changed after" in fault for fault in found.faults)


def test_a_changed_validation_set_is_found(root):
    edit(root / "splits/toy/seed-0/validation.txt", "\n41\n", "\n42\n")
    assert "validation.txt: changed after initial.txt was written" in verify(root).faults[0]


def test_overlap_of_the_shared_sets_is_named(tmp_path):
    write_chain(tmp_path, [], validation=[4, 5], initial=[1, 5])
    fault = verify(tmp_path).faults[0]
    assert re.search(r"initial\.txt:12: row 5 is in the validation set .*validation\.txt", fault)


def test_another_data_set_within_a_task_is_named(root):
    other = "toy sha256:" + "cd" * 32
    grow(root, seed=2, data=other)
    fault = only_fault(root)
    assert fault.startswith(f"{root / 'splits/toy/seed-2/initial.txt'}: data set is")
    assert "toy/random/seed-2" not in verify(root).fingerprints
    assert DATA in fault and other in fault


def test_the_manifest_has_the_last_word_on_the_data_set(root):
    path = root / "data/toy/manifest.json"
    put(path, MANIFEST | {"train": 50, "train_per_class": [20, 20, 10]})
    assert verify(root).faults == []
    edit_json(path, digest="ef" * 32)
    faults = verify(root).faults
    assert len(faults) == 2 and verify(root).fingerprints == {}
    assert all(str(path) in fault for fault in faults)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "not a manifest"),
        ('"name"', "not a JSON object"),
    ],
)
def test_a_damaged_manifest_is_named(root, text, message):
    (root / "data/toy").mkdir(parents=True)
    (root / "data/toy/manifest.json").write_text(text)
    assert f"manifest.json: {message}" in only_fault(root)


def test_a_stray_file_in_a_run_is_named(root):
    stray = root / "splits/toy/random/seed-0/round-7.txt"
    shutil.copy(root / "splits/toy/random/seed-0/round-1.txt", stray)
    assert only_fault(root) == f"{stray}: not part of the sealed chain"
    assert len(verify(root).fingerprints) == 3


def test_a_stray_file_beside_the_shared_sets_is_named(root):
    stray = root / "splits/toy/seed-0/initial-old.txt"
    shutil.copy(root / "splits/toy/seed-0/initial.txt", stray)
    assert str(stray) in only_fault(root)


def test_a_stray_file_between_the_folders_is_named(root):
    (root / "splits/toy/notes.txt").write_text("hello\n")
    assert only_fault(root) == f"{root / 'splits/toy/notes.txt'}: not part of a study"


def test_a_run_in_a_wrong_folder_is_named(root):
    shutil.move(root / "splits/toy/entropy", root / "splits/toy/margin")
    faults = verify(root).faults
    assert len(faults) == 2
    assert "its header belongs under splits/toy/entropy/seed-0" in faults[0]


def test_a_run_under_another_task_is_named(root):
    shutil.move(root / "splits/toy/entropy", root / "splits/toys/entropy")
    faults = verify(root).faults
    assert len(faults) == 2 and all("toys" in fault for fault in faults)


def test_a_run_that_starts_from_a_copy_is_named(root):
    shutil.copytree(root / "splits/toy/seed-0", root / "splits/toy/seed-9")
    folder = root / "splits/toy/random/seed-0"
    edit(folder / "round-0.txt", "seed-0/initial.txt", "seed-9/initial.txt")
    for name, after in (("0", "1"), ("1", "2"), ("2", "end")):
        pinned = ledger.digest((folder / f"round-{name}.txt").read_bytes())
        path = folder / f"round-{after}.txt"
        path.write_text(re.sub("sha256:.*(?=\n# count)", f"sha256:{pinned}", path.read_text()))
    said = f"{folder / 'round-0.txt'}: does not start from {root / 'splits/toy/seed-0/initial.txt'}"
    assert said in verify(root).faults


def test_shared_sets_in_a_wrong_folder_are_named(root):
    shutil.copytree(root / "splits/toy/seed-0", root / "splits/toy/seed-9")
    fault = only_fault(root)
    assert "seed-9" in fault and "splits/toy/seed-0" in fault


def test_half_of_the_shared_sets_is_named(root):
    shutil.copytree(root / "splits/toy/seed-0", root / "splits/toy/seed-9")
    (root / "splits/toy/seed-9/validation.txt").unlink()
    assert only_fault(root).endswith("seed-9/validation.txt: missing link")


def test_a_half_written_file_is_named(root):
    path = root / "splits/toy/random/seed-0/round-2.txt"
    path.write_bytes(path.read_bytes()[:-1])
    assert only_fault(root) == f"{path}: half-written (no newline at the end)"


def test_one_bad_run_does_not_hide_another(root):
    (root / "splits/toy/entropy/seed-0/round-1.txt").unlink()
    (root / "splits/toy/random/seed-1/round-end.txt").unlink()
    found = verify(root)
    assert len(found.faults) == 2 and len(found.fingerprints) == 2


def test_the_command_says_what_is_sound(root, capsys):
    main(["--root", str(root), "--list"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "4 chains are sound, 0 records agree, 0 faults"
    assert re.fullmatch(r"[0-9a-f]{64}  toy/entropy/seed-0", lines[0])


def test_the_command_fails_on_a_fault(root, capsys):
    (root / "splits/toy/entropy/seed-0/round-1.txt").unlink()
    with pytest.raises(SystemExit) as stop:
        main(["--root", str(root)])
    assert stop.value.code == 1
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and "round-1.txt: missing link" in said.err
    assert "3 chains are sound, 0 records agree, 1 faults" in said.out


def test_the_command_fails_where_nothing_is(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--root", str(tmp_path)])
    assert stop.value.code == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'splits'}: no index sets here\n"


NUMPY_ALONE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "pydantic", "yaml", "pandas", "scipy", "sklearn",
                                  "faiss", "PIL", "matplotlib", "dvc", "dulwich",
                                  "filelock", "tqdm"}:
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Refuse())
import runpy
sys.argv = ["verify", "--root", sys.argv[1]]
runpy.run_module("stages.verify", run_name="__main__")
"""


def test_it_needs_numpy_alone(root):
    done = subprocess.run(
        [sys.executable, "-c", NUMPY_ALONE, str(root)], cwd=REPO, capture_output=True, text=True
    )
    assert done.returncode == 0 and "error" not in done.stderr
    assert done.stdout == "4 chains are sound, 0 records agree, 0 faults\n"


@pytest.fixture(scope="module")
def model_study(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("sealed") / "study")


@pytest.fixture
def study(model_study: Path, tmp_path: Path) -> Path:
    """Settings, data, six sealed runs, all records: nothing wrong."""
    root = tmp_path / "study"
    shutil.copytree(model_study, root)
    return root


def named(root: Path, *words: str) -> list[str]:
    """The faults, of which one holds all ``words``."""
    faults = verify(root).faults
    assert any(all(word in fault for word in words) for fault in faults), faults
    assert all("\n" not in fault and len(fault) < 1000 for fault in faults)
    return faults


def test_a_whole_study_is_sound(study):
    found = verify(study)
    assert (found.faults, found.notices) == ([], [])
    assert len(found.fingerprints) == 6 and found.records == 20


def test_a_removed_run_is_named(study):
    shutil.rmtree(study / "splits/toy/entropy/seed-1")
    shutil.rmtree(study / "reports/rounds/toy/entropy/seed-1")
    faults = named(study, "splits/toy/entropy/seed-1: no such run", "params.yaml names it")
    assert len(faults) == 2 and "reports/rounds/toy/entropy/seed-1: no records" in faults[1]


def test_a_removed_seed_is_named(study):
    for path in [*study.glob("*/toy/**/seed-1"), *study.glob("reports/*/toy/**/seed-1*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    faults = named(study, "splits/toy/seed-1: missing")
    assert sum("no such run" in fault for fault in faults) == 3
    named(study, "reports/rounds/toy/seed-1/full.json: missing")
    named(study, "reports/tuned/toy/hybrid/seed-1.json: missing")


def test_a_shortened_chain_that_is_sealed_anew_is_named(study):
    shutil.rmtree(study / "splits/toy/random/seed-0")
    write_chain(
        study, [[6, 7, 8]], rows=ROWS, validation=VALIDATION, initial=INITIAL, strategy="random"
    )
    (study / "reports/rounds/toy/random/seed-0/round-2.json").unlink()
    reseal(study)
    faults = named(study, "random/seed-0/round-end.txt: the run has 2 rounds", "asks for 3")
    assert any("random/seed-0/round-2.json: missing" in fault for fault in faults)
    assert "toy/random/seed-0" not in verify(study).fingerprints


def test_smaller_selections_sealed_anew_are_named(study):
    shutil.rmtree(study / "splits/toy/random/seed-0")
    sizes = {"rows": ROWS, "validation": VALIDATION, "initial": INITIAL}
    write_chain(study, [[6, 7], [8, 9]], strategy="random", **sizes)
    named(study, "random/seed-0/round-1.txt: count is 2", "asks for 3 a round")


def test_raised_rows_in_all_files_are_named(study):
    shutil.rmtree(study / "splits")
    for seed in SEEDS:
        for strategy in STRATEGIES:
            write_run(study, strategy, seed, rows=ROWS + 1)
    faults = named(study, "seed-0/initial.txt: rows is 61", "manifest.json has 60 rows")
    assert len(faults) == 2 and verify(study).fingerprints == {}


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"initial": [0, 1, 2, 3, 4]}, "initial.txt: count is 5"),
        ({"validation": [50, 51, 52]}, "validation.txt: count is 3"),
    ],
)
def test_shared_sets_of_another_size_are_named(study, sizes, said):
    shutil.rmtree(study / "splits")
    for seed in SEEDS:
        for strategy in STRATEGIES:
            write_run(study, strategy, seed, **sizes)
    named(study, said, "params.yaml asks for")


def test_leftover_runs_are_noticed_and_no_fault(study):
    write_run(study, "margin", 0)
    write_run(study, "random", 7)
    put(study / "reports/tuned/toy/margin/seed-0.json", {})
    found = verify(study)
    assert len(found.fingerprints) == 8
    assert [fault for fault in found.faults if "full.json" not in fault] == []
    assert any("toy/margin/seed-0: a run that" in line for line in found.notices)
    assert any("splits/toy/seed-7: not named by" in line for line in found.notices)
    assert any("tuned/toy/margin/seed-0.json" in line for line in found.notices)


def test_leftover_runs_are_still_checked(study):
    write_run(study, "margin", 0)
    edit_json(study / "reports/rounds/toy/margin/seed-0/round-1.json", labeled=12)
    named(study, "margin/seed-0/round-1.json: labeled is 12, its chain has 9")


def test_records_of_a_damaged_chain_are_held_against_the_settings(study):
    (study / "splits/toy/random/seed-0/round-1.txt").unlink()
    assert only_fault(study).endswith("random/seed-0/round-1.txt: missing link")
    assert verify(study).records == 20
    edit_json(study / "reports/rounds/toy/random/seed-0/round-1.json", selected=2)
    named(study, "random/seed-0/round-1.json: selected is 2, its chain has 3")


def test_records_without_index_sets_are_told(study):
    write_run(study, "margin", 0)
    shutil.rmtree(study / "splits/toy/margin")
    assert any("no index sets" in line for line in verify(study).notices)
    (study / "params.yaml").unlink()
    named(study, "margin/seed-0: records of a run that has no index sets")


def test_without_settings_that_is_said(study):
    (study / "params.yaml").unlink()
    shutil.rmtree(study / "splits/toy/random/seed-1")
    shutil.rmtree(study / "reports/rounds/toy/random/seed-1")
    found = verify(study)
    assert found.faults == [] and "checked without settings" in found.notices[0]
    assert len(found.fingerprints) == 5 and found.records == 17


def test_settings_beside_the_folder_are_found(study, tmp_path):
    (study / "params.yaml").rename(tmp_path / "study.yaml")
    shutil.rmtree(study / "splits/toy/random/seed-1")
    named(study, "random/seed-1: no such run", "study.yaml names it")
    (tmp_path / "study.yaml").rename(tmp_path / "other.yaml")
    faults = verify(study, tmp_path / "other.yaml").faults
    assert any("other.yaml names it" in fault for fault in faults)


def test_a_record_too_many_and_one_too_few(study):
    folder = study / "reports/rounds/toy/random/seed-0"
    shutil.copy(folder / "round-2.json", folder / "round-3.json")
    (folder / "round-1.json").unlink()
    (study / "reports/rounds/toy/seed-0/full.json").unlink()
    shutil.copy(folder / "round-0.json", study / "reports/rounds/toy/round-0.json")
    faults = named(study, "random/seed-0/round-3.json: not part of the run's records")
    assert any(fault.endswith("random/seed-0/round-1.json: missing") for fault in faults)
    assert any(fault.endswith("seed-0/full.json: missing") for fault in faults)
    assert any(fault.endswith("toy/round-0.json: not part of a study") for fault in faults)
    assert len(faults) == 4


def test_no_records_at_all_are_one_line(study):
    shutil.rmtree(study / "reports/rounds")
    assert only_fault(study) == f"{study / 'reports/rounds'}: no records here"


@pytest.mark.parametrize(
    ("n", "changes", "said"),
    [
        (1, {"labeled": 999, "labeled_per_class": [333, 333, 333]}, "labeled is 999"),
        (1, {"labeled": 12, "labeled_per_class": [4, 4, 4]}, "its chain has 9"),
        (1, {"selected": 2}, "selected is 2, its chain has 3"),
        (2, {"selected": 3}, "selected is 3, its chain has 0"),
        (1, {"labeled_per_class": [4, 3, 2]}, "labeled_per_class is not what the labels say"),
        (1, {"test": 10, "correct": 10, "accuracy": 1}, "test is 10"),
        (1, {"seed": 1}, "seed is 1, but its path says 0"),
        (1, {"round": 2}, "round is 2, but its path says 1"),
        (1, {"strategy": "entropy"}, "strategy is 'entropy', but its path says 'random'"),
        (1, {"ece": -3}, "ece is -3"),
        (1, {"ece": DROP}, "lacks the key 'ece'"),
        (1, {"per_class_correct": DROP}, "lacks the key 'per_class_correct'"),
        (1, {"selection": DROP}, "has no selection"),
        (0, {"first_selected": DROP}, "lacks the key 'first_selected'"),
        (1, {"note": "mine"}, "'note' is no field of a record"),
    ],
)
def test_a_record_that_contradicts_is_named(study, n, changes, said):
    edit_json(study / f"reports/rounds/toy/random/seed-0/round-{n}.json", **changes)
    reseal(study)
    named(study, f"random/seed-0/round-{n}.json: ", said)


def test_without_labels_classes_must_still_grow(study):
    (study / "data/toy/train_labels.npy").unlink()
    folder = study / "reports/rounds/toy/random/seed-0"
    edit_json(folder / "round-1.json", labeled_per_class=[1, 4, 4])
    reseal(study)
    named(study, "round-1.json: labeled_per_class is below that of the round before")
    edit_json(folder / "round-1.json", labeled_per_class=[3, 3, 3])
    edit_json(folder / "round-0.json", labeled_per_class=[1, 2, 3])
    reseal(study)
    assert "labeled_per_class is not that of" in only_fault(study)


def test_a_record_changed_in_step_is_not_the_one_that_the_seal_pins(study):
    """Better by two, everywhere: it agrees with itself, its chain and its data."""
    path = study / "reports/rounds/toy/entropy/seed-1/round-2.json"
    edit_json(path, correct=22, accuracy=round(22 / 30, 6), per_class_correct=[9, 8, 5])
    assert only_fault(study).startswith(f"{path}: changed after the run was sealed")
    settings = SimpleNamespace(
        tasks=["toy"],
        strategies=["entropy"],
        seeds=[1],
        rounds=[SimpleNamespace(n=n) for n in range(3)],
    )
    with pytest.raises(UserError, match="round-2.json: changed after the run was sealed"):
        read_rounds(settings, study)


def test_a_seal_that_pins_no_results_is_one_fault(study):
    path = study / "splits/toy/entropy/seed-1/round-end.txt"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("# results:")))
    assert only_fault(study) == f"{path}: pins no results, so the run's records prove nothing"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labeled": 60, "labeled_per_class": [20, 20, 20]}, "labeled is 60, its chain has 56"),
        ({"labeled_per_class": [20, 20, 16]}, "labeled_per_class is not what the labels say"),
        ({"round": 0}, "round is 0, but its path says None"),
        ({"selected": 0}, "selected stands in a record of no selection"),
    ],
)
def test_a_full_record_that_contradicts_is_named(study, changes, said):
    edit_json(study / "reports/rounds/toy/seed-0/full.json", **changes)
    named(study, "seed-0/full.json: ", said)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("correct", 5, "candidates[0].correct is 5, allowed: 0 to 4"),
        ("correct", 4, "tuned says"),  # then the other candidate was the best one
        ("values", {"beta": 0.2}, "candidates are not those of strategy.hybrid"),
        ("values", {"over": "x"}, "candidates are not those of strategy.hybrid"),
    ],
)
def test_tuned_settings_that_contradict_are_named(study, key, value, said):
    for seed in SEEDS:
        path = study / f"reports/tuned/toy/hybrid/seed-{seed}.json"
        record = json.loads(path.read_text())
        record["candidates"][0][key] = value
        put(path, record)
    named(study, "hybrid", said)


def test_all_seeds_choose_the_tuned_settings_together(study):
    for seed, counts in ((0, (4, 0)), (1, (2, 3))):
        path = study / f"reports/tuned/toy/hybrid/seed-{seed}.json"
        record = json.loads(path.read_text())
        for candidate, count in zip(record["candidates"], counts, strict=True):
            candidate["correct"] = count
        put(path, record)
    named(study, "hybrid/seed-0/round-0.txt: tuned says", 'gives {"beta": 0.1}')


@pytest.mark.parametrize(("key", "value"), [("validation", 5), ("labeled", 9), ("seed", True)])
def test_the_head_of_tuned_settings_is_checked(study, key, value):
    edit_json(study / "reports/tuned/toy/hybrid/seed-1.json", **{key: value})
    named(study, f"hybrid/seed-1.json: {key} is {value!r}")


def test_a_run_that_was_not_tuned_says_so(study):
    shutil.rmtree(study / "splits/toy/random/seed-0")
    sizes = {"rows": ROWS, "validation": VALIDATION, "initial": INITIAL}
    picks = [[6, 7, 8], [9, 10, 11]]
    write_chain(study, picks, strategy="random", tuned={"beta": 1}, **sizes)
    named(study, "random/seed-0/round-0.txt: says settings were tuned")


def test_the_protocol_is_held_against_settings_and_manifest(study):
    path = study / "data/toy/protocol.json"
    edit_json(path, epochs=30, data="other sha256:" + "0" * 64)
    faults = named(study, "protocol.json: epochs is 30", "params.yaml says 2")
    assert len(faults) == 2 and "data is 'other" in faults[0]


def test_labels_are_held_against_the_manifest(study):
    path = study / "data/toy/train_labels.npy"
    np.save(path, np.roll(LABELS, 1)[:-1])
    named(study, "train_labels.npy: has shape (59,)")
    np.save(path, np.zeros(ROWS, int))
    named(study, "train_labels.npy: labels by class are not train_per_class")
    np.save(path, np.array([object()] * 60), allow_pickle=True)
    named(study, "train_labels.npy: not a whole .npy file of labels")


@pytest.mark.parametrize(
    "path",
    [
        "splits/toy/random/seed-0/round-1.txt",
        "splits/toy/seed-0/initial.txt",
        "splits/toy/random/seed-0/round-end.txt",
        "reports/rounds/toy/random/seed-0/round-1.json",
        "reports/rounds/toy/seed-0/full.json",
        "reports/tuned/toy/hybrid/seed-0.json",
        "data/toy/manifest.json",
        "data/toy/protocol.json",
        "params.yaml",
    ],
)
@pytest.mark.parametrize(
    "kind", ["fifo", "folder", "socket", "link out", "device", "loop", "sparse", "binary", "empty"]
)
def test_what_is_no_plain_file_is_one_line(study, tmp_path, path, kind):
    path = study / path
    content = path.read_bytes()
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
        (path / "x").write_text("x")
    elif kind == "socket":
        here = Path.cwd()
        with socket.socket(socket.AF_UNIX) as listener:
            os.chdir(path.parent)  # a socket's path is short
            listener.bind(path.name)
            os.chdir(here)
    elif kind == "link out":
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "sparse":
        path.write_bytes(content)
        os.truncate(path, 1 << 40)
    elif kind == "binary":
        path.write_bytes(bytes(range(256)))
    else:
        path.touch()
    faults = named(study, str(path))
    assert len(faults) < 20


@pytest.mark.parametrize("top", ["splits", "splits/toy", "splits/toy/random", "reports/rounds/toy"])
def test_a_linked_folder_is_not_followed(study, tmp_path, top):
    shutil.move(study / top, tmp_path / "elsewhere")
    (study / top).symlink_to(tmp_path / "elsewhere")
    named(study, f"{study / top}: is a link")


def test_folders_in_each_other_are_not_walked_to_the_end(study):
    path = str(study / "splits/toy")
    for _ in range(30):
        path += "/x"
        os.mkdir(path)
    assert "too many folders in each other" in only_fault(study)


def test_long_lines_and_odd_names_are_cut_and_escaped(study, capsys):
    edit(study / "splits/toy/random/seed-0/round-1.txt", "\n7\n", "\n" + "7" * 500_000 + "\n")
    (study / "splits/toy/seed-0/\x1b[31m\nerror").write_text("")
    (study / os.fsdecode(b"splits/toy/seed-0/\xff\xfe")).write_text("")
    edit_json(study / "reports/rounds/toy/random/seed-1/round-1.json", task="x" * 500_000)
    with pytest.raises(SystemExit):
        main(["--root", str(study)])
    said = capsys.readouterr().err
    assert "\x1b" not in said and len(said) < 4000
    assert all(line.startswith("error: ") for line in said.splitlines())
    assert r"\x1b[31m" in said and r"\udcff" in said


def test_many_faults_are_cut_unless_all_are_wanted(study, capsys):
    for n in range(60):
        (study / f"splits/toy/seed-0/{n}").write_text("")
    with pytest.raises(SystemExit):
        main(["--root", str(study)])
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 41 and "... and 20 more" in said.err
    assert said.out == "6 chains are sound, 20 records agree, 60 faults\n"
    with pytest.raises(SystemExit):
        main(["--root", str(study), "--list"])
    assert len(capsys.readouterr().err.splitlines()) == 60


def test_renamed_links_are_named(study):
    folder = study / "splits/toy/random/seed-0"
    (folder / "round-2.txt").rename(folder / "round-8.txt")
    seal = folder / "round-end.txt"
    edit(seal, "parent: round-2.txt", "parent: round-8.txt")
    named(study, "round-8.txt: its header says round 2")


def test_a_parent_elsewhere_on_the_machine_is_not_read(study, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("# format: aledger 1\n")
    edit(study / "splits/toy/random/seed-0/round-end.txt", "round-2.txt", "../../../secret.txt")
    named(study, "round-end.txt: parent ", "is not '<file> sha256:<digest>'")


MALICIOUS = """
import pathlib
pathlib.Path({path!r}).touch()
"""


def test_nothing_of_the_folder_is_imported_or_executed(study, tmp_path):
    mark = tmp_path / "executed"
    code = MALICIOUS.format(path=str(mark))
    for name in ("mylab/al.py", "mylab/__init__.py", "numpy.py", "yaml.py", "dulwich.py", "json.py",
                 "stages/__init__.py", "stages/verify.py", "sitecustomize.py", "usercustomize.py",
                 "conftest.py"):  # fmt: skip
        (study / name).parent.mkdir(exist_ok=True)
        (study / name).write_text(code)
    (study / "evil.pth").write_text(f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n")
    settings = params()
    settings["strategy"]["random"] = {"use": "mylab.al:my_strategy"}
    write_params(study, settings)
    done = subprocess.run(
        [sys.executable, "-m", "stages.verify", "--root", str(study), "--committed"],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    assert not mark.exists()
    assert done.returncode == 0, done.stderr
    (study / "params.yaml").write_text(
        f"tasks: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path "
        f"[{str(mark)}]]\n"
    )
    named(study, "params.yaml: line 1: tag")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tasks": ["../../etc"]}, "tasks: '../../etc' is no name"),
        ({"tasks": "toy"}, "tasks is 'toy'"),
        ({"strategies": ["random", "random"]}, "strategies: one stands there twice"),
        ({"strategies": ["no name"]}, "strategies: 'no name' is no name that is defined"),
        ({"strategies": ["full"], "strategy": {"full": {}}}, "strategies: 'full' is no name"),
        ({"seeds": []}, "seeds is []"),
        ({"seeds": [True]}, "seeds is [True]"),
        ({"seeds": [0, 0]}, "seeds: one stands there twice"),
        ({"seeds": list(range(20_000)), "rounds": rounds(20)}, "more than 1000000 rounds"),
        ({"rounds": rounds(3)[1:]}, "rounds: entry 0"),
        ({"rounds": []}, "rounds is []"),
        ({"task": {"toy": {}}}, "task.toy.split is missing"),
        ({"task": {"toy": {"split": {"initial": 0}, "query_size": 1}}}, "task.toy.split.initial"),
        ({"task": {"toy": {"split": {"initial": 1}}}}, "task.toy.query_size is None"),
        ({"strategy": {"random": 3, "entropy": {}, "hybrid": {}}}, "strategy.random is no section"),
        ({"tuned": ["margin"]}, "tuned: 'margin' is no name"),
    ],
)
def test_settings_that_are_none_are_one_line(study, changes, said):
    write_params(study, params() | changes)
    named(study, f"{study / 'params.yaml'}: ", said)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\n" + "".join(f"b{n}: [*a]\n" for n in range(50)),
        "[" * 5000,
        "a: 2024-99-99\n",
        "a: " + "9" * 10000 + "\n",
        "a: !!binary x\n",
        "? {}\n: 1\n",
        "\xff",
        "x" * 300_000,
        "- a\n",
    ],
)
def test_hostile_yaml_is_one_line(study, text):
    (study / "params.yaml").write_text(text)
    named(study, "params.yaml: ")


STUDIES = ["li-mnist", "fashion-mnist"]


@pytest.mark.parametrize("root", [".", *(f"studies/{name}" for name in STUDIES)])
def test_the_committed_studies_are_sound(root):
    found = verify(REPO / root)
    assert (found.faults, found.notices) == ([], [])
    assert found.fingerprints and found.records > len(found.fingerprints)


@pytest.mark.parametrize("first", range(0, 240, 40))
def test_random_attacks_are_noticed(model_study, first):
    for seed in range(first, first + 40):
        what, noticed, _ = judge(model_study, seed)
        assert noticed, (seed, what)

"""``python -m stages.verify``: every change to an index set is found and named."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from study import DATA, REPO, write_chain

from stages.errors import UserError
from stages.verify import differs_from_commit, main, verify

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
    assert fault.startswith(f"{root / 'splits/toy/random/seed-2/round-end.txt'}: data set is")
    assert DATA in fault and other in fault


def test_the_manifest_has_the_last_word_on_the_data_set(root):
    folder = root / "data/toy"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"name": "toy", "digest": "' + "ab" * 32 + '"}')
    assert verify(root).faults == []
    (folder / "manifest.json").write_text('{"name": "toy", "digest": "' + "ef" * 32 + '"}')
    faults = verify(root).faults
    assert len(faults) == 4
    assert all(str(folder / "manifest.json") in fault for fault in faults)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '"name"'])
def test_a_damaged_manifest_is_named(root, text):
    (root / "data/toy").mkdir(parents=True)
    (root / "data/toy/manifest.json").write_text(text)
    with pytest.raises(UserError, match=r"manifest\.json: not a manifest"):
        verify(root)


def test_a_stray_file_in_a_run_is_named(root):
    stray = root / "splits/toy/random/seed-0/round-7.txt"
    shutil.copy(root / "splits/toy/random/seed-0/round-1.txt", stray)
    assert only_fault(root) == f"{stray}: not part of the sealed chain"


def test_a_stray_file_beside_the_shared_sets_is_named(root):
    stray = root / "splits/toy/seed-0/initial-old.txt"
    shutil.copy(root / "splits/toy/seed-0/initial.txt", stray)
    assert str(stray) in only_fault(root)


def test_a_stray_file_between_the_folders_is_named(root):
    (root / "splits/toy/notes.txt").write_text("hello\n")
    assert only_fault(root).startswith(f"{root / 'splits/toy'}: ")


def test_a_run_in_a_wrong_folder_is_named(root):
    shutil.move(root / "splits/toy/entropy", root / "splits/toy/margin")
    faults = verify(root).faults
    assert len(faults) == 2
    assert "its header belongs under splits/toy/entropy/seed-0" in faults[0]


def test_a_run_under_another_task_is_named(root):
    shutil.move(root / "splits/toy/entropy", root / "splits/toys/entropy")
    faults = verify(root).faults
    assert len(faults) == 2 and all("toys" in fault for fault in faults)


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
    assert lines[-1] == "4 chains are sound, 0 faults"
    assert re.fullmatch(r"[0-9a-f]{64}  toy/entropy/seed-0", lines[0])


def test_the_command_fails_on_a_fault(root, capsys):
    (root / "splits/toy/entropy/seed-0/round-1.txt").unlink()
    with pytest.raises(SystemExit) as stop:
        main(["--root", str(root)])
    assert stop.value.code == 1
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and "round-1.txt: missing link" in said.err
    assert "3 chains are sound, 1 faults" in said.out


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
                                  "faiss", "PIL", "matplotlib", "dvc", "filelock", "tqdm"}:
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
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "4 chains are sound, 0 faults\n"


@pytest.fixture
def committed(root: Path) -> Path:
    git(root, "init", "--quiet")
    git(root, "add", "splits")
    git(root, "commit", "--quiet", "-m", "index sets")
    return root


def git(root: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
        check=True,
    )


def test_equal_to_the_commit(committed, capsys):
    main(["--root", str(committed), "--committed"])
    assert "index sets equal the committed ones, byte for byte" in capsys.readouterr().out


def test_differs_from_the_commit(committed, capsys):
    path = committed / "splits/toy/random/seed-0/round-1.txt"
    edit(path, "\n3\n", "\n4\n")
    with pytest.raises(SystemExit):
        main(["--root", str(committed), "--committed"])
    assert "DIFFER from the committed ones in 1 files" in capsys.readouterr().out
    assert differs_from_commit(committed) == ["splits/toy/random/seed-0/round-1.txt"]


def test_a_new_run_differs_from_the_commit(committed):
    grow(committed, strategy="margin")
    assert len(differs_from_commit(committed)) == 4


def test_without_a_commit_there_is_nothing_to_compare(root, capsys):
    main(["--root", str(root), "--committed"])
    assert "no committed index sets to compare with" in capsys.readouterr().out

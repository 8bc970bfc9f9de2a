"""What a killed coordinator leaves behind is taken over, and nothing that is not whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages import mend
from stages.farm import journal, lockfile
from stages.machine.errors import UserError

ENTRY = {"cmd": "echo", "outs": [{"path": "a", "hash": "md5", "md5": "ab" * 16, "size": 3}]}


def text_of(name: str, size: int = 3) -> str:
    entry = {**ENTRY, "outs": [{**ENTRY["outs"][0], "size": size}]}
    return lockfile.dumped(name, entry)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A study whose dvc.lock has one stage, and whose journal has two more and one anew."""
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    lockfile.write(tmp_path / "dvc.lock", {"one@0": ENTRY}, [])
    lines = journal.Journal(tmp_path)
    lines.begin()
    for name, size in (("two@0", 3), ("two@1", 3), ("one@0", 4)):
        lines.add(name, text_of(name, size))
    lines.close()
    return tmp_path


def test_all_that_was_finished_is_taken_over(root: Path) -> None:
    assert journal.continues(root) and journal.replay(root) == 3
    found = lockfile.load((root / "dvc.lock").read_text())
    assert list(found) == ["one@0", "two@0", "two@1"] and found["one@0"]["outs"][0]["size"] == 4
    assert not (root / journal.PLACE).exists() and journal.replay(root) == 0


def test_a_journal_may_be_cut_at_any_byte(root: Path) -> None:
    content = (root / journal.PLACE).read_bytes()
    starts = [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
    seen = set()
    for cut in range(len(content) + 1):
        first, found = journal.read(content[:cut])
        whole = sum(start <= cut for start in starts)
        assert (first is None) == (whole == 0) and len(found) == max(0, whole - 1)
        assert all(
            text == text_of(name, 4 if name == "one@0" else 3) for name, text in found.items()
        )
        seen.add(len(found))
    assert seen == {0, 1, 2, 3}


def test_a_line_in_the_middle_that_is_no_line_ends_it(root: Path) -> None:
    lines = (root / journal.PLACE).read_bytes().split(b"\n")
    lines[2] = lines[2][:-3]
    (root / journal.PLACE).write_bytes(b"\n".join(lines))
    assert journal.replay(root) == 1


def test_what_others_have_recorded_since_stays(root: Path) -> None:
    lockfile.write(root / "dvc.lock", {"one@0": ENTRY, "other": ENTRY}, [])
    assert not journal.continues(root) and journal.replay(root) == 2
    found = lockfile.load((root / "dvc.lock").read_text())
    assert found["one@0"] == ENTRY and set(found) == {"one@0", "two@0", "two@1", "other"}


def test_a_journal_without_dvc_lock_is_one_of_a_study_from_nothing(root: Path) -> None:
    (root / "dvc.lock").unlink()
    lines = journal.Journal(root)
    lines.begin()
    lines.add("two@0", text_of("two@0"))
    lines.close()
    assert json.loads((root / journal.PLACE).read_text().splitlines()[0]) == ["dvc.lock", ""]
    assert mend.mend(root) == ["1 stages from the journal of a `make repro` that was killed"]
    assert (root / "dvc.lock").read_text() == lockfile.HEAD + text_of("two@0")


def test_a_full_disk_is_a_line_that_names_the_journal(tmp_path: Path) -> None:
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    lines = journal.Journal(tmp_path)
    lines.begin()
    with open("/dev/full", "wb") as full:
        lines._stream = full
        with pytest.raises(UserError, match=r"grow\.journal: cannot be written: No space left"):
            lines.add("one", "text")
        lines.close()
    assert journal.read((tmp_path / journal.PLACE).read_bytes()) == ("", {})

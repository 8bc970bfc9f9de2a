"""What the recorder says of a stage is what DVC says, with each dependency hashed once."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from stages.farm import with_dvc
from stages.farm.with_dvc import WithDvc
from stages.farm.work import Halt
from stages.machine import signals
from stages.machine.errors import UserError

STAGES = {
    "first": {
        "cmd": "x",
        "deps": ["code"],
        "params": ["speed"],
        "outs": ["folder", {"a.txt": {"cache": False}}],
    },
    "second": {"cmd": "y", "deps": ["folder/b.txt", "a.txt"], "outs": ["c.txt"]},
    "third": {"cmd": "z", "deps": ["folder", "c.txt"], "metrics": [{"m.json": {"cache": False}}]},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}, sort_keys=False))
    (tmp_path / "params.yaml").write_text("speed: 1.0e-05\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code/a.py").write_text("1\n")
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def write(root: Path, name: str) -> None:
    """What a stage writes."""
    if name == "first":
        (root / "folder").mkdir()
        (root / "folder/b.txt").write_text("b\n")
        (root / "a.txt").write_text("a\n")
    else:
        (root / {"second": "c.txt", "third": "m.json"}[name]).write_text("{}\n")


@pytest.fixture
def work(root: Path) -> Iterator[WithDvc]:
    with with_dvc.opened(root, []) as work:
        for name in work.names:
            assert not work.fresh(name)
            work.begin(name)
            write(root, name)
            work.record(name)
        yield work


def agrees(work: WithDvc, changed: set[str]) -> bool:
    """Whether the recorder and DVC both say that these stages have changed."""
    said = {name for name in work.names if not work.fresh(name)}
    dvcs = {name for name, stage in work.stages.items() if stage.changed()}
    return said == dvcs == changed


def test_nothing_has_changed_after_a_run(work: WithDvc, root: Path) -> None:
    assert work.names == ["first", "second", "third"] and agrees(work, set())


def later(path: Path, text: str) -> None:
    path.unlink()  # it may be a link into the cache
    path.write_text(text)


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (lambda root: later(root / "params.yaml", "speed: 2\n"), {"first"}),
        (lambda root: later(root / "a.txt", "other\n"), {"first", "second"}),
        (lambda root: (root / "a.txt").unlink(), {"first", "second"}),
        (lambda root: (root / "c.txt").unlink(), {"second", "third"}),
        (lambda root: later(root / "m.json", "[]"), {"third"}),
        (lambda root: (root / "dvc.yaml").touch(), set()),
        (lambda root: os.utime(root / "a.txt"), set()),
    ],
)
def test_what_an_edit_changes(work: WithDvc, root: Path, edit, changed: set[str]) -> None:
    edit(root)
    assert agrees(work, changed)


def test_a_stage_that_runs_again_is_looked_at_again(work: WithDvc, root: Path) -> None:
    assert agrees(work, set())
    work.begin("first")
    write(root, "first")
    (root / "folder/d.txt").write_text("d\n")
    work.record("first")
    assert not work.fresh("third") and work.fresh("second")


def test_nothing_is_kept_of_a_folder_that_later_stages_would_pay_for(work: WithDvc) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    assert work.stages["first"].outs[0].hash_info.isdir  # a folder has been recorded
    assert not memory.store and memory.pseudo_dirs == [""]


def test_what_is_missing_is_a_line(work: WithDvc, root: Path) -> None:
    work.begin("first")
    with pytest.raises(UserError, match=r"needs .*b\.txt.*, .*a\.txt, which is not there"):
        work.begin("second")
    with pytest.raises(UserError, match="DVC says: .*folder"):
        work.record("first")


def test_a_full_disk_ends_everything(work: WithDvc, root: Path, monkeypatch) -> None:
    def full(stage) -> str:
        raise OSError(28, "No space left on device", "some/file")

    monkeypatch.setattr(work.recorder, "record", full)
    with pytest.raises(Halt, match="some/file: No space left on device"):
        work.record("first")


def test_so_does_a_database_of_dvc_that_is_full(work: WithDvc, monkeypatch) -> None:
    def full(*_) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    for what, call in (("changed", work.fresh), ("record", work.record), ("begin", work.begin)):
        monkeypatch.setattr(work.recorder, what, full)
        with pytest.raises(Halt, match="DVC's database of hashes: database or disk is full"):
            call("first")


def test_a_full_database_at_the_beginning_is_a_line(root: Path, monkeypatch) -> None:
    def full(*_) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(with_dvc, "WithDvc", full)
    with pytest.raises(UserError, match="disk is full"), with_dvc.opened(root, []):
        pass


def test_a_signal_while_dvc_still_reads_ends_it_at_once(root: Path, monkeypatch) -> None:
    def slow(*_) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(20)

    monkeypatch.setattr(with_dvc, "WithDvc", slow)
    with signals.noted() as came:
        with pytest.raises(signals.Ended), with_dvc.opened(root, []):
            pass
        assert came == []
        os.kill(os.getpid(), signal.SIGTERM)  # from then on it is only noted
        assert came == [signal.SIGTERM]


def test_an_unknown_target_is_a_line(root: Path) -> None:
    with pytest.raises(UserError, match="DVC says: .*nothing"), with_dvc.opened(root, ["nothing"]):
        pass

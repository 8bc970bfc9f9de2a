"""Branches that have run different stages merge; what both have changed otherwise is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from repository import commit, contents, dvc, environment, git, make_repository, ran
from study import REPO

from stages import merge
from stages.farm import lockfile
from stages.farm.lockfile import Entries


def entry(value: int) -> dict:
    """An entry as DVC writes it."""
    out = {"path": "out", "hash": "md5", "md5": f"{value:032x}", "size": 1}
    return {"cmd": f"run {value}", "outs": [out]}


BASE = {"recipes": entry(0), "start@a": entry(0), "old@a": entry(0), "report": entry(0)}


@pytest.mark.parametrize(
    ("ours", "theirs", "merged", "conflicts", "again"),
    [
        ({}, {}, {}, [], []),
        ({"round@a": 1}, {"round@b": 2}, {"round@a": 1, "round@b": 2}, [], []),
        ({"start@a": 1}, {}, {"start@a": 1}, [], []),
        ({}, {"start@a": 1}, {"start@a": 1}, [], []),
        ({"start@a": 1}, {"start@a": 1}, {"start@a": 1}, [], []),
        ({"old@a": None}, {"round@b": 2}, {"old@a": None, "round@b": 2}, [], []),
        ({"round@b": 2}, {"old@a": None}, {"old@a": None, "round@b": 2}, [], []),
        ({"old@a": None}, {"old@a": 1}, {"old@a": None}, ["old@a"], []),
        ({"start@a": 1}, {"start@a": 2}, {"start@a": None}, ["start@a"], []),
        ({"round@a": 1}, {"round@a": 2}, {}, ["round@a"], []),
        ({"report": 1}, {"report": 2}, {"report": None}, [], ["report"]),
        ({"report": 1}, {}, {"report": 1}, [], []),
        ({"recipes": 1}, {"recipes": 2}, {"recipes": None}, [], ["recipes"]),
    ],
)
def test_a_stage_comes_from_the_side_that_changed_it(ours, theirs, merged, conflicts, again):
    sides = [changed(BASE, changes) for changes in (ours, theirs)]
    found = merge.three_way(BASE, *sides)
    assert found == (changed(BASE, merged), conflicts, again)


def changed(entries: Entries, changes: dict[str, int | None]) -> Entries:
    both = {**entries, **{name: at and entry(at) for name, at in changes.items()}}
    return {name: each for name, each in both.items() if each is not None}


@pytest.fixture
def branches(tmp_path: Path) -> Path:
    """A git repository with a dvc.lock and the drivers."""
    root = tmp_path / "two"
    root.mkdir()
    git(root, "init", "--quiet")
    (root / ".gitattributes").write_text((REPO / ".gitattributes").read_text())
    (root / "reports").mkdir()
    write(root, BASE, "base")
    commit(root)
    git(root, "branch", "theirs")
    merge.main(["--install", "--root", str(root)])
    return root


def write(root: Path, entries: Entries, report: str) -> None:
    lockfile.write(root / "dvc.lock", entries, list(entries))
    (root / "reports/report.md").write_text(f"{report}\n")


def both(root: Path, ours: Entries, theirs: Entries) -> subprocess.CompletedProcess[str]:
    """Commit a side on each of two branches, and merge."""
    write(root, ours, "ours")
    commit(root)
    git(root, "checkout", "--quiet", "theirs")
    write(root, theirs, "theirs")
    commit(root)
    git(root, "checkout", "--quiet", "-")
    python_path = {**environment(root), "PYTHONPATH": str(REPO)}
    command = ["git", "-C", str(root), "merge", "--no-edit", "theirs"]
    return subprocess.run(command, env=python_path, capture_output=True, text=True)


def test_git_calls_the_driver(branches: Path) -> None:
    sides = [
        changed(BASE, changes) for changes in ({"a@1": 1, "report": 1}, {"b@1": 1, "report": 2})
    ]
    done = both(branches, *sides)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dvc.lock: report to be run again: dvc repro" in done.stdout + done.stderr
    entries = lockfile.load((branches / "dvc.lock").read_text())
    assert entries == changed(BASE, {"report": None, "a@1": 1, "b@1": 1})
    assert (branches / "reports/report.md").read_text() == "ours\n"
    assert git(branches, "status", "--porcelain") == ""


def test_a_conflict_is_named_and_both_sides_are_kept(branches: Path) -> None:
    sides = [changed(BASE, changes) for changes in ({"a@1": 1, "x@1": 1}, {"b@1": 1, "x@1": 2})]
    done = both(branches, *sides)
    assert done.returncode == 1 and "dvc.lock: both sides have changed x@1" in done.stderr
    text = (branches / "dvc.lock").read_text()
    assert lockfile.conflicted(text)
    left, right = map(lockfile.load, lockfile.sides(text))
    assert left == changed(BASE, {"a@1": 1, "b@1": 1, "x@1": 1})
    assert right == changed(BASE, {"a@1": 1, "b@1": 1, "x@1": 2})
    assert "UU dvc.lock" in git(branches, "status", "--porcelain")


def test_a_damaged_side_is_one_line_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / name for name in "oab"]
    for path in paths:
        lockfile.write(path, BASE, list(BASE))
    paths[2].write_text(paths[2].read_text()[:-20])
    before = paths[1].read_bytes()
    with pytest.raises(SystemExit, match="1"):
        merge.main([str(path) for path in paths])
    assert "dvc.lock of theirs is damaged" in capsys.readouterr().err
    assert paths[1].read_bytes() == before
    paths[0].write_text("")  # git has no common ancestor
    lockfile.write(paths[2], BASE, list(BASE))
    merge.main([str(path) for path in paths])
    assert paths[1].read_bytes() == before


def test_it_is_for_a_git_repository_and_three_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for arguments in (["--install", "--root", str(tmp_path)], ["a", "b"]):
        with pytest.raises(SystemExit, match="1"):
            merge.main(arguments)
    said = capsys.readouterr().err
    assert "error: git config: " in said and "expected three files" in said


@pytest.mark.slow
def test_two_people_grow_different_seeds_on_two_branches(tmp_path: Path) -> None:
    root = tmp_path / "study"
    make_repository(root, strategies=["random"], seeds=[0, 1])
    command = [sys.executable, "-m", "stages.merge", "--install"]
    subprocess.run(command, cwd=root, check=True, env={**os.environ, "PYTHONPATH": ""})
    for seed in (0, 1):
        git(root, "checkout", "--quiet", "-b", f"seed-{seed}", "master" if seed else "HEAD")
        dvc(root, "repro", f"round@digits-random-{seed}-round1", f"full@digits-{seed}")
        commit(root)
    git(root, "checkout", "--quiet", "-b", "whole")
    git(root, "merge", "--quiet", "--no-edit", "seed-0")
    assert ran(dvc(root, "repro")) == ["report"]
    assert dvc(root, "status", "-q") == ""
    commit(root)
    assert len(contents(root, "splits")) == 2 * (2 + 3)

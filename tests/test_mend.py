"""A dvc.lock that was cut off is put aside; a whole one stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.mend import damaged, main

LOCK = """schema: '2.0'
stages:
  prepare@digits:
    cmd: python -m stages.prepare --task digits
    deps:
    - path: stages/prepare.py
      hash: md5
      md5: 76cdb2bad9582d23c1f6f4d868218d6c
      size: 22
    outs:
    - path: data/digits
      hash: md5
      md5: 59ad1dec5eaef8e104c368426a62b2bf.dir
"""


def test_a_whole_lock_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dvc.lock").write_text(LOCK)
    main(["--root", str(tmp_path)])
    assert (tmp_path / "dvc.lock").read_text() == LOCK
    assert capsys.readouterr().out == ""


def test_no_lock_is_no_damage(tmp_path: Path) -> None:
    assert not damaged(tmp_path / "dvc.lock")


def test_a_lock_cut_off_anywhere_is_put_aside_or_as_good_as_whole(tmp_path: Path) -> None:
    """What is left may pass only if every path that it names has its whole hash."""
    lock = tmp_path / "dvc.lock"
    for end in range(len(LOCK)):
        lock.write_text(LOCK[:end])
        if not damaged(lock):
            left = LOCK[:end]
            hashes = [line.split()[-1] for line in left.splitlines() if " md5: " in line]
            assert "cmd:" in left and len(hashes) == left.count("- path:")
            assert all(len(value.removesuffix(".dir")) == 32 for value in hashes)


def test_putting_aside_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dvc.lock").write_text(LOCK[: LOCK.index("md5: 59ad") + 8])
    main(["--root", str(tmp_path)])
    assert not (tmp_path / "dvc.lock").exists()
    assert (tmp_path / "dvc.lock.damaged").exists()
    assert "half-written" in capsys.readouterr().out

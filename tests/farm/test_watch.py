"""What a study says of itself while it grows, and to whoever asks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from study import REPO, tree, write_params

from stages import status
from stages.farm import watch
from stages.farm.call import log_of


class Work:
    names = ["split@a", "start@a", *(f"round@a-{n}" for n in range(8))]

    def __init__(self, root: Path) -> None:
        self.root = root

    def outputs(self, name: str) -> list[Path]:
        if not name.startswith("round"):
            return []
        path = self.root / "reports/rounds/digits/badge/seed-0" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"accuracy": 0.875}')
        return [path]


@pytest.fixture
def seen(tmp_path: Path) -> watch.Watch:
    seen = watch.Watch(tmp_path, Work(tmp_path), "dask", 2)
    seen.kept("split@a")
    for name in ("start@a", "round@a-0", "round@a-1"):
        seen.began(name)
    seen.done("start@a", 0.1)
    return seen


def test_the_line(seen: watch.Watch) -> None:
    assert seen.line() == "2 of 10 done, 2 running"  # how long a round takes nobody knows yet
    seen.done("round@a-0", 100.0)
    seen.failed("round@a-1", "broken")
    assert seen.line() == "3 of 10 done, 0 running, 1 failed, 6 min left; badge 0.875"


def test_durations() -> None:
    said = [watch.duration(seconds) for seconds in (0, 89, 91, 3600, 12_000)]
    assert said == ["0 s", "89 s", "2 min", "60 min", "3 h 20 min"]


def test_silent_where_there_is_no_terminal(seen: watch.Watch, capfd) -> None:
    seen.failed("round@a-1", "broken")
    seen.end()
    assert capfd.readouterr() == ("", "")


def test_status_while_somebody_is_at_work(seen: watch.Watch, tmp_path: Path) -> None:
    seen.done("round@a-0", 100.0)
    seen.failed("round@a-1", "broken")
    seen.began("round@a-2")
    log_of(tmp_path, "round@a-1").parent.mkdir(parents=True)
    log_of(tmp_path, "round@a-1").write_text("why\n")
    seen.tick(now=True)
    first, counts, running, failed, last, disk = status.lines(tmp_path)
    assert first.startswith(f"process {os.getpid()} on ") and first.endswith("dask, workers 2")
    assert counts == "3 of 10 stages done, 2 of them now, 1 running, 1 failed; 6 min left"
    assert running == "running: round@a-2, for 0 s"
    assert failed == "failed: round@a-1: broken (log: artifacts/.logs/round@a-1.log)"
    assert last == "last accuracies: badge 0.8750" and disk.startswith("disk: reports 0.0 MB")


def test_status_when_nobody_is(tmp_path: Path, capsys) -> None:
    write_params(tmp_path, tree())
    (tmp_path / "dvc.yaml").write_text((REPO / "dvc.yaml").read_text())
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    noted = {"pid": 2**22 + 1, "host": status.platform.node(), "began": 0, "now": 0}
    (tmp_path / watch.PLACE).write_text(json.dumps(noted | {"failed": {"x": "y"}}))
    status.main(["--root", str(tmp_path)])
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        "nobody is at work",
        "0 of 23 stages done: prepare 0/1, protocol 0/1, split 0/2, start 0/4, round 0/12, "
        "full 0/2, report 0/1",
    ]
    assert said[2:] == ["failed: x: y", "disk: nothing yet"]
    (tmp_path / watch.PLACE).write_text('{"pid": ')
    assert status.noted(tmp_path) == {}

"""A run in a warm process: what it says, what it leaves behind, how it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import types
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from study import REPO

from stages.farm.call import Failed, Job, call, log_of
from stages.machine import signals


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A stage ``python -m stages.fake`` whose main a test gives."""
    module = types.ModuleType("stages.fake")
    monkeypatch.setitem(sys.modules, "stages.fake", module)
    return module


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(
        "fake@a", ("python -m stages.fake --x 'a b'",), str(tmp_path), str(tmp_path), "fake@a 1"
    )


def test_a_stage_is_called_with_its_arguments_in_the_study(job: Job, stage) -> None:
    seen = []
    stage.main = lambda words: (print("hello"), seen.extend([words, os.getcwd()]))
    assert 0 <= call(job) < 5
    assert seen == [["--x", "a b"], job.root]
    log = log_of(job.root, job.name).read_text().splitlines()
    assert log[1:3] == ["> python -m stages.fake --x 'a b'", "hello"] and " ended after " in log[3]


def test_nothing_stays_behind(job: Job, stage) -> None:
    def main(words: list[str]) -> None:
        os.environ["LEFT"] = "behind"
        os.environ.pop("HOME", None)
        os.chdir("/")
        sys.path.append("/nowhere")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        warnings.simplefilter("error")
        raise ValueError("two\nlines")

    before = os.getcwd(), dict(os.environ), list(sys.path), signal.getsignal(signal.SIGTERM)
    filters, streams = list(warnings.filters), (sys.stdout, sys.stderr)
    stage.main = main
    with pytest.raises(Failed, match="ValueError: two lines"):
        call(job)
    after = os.getcwd(), dict(os.environ), list(sys.path), signal.getsignal(signal.SIGTERM)
    assert after == before
    assert (list(warnings.filters), (sys.stdout, sys.stderr)) == (filters, streams)


def test_why_it_failed_is_what_it_said(job: Job, stage) -> None:
    def main(words: list[str]) -> None:
        print("error: params.yaml: no such thing", file=sys.stderr)
        print("more", file=sys.stderr)
        raise SystemExit(1)

    stage.main = main
    with pytest.raises(Failed, match=r"^params.yaml: no such thing$"):
        call(job)
    stage.main = lambda words: sys.exit(3)
    with pytest.raises(Failed, match=r"^exit code 3$"):
        call(replace(job, token="fake@a 2"))
    stage.main = lambda words: sys.exit(143)
    with pytest.raises(signals.Ended):
        call(replace(job, token="fake@a 3"))


def test_a_job_that_comes_twice_runs_once(job: Job, stage) -> None:
    ran = []
    stage.main = ran.append
    seconds = call(job)
    assert call(job) == pytest.approx(seconds, abs=0.001) and len(ran) == 1
    call(replace(job, token="fake@a 10"))
    assert len(ran) == 2


def test_other_commands_are_processes(job: Job) -> None:
    call(replace(job, commands=("echo one > a; echo said", "cat a > b"), token="t 1"))
    assert (Path(job.root) / "b").read_text() == "one\n"
    assert "said\n" in log_of(job.root, job.name).read_text()
    with pytest.raises(Failed, match="exit code 7: what a pity"):
        call(replace(job, commands=("echo what a pity; exit 7",), token="t 2"))
    began = time.monotonic()
    with pytest.raises(Failed, match=r"ran longer than 0.5 s"):
        call(replace(job, commands=("sleep 60",), token="t 3", limit=0.5))
    assert time.monotonic() - began < 5


def test_a_run_that_hangs_ends_its_process_and_says_where(job: Job) -> None:
    script = f"""
import sys, time, types
module = types.ModuleType("stages.fake")
def main(words):
    time.sleep(60)
module.main = main
sys.modules["stages.fake"] = module
from stages.farm.call import Job, call
call(Job({job.name!r}, {job.commands!r}, {job.root!r}, {job.root!r}, "t 1", 0.5))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=REPO, timeout=60)
    assert done.returncode == 1
    said = log_of(job.root, job.name).read_text()
    assert "Timeout (0:00:00.5" in said and "in main" in said
    with pytest.raises(Failed, match=r"ran longer than 0.5 s, the limit; stopped"):
        call(replace(job, token="t 1", limit=0.5))


def test_a_folder_that_a_worker_does_not_see_is_named(job: Job) -> None:
    with pytest.raises(Failed, match=r"has no folder /no/where: all workers must see it"):
        call(replace(job, folder="/no/where"))
    with pytest.raises(Failed, match=r"cannot be written on "):
        call(replace(job, root="/proc/no"))

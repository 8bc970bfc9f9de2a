"""What happens to a machine happens to a study: nothing lost, nothing twice, equal bytes after it.

A strategy of one's own meets the mishap that ``artifacts/.mishap`` names, in the middle of a round.
A study that met none is what all others must become when they go on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import TINY, commit, contents, dvc, environment, make_repository

from stages.farm.atwork import at_work
from stages.verify import verify

pytestmark = pytest.mark.slow
MISHAP = "artifacts/.mishap"
UNLUCKY = "round@digits-unlucky-0-round0"
STRATEGY = f"""
import os, resource, signal, time
import numpy as np
from stages.catalogue import Strategy
from stages.rounds.context import Pool
from stages.strategies.handshake import Scores

unlucky = Strategy(scorer="lab.al:score", selector="stages.strategies.top:top")


def score(pool: Pool) -> Scores:
    meet()
    return np.sort(pool.probabilities, axis=1)[:, -1] * -1.0


def meet():
    try:
        what = open("{MISHAP}").read()
        if what != "killed again and again":
            os.rename("{MISHAP}", "{MISHAP}-met")
    except FileNotFoundError:
        return
    if what.startswith("killed"):  # as the system does where memory is short
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "memory":
        pages = int(open("/proc/self/statm").read().split()[0])
        before = resource.getrlimit(resource.RLIMIT_AS)
        try:
            most = pages * resource.getpagesize() + 2**27
            resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
            np.ones(2**28)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
    time.sleep(float(what))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study from nothing, and the same grown without a mishap."""
    root = tmp_path_factory.mktemp("mishaps") / "nothing"
    strategies = {"random": {}, "unlucky": {"use": "lab.al:unlucky"}}
    make_repository(root, **TINY, strategies=[*strategies], strategy=strategies, code=["lab"])
    (root / "lab").mkdir()
    (root / "lab/__init__.py").touch()
    (root / "lab/al.py").write_text(STRATEGY)
    commit(root)
    lucky = root.with_name("lucky")
    shutil.copytree(root, lucky)
    assert grow(lucky, "--engine", "serial") == (0, [])
    return root, lucky


@pytest.fixture
def root(made: tuple[Path, Path], tmp_path: Path) -> Path:
    """The study from nothing."""
    return Path(shutil.copytree(made[0], tmp_path / "study"))


def growing(root: Path, *arguments: str) -> subprocess.Popen[str]:
    """``python -m stages.grow``, on its way."""
    return subprocess.Popen(
        [sys.executable, "-m", "stages.grow", "--workers", "2", *arguments],
        cwd=root,
        text=True,
        env=environment(root),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Its exit code and what it said, but for the sum in the end."""
    lines = process.communicate(timeout=900)[1].splitlines()
    assert not any("Traceback" in line for line in lines), lines
    return process.returncode, [line for line in lines if not line.startswith("grown in ")]


def grow(root: Path, *arguments: str) -> tuple[int, list[str]]:
    return ended(growing(root, *arguments))


def meet(root: Path, what: str) -> None:
    (root / "artifacts").mkdir(exist_ok=True)
    (root / MISHAP).write_text(what)


def begun(root: Path, *names: str) -> dict[str, int]:
    """How often each stage has begun, from the logs."""
    return {
        path.stem: path.read_text().count(" began ")
        for path in sorted((root / "artifacts/.logs").glob("*@*.log"))
        if not names or path.stem in names
    }


def results(root: Path) -> dict[str, str]:
    found = contents(root, "splits", "reports", "data", "artifacts")
    return {name: at for name, at in found.items() if "seconds-" not in name and "/." not in name}


def as_lucky(root: Path, made: tuple[Path, Path]) -> None:
    """Whether nothing is lost, nothing twice, and all bytes are those of a study without it."""
    lucky = made[1]
    assert results(root) == results(lucky)
    assert (root / "dvc.lock").read_bytes() == (lucky / "dvc.lock").read_bytes()
    assert dvc(root, "status", "-q") == "" and verify(root).faults == []
    assert not list(root.rglob("*.part")) and at_work(root) == []


def goes_on(root: Path, made: tuple[Path, Path], *arguments: str) -> None:
    code, said = grow(root, *arguments)
    assert code == 0, said
    as_lucky(root, made)


def test_memory_that_cannot_be_had_fails_the_round_alone(root: Path, made) -> None:
    meet(root, "memory")
    code, said = grow(root)
    assert code == 1 and len(said) == 1
    assert said[0].startswith(f"failed: {UNLUCKY}: ") and "emory" in said[0]
    assert (root / "splits/digits/random/seed-0/round-end.txt").exists()
    before = begun(root)
    goes_on(root, made)
    assert {name for name, times in begun(root).items() if times > before.get(name, 0)} == {
        UNLUCKY,
        UNLUCKY.replace("round0", "round1"),
    }


def test_a_worker_that_is_killed_is_replaced(root: Path, made) -> None:
    meet(root, "killed")
    goes_on(root, made)
    assert begun(root)[UNLUCKY] == 2 and set(begun(root).values()) == {1, 2}


def test_one_that_is_killed_again_and_again_fails_the_round_alone(root: Path, made) -> None:
    meet(root, "killed again and again")
    code, said = grow(root, "--retries", "1")
    assert (code, said) == (
        1,
        [
            f"failed: {UNLUCKY}: its worker died, 2 times in all (is there enough memory?) "
            f"(log: artifacts/.logs/{UNLUCKY}.log)"
        ],
    )
    assert (root / "splits/digits/random/seed-0/round-end.txt").exists()
    (root / MISHAP).unlink()
    goes_on(root, made)


def test_a_round_that_hangs_is_ended_alone(root: Path, made) -> None:
    meet(root, "600")
    began = time.monotonic()
    code, said = grow(root, "--limit", "60")
    assert time.monotonic() - began < 240
    assert code == 1 and len(said) == 1
    assert said[0].startswith(f"failed: {UNLUCKY}: ran longer than 60 s, the limit; stopped (log:")
    logs = (root / "artifacts/.logs").glob("*.log")
    assert [path.stem for path in logs if "Timeout (" in path.read_text()] == [UNLUCKY]
    goes_on(root, made)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_round(root: Path, made, number: int) -> None:
    meet(root, "600")
    process = growing(root)
    await_mishap(root)
    process.send_signal(number)
    code, said = ended(process)
    name = signal.Signals(number).name
    assert code == 128 + number
    assert said == [f"interrupted ({name}); `make repro` goes on from here"]
    assert at_work(root) == []
    goes_on(root, made)


def await_mishap(root: Path) -> None:
    until = time.monotonic() + 600
    while not (root / f"{MISHAP}-met").exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_two_at_once_do_everything_once(root: Path, made) -> None:
    both = [growing(root), growing(root)]
    (first, said), (second, other) = map(ended, both)
    assert (first, second) == (0, 0) and (said == [] or other == [])
    waited = [*said, *other]  # for the other one, and then for its workers
    assert waited and all(line.startswith("waiting for process ") for line in waited), waited
    assert set(begun(root).values()) == {1}
    as_lucky(root, made)


@pytest.fixture
def disk(made, tmp_path: Path) -> Iterator[Path]:
    """The study on a disk of its own, small enough to be filled."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk may be mounted here")
    try:
        yield Path(shutil.copytree(made[0], place / "study"))
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("left", [0, 400, 1500, 2500])  # KB
def test_a_full_disk_ends_all_with_a_line_that_names_the_file(disk: Path, made, left: int) -> None:
    free = shutil.disk_usage(disk).free
    ballast = disk.parent / "ballast"
    ballast.write_bytes(bytes(free - 1024 * left))
    code, said = grow(disk)
    assert code == 1 and len(said) <= 3, said
    assert any("No space left on device" in line or "disk is full" in line for line in said), said
    assert not any("unexpected" in line for line in said), said
    ballast.unlink()
    goes_on(disk, made)


@pytest.fixture
def scheduler(root: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen, list[str]]]:
    """A scheduler of somebody else's with two workers, and the options to reach it."""
    from distributed.security import Security

    security, words = Security.temporary(), []
    for key, kept in {"ca": "ca_file", "cert": "client_cert", "key": "client_key"}.items():
        (tmp_path / f"{key}.pem").write_text(getattr(security, f"tls_{kept}"))
        words += [f"--tls-{'ca-file' if key == 'ca' else key}", str(tmp_path / f"{key}.pem")]
    where = tmp_path / "scheduler.json"
    nowhere = ("--dashboard-address", ":0")
    starts = [("scheduler", "--host", "tls://127.0.0.1", "--port", "0", *nowhere)]
    starts += [("worker", "--nthreads", "1", "--no-nanny", *nowhere)] * 2
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options, *words]
            + ["--scheduler-file", str(where)],
            cwd=root,
            env=environment(root),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for kind, *options in starts
    ]
    try:
        until = time.monotonic() + 60
        while not where.exists():
            assert time.monotonic() < until
            time.sleep(0.1)
        import json

        words[0::2] = ["--tls-ca", "--tls-cert", "--tls-key"]
        yield processes[0], ["--address", json.loads(where.read_text())["address"], *words]
    finally:
        for process in processes:
            with contextlib.suppress(OSError):
                process.kill()
            process.wait()


def test_a_scheduler_that_is_lost_ends_all_with_a_line(root: Path, made, scheduler) -> None:
    process, options = scheduler
    meet(root, "10")  # whose worker goes on meanwhile
    coordinator = growing(root, *options)
    await_mishap(root)
    os.kill(process.pid, signal.SIGKILL)
    began = time.monotonic()
    code, said = ended(coordinator)
    assert code == 1 and time.monotonic() - began < 90
    assert said == [
        "error: the scheduler is gone; what was finished before is recorded, "
        "`make repro` goes on from here"
    ]
    goes_on(root, made)

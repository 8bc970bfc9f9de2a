"""Real workers and real DVC on stages that cost nothing: deaths, hangs, failures, schedulers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest
import yaml
from study import REPO

from stages.farm import dask_engine, engines, lockfile, with_dvc
from stages.farm.call import log_of
from stages.farm.engines import Options
from stages.farm.loop import Growth
from stages.farm.watch import Watch
from stages.farm.work import Jobs
from stages.machine.errors import UserError

pytestmark = pytest.mark.slow
CHAINS = ("a", "b", "dies", "hangs", "fails")
COMMANDS = {
    "dies": "test -e died || { touch died; kill -9 $PPID; }",
    "hangs": "test -e hung || { touch hung; sleep 60; }",
    "fails": "echo error: what a pity >&2; exit 3",
}


def chain(name: str, at: int) -> dict:
    """A stage that copies what the one before wrote, after something of its own."""
    first = COMMANDS.get(name, "true") if at == 1 else "true"
    before = f"{name}{at - 1}.txt" if at else "in.txt"
    return {
        "cmd": f"{first} && cat {before} {before} > {name}{at}.txt",
        "deps": [before],
        "outs": [{f"{name}{at}.txt": {"cache": at == 1}}],
    }


@pytest.fixture
def root(tmp_path: Path, request) -> Path:
    """Chains of three stages, by the names that a test wants."""
    chains = request.param
    stages = {f"{name}{at}": chain(name, at) for name in chains for at in range(3)}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    (tmp_path / "params.yaml").write_text("{}\n")
    (tmp_path / "in.txt").write_text("x\n")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    return tmp_path


def grow(root: Path, **options) -> Watch:
    options = Options(**{"workers": 2, "retries": 1, **options})
    with with_dvc.opened(root, []) as work:
        watch = Watch(root, work, options.engine, options.workers)
        make = lambda: engines.made(options, root, [])  # noqa: E731
        Growth(work, Jobs(root, options.limit), make, watch, lambda: False).run()
    return watch


def dvc(root: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=root, text=True, capture_output=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("root", [CHAINS], indirect=True)
def test_what_dies_hangs_or_fails_costs_its_own_chain_at_most(root: Path) -> None:
    began = time.monotonic()
    watch = grow(root, limit=2.0)
    assert watch.failures == {
        "hangs1": "ran longer than 2 s, the limit; stopped",
        "fails1": "exit code 3: what a pity",
    }
    assert len(watch.ran) == 3 * 3 + 2 and time.monotonic() - began < 50
    assert log_of(root, "dies1").read_text().count(" began ") == 2  # the second after the death
    names = [f"{name}{at}" for name in CHAINS for at in range(3)]
    done = [name for name in names if name in watch.ran]
    assert list(lockfile.load((root / "dvc.lock").read_text())) == done
    again = grow(root, engine="serial")
    assert again.ran == ["hangs1", "hangs2"] and list(again.failures) == ["fails1"]
    assert "didn't change" in dvc(root, "repro", "a2", "b2", "dies2")


def test_the_end_spares_the_coordinator_while_a_worker_is_being_replaced(tmp_path: Path) -> None:
    class Nanny:
        pid = None
        auto_restart = True

    class Cluster:
        workers = {0: Nanny()}

        def close(self, timeout: float) -> None: ...

    engine = dask_engine.DaskEngine(Mock(), Cluster(), Options())
    killed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psutil.Process, "kill", lambda self: killed.append(self.pid))
        engine.close()
    assert killed == [] and not Cluster.workers[0].auto_restart


@pytest.mark.parametrize("root", [("a", "b")], indirect=True)
def test_serial_and_plain_dvc_write_the_same_lock(root: Path) -> None:
    assert len(grow(root, engine="serial").ran) == 6
    text = (root / "dvc.lock").read_bytes()
    for name in ("dvc.lock", "a0.txt", "a1.txt", "b2.txt"):
        (root / name).unlink()
    dvc(root, "repro")
    assert (root / "dvc.lock").read_bytes() == text
    (root / "in.txt").write_text("y\n")
    (root / "b1.txt").write_text("edited\n")
    watch = grow(root, engine="serial")
    assert len(watch.ran) == 6 and dvc(root, "status", "-q") == ""
    dvc(root, "repro", "-f", "a1")
    (root / "dvc.yaml").write_text(
        (root / "dvc.yaml").read_text().replace("true &&", "true yes &&")
    )
    assert sorted(grow(root, engine="serial").ran) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert dvc(root, "status", "-q") == ""


@pytest.mark.parametrize("root", [("a",)], indirect=True)
def test_a_scheduler_at_an_address_is_reached_by_tls_alone(root: Path) -> None:
    from distributed import LocalCluster
    from distributed.security import Security

    security = Security.temporary()
    with LocalCluster(
        n_workers=1, processes=False, security=security, dashboard_address=None, protocol="tls://"
    ) as cluster:
        keys = {}
        for key, name in {"ca": "ca_file", "cert": "client_cert", "key": "client_key"}.items():
            keys[key] = str(root / f"{key}.pem")
            Path(keys[key]).write_text(getattr(security, f"tls_{name}"))
        watch = grow(root, address=cluster.scheduler_address, workers=1, **keys)
        assert len(watch.ran) == 3 and not watch.failures
        with pytest.raises(UserError, match="no certificates"):
            engines.made(Options(address=cluster.scheduler_address), root, [])
    with pytest.raises(UserError, match="no such file"):
        engines.made(Options(address="tls://127.0.0.1:1", ca="/no"), root, [])


def test_workers_never_see_the_signals_of_a_terminal(tmp_path: Path) -> None:
    code = f"""
import pathlib, psutil, sys
from stages.farm import engines
engine = engines.made(engines.Options(workers=2), pathlib.Path({str(tmp_path)!r}), [])
for child in psutil.Process().children():
    if "spawn_main" in " ".join(child.cmdline()):
        lines = pathlib.Path(f"/proc/{{child.pid}}/status").read_text().splitlines()
        print(*(line.split()[1] for line in lines if line.startswith("SigBlk:")))
engine.close()
"""
    # A process of its own: what has begun other processes before would hide who is begun how.
    done = subprocess.run(
        [sys.executable, "-c", f"if __name__ == '__main__':\n{textwrap.indent(code, '  ')}"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    masks = [int(word, 16) for word in done.stdout.split()]
    wanted = 1 << signal.SIGINT - 1 | 1 << signal.SIGHUP - 1
    assert len(masks) == 2 and all(mask & wanted == wanted for mask in masks), done.stdout


def test_a_queue_without_settings_is_a_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--engine slurm: .*jobqueue\.slurm in "):
        engines.made(Options(engine="slurm"), tmp_path, [])


@pytest.mark.parametrize("root", [("a", "dies")], indirect=True)
def test_workers_that_are_jobs_of_a_queue(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that starts a job at once: as much of Slurm as can be had here."""
    import dask

    programs = root / "bin"
    programs.mkdir()
    (programs / "sbatch").write_text(
        f"#!/bin/sh\ncp $1 {root}/job.sh\nsh {root}/job.sh >{root}/job.log 2>&1 &\n"
        f"echo $! >>{root}/jobs\necho Submitted batch job $!\n"
    )
    (programs / "scancel").write_text("#!/bin/sh\npkill -TERM -P $1\ntrue\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPO))  # a study's own folder has the stages
    settings = {"cores": 1, "processes": 1, "memory": "1GB", "interface": None}
    with dask.config.set({"jobqueue.slurm": {**dask.config.get("jobqueue.slurm", {}), **settings}}):
        watch = grow(root, engine="slurm", workers=1)
    assert len(watch.ran) == 6 and not watch.failures
    script = (root / "job.sh").read_text()
    assert "tls://" in script and "--tls-key" in script and "tcp://" not in script

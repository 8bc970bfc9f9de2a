"""Tests in processes of their own, forked from one that has loaded what they import."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
LONGEST = 1800  # seconds that measuring a test file may take


def copy_of(root: Path, target: Path) -> Path:
    """The files of the repository that git knows or would take, and no history."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    return target


def load_libraries(names: Iterable[str]) -> None:
    """Import what the tests import, once for all forks; with one thread, as forks need."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    for name in sorted(names):
        try:
            __import__(name)
        except Exception:  # an optional part of a library, which nobody missed
            continue


class Child:
    """A forked process that works in a folder; what it says goes into a file."""

    def __init__(self, folder: Path, work: Callable[[], int], limit: float) -> None:
        self.started, self.limit = time.monotonic(), limit
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid:
            return
        code = 70
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            log = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.chdir(folder)
            sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != ROOT]
            sys.path.insert(0, str(folder))
            sys.dont_write_bytecode = True  # a fault must not outlive its process
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            code = work()
        finally:
            os._exit(code)

    def done(self) -> bool:
        """Whether it has ended, or had to be."""
        if os.waitpid(self.pid, os.WNOHANG)[0]:
            return True
        if time.monotonic() - self.started < self.limit:
            return False
        self.end()
        return True

    def end(self) -> None:
        """End it and what it has started."""
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Chosen:
    """A pytest plugin: runs only these tests, and remembers the first that failed."""

    def __init__(self, tests: Iterable[str]) -> None:
        self.tests, self.failed = set(tests), ""

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Keep the chosen ones."""
        items[:] = [item for item in items if item.nodeid in self.tests]

    def pytest_collectreport(self, report: Any) -> None:
        """A test file that cannot be imported has noticed, too."""
        if report.failed:
            self.failed = self.failed or f"{report.nodeid} (import)"

    def pytest_runtest_logreport(self, report: Any) -> None:
        """The first failure."""
        if report.failed:
            self.failed = self.failed or report.nodeid


def pytest_main(files: Iterable[str], plugin: Any, *options: str) -> int:
    """pytest in this process, with our plugin."""
    common = ["-q", "-p", "no:cacheprovider", "--tb=line", "-W", "ignore"]
    return int(pytest.main([*common, *options, *files], plugins=[plugin]))


def wait(children: list[Child]) -> None:
    """Until all have ended."""
    while not all([child.done() for child in children]):
        time.sleep(0.02)


def run_tests(folder: Path, files: list[str], tests: list[str], marks: list[str]) -> str:
    """The first of ``tests`` that fails in ``folder``; "" if none does."""
    wait([start(folder, [(files, tests)], LONGEST, marks)])
    return (folder / "failed.txt").read_text()


def start(
    folder: Path, batches: list[tuple[list[str], list[str]]], limit: float, marks: list[str]
) -> Child:
    """A process that runs the batches in turn until a test fails; its name is in failed.txt."""
    out = folder / "failed.txt"
    out.write_text(f"(over {limit:.0f} s, or the process died)")

    def work() -> int:
        for files, tests in batches:
            plugin = Chosen(tests)
            code = pytest_main(files, plugin, "-x", *marks)
            if code not in (0, 5):
                out.write_text(plugin.failed or f"(pytest ended with {code})")
                return 1
        out.write_text("")
        return 0

    return Child(folder, work, limit)

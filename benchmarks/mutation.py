"""Mutation testing: put one small fault into a copy of the code, and see whether a test fails.

    python -m benchmarks.mutation --faults                    the faults of faults.yaml
    python -m benchmarks.mutation --random 40 --seed 0        random ones, by syntax
    python -m benchmarks.mutation --rooms learners round ...  only in stages/learners, round.py

A fault is tried with the tests that run the function it is in until one fails: first the files that
noticed other faults of the room, then the module's own, then the quickest. Which tests those are is
measured once, file by file, and kept under --work. Each fault has a process of its own, forked from
one in which the libraries are loaded already. Survivors with a reason in equivalent.yaml are
counted apart. Needs fork, so no Windows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.common import show
from benchmarks.covering import Recorder, digest, instrument
from benchmarks.mutants import Mutant, by_hand, by_syntax

HERE = Path(__file__).parent
ROOT = HERE.parent
OURS = ("stages", "tests", "benchmarks", "study", "conftest", "test_", "_functions_run", "__")
PATIENCE, GRACE = 6, 30  # tests may take so many times what they took, and seconds more
LONGEST = 1800  # seconds that measuring a test file may take
FIRST = 2  # test files in the first batch
FAST = "not slow"


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
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return True


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


class Coverage:
    """Tests by the functions that they run, measured where it is not known yet.

    Args:
        work: folder of what is known.
        slow: whether tests marked slow take part.
    """

    def __init__(self, work: Path, slow: bool) -> None:
        self.path = work / ("functions-slow.json" if slow else "functions.json")
        self.marks = ["-m", ""] if slow else ["-m", FAST]
        known = json.loads(self.path.read_text()) if self.path.exists() else {}
        files = sorted(
            path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("test_*.py")
        )
        self.files = {
            name: known[name]
            for name in files
            if name in known and known[name]["digest"] == digest(ROOT, name)
        }
        missing = [name for name in files if name not in self.files]
        if missing:
            self._measure(missing)

    def _measure(self, missing: list[str]) -> None:
        with tempfile.TemporaryDirectory() as place:
            plain = copy_of(ROOT, Path(place) / "plain")
            noting = copy_of(ROOT, Path(place) / "noting")
            instrument(noting)
            for name in missing:
                found = self._recorded(noting, name)
                failed = [test for test, entry in found["tests"].items() if entry["failed"]]
                while failed and (again := run_tests(plain, [name], failed, self.marks)):
                    print(f"{name}: left out, for it fails without any fault: {again}")
                    if again not in failed:
                        break
                    failed.remove(again)
                    del found["tests"][again]
                self.files[name] = {"digest": digest(ROOT, name), **found}
                self.path.write_text(json.dumps(self.files))
                seconds = sum(entry["seconds"] for entry in found["tests"].values())
                print(f"{name}: {len(found['tests'])} tests, {seconds:.0f} s", flush=True)

    def _recorded(self, folder: Path, name: str) -> dict[str, Any]:
        out = folder / "recorded.json"
        out.unlink(missing_ok=True)

        def work() -> int:
            recorder = Recorder(folder)
            pytest_main([name], recorder, *self.marks)
            modules = [one for one in sys.modules if not one.startswith(OURS)]
            out.write_text(json.dumps({"tests": recorder.tests, "modules": modules}))
            return 0

        wait([Child(folder, work, LONGEST)])
        if not out.exists():
            raise SystemExit(f"error: {name} could not be run: {(folder / 'said.txt').read_text()}")
        return json.loads(out.read_text())

    def modules(self) -> set[str]:
        """All that the tests import which is not ours."""
        return {module for entry in self.files.values() for module in entry["modules"]}

    def tests_of(self, one: Mutant) -> dict[str, dict[str, float]]:
        """Files, and of each its tests that run the function, with their seconds.

        Of a fault outside of functions: the tests that run anything of the file.
        """
        whole = f"{one.file}::{one.function}"
        found = self._where(lambda name: name == whole) if one.function else {}
        return found or self._where(lambda name: name.startswith(f"{one.file}::"))

    def _where(self, wanted: Callable[[str], bool]) -> dict[str, dict[str, float]]:
        found = {}
        for file, entry in self.files.items():
            tests = {
                name: test["seconds"]
                for name, test in entry["tests"].items()
                if any(map(wanted, test["functions"]))
            }
            if tests:
                found[file] = tests
        return found


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


@dataclass
class Trial:
    """A fault that is being tried in a copy of the repository."""

    mutant: Mutant
    folder: Path
    source: bytes
    child: Child


class Trials:
    """Faults, tried in ``jobs`` copies of the repository.

    Args:
        grace: seconds that a fault may take beyond what its tests are expected to.
        limit: seconds of tests that a fault is tried with, at least one file; 0: all of them.
    """

    def __init__(
        self, place: Path, jobs: int, coverage: Coverage, grace: float, limit: float = 0
    ) -> None:
        self.coverage, self.grace, self.limit = coverage, grace, limit
        self.noticed: Counter[tuple[str, str]] = Counter()  # room and test file
        self.free = [copy_of(ROOT, place / str(at)) for at in range(jobs)]
        for folder in self.free:
            command = [sys.executable, "-m", "compileall", "-q", "stages", "tests"]
            subprocess.run(command, cwd=folder, check=False)

    def run(self, mutants: list[Mutant]) -> list[tuple[Mutant, str]]:
        """Each fault with the test that failed, "" if none did."""
        waiting, running, found = list(mutants)[::-1], [], []
        while waiting or running:
            while waiting and self.free:
                running.append(self._begin(waiting.pop()))
            time.sleep(0.02)
            for trial in [trial for trial in running if trial.child.done()]:
                running.remove(trial)
                found.append((trial.mutant, self._end(trial)))
        return found

    def _begin(self, one: Mutant) -> Trial:
        folder = self.free.pop()
        path = folder / one.file
        source, before = path.read_bytes(), path.stat().st_mtime
        path.write_text(one.text, encoding="utf-8")
        os.utime(path, (before + 1000, before + 1000))  # or else an old .pyc might be taken for it
        tests = self.coverage.tests_of(one)
        seconds = {file: sum(times.values()) for file, times in tests.items()}
        stem, of_room = Path(one.file).stem, room(one.file)
        order = sorted(
            tests, key=lambda file: (-self.noticed[of_room, file], stem not in file, seconds[file])
        )
        order = [
            file
            for at, file in enumerate(order)
            if not self.limit or sum(seconds[one] for one in order[:at]) < self.limit
        ]
        batches = [
            (files, [test for file in files for test in tests[file]])
            for files in (order[:FIRST], order[FIRST:])
            if files
        ]
        limit = self.grace + PATIENCE * sum(seconds[file] for file in order)
        return Trial(one, folder, source, start(folder, batches, limit, self.coverage.marks))

    def _end(self, trial: Trial) -> str:
        path = trial.folder / trial.mutant.file
        path.write_bytes(trial.source)
        shutil.copystat(ROOT / trial.mutant.file, path)
        self.free.append(trial.folder)
        failed = (trial.folder / "failed.txt").read_text()
        self.noticed[room(trial.mutant.file), failed.partition("::")[0]] += 1
        took, one = time.monotonic() - trial.child.started, trial.mutant
        print(f"{'killed' if failed else 'SURVIVED'} {took:.1f} s {one.file}:{one.line} {one.kind}")
        print(f"  - {one.old}\n  + {one.new}\n  {failed}", flush=True)
        return failed


def room(file: str) -> str:
    """The folder under stages, or the module."""
    parts = Path(file).parts
    return parts[1] if len(parts) > 2 else Path(file).stem


def sources(rooms: list[str]) -> dict[str, str]:
    """Files of the rooms (none named: of all) and their text."""
    files = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "stages").rglob("*.py"))
    }
    return {file: text for file, text in files.items() if not rooms or room(file) in rooms}


def report(found: list[tuple[Mutant, str]]) -> int:
    """Print a table by room, and the survivors; how many there are."""
    entries = yaml.safe_load((HERE / "equivalent.yaml").read_text(encoding="utf-8")) or []
    reasons = {(item["file"], item["old"], item["new"]): item["reason"] for item in entries}
    rows, left, excused = [], [], []
    for name in sorted({room(one.file) for one, _ in found}):
        here = [(one, failed) for one, failed in found if room(one.file) == name]
        alive = [one for one, failed in here if not failed]
        same = [one for one in alive if (one.file, one.old, one.new) in reasons]
        real = [one for one in alive if one not in same]
        killed, counted = len(here) - len(alive), len(here) - len(same)
        share = f"{killed / counted:.0%}" if counted else "-"
        rows.append((name, len(here), killed, len(same), len(real), share))
        left, excused = left + real, excused + same
    total = [sum(row[at] for row in rows) for at in (1, 2, 3, 4)]
    share = f"{total[1] / max(total[0] - total[2], 1):.1%}"
    print()
    show(
        ("room", "faults", "killed", "equivalent", "survived", "killed of those that matter"),
        [*rows, ("all", *total, share)],
    )
    for one in left:
        print(f"- {one.file}:{one.line} ({one.kind}): `{one.old}` -> `{one.new}`")
    for one in excused:
        reason = reasons[one.file, one.old, one.new]
        print(f"- equivalent: {one.file}:{one.line}: `{one.old}` -> `{one.new}`: {reason}")
    return len(left)


def load_libraries(names: Iterable[str]) -> None:
    """Import what the tests import, once for all forks; with one thread, as forks need."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    for name in sorted(names):
        try:
            __import__(name)
        except Exception:  # an optional part of a library, which nobody missed
            continue


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", action="store_true", help="try those of faults.yaml")
    parser.add_argument("--random", type=int, default=0, help="try so many random ones")
    parser.add_argument("--seed", type=int, default=0, help="of the random ones")
    parser.add_argument("--rooms", nargs="*", default=[], help="folders or modules of stages")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=1, help="processes")
    parser.add_argument("--grace", type=float, default=GRACE, help="seconds beyond the tests' own")
    parser.add_argument(
        "--limit", type=float, default=0, help="seconds of tests a fault is tried with; 0: all"
    )
    parser.add_argument("--slow", action="store_true", help="with the tests that are marked slow")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "mutation", help="kept folder"
    )
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    mutants = by_hand(HERE / "faults.yaml", ROOT) if options.faults else []
    mutants = [one for one in mutants if not options.rooms or room(one.file) in options.rooms]
    mutants += by_syntax(sources(options.rooms), options.random, random.Random(options.seed))
    coverage = Coverage(options.work, options.slow)
    load_libraries(coverage.modules())
    with tempfile.TemporaryDirectory() as place:
        found = Trials(Path(place), options.jobs, coverage, options.grace, options.limit).run(
            mutants
        )
    sys.exit(report(found) > 0)


if __name__ == "__main__":
    main()

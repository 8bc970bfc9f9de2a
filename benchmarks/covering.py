"""Which functions each test runs: found by running a test file over a copy that notes them down.

The copy has a call at the top of every function of ``stages``; processes that a test starts note
theirs in a file. What a fixture runs counts for every test that uses it.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.forked import LONGEST, ROOT, Child, copy_of, pytest_main, run_tests, wait
from benchmarks.mutants import Mutant, functions

NOTES = "_functions_run"
SHARED = sorted(path.stem for path in (ROOT / "tests").glob("*.py"))  # by several test files
OURS = ("stages", "tests", "benchmarks", *SHARED, "test_", NOTES, "__")
FAST = "not slow"
MODULE = """
import os

names = set()
shared = os.environ.get("FUNCTIONS_RUN")


def note(name):
    if name not in names:
        names.add(name)
        if shared and int(os.environ["FUNCTIONS_RUN_BY"]) != os.getpid():
            with open(shared, "a") as stream:
                stream.write(name + "\\n")
"""


def instrument(root: Path) -> None:
    """Make every function of ``root``/stages note that it runs."""
    (root / "notes").mkdir()
    (root / "notes" / f"{NOTES}.py").write_text(MODULE)
    for path in sorted((root / "stages").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        file = path.relative_to(root).as_posix()
        for name, node in list(functions(tree)):
            call = ast.parse(f"__import__({NOTES!r}).note({f'{file}::{name}'!r})").body[0]
            node.body.insert(0 if ast.get_docstring(node) is None else 1, call)
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)) + "\n", encoding="utf-8")


def digest(root: Path, test_file: str) -> str:
    """Of a test file and of what all test files use."""
    total = hashlib.sha256()
    for name in (test_file, *(f"tests/{name}.py" for name in SHARED)):
        total.update((root / name).read_bytes())
    return total.hexdigest()


class Recorder:
    """A pytest plugin: for each test its seconds, whether it failed, and its functions.

    Args:
        root: of the instrumented copy.
    """

    def __init__(self, root: Path) -> None:
        self.shared = root / "notes" / "processes"
        self.tests: dict[str, dict[str, Any]] = {}
        self._of_fixture: dict[int, set[str]] = {}
        self._running: list[set[str]] = [set()]
        notes = str(root / "notes")
        sys.path.insert(0, notes)
        known = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = notes if not known else notes + os.pathsep + known
        os.environ |= {"FUNCTIONS_RUN": str(self.shared), "FUNCTIONS_RUN_BY": str(os.getpid())}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """What runs while a fixture is made."""
        self._running[-1] |= self._taken()
        self._running.append(set())
        yield
        found = self._running.pop() | self._taken()
        self._of_fixture.setdefault(id(fixturedef), set()).update(found)
        self._running[-1] |= found

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        """What runs while a test does, and what its fixtures have run, now or before."""
        self._taken()
        self._running = [set()]
        yield
        found = self._running[0] | self._taken()
        for name in item.fixturenames:
            for fixture in item._fixtureinfo.name2fixturedefs.get(name, ()):
                found |= self._of_fixture.get(id(fixture), set())
        self._entry(item.nodeid)["functions"] = sorted(found)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Seconds and outcome."""
        entry = self._entry(report.nodeid)
        entry["failed"] |= report.failed
        if report.when == "call":
            entry["seconds"] = round(report.duration, 3)

    def _entry(self, test: str) -> dict[str, Any]:
        return self.tests.setdefault(test, {"seconds": 0.0, "failed": False, "functions": []})

    def _taken(self) -> set[str]:
        """What ran since the last call, here and in other processes."""
        if NOTES not in sys.modules:
            return set()
        names = sys.modules[NOTES].names
        found = set(names)
        names.clear()
        if self.shared.exists():
            found |= set(self.shared.read_text().split())
            self.shared.unlink()
        return found


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
            path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")
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

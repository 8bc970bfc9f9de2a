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
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.common import show
from benchmarks.covering import Coverage
from benchmarks.forked import ROOT, Child, copy_of, load_libraries, start
from benchmarks.mutants import Mutant, by_hand, by_syntax

HERE = Path(__file__).parent
PATIENCE, GRACE = 20, 60  # tests may take so many times what they took, and seconds more
FIRST = 2  # test files in the first batch


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
        try:
            while waiting or running:
                while waiting and self.free:
                    running.append(self._begin(waiting.pop()))
                time.sleep(0.02)
                for trial in [trial for trial in running if trial.child.done()]:
                    running.remove(trial)
                    found.append((trial.mutant, self._end(trial)))
        except KeyboardInterrupt:  # what is known so far is worth a table
            for trial in running:
                trial.child.end()
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
    for one, failed in found:
        if failed.startswith("("):
            print(f"- no test, but {failed}: {one.file}:{one.line}: `{one.old}` -> `{one.new}`")
    for one in left:
        print(f"- {one.file}:{one.line} ({one.kind}): `{one.old}` -> `{one.new}`")
    for one in excused:
        reason = reasons[one.file, one.old, one.new]
        print(f"- equivalent: {one.file}:{one.line}: `{one.old}` -> `{one.new}`: {reason}")
    return len(left)


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
    signal.signal(signal.SIGTERM, signal.default_int_handler)
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

"""``kill -9`` of ``dvc repro`` at random moments: ``python -m benchmarks.kill``.

On a copy of the repository with a short study: every ``dvc repro`` starts from nothing, is killed
after a random part of the time that an undisturbed one takes, and is followed by ``python -m
stages.mend`` and a ``dvc repro`` to the end. With ``--in-a-row`` nothing runs to the end between
two kills: each kill hits the ``dvc repro`` that followed the last one, and a study that comes to
its end starts from nothing. Only the dvc process is killed; its stage lives on, as in life
(``--group`` kills that, too). What counts: splits/ and reports/ are, byte for byte, the undisturbed
run's.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import machine, show, stopwatch
from benchmarks.study import (
    add_study_options,
    compare,
    copy_repository,
    digests,
    environment,
    reset,
    write_study,
)

EVENTS = (
    "killed",
    "mend acted",
    "mend failed",
    "repro failed",
    "stage outlived the limit",
    "compared",
    "compared: not equal",
)
COMMITTED = ("splits/**/*", "reports/**/*")


class Study:
    """A copy of the repository, and what happened to it."""

    def __init__(self, root: Path, mend: bool, while_writing: bool) -> None:
        self.root, self.mending = root, mend and (root / "stages" / "mend.py").exists()
        self.while_writing = while_writing
        self.events: Counter[str] = Counter()
        self.groups: list[int] = []

    def mend(self) -> str:
        """Put a half-written dvc.lock aside, if that is asked for."""
        if not self.mending:
            return "not called"
        done = self._run([sys.executable, "-m", "stages.mend"])
        self.events["mend acted"] += bool(done.stdout.strip())
        self.events["mend failed"] += bool(done.returncode)
        return (done.stdout + done.stderr).strip() or "nothing to do"

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=environment(), capture_output=True, text=True
        )

    def repro(self) -> str:
        """``dvc repro`` to the end: its last lines if it fails, else nothing."""
        done = self._run(["dvc", "repro"])
        self.events["repro failed"] += bool(done.returncode)
        said = (done.stdout + done.stderr).strip().splitlines()[-4:]
        return " / ".join(said) if done.returncode else ""

    def killed(self, delay: float, group: bool) -> tuple[bool, str]:
        """``dvc repro``, killed after ``delay`` seconds: whether it was still there; errors."""
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                ["dvc", "repro"],
                cwd=self.root,
                env=environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            self.groups.append(process.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(delay)
            if self.while_writing:
                self._await_write(process)
            if process.poll() is None:
                (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
                process.wait()
                return True, ""
            code = process.returncode
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()[-4:]
        self.events["repro failed"] += bool(code)
        return False, " / ".join(said) if code else ""

    def _await_write(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until dvc.lock is shorter than it was: DVC has emptied it and is writing it."""
        lock, longest = self.root / "dvc.lock", 0
        while process.poll() is None:
            size = lock.stat().st_size if lock.exists() else 0
            if size < longest:
                return
            longest = size
            time.sleep(0.0005)

    def settle(self, limit: float = 600) -> None:
        """Wait until every stage that outlived its dvc has ended."""
        end = time.monotonic() + limit
        for group in self.groups:
            while time.monotonic() < end:
                try:
                    os.killpg(group, 0)
                except ProcessLookupError:
                    break
                time.sleep(0.1)
            else:
                self.events["stage outlived the limit"] += 1
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
        self.groups.clear()


def trials(
    study: Study, options: argparse.Namespace, expected: float, truth: dict[str, str]
) -> Iterator[tuple[object, ...]]:
    """Kill, mend, repro, compare: a line of the table for each."""
    rng, kills = random.Random(options.seed), 0

    def judge() -> str:
        study.settle()
        found = digests(study.root, COMMITTED)
        wanted = {**dict.fromkeys(found, ""), **truth}
        same = compare(wanted, found)
        names = [name for name, digest in wanted.items() if found.get(name) != digest]
        same += f": {', '.join(names[:3])}" if names else ""
        study.events["compared"] += 1
        study.events["compared: not equal"] += not same.startswith("equal")
        return same

    while kills < options.kills:
        delay = rng.uniform(0, expected)
        alive, error = study.killed(delay, options.group)
        kills += alive
        study.events["killed"] += alive
        mended, verdict = study.mend(), "-"
        if not (alive and options.in_a_row):
            error = study.repro() if alive else error
            if error:  # what a person would try next
                study.settle()
                with contextlib.suppress(FileNotFoundError):
                    (study.root / "dvc.lock").rename(study.root / "dvc.lock.damaged")
                error += f"; again without dvc.lock: {study.repro() or 'fine'}"
            verdict = judge()
            reset(study.root)
        name = kills if alive else "(ended)"
        yield name, f"{delay:.1f}", mended, error or ("-" if verdict == "-" else "fine"), verdict
    if options.in_a_row:
        yield "last", "-", study.mend(), study.repro() or "fine", judge()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_study_options(parser, strategies=["random", "badge"], seeds=[0], rounds=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the delays")
    parser.add_argument("--group", action="store_true", help="kill the running stage, too")
    parser.add_argument("--in-a-row", action="store_true", help="no whole dvc repro between kills")
    parser.add_argument(
        "--while-writing",
        action="store_true",
        help="wait for the next moment at which dvc.lock is half written, and kill then",
    )
    parser.add_argument("--no-mend", action="store_true", help="see what DVC does alone")
    parser.add_argument("--working-tree", action="store_true", help="copy uncommitted files, too")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="kill-"))
    try:
        copy_repository(root, options.working_tree)
        write_study(root, options)
        study = Study(root, not options.no_mend, options.while_writing)
        with stopwatch() as clock:
            error = study.repro()
        if error:
            sys.exit(f"the undisturbed dvc repro failed: {error}")
        truth = digests(root, COMMITTED)
        reset(root)
        print(f"{machine()}\nN = {options.kills} kills; undisturbed: {clock():.1f} s\n", flush=True)
        show(
            ["kill", "after s", "mend", "dvc repro", "splits/ and reports/"],
            trials(study, options, clock(), truth),
        )
        show(["what", "times"], ((name, study.events[name]) for name in EVENTS))
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()

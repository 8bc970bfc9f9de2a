"""Interruptions of ``make repro`` at random moments: ``python -m benchmarks.kill``.

On a copy of the repository with a short study: each ``make repro`` starts from nothing, is
interrupted in one of the ways below, and is followed by a ``make repro`` to the end, with nothing
done by hand in between. The moment is, in turn, a random part of the time that an undisturbed one
takes, a random number of stages that it has finished, or the writing of dvc.lock. What counts: the
second one succeeds; splits/, reports/ and dvc.lock are, byte for byte, the undisturbed run's; ``dvc
status`` finds nothing to do; the interrupted one printed no traceback and, unless it was killed,
left no process. Exit code 1 if any interruption fails in any of these.

With ``--cheap`` the stages write what real ones write and compute nothing: many more interruptions
an hour, and each link still hangs on the one before it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import cheap
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
from stages.farm import lockfile, without_dvc
from stages.farm.journal import PLACE as JOURNAL

COMMITTED = ("splits/**/*", "reports/**/*", "dvc.lock")
MENDED = re.compile("half-written|was missing|from the journal")
LOCK_PART = re.compile(r"\.dvc\.lock\..*\.part")  # dvc.lock is being written
MOMENT = 2.0  # seconds
LIMIT = 900  # seconds for one `make repro`
LOOK = 0.001  # seconds between two looks at what a study has come to
Process = psutil.Process


def terminal(make: Process, everyone: list[Process], number: int) -> None:
    """Ctrl-C: the signal goes to the group that the terminal shows."""
    os.killpg(make.pid, number)


def only(*words: str) -> Callable[[Process, list[Process], int], None]:
    """The signal goes to those whose command line has ``words``, make itself if there are none."""

    def send(make: Process, everyone: list[Process], number: int) -> None:
        for process in everyone if words else [make]:
            with contextlib.suppress(psutil.Error):
                if set(words) <= set(process.cmdline()):
                    process.send_signal(number)

    return send


def workers(all_of_them: bool) -> Callable[[Process, list[Process], int], None]:
    """The signal goes to the coordinator's workers, or to one of them."""

    def send(make: Process, everyone: list[Process], number: int) -> None:
        found = []
        for process in everyone:
            with contextlib.suppress(psutil.Error):
                if any("spawn_main" in word for word in process.cmdline()):
                    found.append(process)
        for process in found if all_of_them else found[:1]:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    return send


def everything(make: Process, everyone: list[Process], number: int) -> None:
    """All processes at once, as when a machine stops."""
    for process in [make, *everyone]:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


@dataclass(frozen=True)
class Way:
    """A way to interrupt.

    Attributes:
        command: what is interrupted.
        send: whom the signal goes to.
        number: the signal.
        cut: a file that is cut off at a random byte afterwards, as by a kill in the worst moment.
    """

    command: str
    send: Callable[[Process, list[Process], int], None]
    number: int
    cut: str = ""


WAYS = {
    "make: INT from the terminal": Way("make", terminal, signal.SIGINT),
    "make: TERM": Way("make", only(), signal.SIGTERM),
    "make: KILL": Way("make", only(), signal.SIGKILL),
    "grow: INT": Way("make", only("stages.grow"), signal.SIGINT),
    "grow: TERM": Way("make", only("stages.grow"), signal.SIGTERM),
    "grow: KILL": Way("make", only("stages.grow"), signal.SIGKILL),
    "one worker: KILL": Way("make", workers(False), signal.SIGKILL),
    "all workers: KILL": Way("make", workers(True), signal.SIGKILL),
    "grow: KILL, journal cut": Way("make", only("stages.grow"), signal.SIGKILL, JOURNAL),
    "grow: KILL, dvc.lock cut": Way("make", only("stages.grow"), signal.SIGKILL, "dvc.lock"),
    "all processes: KILL": Way("make", everything, signal.SIGKILL),
    "all processes: KILL, dvc.lock cut": Way("make", everything, signal.SIGKILL, "dvc.lock"),
    "all processes: KILL, rwlock cut": Way("make", everything, signal.SIGKILL, ".dvc/tmp/rwlock"),
    "dvc repro: INT from the terminal": Way("dvc", terminal, signal.SIGINT),
    "dvc repro: TERM": Way("dvc", only(), signal.SIGTERM),
    "dvc repro: KILL": Way("dvc", only(), signal.SIGKILL),
}


class Study:
    """A copy of the repository, and what happened to it."""

    def __init__(self, root: Path, python: Path, rng: random.Random) -> None:
        self.root, self.rng = root, rng
        self.commands = {
            "make": ["make", "--no-print-directory", f"VENV={python}", "repro"],
            "dvc": ["dvc", "repro"],
        }
        self.stages = len(without_dvc.stages_of(root))
        self.faults: Counter[str] = Counter()
        self.recovered = 0
        self.said = ""

    def run(self, command: str) -> str:
        """Run to the end: its last lines if it fails, else nothing."""
        try:
            done = subprocess.run(
                self.commands[command],
                cwd=self.root,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=LIMIT,
            )
        except subprocess.TimeoutExpired:
            return f"not done after {LIMIT} s"
        self.said = done.stdout
        return " / ".join(done.stdout.strip().splitlines()[-4:]) if done.returncode else ""

    def moment(self, way: Way, turn: int, expected: float) -> tuple[str, Callable[[], bool]]:
        """When to interrupt, in words and as what is to come true."""
        turn = turn % 3 if way.command == "make" else 0
        if turn == 0:
            until = time.monotonic() + (delay := self.rng.uniform(0, expected))
            return f"{delay:.1f} s", lambda: time.monotonic() > until
        if turn == 1:
            journal, wanted = self.root / JOURNAL, self.rng.randint(1, self.stages)
            pause = self.rng.uniform(0, 0.1)
            return f"{wanted} stages", lambda: _lines(journal) > wanted and not time.sleep(pause)
        return "dvc.lock", lambda: any(map(LOCK_PART.match, os.listdir(self.root)))

    def interrupted(self, way: Way, due: Callable[[], bool]) -> tuple[bool, str]:
        """Start, interrupt, wait for the end: whether it was still there, and what it printed."""
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                self.commands[way.command],
                cwd=self.root,
                env=environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            while process.poll() is None and not due():
                time.sleep(LOOK)
            alive = process.poll() is None
            before = os.fstat(log.fileno()).st_size
            if alive:
                make = psutil.Process(process.pid)
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    way.send(make, make.children(recursive=True), way.number)
            process.wait(LIMIT)
            log.seek(before)
            said = log.read().decode(errors="replace")
        if alive and way.cut:
            self._cut(self.root / way.cut)
        return alive, said

    def _cut(self, path: Path) -> None:
        content = path.read_bytes() if path.exists() else b""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[: self.rng.randrange(len(content) or 1)])

    def damage(self) -> str:
        """What DVC itself could not read now."""
        lock, rwlock = self.root / "dvc.lock", self.root / ".dvc/tmp/rwlock"
        text = lock.read_text(errors="replace") if lock.exists() else None
        found = ["dvc.lock"] if text is not None and lockfile.load(text) is None else []
        found += ["rwlock"] if rwlock.exists() and not rwlock.read_text().endswith("}") else []
        return ", ".join(found) or "-"

    def living(self) -> int:
        """Processes that still work in the copy; what ends by itself has a moment to do so."""
        until = time.monotonic() + MOMENT
        while (found := self._living()) and time.monotonic() < until:
            time.sleep(0.1)
        return found

    def _living(self) -> int:
        found = 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                stopped = process.status() == psutil.STATUS_ZOMBIE
                found += not stopped and process.cwd() == str(self.root)
        return found

    def fault(self, what: str) -> str:
        """Count a fault; gives it back."""
        self.faults[what.split(":")[0]] += 1
        return what


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def trials(
    study: Study, options: argparse.Namespace, expected: float, truth: dict[str, str]
) -> Iterator[list[object]]:
    """Interrupt, recover, compare: a line of the table for each."""
    names, count, turn = [name for name in WAYS if options.only in name], 0, 0
    while count < options.interruptions:
        name = names[count % len(names)]
        way, turn = WAYS[name], turn + 1
        when, due = study.moment(way, turn, expected)
        alive, said = study.interrupted(way, due)
        if not alive:  # it was done before its time came
            reset(study.root)
            continue
        count += 1
        left, damage, faults = study.living(), study.damage(), []
        if way.command == "make" and "Traceback" in said:
            faults.append(study.fault(f"traceback: {said.strip().splitlines()[-1]}"))
        if left and way.number != signal.SIGKILL and way.command == "make":
            faults.append(study.fault(f"processes left: {left}"))
        with stopwatch() as clock:
            error = study.run("make")
        if error:
            faults.append(study.fault(f"make repro failed: {error}"))
        found = digests(study.root, COMMITTED)
        same = compare({**dict.fromkeys(found, ""), **truth}, found)
        if not same.startswith("equal"):
            faults.append(study.fault(f"files: {same}"))
        status = subprocess.run(["dvc", "status", "-q"], cwd=study.root, env=environment())
        if status.returncode:
            faults.append(study.fault("dvc status is not clean"))
        mended = [line for line in study.said.splitlines() if MENDED.search(line)]
        study.recovered += not faults
        lines = said[said.find("interrupted (") :].count("\n") if "interrupted (" in said else "-"
        cells = [when, lines, left, damage, "yes" if mended else "-", f"{clock():.1f}"]
        yield [count, name, *cells, "; ".join(faults) or "as undisturbed"]
        if faults:
            print(f"no. {count}: {said}\nand then: {study.said}", file=sys.stderr, flush=True)
        reset(study.root)


HEADER = [
    "no.",
    "interrupted",
    "at",
    "lines said",
    "processes left",
    "damaged",
    "mended",
    "make repro, s",
    "result",
]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_study_options(parser, strategies=["random", "entropy"], seeds=[0], rounds=2)
    parser.set_defaults(epochs=1)
    parser.add_argument("--environment", type=Path, default=Path(sys.prefix), help="to run in")
    parser.add_argument("--interruptions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the delays")
    parser.add_argument("--only", default="", help="ways with this in the name")
    parser.add_argument("--cheap", action="store_true", help="stages that compute nothing")
    parser.add_argument("--working-tree", action="store_true", help="copy uncommitted files, too")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # what nohup and & ignore, children would
    root = Path(tempfile.mkdtemp(prefix="kill-")).resolve()
    try:
        copy_repository(root, options.working_tree)
        if options.cheap:
            cheap.install(root)
        write_study(root, options)
        study = Study(root, options.environment.resolve(), random.Random(options.seed))
        with stopwatch() as clock:
            error = study.run("make")
        if error:
            sys.exit(f"the undisturbed make repro failed: {error}")
        truth = digests(root, COMMITTED)
        reset(root)
        print(f"{machine()}\nundisturbed: {clock():.1f} s\n", flush=True)
        show(HEADER, trials(study, options, clock(), truth))
        good, all_ = study.recovered, options.interruptions
        print(f"{good} of {all_} interruptions recovered by `make repro` alone")
        for fault, times in study.faults.most_common():
            print(f"{fault}: {times}")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    sys.exit(0 if good == all_ else 1)


if __name__ == "__main__":
    main()

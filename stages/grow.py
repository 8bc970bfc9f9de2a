"""What ``make repro`` runs: mend, grow the runs side by side, then ``dvc repro`` for the rest.

DVC runs stages one after another. Runs share nothing but the sets they start from, so several DVC
processes can grow them at once; they take turns at dvc.lock. What is left over, the report at
least, and every error message, is for the plain ``dvc repro`` that follows. Whoever ends this
process with SIGINT, SIGTERM or SIGHUP ends all of it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import zc.lockfile

from stages import mend, recipes
from stages.farm import atwork
from stages.machine import signals
from stages.machine.errors import command_line
from stages.study import settings

SHARED = ("recipes", "prepare", "protocol", "split")
DVC = (sys.executable, "-m", "dvc")
PATIENCE = 10.0  # seconds for DVC to finish writing what it is writing
PAUSE = 0.02  # seconds between two looks


def runs(study: settings.Settings) -> list[list[str]]:
    """The stages of each run that nobody else needs, in order."""
    places = [(task, seed) for task in study.tasks for seed in study.seeds]
    found = [[f"full@{task}-{seed}"] for task, seed in places if seed in study.full_seeds]
    for task, seed in places:
        for strategy in study.strategies:
            name = f"{task}-{strategy}-{seed}"
            rounds = [f"round@{name}-round{at}" for at in range(len(study.rounds))]
            found.append([f"start@{name}", *rounds])
    return found


def jobs_for(study: settings.Settings) -> int:
    """One process more than there are cores for: one always waits for its turn at dvc.lock."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    free = (cores or 1) // study.threads if study.threads else 1
    return free + 1 if free > 1 else 1


class Workers:
    """DVC processes under ``root`` that end when this process is told to.

    Each leads a process group of its own, so that a terminal's Ctrl-C reaches this process alone.

    Args:
        came: numbers of the signals that have come, which somebody else adds.
    """

    def __init__(self, root: Path, came: list[int]) -> None:
        self.root, self.came = root, came

    def dvc(self, *commands: list[str]) -> list[int]:
        """Run ``dvc`` once for each of ``commands``, side by side; their exit codes.

        Raises:
            signals.Ended: a signal has come; all processes have ended.
        """
        processes: list[subprocess.Popen[bytes]] = []
        for command in commands:
            if not self.came:
                processes.append(
                    subprocess.Popen([*DVC, *command], cwd=self.root, start_new_session=True)
                )
        while not self.came and any(process.poll() is None for process in processes):
            time.sleep(PAUSE)
        if self.came:
            self._end(processes)
        self.check()
        return [process.wait() for process in processes]

    def check(self) -> None:
        """Raise :class:`signals.Ended` if a signal has come."""
        if self.came:
            raise signals.Ended(self.came[0], "`make repro` goes on from here")

    def _end(self, processes: list[subprocess.Popen[bytes]]) -> None:
        """Kill DVC and its stages in a moment in which DVC writes nothing.

        Stages may be killed at any time. DVC writes its own files in place, but only with its lock
        held, which it gives away while a stage runs.
        """
        lock = self._dvc_lock(time.monotonic() + PATIENCE)
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        for process in processes:
            process.wait()
        if lock:
            lock.close()

    def _dvc_lock(self, until: float) -> zc.lockfile.LockFile | None:
        told = len(self.came)
        while time.monotonic() < until and len(self.came) == told:  # told again: at once
            try:
                return zc.lockfile.LockFile(str(self.root / ".dvc/tmp/lock"))
            except (zc.lockfile.LockError, OSError):
                time.sleep(PAUSE)
        return None


def grow(study: settings.Settings, workers: Workers, jobs: int) -> None:
    """Run what is missing of all runs with ``jobs`` processes, as far as it succeeds."""
    if jobs < 2 or workers.dvc(["status", "-q"]) == [0]:
        return
    shared = [*SHARED, "tune"] if study.tuned else SHARED  # start waits for all tuning
    if workers.dvc(["repro", *shared]) != [0]:
        return
    shares = [sum(runs(study)[at::jobs], []) for at in range(jobs)]
    # -s: DVC would lock the stages upstream too, which all runs share.
    workers.dvc(*(["--wait-for-lock", "repro", "-s", *share] for share in shares if share))


def repro(root: Path, jobs: int = 0) -> int:
    """Bring the study under ``root`` up to date; DVC's exit code.

    Raises:
        UserError: bad settings.
        signals.Ended: a signal has come.
    """
    study = settings.load(root / "params.yaml")
    with signals.noted() as came, atwork.alone(root, _say, lambda: bool(came)):
        workers = Workers(root, came)
        workers.check()
        for line in mend.mend(root):
            _say(line)
        for folder in ("reports/tuned", "data/code"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        recipes.recipes(study, root)  # code of one's own outside this folder is not DVC's to see
        grow(study, workers, jobs or jobs_for(study))
        (code,) = workers.dvc(["repro"])
        if not code:
            mend.tidy(root)
        workers.check()
    return code


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.grow", description=__doc__)
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0: one more than cores")
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    if code := repro(options.root, options.jobs):
        raise SystemExit(code)


if __name__ == "__main__":
    main()

"""A stage's command, run by a process that has run others before and will run more.

What DVC would start as ``python -m stages.X ...`` is a call of ``stages.X.main`` here, so that
torch is imported once a process. Nothing of a run stays behind but imported modules: folder,
environment, signal handlers, warnings and streams are put back, and threads and torch's switches
are set anew by each round (:func:`stages.models.compute.configure`).
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import platform
import shlex
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from stages.machine import signals
from stages.machine.errors import one_line

LOGS = "artifacts/.logs"
TIMED_OUT = "Timeout ("  # how faulthandler begins what it says
ONE = threading.Lock()  # one run at a time: folder, streams and torch's switches are the process's


@dataclass(frozen=True)
class Job:
    """One run of a stage.

    Attributes:
        name: of the stage.
        commands: run one after another.
        root: folder of the study, absolute.
        folder: to run in, absolute.
        token: of this run and no other: a scheduler may hand a job out twice.
        limit: seconds that it may take; 0: any.
    """

    name: str
    commands: tuple[str, ...]
    root: str
    folder: str
    token: str
    limit: float = 0.0


class Failed(Exception):
    """A run has failed; its reason is a line."""


def log_of(root: Path | str, name: str) -> Path:
    """Where the runs of a stage say what they say, the last at the end."""
    return Path(root) / LOGS / f"{name.replace(os.sep, '-')}.log"


def call(job: Job) -> float:
    """Run a job in this process, unless it has been run already; the seconds it took.

    Raises:
        Failed: it failed, or a worker before this one was ended by the job's limit.
        signals.Ended: a signal came, and this is the process that it is for.
    """
    with ONE:
        path = log_of(job.root, job.name)
        try:
            before = _said(path, job.token)
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        except OSError as error:
            where = platform.node()
            raise Failed(f"{path}: cannot be written on {where}: {error.strerror}") from None
        with stream:
            if (seconds := _ended(before, job.token)) is not None:
                return seconds
            if TIMED_OUT in before:
                raise Failed(_too_long(job))
            return _run(job, stream)


def _run(job: Job, log: TextIO) -> float:
    who = f"process {os.getpid()} on {platform.node()}"
    began, clock = time.strftime("%Y-%m-%d %H:%M:%S"), time.perf_counter()
    log.write(f"== {job.token} began {began}, {who}\n")
    try:
        with _as_before(job), _limit(job.limit, log), redirect_stdout(log), redirect_stderr(log):
            for command in job.commands:
                log.write(f"> {command}\n")
                _command(command, job, log)
    except Failed as error:
        log.write(f"== {job.token} failed: {error}\n")
        raise
    seconds = time.perf_counter() - clock
    log.write(f"== {job.token} ended after {seconds:.3f} s\n")
    return seconds


def _command(command: str, job: Job, log: TextIO) -> None:
    words = shlex.split(command)
    ours = words[:2] == ["python", "-m"] and len(words) > 2 and words[2].startswith("stages.")
    if not ours or job.folder != job.root:
        _program(command, job, log)
        return
    try:
        importlib.import_module(words[2]).main(words[3:])
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if code - 128 in signals.ENDING:
            raise signals.Ended(code - 128) from None
        if code:
            raise Failed(_last_line(job).removeprefix(": ") or f"exit code {code}") from None
    except Exception as error:
        raise Failed(one_line(f"{type(error).__name__}: {error}")) from None


def _program(command: str, job: Job, log: TextIO) -> None:
    """Anything else is a process of its own, under this Python's programs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    child = subprocess.Popen(
        command,
        shell=True,
        stdout=log,
        stderr=log,
        env={**os.environ, "PATH": path},
        start_new_session=True,
    )
    try:
        # In good time before this process is ended, too.
        code = child.wait(0.9 * job.limit if job.limit else None)
    except subprocess.TimeoutExpired:
        raise Failed(_too_long(job)) from None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if code:
        raise Failed(f"exit code {code}{_last_line(job)}")


def _too_long(job: Job) -> str:
    return f"ran longer than {job.limit:g} s, the limit; stopped"


def _last_line(job: Job) -> str:
    """What a failed run said last, an error first of all."""
    said = _said(log_of(job.root, job.name), job.token).splitlines()[1:]
    lines = [line for line in said if line.strip() and not line.startswith("> ")]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    found = errors[:1] or lines[-1:]
    return f": {one_line(found[0])}" if found else ""


def _said(path: Path, token: str) -> str:
    """What the log has of this run, from any process."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    mark = f"== {token} began "
    return text[text.index(mark) :] if mark in text else ""


def _ended(said: str, token: str) -> float | None:
    mark = f"== {token} ended after "
    return float(said.rpartition(mark)[2].split()[0]) if mark in said else None


@contextmanager
def _limit(seconds: float, log: TextIO) -> Iterator[None]:
    """End this process when the time is over, even where Python's own threads do not run."""
    if not seconds:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=log)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def _as_before(job: Job) -> Iterator[None]:
    """Put back what a run may change."""
    folder, environment, path = os.getcwd(), dict(os.environ), list(sys.path)
    handlers = {number: signal.getsignal(number) for number in signals.ENDING}
    try:
        os.chdir(job.folder)
        if job.root not in sys.path:
            sys.path.insert(0, job.root)  # as `python -m` has it, for code of one's own
        with warnings.catch_warnings():
            yield
    except FileNotFoundError:
        if os.path.isdir(job.folder):
            raise
        where = platform.node()
        raise Failed(f"{where} has no folder {job.folder}: all workers must see it") from None
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)

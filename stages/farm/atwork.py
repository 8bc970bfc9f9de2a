"""Who is at work in a study: one ``make repro`` at a time, and DVC's own list of what is in use."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import zc.lockfile

from stages.machine.errors import UserError
from stages.machine.files import reason

STAGES = {"recipes", "prepare", "protocol", "split", "tune", "start", "round", "full", "report"}
STAGES |= {"chain", "join"}  # no stages, but they write what stages write
WRITING = {"repro", "commit", "checkout", "pull", "exp run"}
WORKER = "ALEDGER_WORKER"  # in the environment of a coordinator's workers: the study's folder
PAUSE = 0.2  # seconds between two looks


def at_work(root: Path) -> list[str]:
    """Other processes that write in ``root``, as ``"process 123 (dvc repro)"``.

    DVC's own list (.dvc/tmp/rwlock) is not enough: a DVC that waits for its turn is not in it, nor
    is a stage whose DVC was killed.
    """
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = {}
    for process in psutil.process_iter():
        if process.pid not in ours and (command := _writes_in(process, root)):
            found[process.pid] = command
    for holder in _holders(root / ".dvc/tmp/rwlock"):
        if holder["pid"] not in ours:
            found.setdefault(holder["pid"], holder["cmd"])
    return [f"process {pid} ({command})" for pid, command in sorted(found.items())]


def _writes_in(process: psutil.Process, root: Path) -> str:
    """What a process does in ``root``; empty if it changes nothing there."""
    try:
        words = process.cmdline()
        what = _program(words)
        if not os.path.samefile(process.cwd(), root) or process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return what or ("a worker of make repro" if WORKER in process.environ() else "")
    except (psutil.Error, OSError):
        return ""


def _program(words: list[str]) -> str:
    """``dvc repro`` or ``python -m stages.round`` for such a command line, else nothing."""
    for at, word in enumerate(words[:4]):
        module = words[at + 1] if word == "-m" and at + 1 < len(words) else ""
        if module.startswith("stages.") and module[7:] in STAGES:
            return f"python -m {module}"
        if module == "dvc" or os.path.basename(word) == "dvc":
            rest = [item for item in words[at + 1 :] if not item.startswith("-") and item != "dvc"]
            done = [name for name in WRITING if rest[: len(name.split())] == name.split()]
            return f"dvc {done[0]}" if done else ""
    return ""


def _holders(rwlock: Path) -> list[dict[str, Any]]:
    """Who holds paths, of those who live. Nobody where the file cannot be read."""
    try:
        content, written = _read(rwlock), rwlock.stat().st_mtime
    except (OSError, ValueError):
        return []
    listed = [*content["write"].values(), *sum(content["read"].values(), [])]
    return [item for item in listed if _alive(item["pid"], written)]


def _alive(pid: int, written: float) -> bool:
    """Whether ``pid`` is the process that held something at the time ``written``.

    DVC itself is content with any process of that number: a zombie, or a later one.
    """
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= written + 1
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False


def _read(rwlock: Path) -> dict[str, Any]:
    """The content of DVC's rwlock, checked. Raises ValueError."""
    content = json.loads(rwlock.read_bytes())
    try:
        content = {"write": content.get("write", {}), "read": content.get("read", {})}
        for item in [*content["write"].values(), *sum(content["read"].values(), [])]:
            if not isinstance(item["pid"], int) or not isinstance(item["cmd"], str):
                raise ValueError("not a holder")
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from None
    return content


def heal_rwlock(root: Path) -> str:
    """Remove .dvc/tmp/rwlock if it is half-written, or lists only processes that are gone.

    DVC empties the file before it writes it. To be called when nobody is at work.

    Returns:
        what was done, in a line; nothing if there was no damage.
    """
    rwlock = root / ".dvc/tmp/rwlock"
    try:
        _read(rwlock)
    except FileNotFoundError:
        return ""
    except ValueError:
        rwlock.unlink()
        return f"{rwlock} was half-written, by a process that was killed; removed"
    if not _holders(rwlock):
        rwlock.unlink()  # the same as an empty list
    return ""


@contextmanager
def alone(root: Path, say: Callable[[str], None], stopped: Callable[[], bool]) -> Iterator[bool]:
    """Wait until nobody else is at work in ``root`` and keep other ``make repro`` out.

    Args:
        say: is told, once for each, whom we wait for.
        stopped: whether to give up waiting.

    Yields:
        whether we are alone; False if ``stopped``.
    """
    path = root / ".dvc/tmp/grow.lock"
    told: set[str] = set()
    lock = None
    try:
        while not stopped():
            if lock is None:
                lock, other = _try(path)
                others = [f"process {other} (make repro)"] if lock is None else []
            if lock is not None and not (others := at_work(root)):
                break
            for other in set(others) - told:
                told.add(other)
                say(f"waiting for {other}, which is at work in this folder")
            time.sleep(PAUSE)
        yield not stopped()
    finally:
        if lock is not None:
            lock.close()


def growing(root: Path) -> list[str]:
    """Who holds the lock of ``make repro`` in ``root``, as ``"process 123 (make repro)"``."""
    path = root / ".dvc/tmp/grow.lock"
    lock, other = _try(path) if path.exists() else (None, "")
    if lock is not None:
        lock.close()
    return [f"process {other} (make repro)"] if other else []


def _try(path: Path) -> tuple[zc.lockfile.LockFile | None, str]:
    """The lock, or the number of the process that has it.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return zc.lockfile.LockFile(str(path)), ""
    except zc.lockfile.LockError:
        return None, path.read_text(errors="replace").strip() or "?"
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error)}") from None

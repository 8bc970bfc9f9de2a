"""The stages of a study as DVC has them, and its lock file, written seldom and whole.

One process holds DVC's lock all the time. What has been finished is in the journal at once, and in
dvc.lock every 20 seconds or so and at the end, in the bytes and in the order of a plain ``dvc
repro`` from nothing.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.farm import lockfile
from stages.farm.journal import Journal
from stages.farm.recorder import Recorder
from stages.farm.work import Halt
from stages.machine import signals
from stages.machine.errors import UserError, one_line
from stages.machine.files import reason

if TYPE_CHECKING:
    from dvc.repo import Repo

SELDOM = 20.0  # seconds between two dvc.locks
SHARE = 0.05  # of the time, at most, for writing them
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class WithDvc:
    """See :class:`stages.farm.work.Work`; ``repo``'s lock is held."""

    def __init__(self, repo: Repo, targets: list[str]) -> None:
        from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

        self.root = Path(repo.root_dir)
        chosen = collect_stages(repo, targets or ["dvc.yaml"])
        graph = get_active_graph(repo.index.graph)
        steps = plan_repro(graph, chosen)
        names = {stage: stage.addressing for stage in steps}
        self.stages = {name: stage for stage, name in names.items()}
        self.names = list(self.stages)
        self.needs = {
            name: {names[other] for other in graph.successors(stage) if other in names}
            for stage, name in names.items()
        }
        file = str(self.root / "dvc.yaml")
        self.order = [stage.name for stage in repo.index.stages if stage.path == file]
        self.recorder, self.journal = Recorder(), Journal(self.root)
        self.lock = self.root / "dvc.lock"
        self._texts = lockfile.texts_of(self.lock)
        self._news = list(self._texts) != lockfile.in_order(self._texts, self.order)
        self._written, self._cost = time.monotonic(), 0.0
        self.journal.begin()

    def fresh(self, name: str) -> bool:
        """Whether DVC finds nothing changed; a frozen stage is left as it is."""
        stage = self.stages[name]
        with _told(name):
            return stage.frozen or not self.recorder.changed(stage)

    def begin(self, name: str) -> tuple[str, ...]:
        """Take a stage's outputs away; its commands."""
        stage = self.stages[name]
        if not getattr(stage, "is_valid", True) or not stage.cmd:
            raise UserError("has no command; run `dvc repro` for it first")
        if missing := self.recorder.missing(stage):
            raise UserError(f"needs {', '.join(missing)}, which is not there")
        with _told(name):
            self.recorder.begin(stage)
        commands = stage.cmd if isinstance(stage.cmd, list) else [stage.cmd]
        if Path(stage.wdir) != self.root:
            commands = [f"cd '{stage.wdir}' && {command}" for command in commands]
        return tuple(commands)

    def record(self, name: str) -> None:
        """What DVC does after a command; the entry is in the journal afterwards."""
        stage = self.stages[name]
        with _told(name):
            text = self.recorder.record(stage)
        try:
            self.journal.add(stage.name, text)
        except UserError as error:
            raise Halt(str(error)) from None
        self._texts[stage.name] = text
        self._news = True

    def outputs(self, name: str) -> list[Path]:
        """What a stage writes."""
        return [Path(out.fs_path) for out in self.stages[name].outs]

    def rest(self) -> None:
        """Write dvc.lock if it is time."""
        if time.monotonic() - self._written > max(SELDOM, self._cost / SHARE):
            self.write()

    def write(self) -> None:
        """Write dvc.lock, if there is news for it, and begin the journal anew."""
        began = time.monotonic()
        if self._news:
            try:
                lockfile.write_texts(self.lock, self._texts, self.order)
                self.journal.begin()
            except UserError as error:
                raise Halt(str(error)) from None
            self._news = False
        self._written = time.monotonic()
        self._cost = self._written - began

    def close(self) -> None:
        """Write what is left; without room for it, the journal stays for the next one."""
        self.write()
        self.journal.remove()


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What DVC or the system says of one stage, in a line; a full disk is everybody's."""
    from dvc.exceptions import DvcException

    try:
        yield
    except sqlite3.Error as error:
        raise Halt(f"DVC's database of hashes: {error}") from None
    except (DvcException, OSError) as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno in FULL:
                raise Halt(f"{cause.filename or name}: {reason(cause)}") from None
            cause = cause.__cause__ or cause.__context__
        raise UserError(one_line(f"DVC says: {error}")) from None


@contextmanager
def _kept_open(repo: Repo) -> Iterator[None]:
    """SQLite tidies up when the last connection closes: 10 ms after each stage, if not for ours."""
    path = os.path.join(getattr(repo.state.links, "directory", ""), "cache.db")
    if not os.path.exists(path):
        yield
        return
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        yield


@contextmanager
def opened(root: Path, targets: list[str]) -> Iterator[WithDvc]:
    """The stages of ``root``'s dvc.yaml, or of ``targets`` and what they need; DVC's lock is held.

    Raises:
        UserError: what DVC says against dvc.yaml or params.yaml, or that it is at work elsewhere.
        signals.Ended: a signal came while DVC was still reading.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo, lock_repo

    # DVC would ask git, reading its whole index, whether each output is tracked.
    config: dict[str, Any] = {"core": {"no_scm": True}}
    logging.getLogger("dvc").setLevel(logging.ERROR)  # that a folder is empty is no news
    before = os.getcwd()
    os.chdir(root)  # DVC takes targets as paths from here
    try:
        with Repo(str(root), config=config) as repo, lock_repo(repo), _kept_open(repo):
            with signals.raising():  # for 10,000 stages it is a minute, and writes nothing
                work = WithDvc(repo, targets)
            try:
                yield work
            finally:
                work.close()
    except DvcException as error:
        raise UserError(one_line(f"DVC says: {error}")) from None
    except sqlite3.Error as error:
        raise UserError(f"DVC's database of hashes: {error}") from None
    finally:
        os.chdir(before)

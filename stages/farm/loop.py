"""The loop: what is ready and not fresh goes to the engine, what comes back is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stages.farm.engines import Engine
from stages.farm.work import Halt, Jobs, Work
from stages.machine.errors import UserError

PATIENCE = 0.2  # seconds between two looks at signals and at the clock


class Observer(Protocol):
    """Who is told what happens."""

    def began(self, name: str) -> None:
        """A stage has been handed out."""

    def kept(self, name: str) -> None:
        """A stage has nothing to do."""

    def done(self, name: str, seconds: float) -> None:
        """A stage has run and is recorded."""

    def failed(self, name: str, why: str) -> None:
        """A stage has failed, and what depends on it waits."""

    def tick(self) -> None:
        """Called several times a second."""


class Growth:
    """One way through a study.

    Args:
        engine: makes the engine when there is something to run.
        stopped: whether to hand out nothing more and leave.
    """

    def __init__(
        self,
        work: Work,
        jobs: Jobs,
        engine: Callable[[], Engine],
        observer: Observer,
        stopped: Callable[[], bool],
    ) -> None:
        self.work, self.jobs, self.observer, self.stopped = work, jobs, observer, stopped
        self._make, self._engine = engine, None
        self._waits = {name: set(needs) for name, needs in work.needs.items()}
        self._users: dict[str, list[str]] = {}
        for name in reversed(work.names):
            for need in work.needs[name]:
                self._users.setdefault(need, []).append(name)
        # A stack: what has just become ready comes next, so that runs end early.
        self._ready = [name for name in reversed(work.names) if not self._waits[name]]
        self._running: set[str] = set()

    def run(self) -> None:
        """Until all is done, what is left has failed or waits for it, or somebody stops it.

        Raises:
            Halt: growing cannot go on.
        """
        try:
            self._launch()
            while self._running and not self.stopped():
                self.observer.tick()
                for name, seconds, why in self._engine.finished(PATIENCE):
                    self._running.discard(name)
                    if self._engine.slots > 1:
                        self._launch()  # no worker waits for the bookkeeping
                    self._finish(name, seconds, why)
                self._launch()
                self.work.rest()
            for name, seconds, why in self._engine.finished(0) if self._engine else ():
                if not why:
                    self._finish(name, seconds, why)
        finally:
            if self._engine is not None:
                self._engine.close()

    def _launch(self) -> None:
        while self._ready and not self.stopped():
            if self._engine is not None and len(self._running) >= self._engine.slots:
                return
            name = self._ready.pop()
            self.observer.tick()
            try:
                fresh = self.work.fresh(name)
            except UserError as error:
                self.observer.failed(name, str(error))
                continue
            if fresh:
                self.observer.kept(name)
                self._free(name)
                continue
            if self._engine is None:
                self._engine = self._make()
            try:
                job = self.jobs.job(name, self.work.begin(name))
            except UserError as error:
                self.observer.failed(name, str(error))
                continue
            self._engine.submit(job)
            self._running.add(name)
            self.observer.began(name)

    def _finish(self, name: str, seconds: float, why: str) -> None:
        if not why:
            try:
                self.work.record(name)
            except UserError as error:
                why = str(error)
        if why:
            self.observer.failed(name, why)
            if "No space left on device" in why:
                raise Halt(f"{name}: {why}")
            return
        self.observer.done(name, seconds)
        self._free(name)

    def _free(self, name: str) -> None:
        for user in self._users.get(name, ()):
            self._waits[user].discard(name)
            if not self._waits[user]:
                self._ready.append(user)

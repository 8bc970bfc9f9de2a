"""What happens in a study: a line on a terminal, and a small file for `python -m stages.status`."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from stages.farm.work import Work
from stages.machine.errors import UserError
from stages.machine.files import write_text

PLACE = ".dvc/tmp/grow.json"
EACH = 1.0  # second between two files or lines
SHOWN = 4  # accuracies in the line


class Watch:
    """See :class:`stages.farm.loop.Observer`.

    Args:
        engine: in a few words, for the file.
        workers: that run stages at a time, as far as is known.
    """

    def __init__(self, root: Path, work: Work, engine: str, workers: int) -> None:
        self.root, self.work, self.engine, self.workers = root, work, engine, workers
        self.ran, self.fresh = [], 0
        self.failures: dict[str, str] = {}
        self.running: dict[str, float] = {}
        self.accuracies: dict[str, float] = {}
        self._began, self._told = time.time(), 0.0
        self._left = Counter(map(kind, work.names))
        self._took: dict[str, list[float]] = {}  # by kind: how many, seconds in all
        self._terminal = sys.stderr.isatty()

    def began(self, name: str) -> None:
        """A stage has been handed out."""
        self.running[name] = time.time()
        self.tick()

    def kept(self, name: str) -> None:
        """A stage has nothing to do."""
        self.fresh += 1
        self._left[kind(name)] -= 1

    def done(self, name: str, seconds: float) -> None:
        """A stage has run and is recorded."""
        self.running.pop(name, None)
        self.ran.append(name)
        self._left[kind(name)] -= 1
        took = self._took.setdefault(kind(name), [0, 0.0])
        took[0] += 1
        took[1] += seconds
        for path in self.work.outputs(name):
            if path.suffix == ".json" and path.parent.parent.parent.parent.name == "rounds":
                self._note(path)
        self.tick()

    def failed(self, name: str, why: str) -> None:
        """A stage has failed, and what depends on it waits."""
        self.running.pop(name, None)
        self.failures[name] = why
        if self._terminal:
            self._show(f"failed: {name}: {why}\n")
        self.tick()

    def tick(self, now: bool = False) -> None:
        """Write the file and the line, if the last ones are old enough."""
        if not now and time.monotonic() - self._told < EACH:
            return
        self._told = time.monotonic()
        with contextlib.suppress(UserError):  # nothing depends on it; others tell of a full disk
            write_text(self.root / PLACE, json.dumps(self.state()) + "\n")
        if self._terminal:
            self._show(self.line())

    def end(self) -> None:
        """The last file; the line goes."""
        self.running.clear()
        self.tick(now=True)
        if self._terminal:
            self._show("")

    def state(self) -> dict[str, Any]:
        """What the file says."""
        return {
            "pid": os.getpid(),
            "host": platform.node(),
            "began": self._began,
            "now": time.time(),
            "engine": self.engine,
            "workers": self.workers,
            "total": len(self.work.names),
            "done": len(self.ran) + self.fresh,
            "ran": len(self.ran),
            "running": self.running,
            "failed": self.failures,
            "left_seconds": self.left(),
            "accuracies": self.accuracies,
        }

    def left(self) -> float | None:
        """Seconds to the end, if what is left takes what its like has taken; None: not known."""
        known = sum(count for name, count in self._left.items() if name in self._took)
        if 2 * known < self._left.total():
            return None
        means = {name: seconds / count for name, (count, seconds) in self._took.items()}
        total = sum(count * means.get(name, 0.0) for name, count in self._left.items())
        return total / max(1, self.workers)

    def line(self) -> str:
        """The study in a line."""
        parts = [f"{len(self.ran) + self.fresh} of {len(self.work.names)} done"]
        parts += [f"{len(self.running)} running"]
        parts += [f"{len(self.failures)} failed"] if self.failures else []
        parts += [f"{duration(left)} left"] if (left := self.left()) is not None else []
        last = list(self.accuracies.items())[-SHOWN:]
        return ", ".join(parts) + "".join(f"; {name} {value:.3f}" for name, value in last)

    def _note(self, path: Path) -> None:
        try:
            value = float(json.loads(path.read_text(encoding="utf-8"))["accuracy"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        name = path.parent.parent.name
        self.accuracies.pop(name, None)
        self.accuracies[name] = value

    def _show(self, text: str) -> None:
        width = os.get_terminal_size(2).columns if os.isatty(2) else 100
        ends = text.endswith("\n")
        sys.stderr.write("\r\x1b[K" + (text if ends else text[: width - 1]))
        sys.stderr.flush()


def kind(name: str) -> str:
    """The stage without its task, strategy, seed and round."""
    return name.partition("@")[0]


def duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"

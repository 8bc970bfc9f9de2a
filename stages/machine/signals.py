"""How a program of this package ends when it is told to: one line, exit code 130 or 143."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Ended(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP has come."""

    def __init__(self, number: int, advice: str = "") -> None:
        self.number, self.advice = number, advice
        super().__init__(number)

    @property
    def code(self) -> int:
        """The exit code that shells use: 128 and the signal's number."""
        return 128 + self.number

    def __str__(self) -> str:
        name = signal.Signals(self.number).name
        return f"interrupted ({name})" + (f"; {self.advice}" if self.advice else "")


def of(interruption: KeyboardInterrupt) -> Ended:
    """Python's own interruption is SIGINT's."""
    return interruption if isinstance(interruption, Ended) else Ended(signal.SIGINT)


def guard() -> None:
    """End in one line while a program still imports what it needs, which takes seconds.

    Nothing has been written yet, so nothing is to be cleaned up; and an exception would have to
    come out of half an import.
    """
    _handle(lambda number, _frame: _end_at_once(Ended(number)))
    sys.excepthook = _last_words


@contextmanager
def raising() -> Iterator[None]:
    """Within the block, a signal is an exception, so that half-written files are removed."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise Ended(number)

    before = _handle(end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def noted() -> Iterator[list[int]]:
    """Within the block, signals are only noted: their numbers, in order."""
    came: list[int] = []
    before = _handle(lambda number, _frame: came.append(number))
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(handler: object) -> dict[int, object]:
    """Install ``handler`` unless the signal is ignored, as under nohup; gives those before."""
    before = {}
    try:
        for number in ENDING:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, handler)  # type: ignore[arg-type]
    except ValueError:  # not the main thread: signals are somebody else's
        return {}
    return before


def _end_at_once(ended: Ended) -> None:
    os.write(2, f"{ended}\n".encode())
    os._exit(ended.code)


def _last_words(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """A package that is missing means the wrong Python; it is the user's to put right."""
    missing = (getattr(error, "name", None) or "").split(".")[0]
    if isinstance(error, ModuleNotFoundError) and missing not in ("", "stages"):
        print(
            f"error: {sys.executable} has no {missing!r}; activate the environment first "
            f"(. .venv/bin/activate), or run make repro",
            file=sys.stderr,
        )
    else:
        sys.__excepthook__(kind, error, trace)  # type: ignore[arg-type]

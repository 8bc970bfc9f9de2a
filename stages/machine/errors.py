"""Errors a user can act on, and the one place where a command line turns errors into messages."""

from __future__ import annotations

import difflib
import functools
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Sequence

from stages.machine import signals

MANY_NAMES = 100  # that one message lists
MANY_FAULTS = 40  # that one run tells
LONG = 100  # characters of a name
LONGEST = 1000  # characters of an error of somebody else's


class UserError(Exception):
    """Bad input: one fault or several, each a line: what is wrong, where, and what is allowed."""

    @property
    def faults(self) -> tuple[str, ...]:
        """One line each."""
        return tuple(map(str, self.args))

    def __str__(self) -> str:
        return "; and ".join(self.faults)


def shown(value: object, longest: int = 80) -> str:
    """``repr`` of a value for a message, with its middle left out where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        return f"a number of more than {longest} digits"
    half = longest // 2 - 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


def nearest(word: str, valid: Iterable[str]) -> str:
    """The tail of an error message: the nearest valid name, then all of them."""
    names = [str(name) for name in valid]
    hint = f"did you mean {close!r}? " if (close := closest(word, names)) else ""
    listed = [one_line(name) if len(name) <= LONG else shown(name) for name in names[:MANY_NAMES]]
    more = f" and {len(names) - len(listed)} more" if len(names) > len(listed) else ""
    return f"{hint}allowed: {', '.join(listed) + more if names else 'none'}"


def closest(word: object, names: Iterable[str]) -> str | None:
    """The name that is most like ``word``, if one is."""
    word, short = str(word), [name for name in names if len(name) <= LONG]
    close = difflib.get_close_matches(word, short, n=1, cutoff=0.5) if len(word) <= LONG else []
    return close[0] if close else None


def command_line(main: Callable[..., None]) -> Callable[..., None]:
    """Run ``main`` so that no user ever sees a traceback.

    Each fault of a :class:`UserError` becomes a line on stderr. So does what nobody foresaw, with
    the place of a log that has the traceback; ``ALEDGER_TRACEBACK=1`` shows it instead. The exit
    code is 1. SIGINT, SIGTERM or SIGHUP is a line too, with exit code 130, 143 or 129.
    """

    @functools.wraps(main)
    def wrapped(*args: object, **kwargs: object) -> None:
        try:
            with signals.raising():
                main(*args, **kwargs)
        except UserError as error:
            _say(error.faults)
            raise SystemExit(1) from None
        except KeyboardInterrupt as interruption:
            ended = signals.of(interruption)
            print(ended, file=sys.stderr)
            raise SystemExit(ended.code) from None
        except BrokenPipeError:  # the reader has seen enough: `... | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except Exception as error:
            if os.environ.get("ALEDGER_TRACEBACK") == "1":
                raise
            _say([_unexpected(error)])
            raise SystemExit(1) from None

    return wrapped


def _say(faults: Sequence[str]) -> None:
    for fault in faults:
        print(f"error: {one_line(fault)}", file=sys.stderr)


def one_line(text: str) -> str:
    """``text`` in one line, without characters that a terminal would act on."""
    joined = " ".join(text.split())
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in joined)


def _unexpected(error: Exception) -> str:
    what = f"unexpected {type(error).__name__}: {error}"
    if len(what) > LONGEST:
        what = f"{what[:LONGEST]}..."
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return f"{what}; this is a fault of aledger or of the machine; {_logged(lines)}"


def _logged(text: str) -> str:
    """Where ``text`` is now: a new file under artifacts/.logs, or among the system's temporary."""
    for folder in (os.path.join("artifacts", ".logs"), None):
        try:
            if folder is not None and not os.path.isdir(folder):
                os.mkdir(folder)  # which fails where there are no artifacts
            handle, name = tempfile.mkstemp(".log", "aledger-", folder)
            with open(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
            return f"traceback in {name}"
        except OSError:
            continue
    return "its traceback could not be written: ALEDGER_TRACEBACK=1 shows it"

"""Errors a user can act on, and the one place where a command line turns them into a message."""

from __future__ import annotations

import difflib
import functools
import os
import sys
from collections.abc import Callable, Iterable

MANY_NAMES = 100  # that one message lists
LONG = 100  # characters of a name


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
    listed = [name if len(name) <= LONG else shown(name) for name in names[:MANY_NAMES]]
    more = f" and {len(names) - len(listed)} more" if len(names) > len(listed) else ""
    return f"{hint}allowed: {', '.join(listed) + more if names else 'none'}"


def closest(word: object, names: Iterable[str]) -> str | None:
    """The name that is most like ``word``, if one is."""
    word, short = str(word), [name for name in names if len(name) <= LONG]
    close = difflib.get_close_matches(word, short, n=1, cutoff=0.5) if len(word) <= LONG else []
    return close[0] if close else None


def command_line(main: Callable[..., None]) -> Callable[..., None]:
    """Run ``main``; a :class:`UserError` becomes one line on stderr and exit code 1."""

    @functools.wraps(main)
    def wrapped(*args: object, **kwargs: object) -> None:
        try:
            main(*args, **kwargs)
        except UserError as error:
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            raise SystemExit(1) from None
        except BrokenPipeError:  # the reader has seen enough: `... | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return wrapped

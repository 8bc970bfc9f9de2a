"""Errors a user can act on, and the one place where a command line turns them into a message."""

from __future__ import annotations

import difflib
import functools
import os
import sys
from collections.abc import Callable, Iterable

from stages import signals


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, where, and what is allowed."""


def nearest(word: str, valid: Iterable[str]) -> str:
    """The tail of an error message: the nearest valid name, then all of them."""
    names = [str(name) for name in valid]
    close = difflib.get_close_matches(str(word), names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}allowed: {', '.join(names) if names else 'none'}"


def command_line(main: Callable[..., None]) -> Callable[..., None]:
    """Run ``main``; a :class:`UserError` becomes one line on stderr and exit code 1.

    So does SIGINT, SIGTERM or SIGHUP, with exit code 130, 143 or 129.
    """

    @functools.wraps(main)
    def wrapped(*args: object, **kwargs: object) -> None:
        try:
            with signals.raising():
                main(*args, **kwargs)
        except UserError as error:
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            raise SystemExit(1) from None
        except KeyboardInterrupt as interruption:
            ended = signals.of(interruption)
            print(ended, file=sys.stderr)
            raise SystemExit(ended.code) from None
        except BrokenPipeError:  # the reader has seen enough: `... | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return wrapped

"""Reading files that somebody else wrote: plain files only, never more than a limit, no surprises.

Nothing here opens a device, waits for a FIFO or follows a link unasked; nothing is imported or
executed.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from stages.machine.errors import UserError

MOST_JSON = 4 << 20  # bytes; ten colour thumbnails of 64 x 64 and thousands of classes are less
MOST_DIGITS = 18  # of an integer in JSON: what fits 64 bits
MOST_SHOWN = 240  # characters of a message
KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class MissingFile(UserError):
    """There is no such file."""


def shown(text: object, most: int = MOST_SHOWN) -> str:
    """``text`` in one line that is safe to print: escaped, and cut in the middle.

    A file's name or content can hold line ends, terminal controls, bytes that are no text, and
    half a megabyte.
    """
    line = str(text)
    if len(line) > most:
        line = f"{line[: most // 2]} ... {line[-most // 2 :]} ({len(line)} characters)"
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def kind(mode: int) -> str:
    """What a thing that is no regular file is, by its ``st_mode``: "a link", "a FIFO", ..."""
    return next((name for is_kind, name in KINDS if is_kind(mode)), "no regular file")


@contextmanager
def open_regular(path: Path, follow: bool = False) -> Iterator[BinaryIO]:
    """A regular file, open for reading bytes.

    Args:
        follow: whether a link may lead to it.

    Raises:
        MissingFile: there is none.
        UserError: it is a link, a folder, a device, a FIFO or a socket, or cannot be read.
    """
    try:
        mode = os.stat(path, follow_symlinks=follow).st_mode
        if not stat.S_ISREG(mode):
            raise UserError(f"{path}: is {kind(mode)}, not a regular file")
        # The file may be exchanged between the two calls: O_NONBLOCK, or a FIFO would hang here.
        flags = 0 if follow else getattr(os, "O_NOFOLLOW", 0)
        flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, os.O_RDONLY | flags), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise UserError(f"{path}: not a regular file")
            yield stream
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFile(f"{path}: missing") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read ({reason})") from None


def read_regular(path: Path, limit: int, follow: bool = False) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes.

    Raises:
        UserError: as :func:`open_regular`, or it is larger.
    """
    with open_regular(path, follow) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise UserError(f"{path}: larger than {limit} bytes")
    return content


def read_json(path: Path, limit: int = MOST_JSON) -> dict[str, Any]:
    """A JSON object from a file, by the standard's letter.

    Raises:
        UserError: as :func:`read_regular`; not UTF-8; not JSON; NaN or Infinity; a number that is
            not finite or has over 18 digits; a key that stands twice; nested too deep; no object.
    """
    content = read_regular(path, limit)
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_real,
        )
    except RecursionError:
        raise UserError(f"{path}: not valid JSON (nested too deep)") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} twice")
    return found


def _constant(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is beyond all numbers")
    return value

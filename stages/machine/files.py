"""Writing files so that a reader sees the whole file or none of it.

A disk that is full, a folder that may not be written, a file where a folder should be: one line
that names the path.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from stages.machine.errors import UserError


def reason(error: Exception) -> str:
    """Why an operation on a file failed, without the path."""
    return getattr(error, "strerror", None) or str(error)


LEFT_OVER = ".*.part"  # what a kill may leave of a file; stages.mend removes it


def write_atomically(path: Path, fill: Callable[[BinaryIO], Any]) -> None:
    """Call ``fill`` on a temporary file beside ``path``, flush it to disk, rename it.

    Raises:
        UserError: it cannot be written; what was there before is still there.
    """
    try:
        _write_atomically(path, fill)
    except OSError as error:
        at = f" ({error.filename})" if error.filename not in (None, str(path)) else ""
        raise UserError(f"{path}: cannot be written: {reason(error)}{at}") from None


def _write_atomically(path: Path, fill: Callable[[BinaryIO], Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with the line ends as given."""
    write_atomically(path, lambda stream: stream.write(text.encode()))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON: keys in the given order, one a line, so that git diffs read well."""
    write_text(path, as_json(value))


def as_json(value: Any) -> str:
    """What :func:`write_json` writes."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def write_array(path: Path, array: np.ndarray) -> None:
    """Write ``array`` as .npy, never pickled."""
    write_atomically(path, lambda stream: np.save(stream, array, allow_pickle=False))

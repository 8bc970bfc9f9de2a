"""Writing files so that a reader sees the whole file or none of it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

LEFT_OVER = ".*.part"  # what a kill may leave of a file; stages.mend removes it


def write_atomically(path: Path, fill: Callable[[BinaryIO], Any]) -> None:
    """Call ``fill`` on a temporary file beside ``path``, flush it to disk, rename it."""
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
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write ``array`` as .npy, never pickled."""
    write_atomically(path, lambda stream: np.save(stream, array, allow_pickle=False))

"""Where the pixels of a data set that is being read are put: in memory, or in the file to be.

The stage prepare says where the files are to lie; images are then written into them one by one, and
a data set may be larger than the memory.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import numpy as np

from stages.datasets.limits import gib
from stages.datasets.listing import shown
from stages.machine.errors import UserError

_PLACE: ContextVar[Path | None] = ContextVar("place", default=None)


@contextmanager
def arrays_in(folder: Path) -> Iterator[None]:
    """Within it :func:`room` gives arrays that lie in files of ``folder``."""
    token = _PLACE.set(folder)
    try:
        yield
    finally:
        _PLACE.reset(token)


def on_disk() -> bool:
    """Whether :func:`room` gives arrays that lie in files."""
    return _PLACE.get() is not None


def room(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array of uint8 to fill; its file, if any, is ``<name>.npy`` with the room taken already.

    Raises:
        UserError: the disk has no room for it, or it cannot be written.
    """
    place = _PLACE.get()
    if place is None:
        return np.empty(shape, np.uint8)
    path = place / f"{name}.npy"
    try:
        place.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        _reserve(path)
        os.chmod(path, 0o644)
    except OSError as error:
        raise UserError(f"{shown(path)}: {unwritten(place, int(np.prod(shape)), error)}") from None
    return array


def is_in(array: np.ndarray, path: Path) -> bool:
    """Whether an array is that of a file, as :func:`room` made it, whole."""
    name = getattr(array, "filename", None)
    whole = isinstance(array, np.memmap) and isinstance(array.base, type(array._mmap))
    return whole and name is not None and Path(name) == path.absolute()


def unwritten(place: Path, needed: int, error: OSError) -> str:
    """Why ``needed`` bytes cannot be written below ``place``."""
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    # numpy's own writer says how many items it wrote, and no error number.
    if error.errno in (errno.ENOSPC, errno.EDQUOT, None):
        reason = "no room on the disk"
    else:
        reason = error.strerror or str(error)
    return f"cannot be written ({reason}): {gib(needed)} needed, {gib(free)} free"


def _reserve(path: Path) -> None:
    """Take the blocks of a sparse file: on a full disk, writing to its pages would kill us."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, os.fstat(stream.fileno()).st_size)

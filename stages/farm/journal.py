"""What has been finished since dvc.lock was last written: a line for each stage, on disk at once.

``.dvc/tmp/grow.journal`` begins with the digest of the dvc.lock that it continues; each further
line is a stage's name and its entry, in the text that DVC writes. Whoever is killed leaves it
behind, and the next one takes it over. A line that was cut off does not count, nor does anything
after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import BinaryIO

from stages.farm import lockfile
from stages.farm.lockfile import Texts
from stages.machine.errors import UserError
from stages.machine.files import reason, write_text

PLACE = ".dvc/tmp/grow.journal"


class Journal:
    """Lines that are on disk when :meth:`add` returns."""

    def __init__(self, root: Path) -> None:
        self.path, self.lock = root / PLACE, root / "dvc.lock"
        self._stream: BinaryIO | None = None

    def begin(self) -> None:
        """Start anew: all that was in it is in dvc.lock now."""
        self.close()
        write_text(self.path, json.dumps(["dvc.lock", digest(self.lock)]) + "\n")
        self._stream = self.path.open("ab")

    def add(self, name: str, text: str) -> None:
        """Note that a stage has been finished.

        Raises:
            UserError: it cannot be written.
        """
        try:
            self._stream.write(json.dumps([name, text]).encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {reason(error)}") from None

    def close(self) -> None:
        """Leave it as it is."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            with contextlib.suppress(OSError):  # what a full disk did not take; said already
                stream.close()

    def remove(self) -> None:
        """There is nothing in it that dvc.lock has not."""
        self.close()
        self.path.unlink(missing_ok=True)


def digest(lock: Path) -> str:
    """SHA-256 of dvc.lock; nothing where there is none."""
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else ""


def read(content: bytes) -> tuple[str | None, Texts]:
    """The digest of the dvc.lock that a journal continues, and its whole lines.

    None for a journal of which not even the first line is whole.
    """
    first, found = None, {}
    for line in content.split(b"\n")[:-1]:
        try:
            name, text = json.loads(line)
        except ValueError:
            break
        if first is None:
            first = text
        else:
            found[name] = text
    return first, found


def continues(root: Path) -> bool:
    """Whether there is a journal, and dvc.lock is the one that it continues."""
    path = root / PLACE
    return path.exists() and read(path.read_bytes())[0] == digest(root / "dvc.lock")


def replay(root: Path) -> int:
    """Take what a journal has over into dvc.lock, which must be whole; how many stages that were.

    Where another program has written dvc.lock since, only stages that it does not have are taken.
    """
    path, lock = root / PLACE, root / "dvc.lock"
    if not path.exists():
        return 0
    first, found = read(path.read_bytes())
    known = lockfile.texts_of(lock)
    if first != digest(lock):
        found = {name: text for name, text in found.items() if name not in known}
    if found:
        lockfile.write_texts(lock, {**known, **found}, list(known))
    path.unlink()
    return len(found)

"""The files of a source that is not to be trusted: a folder, a zip or a tar archive.

Everything is read into memory within limits, and nothing is written, followed or executed. A name
that leads anywhere, and anything but files and folders, makes the whole source be refused.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from stages.machine.errors import UserError
from stages.machine.reading import kind, read_regular, shown

MOST_FILES = 100_000
MOST_BYTES = 1 << 28  # of all files together, and of an archive
RATIO = 1000  # of a compressed file's size; index sets and JSON come to 20
DEEPEST = 8
LONGEST = 255
PART = re.compile(r"[^/\\\x00-\x1f\x7f]+")
OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7z": lzma.open}
DAMAGED = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
           tarfile.TarError, NotImplementedError, RuntimeError)  # fmt: skip
PLACES = ("splits", "reports/rounds", "params.yaml", "data")

Wanted = Callable[[str], bool]


@dataclass
class Source:
    """What was read.

    Attributes:
        files: content by path, with forward slashes.
        where: a name for it, without folders of this machine.
        commit: of a git revision, 40 hexadecimal digits; empty for anything else.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    where: str = ""
    commit: str = ""
    total: int = 0

    def add(self, name: str, content: bytes) -> None:
        """Add a file."""
        self.files[name] = content

    def count(self, size: int) -> None:
        """Take note of bytes that are about to be read.

        Raises:
            UserError: they are too many, or there are too many files.
        """
        self.total += size
        if self.total > MOST_BYTES:
            raise UserError(f"{self.where}: more than {MOST_BYTES >> 20} MiB in all")
        if len(self.files) >= MOST_FILES:
            raise UserError(f"{self.where}: more than {MOST_FILES} files")


def safe(name: str, where: str) -> str:
    """A member's name, normal.

    Raises:
        UserError: it is absolute, leads upwards, or holds what no name should hold.
    """
    trimmed = name.rstrip("/").removeprefix("./")
    parts = trimmed.split("/")
    wrong = (
        not trimmed
        or len(parts) > DEEPEST
        or any(part in (".", "..") or not PART.fullmatch(part) for part in parts)
        or any(len(part.encode(errors="replace")) > LONGEST for part in parts)
        or re.match(r"[A-Za-z]:", trimmed)
    )
    if wrong:
        raise UserError(f"{where}: {shown(repr(name), 80)} is no name that a file here may have")
    return str(PurePosixPath(trimmed))


def of_folder(folder: Path, wanted: Wanted) -> Source:
    """The wanted files of a folder; links among them are refused, and none is followed."""
    found = Source(where=folder.resolve().name)
    for path, name in _walk(folder, ""):
        if wanted(name):
            safe(name, found.where)
            content = read_regular(path, MOST_BYTES)
            found.count(len(content))
            found.add(name, content)
    return found


def _walk(folder: Path, under: str, depth: int = 0) -> Iterator[tuple[Path, str]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    for entry in entries:
        if entry.name.startswith(".") or depth > DEEPEST:
            continue
        name = f"{under}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{name}/", depth + 1)
        else:
            yield Path(entry.path), name


def of_zip(content: bytes, where: str, wanted: Wanted) -> Source:
    """The wanted files of a zip archive."""
    found, declared = Source(where=where), Source(where=where)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for at, info in enumerate(archive.infolist()):
                mode = info.external_attr >> 16
                name = safe(info.filename, where)
                if info.is_dir():
                    continue
                if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
                    raise UserError(f"{where}: {shown(name, 80)} is {kind(mode)}, no file")
                if info.flag_bits & 1:
                    raise UserError(f"{where}: {shown(name, 80)} is encrypted")
                if at >= MOST_FILES:
                    raise UserError(f"{where}: more than {MOST_FILES} files")
                _check_ratio(info.compress_size, info.file_size, f"{where}: {shown(name, 80)}")
                declared.count(info.file_size)
                if wanted(name):
                    _once(found, name)
                    with archive.open(info) as stream:
                        part = stream.read(info.file_size + 1)
                    found.add(name, part)
    except UserError:
        raise
    except DAMAGED as error:
        raise UserError(f"{where}: a damaged zip archive ({error})") from None
    return _without_top(found)


def of_tar(content: bytes, where: str, wanted: Wanted) -> Source:
    """The wanted files of a tar archive that is not compressed (any more)."""
    found, declared = Source(where=where), Source(where=where)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for at, member in enumerate(archive):
                name = safe(member.name, where)
                if member.isdir():
                    continue
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                    what = "a link" if member.issym() or member.islnk() else "no plain file"
                    raise UserError(f"{where}: {shown(name, 80)} is {what}")
                if at >= MOST_FILES:
                    raise UserError(f"{where}: more than {MOST_FILES} files")
                declared.count(member.size)
                if wanted(name):
                    _once(found, name)
                    found.add(name, archive.extractfile(member).read())
    except UserError:
        raise
    except DAMAGED as error:
        raise UserError(f"{where}: a damaged tar archive ({error})") from None
    return _without_top(found)


def _once(found: Source, name: str) -> None:
    if name in found.files:
        raise UserError(f"{found.where}: holds {shown(name, 80)} twice")


def _check_ratio(packed: int, size: int, what: str) -> None:
    if size > 1 << 20 and size > RATIO * max(packed, 1):
        raise UserError(f"{what}: {packed} bytes unpack to {size}, more than {RATIO} times as many")


def whole(path: Path) -> bytes:
    """A file's content, if that is no more than an archive may have."""
    return read_regular(path, MOST_BYTES, follow=True)


def unpressed(path: Path) -> bytes:
    """A file's content, unpacked where it is compressed, and never more than the limit."""
    content = whole(path)
    opener = next((one for magic, one in OPENERS.items() if content.startswith(magic)), None)
    if opener is None:
        return content
    most = min(MOST_BYTES, max(RATIO * len(content), 1 << 20))
    try:
        with opener(io.BytesIO(content)) as stream:
            found = stream.read(most + 1)
    except DAMAGED as error:
        raise UserError(f"{path.name}: a damaged archive ({error})") from None
    if len(found) > most:
        raise UserError(f"{path.name}: {len(content)} bytes unpack to more than {most}")
    return found


def _without_top(found: Source) -> Source:
    """Without the one folder that everything lies in, as in archives that web sites make."""
    tops = {name.partition("/")[0] for name in found.files if "/" in name}
    if len(tops) == 1 and all("/" in name for name in found.files):
        (top,) = tops
        if top not in {place.partition("/")[0] for place in PLACES}:
            found.files = {
                name.removeprefix(f"{top}/"): content for name, content in found.files.items()
            }
    return found

"""Which files of ``<root>/<part>/<class>/`` are images, and what is left out."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from stages.machine.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
# Folders that systems make for themselves, beside all names that begin with a dot.
SYSTEM = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
EXPECTED = "expected train/<class>/* and test/<class>/*"
KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device"}
KINDS[stat.S_IFBLK] = "a device"


def shown(path: Path | str) -> str:
    """A path for a message: line ends, undecodable bytes and spaces in a row escaped."""
    text = "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in str(path)
    )
    return text.replace("  ", " \\x20")


def path_of(root: str) -> Path:
    """A path as a user writes it, ``~`` allowed.

    Raises:
        UserError: no path.
    """
    try:
        if "\0" in root:
            raise RuntimeError("a NUL byte")
        return Path(root).expanduser()
    except RuntimeError as error:
        raise UserError(f"dataset.root: {root!r} is no path ({error})") from None


def cannot(path: Path | str, do: str, error: OSError) -> UserError:
    """The message for a file or folder that the system does not give."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{shown(path)}: no such file or folder")
    reason = error.strerror or " ".join(str(error).split())
    return UserError(f"{shown(path)}: cannot be {do} ({reason})")


@dataclass
class Listing:
    """The image files of a part, by class, and what was left out.

    Attributes:
        files: path of each image, sorted within its class; classes sorted.
        skipped: how many names were left out, by reason.
    """

    files: dict[str, list[Path]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)


def list_part(part: Path, seen: dict[tuple[int, int], Path]) -> Listing:
    """All images of ``part``, which is ``<root>/train`` or ``<root>/test``.

    Links are followed; a folder that was read before, by whatever way, is an error, so neither a
    loop nor the same images under two labels pass.

    Args:
        seen: device and inode of folders read so far, and their paths; added to.

    Raises:
        UserError: no such folder, no classes, names that cannot be told apart, or anything that
            should be an image or a folder and cannot be read.
    """
    listing = Listing()
    names = []
    for entry in _entries(part, seen):
        if is_hidden(entry.name):
            listing.skipped["hidden"] += 1
        elif stat.S_ISDIR(_stat(entry).st_mode):
            names.append(entry.name)
        elif _suffix(entry.name) in SUFFIXES:
            listing.skipped[f"directly in {part.name}/"] += 1
        else:
            _skip_other(listing, entry.name)
    if not names:
        raise UserError(f"{shown(part)}: no class folders; expected {part.name}/<class>/*")
    _check_names(part, names)
    for name in names:
        listing.files[name] = _images(part / name, listing, seen)
    return listing


def same_name(name: str) -> str:
    """What is left of a class name on a system that knows neither case nor Unicode forms."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _images(top: Path, listing: Listing, seen: dict[tuple[int, int], Path]) -> list[Path]:
    found, waiting = [], [top]
    while waiting:
        for entry in _entries(waiting.pop(), seen):
            is_image = _suffix(entry.name) in SUFFIXES
            if is_hidden(entry.name):
                listing.skipped["hidden"] += 1
                continue
            mode = _stat(entry).st_mode
            if stat.S_ISDIR(mode):
                waiting.append(Path(entry.path))
            elif not is_image:
                _skip_other(listing, entry.name)
            elif stat.S_ISREG(mode):
                found.append(Path(entry.path))
            else:
                kind = KINDS.get(stat.S_IFMT(mode), "something else")
                raise UserError(f"{shown(entry.path)}: {kind}, not a regular file")
    return sorted(found, key=lambda path: path.parts)


def _entries(folder: Path, seen: dict[tuple[int, int], Path]) -> list[os.DirEntry[str]]:
    """What is in a folder, sorted by name."""
    try:
        about = os.stat(folder)
        if not stat.S_ISDIR(about.st_mode):
            raise UserError(f"{shown(folder)}: not a folder; {EXPECTED}")
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        raise UserError(f"{shown(folder)}: no such folder; {EXPECTED}") from None
    except OSError as error:
        raise cannot(folder, "read", error) from None
    identity = (about.st_dev, about.st_ino)
    if about.st_ino and identity in seen:
        raise UserError(
            f"{shown(folder)}: the same folder as {shown(seen[identity])}, by a link; "
            f"allowed: each folder once"
        )
    seen[identity] = folder
    return inside


def _stat(entry: os.DirEntry[str]) -> os.stat_result:
    """Of what a link leads to."""
    try:
        return entry.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{shown(entry.path)}: links in a circle, or too many") from None
        if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise UserError(f"{shown(entry.path)}: a link that leads to nothing") from None
        raise cannot(entry.path, "read", error) from None


def _skip_other(listing: Listing, name: str) -> None:
    listing.skipped[f"ending {shown(_suffix(name)[:12]) or 'none'}"] += 1


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def is_hidden(name: str) -> bool:
    """Whether a name is one that people do not mean: it begins with a dot, or is a system's own."""
    return name.startswith(".") or name in SYSTEM


def _check_names(part: Path, names: list[str]) -> None:
    """Class names go into files and tables, so they must be text, and differ anywhere."""
    known: dict[str, str] = {}
    for name in names:
        if not name.isprintable():
            raise UserError(f"{shown(part / name)}: a class name must be printable text in UTF-8")
        other = known.setdefault(same_name(name), name)
        if other != name:
            raise UserError(
                f"{shown(part / name)}: differs from {other!r} by case or Unicode form only; "
                f"many systems take them for one class"
            )

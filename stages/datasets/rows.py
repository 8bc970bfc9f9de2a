"""CSV files that say which image is what; every fault is one line that names the row."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.datasets.listing import shown
from stages.machine.errors import UserError, nearest
from stages.machine.reading import MissingFile, read_regular

MOST = 2**30  # bytes: ten million rows of a hundred characters


@dataclass(frozen=True)
class Rows:
    """A CSV file.

    Attributes:
        path: of the file.
        sha256: of its bytes.
        rows: the number of the line that each row ends on, and its cells by column.
    """

    path: Path
    sha256: str
    rows: list[tuple[int, dict[str, str]]]

    def fault(self, line: int, text: str) -> UserError:
        """The message about a row."""
        return UserError(f"{shown(self.path)}: line {line}: {text}")


def read_rows(
    path: Path, columns: Collection[str], optional: Collection[str] | None = None, mark: str = ","
) -> Rows:
    """A CSV file in UTF-8 (a byte order mark is allowed) with a header.

    Args:
        columns: that must be there.
        optional: that may be there; None: any may, and is left out.
        mark: what separates cells.

    Raises:
        UserError: missing, larger than 1 GiB, not UTF-8; a quote that is not closed, a NUL; no
            such header, a column twice or unknown; a row of more or fewer cells; no rows.
    """
    try:
        content = read_regular(path, MOST, follow=True)
    except MissingFile:
        raise UserError(
            f"{shown(path)}: missing; expected a CSV file with the columns {', '.join(columns)}"
        ) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{shown(path)}: line {line}: not UTF-8; save it as UTF-8") from None
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=mark, strict=True, skipinitialspace=True
    )
    found = Rows(path, hashlib.sha256(content).hexdigest(), [])
    try:
        header = _header(found, next(reader, []), columns, optional)
        for cells in reader:
            if not cells:  # an empty line
                continue
            if len(cells) != len(header):
                raise found.fault(
                    reader.line_num, f"{len(cells)} cells, the header has {len(header)} columns"
                )
            found.rows.append((reader.line_num, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise found.fault(reader.line_num, f"not CSV ({error})") from None
    if not found.rows:
        raise UserError(f"{shown(path)}: no rows below the header")
    return found


def _header(
    found: Rows, header: list[str], columns: Collection[str], optional: Collection[str] | None
) -> list[str]:
    names = [name.strip() for name in header]
    for at, name in enumerate(names):
        if name in names[:at]:
            raise found.fault(1, f"the column {name!r} twice")
    for name in columns:
        if name not in names:
            said = shown(", ".join(names))[:200]
            raise found.fault(1, f"no column {name!r}; the header is {said}")
    if optional is not None:
        allowed = [*columns, *optional]
        for name in names:
            if name not in allowed:
                raise found.fault(1, f"unknown column {name!r}; {nearest(name, allowed)}")
    return names


def inside(root: Path, name: str) -> Path:
    """The regular file that ``name`` means below ``root``.

    Raises:
        UserError: what follows the row in a message: the name is empty, absolute, has ``..`` or a
            backslash, leads out of ``root`` by a link, or is no regular file.
    """
    if not name or not name.isprintable() or name != name.strip():
        raise UserError(f"path {shown(name[:80])!r}; allowed: a file's path below the folder")
    if "\\" in name:
        raise UserError(f"path {shown(name)!r} has a backslash; allowed: / between folders")
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or Path(name).drive:
        raise UserError(f"path {shown(name)!r} leads out of {shown(root)}; allowed: paths below it")
    path = root / pure
    try:
        real = os.path.realpath(path, strict=True)
    except OSError as error:
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        reason = "there is no such file" if missing else error.strerror
        raise UserError(f"{shown(path)}: {reason}") from None
    if not Path(real).is_relative_to(os.path.realpath(root)):
        raise UserError(f"path {shown(name)!r} leads out of {shown(root)} by a link")
    if not os.path.isfile(real):
        raise UserError(f"{shown(path)}: not a regular file")
    return path

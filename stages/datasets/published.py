"""What readers of published data sets share: where files lie, whose they are, what is missing."""

from __future__ import annotations

import hashlib
import importlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated

from pydantic import Field

from stages.datasets.listing import cannot, path_of, shown
from stages.machine.errors import UserError

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # SHA-256
BLOCK = 2**20
# What torchvision raises for files that are missing, and for damaged ones.
UNREADABLE = (RuntimeError, OSError, ValueError, LookupError, TypeError, AssertionError)


def data_root(root: Path | None) -> Path:
    """Where the files of published data sets lie."""
    return root or path_of(os.environ.get("ALEDGER_DATA") or "~/.cache/aledger")


def package(name: str, data_set: str) -> ModuleType:
    """An optional package.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(
            f"data set {data_set} needs the package {name}, which is not installed; "
            f"pip install {name}"
        ) from None


def needed(name: str, source: str, *places: Path) -> Path:
    """The first of ``places`` that is there.

    Raises:
        UserError: none is; the line says what to get, from whom, and where to put it.
    """
    for place in places:
        try:
            place.stat()
            return place
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise cannot(place, "read", error) from None
    others = "".join(f", or {shown(other)}" for other in places[1:])
    raise UserError(
        f"{shown(places[0])}: missing; {name} is to be had from {source}: put it "
        f"there{others}, or set dataset.root or $ALEDGER_DATA"
    )


def fetched(name: str, place: Path, download: bool, fetch: Callable[[], object]) -> None:
    """Call ``fetch`` where ``place`` is not there and ``download`` allows it.

    Raises:
        UserError: the download failed.
    """
    if place.exists() or not download:
        return
    try:
        fetch()
    except UNREADABLE as error:
        raise UserError(
            f"{name}: not at {shown(place)} and the download failed "
            f"({' '.join(str(error).split())[:300] or type(error).__name__}); put it there or set "
            f"dataset.root"
        ) from None


def digest_of(path: Path, kind: str = "sha256") -> str:
    """The digest of a regular file, as hexadecimal digits.

    Raises:
        UserError: it is no regular file, or cannot be read.
    """
    total = hashlib.new(kind, usedforsecurity=False)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{shown(path)}: not a regular file")
        with open(path, "rb") as stream:
            while block := stream.read(BLOCK):
                total.update(block)
    except OSError as error:
        raise cannot(path, "read", error) from None
    return total.hexdigest()


def checked(path: Path, name: str, md5: str | None, sha256: str | None = None) -> dict[str, str]:
    """The SHA-256 of a file, by its name, once it is known to be the right file.

    Args:
        md5: what its authors say of it.
        sha256: what params.yaml says of it.

    Raises:
        UserError: another file.
    """
    if md5 is not None and digest_of(path, "md5") != md5:
        raise UserError(
            f"{shown(path)}: not the published file of {name}, or damaged (its MD5 is not {md5}); "
            f"remove it and get it again"
        )
    found = digest_of(path)
    _check_sha256(shown(path), found, sha256)
    return {path.name: found}


def check_listing(root: Path, found: str, sha256: str | None) -> dict[str, str]:
    """What the manifest says of the files under ``root`` whose listing has the digest ``found``.

    Raises:
        UserError: ``sha256`` is given and another.
    """
    _check_sha256(shown(root), found, sha256)
    return {"listing": found}


def _check_sha256(what: str, found: str, sha256: str | None) -> None:
    if sha256 is not None and found != sha256:
        raise UserError(f"{what}: its SHA-256 is {found}, dataset.sha256 says {sha256}")

"""The files of a repository's HEAD with their blob ids, as JSON: ``head.py GIT PREFIX LIMIT``.

Runs as a process of its own under limits of time and memory, in Python's isolated mode, since the
repository may be anybody's. dulwich reads refs, commit and trees; it starts no program, and no
configuration, hook, filter or attribute of the repository is looked at. Nothing of this package is
imported, so that nothing can stand in for it.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from pathlib import Path

DEEPEST = 8
MOST_FILES = 2_000_000
MOST_ALTERNATES = 5
MOST_BYTES = 1 << 26  # of a commit or tree
PLACES = ("splits", "reports/rounds", "reports/tuned", "data", "params.yaml")
DATA = re.compile(r"data/[^/]+/(?:manifest|protocol)\.json")


class Refused(Exception):
    """The repository is not one that can be read; the message says why."""


def main(git: str, prefix: str, limit: int) -> None:
    """Print {"files": {path: blob id}, "commit": id}, or {"none": why}, or {"fault": why}."""
    try:
        _limit_memory(limit)
        answer = read(Path(git), [part for part in prefix.split("/") if part not in ("", ".")])
    except ImportError:
        answer = {"fault": "comparing with a commit needs dulwich (pip install dulwich)"}
    except Refused as fault:
        answer = {"fault": str(fault)}
    except MemoryError:
        answer = {"fault": "the repository needs too much memory"}
    except RecursionError:
        answer = {"fault": "the repository goes round in a circle"}
    except Exception as error:  # a damaged repository fails in any way there is
        answer = {"fault": f"the repository cannot be read ({type(error).__name__}: {error})"}
    print(json.dumps(answer))


def _limit_memory(limit: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))  # packs are mapped, not counted
    except (ImportError, ValueError, OSError):
        pass  # another system: the limit of time remains


def read(git: Path, prefix: list[str]) -> dict:
    """See :func:`main`; ``git`` is a .git folder, or a .git file that names one."""
    from dulwich.object_store import DiskObjectStore
    from dulwich.objects import Commit
    from dulwich.refs import DiskRefsContainer

    control = _folder(git)
    common = control
    if os.path.lexists(control / "commondir"):
        common = control / _line(control / "commondir")
    for folder in {control, common}:
        _only_files(folder)
    _check_alternates(common / "objects", 0)
    refs = DiskRefsContainer(str(common), worktree_path=str(control))
    try:
        head = refs[b"HEAD"]
    except KeyError:
        return {"none": "no commit yet"}
    store = DiskObjectStore(str(common / "objects"), loose_object_size_limit=MOST_BYTES)
    try:
        commit = store[head]
        if not isinstance(commit, Commit):
            raise Refused("HEAD is no commit")
        files: dict[str, str] = {}
        for place in PLACES:
            _find(store, commit.tree, [*prefix, *place.split("/")], place, files)
    except KeyError as error:
        raise Refused(f"an object is not there ({_text(error.args[0])})") from None
    finally:
        store.close()
    files = {
        path: blob
        for path, blob in files.items()
        if not path.startswith("data/") or DATA.fullmatch(path)
    }
    return {"files": files, "commit": head.decode("ascii")}


def _find(store, tree: bytes, parts: list[str], place: str, files: dict[str, str]) -> None:
    """Add what lies at ``parts`` under ``tree``, named from ``place`` on."""
    for at, part in enumerate(parts):
        entries = {name: (mode, blob) for name, mode, blob in store[tree].items()}
        mode, tree = entries.get(os.fsencode(part), (0, b""))
        if not mode:
            return
        if not stat.S_ISDIR(mode):
            if at == len(parts) - 1:
                files[place] = _id(mode, tree)
            return
    _add(store, tree, place, files, 0)


def _add(store, tree: bytes, folder: str, files: dict[str, str], depth: int) -> None:
    if depth > DEEPEST:
        raise Refused("too many folders in each other")
    for name, mode, blob in store[tree].items():
        path = f"{folder}/{os.fsdecode(name)}"
        if stat.S_ISDIR(mode):
            if folder != "data" or depth == 0:
                _add(store, blob, path, files, depth + 1)
        else:
            files[path] = _id(mode, blob)
        if len(files) > MOST_FILES:
            raise Refused(f"more than {MOST_FILES} files")


def _id(mode: int, blob: bytes) -> str:
    """A file's blob id; a link or a submodule can equal no file."""
    return blob.decode("ascii") if stat.S_ISREG(mode) else "no file"


def _folder(git: Path) -> Path:
    if git.is_dir():
        return git
    line = _line(git)
    if not line.startswith("gitdir: "):
        raise Refused("'.git' is neither a folder nor a file that names one")
    return git.parent / line[8:]


def _line(path: Path) -> str:
    """The only line of a small file."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise Refused(f"{path.name} is no regular file")
    with path.open("rb") as stream:
        return os.fsdecode(stream.read(5000).rstrip(b"\r\n"))


def _only_files(folder: Path) -> None:
    """Refuse what would make a reader wait: a FIFO or a device among the repository's files."""
    for here, _, names in os.walk(folder):
        for name in names:
            try:
                mode = os.stat(os.path.join(here, name)).st_mode
            except OSError:
                continue  # a link to nowhere
            if not stat.S_ISREG(mode):
                where = os.path.relpath(os.path.join(here, name), folder)
                raise Refused(f"{where} is no regular file")


def _check_alternates(objects: Path, depth: int) -> None:
    """Other object stores that this one names: not in a circle, and of files alone."""
    named = objects / "info" / "alternates"
    if not named.exists():
        return
    if depth >= MOST_ALTERNATES:
        raise Refused("objects/info/alternates goes round in a circle, or is too deep")
    if named.stat().st_size > 100_000:
        raise Refused("objects/info/alternates is too large")
    for line in named.read_bytes().splitlines():
        if line and not line.startswith(b"#"):
            other = objects / os.fsdecode(line)
            _only_files(other)
            _check_alternates(other, depth + 1)


def _text(value: object) -> str:
    return os.fsdecode(value)[:80] if isinstance(value, bytes) else str(value)[:80]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

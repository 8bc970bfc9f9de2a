"""A study's folder held against the commit that it lies in, without running git.

Git obeys the configuration of the repository that it is called in: ``core.fsmonitor``, filters and
more name programs that it runs. So the commit's trees are read by a library, in a process of its
own (:mod:`stages.checking.head`), and the files' blob ids are computed here from their bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from stages.machine.errors import UserError
from stages.machine.reading import MissingFile, open_regular, shown
from stages.study.layout import Layout

MEMORY = 1 << 30  # bytes
SECONDS = 60
BLOCK = 1 << 20
MOST = 1 << 28  # bytes of a file


@dataclass
class Compared:
    """What a comparison found.

    Attributes:
        none: why there was nothing to compare with; "" where there was.
        equal: how many files are the same, byte for byte.
        faults: a line for each file that is changed or gone.
        new: files that the commit does not have.
    """

    none: str = ""
    equal: int = 0
    faults: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)


def compare(root: Path) -> Compared:
    """Hold index sets, records, manifests, protocols and settings against HEAD.

    Raises:
        UserError: there is a repository, but its commit cannot be read.
    """
    top = _repository(root)
    if top is None:
        return Compared(none="no git repository")
    answer = _head(top / ".git", root.resolve().relative_to(top).as_posix())
    if "fault" in answer:
        raise UserError(f"{top / '.git'}: {shown(answer['fault'])}")
    if not answer.get("files"):
        return Compared(none=answer.get("none", "the commit has nothing of this study"))
    found, committed = Compared(), answer["files"]
    for path, blob in committed.items():
        try:
            same = _blob_id(root / path) == blob
        except MissingFile:
            found.faults.append(f"{root / path}: is in the commit, but not here")
            continue
        except UserError as fault:
            found.faults.append(str(fault))
            continue
        if same:
            found.equal += 1
        else:
            found.faults.append(f"{root / path}: DIFFERS from the committed one")
    found.new = [path for path in _here(root) if path not in committed]
    return found


def _repository(root: Path) -> Path | None:
    """The nearest folder from ``root`` upwards that holds .git."""
    root = root.resolve()
    return next((top for top in (root, *root.parents) if os.path.lexists(top / ".git")), None)


def _head(git: Path, prefix: str) -> dict:
    """What :mod:`stages.checking.head` says."""
    script = Path(__file__).with_name("head.py")
    command = [sys.executable, "-I", str(script), str(git), prefix, str(MEMORY)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            cwd=script.parent,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"fault": f"the commit was not read in {SECONDS} seconds"}
    except (ValueError, OSError):
        return {"fault": "the repository cannot be read"}
    return answer


def _blob_id(path: Path) -> str:
    """The id that git gives to a file's bytes: SHA-1 of "blob <size>", a zero byte, and them."""
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > MOST:
            raise UserError(f"{path}: larger than {MOST} bytes")
        total = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        while block := stream.read(BLOCK):
            total.update(block)
    return total.hexdigest()


def _here(root: Path) -> list[str]:
    """Files of the study that are on disk, relative to ``root``, sorted."""
    found = []
    for top in ("splits", "reports/rounds", "reports/tuned"):
        for folder, _, names in os.walk(root / top):
            found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    for name in ("manifest.json", "protocol.json"):
        found += [
            str(path.relative_to(root)) for path in Layout(root).data("*").parent.glob(f"*/{name}")
        ]
    return sorted(path.replace(os.sep, "/") for path in found)

"""A study as a folder: given as one, or unpacked from a commit or a DVC experiment."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.machine.errors import UserError

PARTS = ("splits", "reports/rounds", "params.yaml", "data")
EXPERIMENTS = "refs/exps"
INTERNAL = ("refs/exps/exec/", "refs/exps/stash", "refs/exps/celery/")


@contextmanager
def resolve(name: str | Path, root: Path = Path(".")) -> Iterator[Path]:
    """The folder of a study.

    Args:
        name: a folder that holds splits/ or reports/rounds/, or a commit (anything `git rev-parse`
            knows) or DVC experiment of the repository of `root`.
        root: folder of the study within that repository.

    Yields:
        The folder itself; for a commit or an experiment a temporary one with its index sets,
        results and settings, which goes away afterwards. The working tree is not touched.

    Raises:
        UserError: neither a folder of a study nor a revision, or a revision without a study.
    """
    folder = Path(name)
    if folder.is_dir():
        if not any((folder / part).is_dir() for part in PARTS[:2]):
            raise UserError(f"{folder}: no study here (neither splits/ nor reports/rounds/)")
        yield folder
        return
    commit = _commit(str(name), Path(root))
    with tempfile.TemporaryDirectory(prefix="aledger-") as temporary:
        target = Path(temporary)
        _unpack(commit, str(name), Path(root), target)
        yield target


def _git(root: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


def _commit(name: str, root: Path) -> str:
    """The full hash of a commit or of a DVC experiment."""
    if not name.startswith("-"):
        found = _git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if found:
            return found.decode().strip()
    listed = _git(root, "for-each-ref", "--format=%(refname) %(objectname)", EXPERIMENTS) or b""
    lines = [line.split() for line in listed.decode().splitlines()]
    hashes = {
        commit
        for ref, commit in lines
        if ref.rpartition("/")[2] == name and not ref.startswith(INTERNAL)
    }
    if len(hashes) > 1:
        raise UserError(f"{name}: {len(hashes)} experiments have this name; give a commit")
    if not hashes:
        raise UserError(
            f"{name}: neither a folder nor a commit or DVC experiment of this repository"
        )
    return hashes.pop()


def _unpack(commit: str, name: str, root: Path, target: Path) -> None:
    listed = _git(root, "ls-tree", "-r", "-z", "--name-only", commit, "--", *PARTS)
    files = [
        path
        for path in (listed or b"").decode().split("\0")
        if path and (not path.startswith("data/") or path.endswith("manifest.json"))
    ]
    if not any(path.startswith(("splits/", "reports/rounds/")) for path in files):
        raise UserError(f"{name}: this revision holds neither splits/ nor reports/rounds/")
    wanted = [part for part in PARTS if any(path.startswith(part) for path in files)]
    packed = _git(root, "archive", "--format=tar", commit, "--", *wanted)
    if packed is None:
        raise UserError(f"{name}: git cannot unpack this revision")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        for member in members:
            if member.name in files and ".." not in Path(member.name).parts:
                path = target / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())

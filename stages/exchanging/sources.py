"""Whatever a user names as a source: a folder, an archive, a file, a git repository."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from stages.exchanging.archives import (
    OPENERS,
    Source,
    Wanted,
    of_folder,
    of_tar,
    of_zip,
    safe,
    unpressed,
    whole,
)
from stages.machine.errors import UserError
from stages.machine.reading import open_regular, shown

URL = re.compile(r"(?:https?|ssh|git|file)://|git@[\w.-]+:")
SECONDS = 600


def unpack(source: str, revision: str | None, wanted: Wanted) -> Source:
    """The files of ``source`` whose names are ``wanted``.

    Args:
        source: a folder, a file, or the address of a git repository.
        revision: of a git repository, anything that ``git rev-parse`` knows; None: its HEAD, or a
            folder as it lies there.

    Raises:
        UserError: it is none of these, damaged, too large, or holds what no source may hold.
    """
    if revision is not None or URL.match(source) or source.endswith(".git"):
        return of_git(source, revision or "HEAD", wanted)
    path = Path(source)
    if path.is_dir():
        return of_folder(path, wanted)
    with open_regular(path, follow=True) as stream:
        start = stream.read(512)
    name = path.name
    if start.startswith(b"PK\x03\x04") or name.endswith(".zip"):
        return of_zip(whole(path), name, wanted)
    if start[257:262] == b"ustar" or any(map(start.startswith, OPENERS)):
        return of_tar(unpressed(path), name, wanted)
    found = Source(where=name)
    found.add(safe(name, name), whole(path))
    return found


def of_git(source: str, revision: str, wanted: Wanted) -> Source:
    """The wanted files of a revision, by ``git archive`` from a bare clone that goes away.

    No hook, filter or helper of the repository runs, and no credentials are asked for.
    """
    if source.startswith("-") or revision.startswith("-") or not source.isprintable():
        raise UserError(f"{shown(source, 120)}: not the address of a git repository")
    name = re.split(r"[/:\\]", source.rstrip("/"))[-1].removesuffix(".git") or "repository"
    where = re.sub(r"//[^/@]*@", "//", source) if URL.match(source) else name
    if where.startswith("file://"):
        where = name  # where it lies on this machine is nobody's business
    with tempfile.TemporaryDirectory(prefix="aledger-") as folder:
        bare = Path(folder) / "bare"
        _git(where, "clone", "--quiet", "--bare", "--no-local", "--", source, str(bare))
        at = ("-C", str(bare))
        commit = _git(where, *at, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        commit = commit.decode("ascii", "replace").strip()
        listed = _git(where, *at, "ls-tree", "-r", "-z", "-l", commit)
        chosen = []
        total = Source(where=where)
        for line in listed.split(b"\0")[:-1]:
            about, _, path = line.partition(b"\t")
            mode, _, _, size = about.split()
            path = os.fsdecode(path)
            if wanted(path):
                if mode not in (b"100644", b"100755"):
                    raise UserError(f"{where}: {shown(path, 80)} is a link, or no file")
                total.count(int(size))
                chosen.append(safe(path, where))
        found = Source(where=where, commit=commit)
        if chosen:
            tops = sorted({path.partition("/")[0] for path in chosen})
            packed = _git(where, *at, "archive", "--format=tar", commit, "--", *tops)
            found.files = of_tar(packed, where, set(chosen).__contains__).files
    return found


def _git(where: str, *arguments: str) -> bytes:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_ATTR_NOSYSTEM": "1",
    }
    command = ["git", "-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false"]
    try:
        done = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            env=environment,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise UserError(f"{where}: reading a git repository needs git") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{where}: git needs more than {SECONDS} s") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1] if said else "no such revision"
        raise UserError(f"{where}: git cannot read it ({shown(reason, 160)})")
    return done.stdout

"""For double-blind review: no names of people, machines, folders or repositories in a deposit.

What is known of them (authors, committers, remotes, this machine's and this user's names) is
looked for in every byte. Texts that nothing pins are rewritten; where a pinned file holds one,
nothing is written.
"""

from __future__ import annotations

import getpass
import json
import re
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

import yaml

from stages.machine.errors import UserError
from stages.machine.reading import shown

WORD = "anonymous"
SHORTEST = 4  # letters of a name that is looked for: shorter ones are parts of words
COMMON = {"localhost", "root", "user", "home", "admin", "main", "runner", "ubuntu", "debian",
          "docker", "host", "node", "test", "data", "code", "work"}  # fmt: skip
PINNED = re.compile(r"splits/.*|reports/rounds/.*|stages/.*|imported/.*/splits/.*|data/.*\.json")
IMPORTED = re.compile(r"data/code/imported-\w+\.digests")
SOURCE = re.compile(r"imported/\w+/source\.json")
MOST_COMMITS = 10_000


def known(root: Path, code: Path) -> list[str]:
    """Names that may not be in an anonymous deposit, the longest first.

    Args:
        root: of the study.
        code: where CITATION.cff, pyproject.toml and LICENSE lie, if not there.
    """
    found = {str(root.resolve()), str(code.resolve()), str(Path.home())}
    for folder in {root, code}:
        found |= _of_citation(folder / "CITATION.cff") | _of_texts(folder) | _of_git(folder)
    for name in (socket.gethostname(), socket.getfqdn()):
        found.add(name)
    try:
        user = getpass.getuser()
        found |= {f"/home/{user}", f"/Users/{user}", f"{user}@"}
    except (KeyError, OSError):
        pass  # a user without a name
    kept = {name for name in found if len(name) >= SHORTEST and name.lower() not in COMMON}
    return sorted(kept - {"/root"}, key=lambda name: (-len(name), name))


def _of_citation(path: Path) -> set[str]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return set()
    if not isinstance(content, dict):
        return set()
    found: set[str] = set()
    people = [*(content.get("authors") or []), *(content.get("contact") or [])]
    for one in people:
        if not isinstance(one, dict):
            continue
        given, family = str(one.get("given-names", "")), str(one.get("family-names", ""))
        if given and family:
            found |= {f"{given} {family}", f"{family}, {given}"}
        keys = ("name", "email", "orcid", "affiliation", "website", "alias")
        found |= {str(one[key]) for key in keys if one.get(key)}
    keys = ("repository", "repository-code", "repository-artifact", "url", "doi")
    return found | {str(content[key]) for key in keys if content.get(key)}


def _of_texts(folder: Path) -> set[str]:
    """Holders of the copyright, authors and addresses of the project."""
    found: set[str] = set()
    for name in ("LICENSE", "pyproject.toml"):
        try:
            text = (folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if name == "LICENSE":
            holders = re.findall(r"(?m)^Copyright (?:\(c\)|©)? *[\d, -]*(.*)$", text)
            found |= {holder.strip() for holder in holders}
            continue
        for listed in re.findall(r"(?ms)^(?:authors|maintainers) = \[(.*?)\]", text):
            found |= set(re.findall(r'"([^"]+)"', listed))
        for section in re.findall(r"(?ms)^\[project\.urls\]\n(.*?)(?=^\[|\Z)", text):
            found |= set(re.findall(r'"([^"]+)"', section))
    return found


def _of_git(folder: Path) -> set[str]:
    """Names, addresses and remotes of the repository around ``folder``."""
    commands = (
        ["log", "--all", f"--max-count={MOST_COMMITS}", "--format=%an%n%ae%n%cn%n%ce"],
        ["config", "--get-all", "user.name"],
        ["config", "--get-all", "user.email"],
        ["config", "--get-regexp", r"^remote\..*\.(url|pushurl)$"],
    )
    found: set[str] = set()
    for command in commands:
        try:
            done = subprocess.run(["git", "-C", str(folder), *command], capture_output=True)
        except OSError:
            return found
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            value = line.split(" ", 1)[-1] if command[1] == "--get-regexp" else line
            found.add(value.strip())
            if command[1] == "--get-regexp":
                found |= _of_remote(value.strip())
    return found


def _of_remote(url: str) -> set[str]:
    """A remote without what its address begins with, and its last two names alone."""
    bare = re.sub(r"^\w+://(?:[^/@]*@)?|^[^/@:]+@", "", url).removesuffix(".git")
    parts = re.split(r"[/:]", bare)
    return {bare, "/".join(parts[-2:]) if len(parts) > 1 else bare}


def scrubbed(files: dict[str, bytes], names: Iterable[str]) -> dict[str, bytes]:
    """The files with all ``names`` rewritten, as far as nothing pins their bytes.

    Raises:
        UserError: a pinned file, or one that is no text, holds a name.
    """
    found = {}
    for path, content in files.items():
        if IMPORTED.fullmatch(path):
            continue  # of a file that is rewritten here
        if SOURCE.fullmatch(path):
            said = json.loads(content) | {"source": WORD, "commit": ""}
            content = (json.dumps(said, indent=1) + "\n").encode()
        for name in names:
            content = _without(path, content, name)
        found[path] = content
    return found


def _without(path: str, content: bytes, name: str) -> bytes:
    pattern = _pattern(name)
    if not pattern.search(content):
        return content
    if PINNED.fullmatch(path) or b"\0" in content:
        raise UserError(
            f"--anonymous: {path} holds {shown(repr(name), 60)}, and its bytes are pinned; nothing "
            f"is written"
        )
    return pattern.sub(WORD.encode(), content)


def check(files: dict[str, bytes], names: Iterable[str]) -> None:
    """Raise if a name is in any file, or in a file's name."""
    for name in names:
        pattern = _pattern(name)
        for path, content in files.items():
            if pattern.search(content) or pattern.search(path.encode()):
                raise UserError(
                    f"--anonymous: {path} holds {shown(repr(name), 60)}; nothing is written"
                )


def _pattern(name: str) -> re.Pattern[bytes]:
    """A name, in whichever case, that is no part of a longer word."""
    escaped = re.escape(name.encode())
    before = rb"(?<![A-Za-z0-9_])" if name[:1].isalnum() else b""
    after = rb"(?![A-Za-z0-9_])" if name[-1:].isalnum() else b""
    return re.compile(before + escaped + after, re.IGNORECASE)

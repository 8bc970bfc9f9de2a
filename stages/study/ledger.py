"""The ledger: index sets as a chain of small text files, each pinning its parent's bytes.

A file is a few ``# key: value`` lines, then one integer a line: rows of the prepared training
array, in order of selection. ``numpy.loadtxt`` reads it. ``validation.txt`` and ``initial.txt`` are
shared by all strategies of a (task, seed), and so is ``pool.txt``, the rows that the pool leaves
out, where a task has a pool or an oracle of its own; ``round-<n>.txt`` holds what round n-1
selected (round 0: nothing); ``round-end.txt`` is the seal: no indices, only the total and the
SHA-256 of the result file of each round. The SHA-256 of the seal's bytes is the fingerprint of the
run: of its index sets and results together. Needs numpy alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.machine.errors import UserError
from stages.machine.files import write_text
from stages.machine.reading import MissingFile, open_regular, read_regular, shown
from stages.study.problem import PLAIN, Problem, as_line, of_line

FORMAT = "aledger 1"
KEYS = ("format", "data", "rows", "task", "strategy", "seed", "round", "parent", "count", "total")
TUNED = "tuned"
RESULTS = "results"
PROBLEM = "problem"
POOL = "pool"
SHARED = "shared"
NUMBER = r"(?:0|[1-9]\d{0,17})"
MOST_HEADER = 1 << 16  # bytes
MOST = 1 << 28  # bytes of any index file: some 30 million rows


@dataclass(frozen=True)
class Link:
    """One index file.

    Attributes:
        path: where it lies.
        header: its ``# key: value`` lines.
        indices: int64, shape (count,), in order of selection.
        digest: SHA-256 of the file's bytes, 64 hex digits.
        first_line: the line number of the first index, for messages.
    """

    path: Path
    header: dict[str, str]
    indices: np.ndarray
    digest: str
    first_line: int = 1

    @property
    def total(self) -> int:
        """Labeled rows up to and including this link."""
        return int(self.header["total"])


@dataclass
class Chain:
    """A run's links from the initial set on, checked; the pool's is None where it is all rows."""

    validation: Link
    initial: Link
    links: list[Link] = field(default_factory=list)
    pool: Link | None = None

    @property
    def labeled(self) -> np.ndarray:
        """All labeled rows in order of selection, int64, shape (total,)."""
        return np.concatenate([self.initial.indices, *(link.indices for link in self.links)])

    @property
    def left_out(self) -> np.ndarray:
        """Rows that can neither be bought nor seen, int64."""
        return np.empty(0, np.int64) if self.pool is None else self.pool.indices

    @property
    def problem(self) -> Problem:
        """What the pool and the oracle are.

        Raises:
            UserError: the pool's file does not say it as :func:`write` does.
        """
        return problem_of(self.pool)

    @property
    def sealed(self) -> bool:
        """Whether the run is finished."""
        return bool(self.links) and self.links[-1].header["round"] == "end"


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def write(
    path: Path,
    indices: np.ndarray,
    *,
    data: str,
    rows: int,
    task: str,
    strategy: str,
    seed: int,
    round_n: int | str,
    parent: Link | None,
    total: int,
    tuned: dict[str, Any] | None = None,
    results: Sequence[str] = (),
    problem: Problem | None = None,
) -> Link:
    """Write one link atomically and return it as read back.

    Args:
        indices: int64 rows of the training array, shape (count,).
        data: name and content digest of the data set, ``"<name> sha256:<hex>"``.
        rows: number of training rows; every index is below it.
        parent: the link before, None for the first of all.
        total: labeled rows up to and including this link.
        tuned: settings that were chosen on the validation set, for :func:`tuned_settings`.
        results: of a seal: SHA-256 of the result file of each round, from round 0 on.
        problem: of the pool's file: what pool and oracle are.

    Raises:
        UserError: a duplicate or an index out of range; nothing is written.
    """
    named = "none" if parent is None else f"{_relative(parent.path, path)} sha256:{parent.digest}"
    values = (FORMAT, data, rows, task, strategy, seed, round_n, named, len(indices), total)
    lines = [f"# {key}: {value}" for key, value in zip(KEYS, values, strict=True)]
    if tuned:
        lines.append(f"# {TUNED}: {json.dumps(tuned)}")
    if results:
        lines.append(f"# {RESULTS}: {' '.join(results)}")
    if problem:
        lines.append(f"# {PROBLEM}: {as_line(problem)}")
    lines += [str(int(index)) for index in indices]
    content = "\n".join(lines) + "\n"
    parse(path, content.encode("ascii"))  # a bad link is never written
    write_text(path, content)
    return read(path)


def tuned_settings(link: Link) -> dict[str, Any]:
    """The settings that ``link`` says were chosen on the validation set; {} where it says nothing.

    Raises:
        UserError: the line is not what :func:`write` writes.
    """
    said = link.header.get(TUNED, "{}")
    try:
        values = json.loads(said)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise UserError(f"{link.path}: tuned: {shown(repr(said))} is not a set of settings")
    return values


def problem_of(pool: Link | None) -> Problem:
    """What the file of a pool says of pool and oracle; without one, all rows and the truth.

    Raises:
        UserError: it is not what :func:`write` writes.
    """
    if pool is None:
        return PLAIN
    try:
        return of_line(pool.header[PROBLEM])
    except UserError as error:
        raise UserError(f"{pool.path}: {PROBLEM}: {error}") from None


def pinned_results(seal: Link) -> list[str]:
    """SHA-256 of the result file of each round, from round 0 on; [] where the seal has none."""
    return seal.header.get(RESULTS, "").split()


def check_result(seal: Link, n: int, path: Path) -> None:
    """Raise unless the bytes of a result file are those that a run's seal pins.

    Raises:
        UserError: the seal pins no results, or others; or the file cannot be read.
    """
    pinned = pinned_results(seal)
    if n >= len(pinned):
        raise UserError(f"{seal.path}: pins no result of round {n}, so {path.name} proves nothing")
    found = digest(read_regular(path, MOST))
    if found != pinned[n]:
        raise UserError(
            f"{path}: changed after the run was sealed (SHA-256 is {found[:12]}, {seal.path} "
            f"expects {pinned[n][:12]})"
        )


def read(path: Path) -> Link:
    """Read one file and check what can be checked of it alone.

    Raises:
        UserError: missing, no regular file, larger than its rows need, half-written, not of this
            format, a wrong count, a duplicate, or an index out of range; the message names file
            and line.
    """
    try:
        with open_regular(path) as stream:
            content = stream.read(MOST_HEADER)
            limit = _largest(content)
            content += stream.read(max(0, limit - len(content)) + 1)
    except MissingFile:
        raise UserError(f"{path}: missing link") from None
    if len(content) > limit:
        raise UserError(f"{path}: larger than {limit} bytes, more than its rows need")
    return parse(path, content)


def _largest(start: bytes) -> int:
    """Bytes of the largest file of this header: every row once."""
    match = re.search(rb"^# rows: (\d{1,18})$", start, re.MULTILINE)
    return min(MOST_HEADER + int(match[1]) * (len(match[1]) + 1) if match else MOST_HEADER, MOST)


def parse(path: Path, content: bytes) -> Link:
    """:func:`read` of a file's content; ``path`` is for the messages.

    Raises:
        UserError: as :func:`read`, but for the missing file.
    """
    if not content.endswith(b"\n"):
        raise UserError(f"{path}: half-written (no newline at the end)")
    if not content.isascii():
        raise UserError(f"{path}: not a text file of plain ASCII")
    header: dict[str, str] = {}
    at = first = 0
    # re would take more than one line end of a line that is all header.
    while match := re.compile(rb"# (\w+): ([^\n]*)\n").match(content, at):
        key = match[1].decode()
        if key in header:
            raise UserError(f"{path}:{first + 1}: {shown(key, 40)} stands there twice")
        header[key] = match[2].decode()
        at, first = match.end(), first + 1
        if first > len(KEYS) + 1:
            break
    _check_header(path, header)
    body = content[at:]
    good = re.match(rb"(?:(?:0|[1-9]\d{0,17})\n)*", body).end()
    if good < len(body):
        line = body[good : body.index(b"\n", good)].decode()
        number = first + 1 + body.count(b"\n", 0, good)
        raise UserError(f"{path}:{number}: {shown(repr(line), 60)} is not a row number")
    indices = np.fromstring(body.decode(), dtype=np.int64, sep="\n")
    link = Link(path, header, indices, digest(content), first + 1)
    if len(indices) != int(header["count"]):
        raise UserError(f"{path}: holds {len(indices)} indices, its header says {header['count']}")
    _check_range(link)
    _check_rows([link], np.empty(0, np.int64), "")
    return link


def walk(last: Path) -> Chain:
    """Read the chain that ends in ``last``, back to its first file, and check all of it.

    Raises:
        UserError: whatever :func:`read` raises, a broken parent digest, a missing parent, a header
            that disagrees with its parent's, a wrong total, a row taken twice, or a row of the
            validation set.
    """
    links = [read(last)]
    while (parent := _parent(links[-1])) is not None:
        if len(links) > 1_000_000:
            raise UserError(f"{last}: the chain has no beginning")
        links.append(parent)
    links.reverse()
    pool = links.pop(0) if links[0].header["round"] == POOL else None
    names = [link.header["round"] for link in links[:2]]
    if names != ["validation", "initial"]:
        first = links[0] if links else pool
        raise UserError(
            f"{first.path}: the chain of {last} does not begin with a validation and an initial set"
        )
    if pool:
        _check_successor(pool, links[0])
    for before, after in zip(links, links[1:], strict=False):
        _check_successor(before, after)
    _check_taken(links, pool)
    rounds, pinned = len(links) - 3, len(pinned_results(links[-1]))
    if pinned not in (0, rounds):
        raise UserError(f"{last}: pins results of {pinned} rounds, the chain has {rounds}")
    return Chain(links[0], links[1], links[2:], pool)


def read_shared(folder: Path) -> Chain:
    """What all strategies of a (task, seed) share, checked as :func:`walk` does; no links yet.

    Raises:
        UserError: as :func:`walk`.
    """
    initial, validation = (read(folder / f"{name}.txt") for name in ("initial", "validation"))
    path = folder / f"{POOL}.txt"
    pool = read(path) if validation.header["parent"] != "none" else None
    if pool:
        _check_digest(validation, pool)
        _check_successor(pool, validation)
    _check_digest(initial, validation)
    _check_successor(validation, initial)
    _check_taken([validation, initial], pool)
    return Chain(validation, initial, [], pool)


def _check_taken(links: list[Link], pool: Link | None) -> None:
    """No row twice, none of the validation set, which comes first, and none that is left out."""
    if pool is not None:
        _check_rows(links, pool.indices, f"left out of the pool by {pool.path}")
    validation = links[0]
    _check_rows(links[1:], validation.indices, f"in the validation set {validation.path}")


def _relative(target: Path, origin: Path) -> str:
    """``target`` as seen from the folder of ``origin``, with forward slashes."""
    here, there = origin.parent.absolute().parts, target.absolute().parts
    shared = 0
    while shared < min(len(here), len(there)) and here[shared] == there[shared]:
        shared += 1
    return "/".join([".."] * (len(here) - shared) + list(there[shared:]))


def _parent(link: Link) -> Link | None:
    named = link.header["parent"]
    if named == "none":
        return None
    # The only names that the stages write, so a header leads nowhere else on the machine.
    names = (
        rf"pool\.txt|validation\.txt|(?:\.\./\.\./seed-{NUMBER}/)?initial\.txt|"
        rf"round-(?:{NUMBER}|end)\.txt"
    )
    match = re.fullmatch(rf"({names}) sha256:([0-9a-f]{{64}})", named)
    if not match:
        raise UserError(f"{link.path}: parent {shown(repr(named))} is not '<file> sha256:<digest>'")
    parent = read(link.path.parent / match[1])
    _check_digest(link, parent)
    return parent


def _check_digest(link: Link, parent: Link) -> None:
    """The bytes of ``parent`` are those that ``link`` was written after."""
    due = link.header["parent"].rpartition(":")[2]
    if parent.digest != due:
        raise UserError(
            f"{parent.path}: changed after {link.path.name} was written (SHA-256 is "
            f"{parent.digest[:12]}, {link.path} expects {shown(due[:12])})"
        )


def _check_header(path: Path, header: dict[str, str]) -> None:
    if header.get("format") != FORMAT:
        raise UserError(f"{path}: first line must be '# format: {FORMAT}'")
    missing = [key for key in KEYS if key not in header]
    if missing:
        raise UserError(f"{path}: header lacks {', '.join(missing)} (half-written?)")
    if list(header) not in ([*KEYS], *([*KEYS, own] for own in (TUNED, RESULTS, PROBLEM))):
        known = f"{', '.join(KEYS)}, in this order"
        raise UserError(f"{path}: header has {shown(', '.join(header))}; allowed: {known}")
    for key in ("rows", "seed", "count", "total"):
        if not re.fullmatch(NUMBER, header[key]):
            raise UserError(f"{path}: header {key}: {shown(repr(header[key]))} is not a number")
    if not re.fullmatch(f"{POOL}|validation|initial|end|{NUMBER}", header["round"]):
        raise UserError(f"{path}: header round: {shown(repr(header['round']))} is no round")
    if TUNED in header and header["round"] != "0":
        raise UserError(f"{path}: header {TUNED}: allowed: in the first link of a run")
    if (PROBLEM in header) != (header["round"] == POOL):
        raise UserError(f"{path}: header {PROBLEM}: allowed: in {POOL}.txt, and only there")
    if RESULTS in header and header["round"] != "end":
        raise UserError(f"{path}: header {RESULTS}: allowed: in the seal of a run")
    if not re.fullmatch(r"[0-9a-f]{64}( [0-9a-f]{64})*", header.get(RESULTS, "0" * 64)):
        raise UserError(f"{path}: header {RESULTS}: allowed: SHA-256 of each round's result file")


def _check_range(link: Link) -> None:
    rows = int(link.header["rows"])
    wrong = np.flatnonzero(link.indices >= rows)
    if len(wrong):
        at = int(wrong[0])
        raise UserError(
            f"{link.path}:{link.first_line + at}: row {link.indices[at]} is out of range "
            f"(the data set has {rows} rows)"
        )


def _check_successor(before: Link, after: Link) -> None:
    same = ["data", "rows", "task", "seed"]
    if before.header["strategy"] != SHARED:
        same.append("strategy")
    for key in same:
        if before.header[key] != after.header[key]:
            raise UserError(
                f"{after.path}: {key} is {shown(repr(after.header[key]))}, "
                f"{before.path} says {shown(repr(before.header[key]))}"
            )
    order, name = before.header["round"], after.header["round"]
    following = {POOL: ["validation"], "validation": ["initial"], "initial": ["0"]}.get(order)
    if following is None:
        following = [str(int(order) + 1), "end"] if order.isdigit() else []
    if name not in following:
        raise UserError(f"{after.path}: round {name} cannot follow round {order}")
    # Rows are labeled from the initial set on.
    expected = 0 if order == POOL else before.total + len(after.indices)
    if after.total != expected:
        raise UserError(f"{after.path}: total is {after.total}, the chain holds {expected}")
    if name == "end" and len(after.indices):
        raise UserError(f"{after.path}: a seal holds no indices")


def _check_rows(links: list[Link], taken: np.ndarray, where: str) -> None:
    """No index may stand twice in ``links``, nor in ``taken``; ``where`` says what those are."""
    rows = np.concatenate([link.indices for link in links])
    overlap = np.isin(rows, taken)
    repeated = np.ones(len(rows), bool)
    repeated[np.unique(rows, return_index=True)[1]] = False
    wrong = np.flatnonzero(overlap | repeated)
    if not len(wrong):
        return
    at = int(wrong[0])
    starts = np.cumsum([0, *(len(link.indices) for link in links)])
    number = int(np.searchsorted(starts, at, side="right")) - 1
    place = at - int(starts[number])
    if overlap[at]:
        what = f"is {where}"
    elif rows[at] in links[number].indices[:place]:
        what = "was already taken in an earlier line"
    else:
        what = "was already taken in an earlier round"
    link = links[number]
    raise UserError(f"{link.path}:{link.first_line + place}: row {rows[at]} {what}")

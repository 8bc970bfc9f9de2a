"""Lists of row numbers, as text, ``.npy`` or TorchAL's files, put in order: who was labeled when.

Nothing is guessed from sizes: names say what a file is, and what they do not say is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from stages.exchanging.arrays import rows_of
from stages.machine.errors import UserError
from stages.machine.reading import shown

NONE = np.empty(0, np.int64)
SEED = re.compile(r"(?:seed|partition|run|set)[-_]?(\d{1,18})", re.IGNORECASE)
TORCHAL = re.compile(r"(lSet|uSet|valSet|activeSet)(?:_\w+)?\.npy")
EPISODE = re.compile(r"episode[-_]?(\d{1,9})", re.IGNORECASE)
VALIDATION = ("validation", "valid", "val")
INITIAL = ("initial", "init")
NUMBER = re.compile(r"(?:0|[1-9]\d{0,17})")
MOST_LINE = 60


@dataclass
class Sets:
    """The index sets of a run, int64, each in the order of its file."""

    validation: np.ndarray = field(default_factory=lambda: NONE)
    initial: np.ndarray = field(default_factory=lambda: NONE)
    rounds: list[np.ndarray] = field(default_factory=list)


def sets_of(files: dict[str, bytes], seed: int) -> dict[int, Sets]:
    """Index sets by seed.

    Args:
        files: content by path. Folders ``seed-<k>`` or ``partition_<k>`` are seeds.
        seed: of files that lie in no such folder.

    Raises:
        UserError: a file is none of row numbers, or it is not clear what it is.
    """
    groups: dict[int, dict[str, bytes]] = {}
    tops: dict[int, str] = {}
    for name, content in files.items():
        parent = PurePosixPath(name).parent
        folders = [part for part in parent.parts if not EPISODE.fullmatch(part)]
        found = [match for part in folders if (match := SEED.fullmatch(part))]
        own = int(found[-1][1]) if found else seed
        top = "/".join(folders)
        if tops.setdefault(own, top) != top:
            raise UserError(
                f"{shown(tops[own] or '.', 80)} and {shown(top or '.', 80)} are both of seed {own};"
                f" say with --inside which is meant"
            )
        groups.setdefault(own, {})[name] = content
    if not groups:
        raise UserError("no index sets here: neither splits/, nor .txt or .npy files")
    return {own: _of_run(group) for own, group in sorted(groups.items())}


def _of_run(files: dict[str, bytes]) -> Sets:
    if any(TORCHAL.fullmatch(PurePosixPath(name).name) for name in files):
        return _of_torchal(files)
    blocks = {name: _blocks(name, content) for name, content in files.items()}
    if len(blocks) == 1:
        (parts,) = blocks.values()
        return Sets(initial=parts[0], rounds=parts[1:])
    found = Sets()
    rest = []
    for name in sorted(blocks, key=_natural):
        if len(blocks[name]) != 1:
            raise UserError(f"{name}: holds several rounds, and does not lie there alone")
        stem = PurePosixPath(name).stem.lower()
        if stem in VALIDATION:
            found.validation = blocks[name][0]
        elif stem in INITIAL:
            found.initial = blocks[name][0]
        elif not re.search(r"\d", stem):
            raise UserError(
                f"{name}: says not which round it is; allowed: initial, validation, or a number in "
                f"the name, such as round-1"
            )
        else:
            rest.append(blocks[name][0])
    if not len(found.initial):
        found.initial, rest = rest[0], rest[1:]
    found.rounds = rest
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    """round-10 comes after round-9."""
    parts = re.split(r"(\d{1,18})", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _blocks(name: str, content: bytes) -> list[np.ndarray]:
    """The rounds in a file, the first is the initial set if nothing else is."""
    if name.endswith(".npy"):
        found = rows_of(content, name)
        return list(found) if found.ndim == 2 else [found]
    return blocks_of_text(name, content)


def blocks_of_text(name: str, content: bytes) -> list[np.ndarray]:
    """Row numbers, one a line; an empty line, or one that begins with ``#``, begins a new round.

    Raises:
        UserError: a line is none of these; the message names it.
    """
    if not content.isascii():
        raise UserError(f"{name}: not a text file of plain ASCII")
    blocks: list[list[int]] = [[]]
    for number, line in enumerate(content.decode("ascii").splitlines(), 1):
        text = line.strip(" \t")
        if NUMBER.fullmatch(text):
            blocks[-1].append(int(text))
        elif not text or text.startswith("#"):
            if blocks[-1]:
                blocks.append([])
        else:
            raise UserError(f"{name}:{number}: {shown(repr(line), MOST_LINE)} is not a row number")
    found = [np.array(block, np.int64) for block in blocks if block]
    if not found:
        raise UserError(f"{name}: holds no row numbers")
    return found


def _of_torchal(files: dict[str, bytes]) -> Sets:
    """``lSet``, ``uSet`` and ``valSet`` of a partition, and ``activeSet`` of its episodes."""
    sets: dict[tuple[int, str], np.ndarray] = {}  # (episode, what); -1: of the partition
    names: dict[tuple[int, str], str] = {}
    for name, content in files.items():
        path = PurePosixPath(name)
        match, episode = TORCHAL.fullmatch(path.name), EPISODE.fullmatch(path.parent.name)
        if not match:
            raise UserError(
                f"{name}: none of lSet, uSet, valSet and activeSet, which lie beside it"
            )
        key = (int(episode[1]) if episode else -1, match[1])
        if key in sets:
            raise UserError(f"{name} and {names[key]} are both the {match[1]} of one run")
        sets[key], names[key] = rows_of(content, name, pickled=True).reshape(-1), name
    episodes = sorted({n for n, _ in sets if n >= 0})
    found = Sets(validation=sets.get((-1, "valSet"), NONE))
    if (-1, "lSet") in sets:
        found.initial = sets[-1, "lSet"]
    elif episodes and {(episodes[0], "lSet"), (episodes[0], "activeSet")} <= sets.keys():
        first = sets[episodes[0], "lSet"]
        found.initial = first[~np.isin(first, sets[episodes[0], "activeSet"])]
    else:
        raise UserError(f"{next(iter(files))}: there is no lSet beside it")
    labeled = set(found.initial.tolist())
    for n in episodes:
        if (n, "activeSet") not in sets:
            raise UserError(f"{names[n, 'lSet']}: there is no activeSet beside it")
        taken = sets[n, "activeSet"]
        labeled |= set(taken.tolist())
        after = sets.get((n, "lSet"))
        if after is not None and set(after.tolist()) != labeled:
            raise UserError(f"{names[n, 'lSet']}: not what was labeled before and the activeSet")
        found.rounds.append(taken)
    pool = sets.get((-1, "uSet"), NONE)
    for what, rows in (("lSet", found.initial), ("valSet", found.validation)):
        if len(both := np.intersect1d(pool, rows)):
            raise UserError(f"{names[-1, 'uSet']}: row {both[0]} is in the {what} too")
    return found

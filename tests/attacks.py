"""Random changes to a sealed study, for a test and for longer attacks by hand:

``python tests/attacks.py 3000`` makes 3,000 of them and prints what went unnoticed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import yaml
from sealed import MANIFEST, write_study

from stages.machine.errors import UserError
from stages.study.ledger import digest
from stages.verify import verify

# fmt: off
VALUES = [None, True, False, 0, 1, -1, 2, 9, 999, 10**17, 0.5, 1.0, -0.5, 1e308, "", "x", [], {},
          [1, 2, 3], [0], {"a": 1}, "seed-1", "../../..", "round-1.txt",
          [[[]]], "random"]
RAW = [b"NaN", b"Infinity", b"1e999", b"9" * 5000, b"[" * 3000, b"\xff", b"\x00", b"\r", b"\n",
       b" ", b"#", b"-", b"0", b"\x1b[2J", b"7" * 500_000]
# fmt: on
# What no other file pins: docs/ledger.md says so.
FREE = {
    "full.json": ("nll", "ece"),
    "rounds": (),
    "tuned": ("candidates",),
    "manifest": ("source", "license", "shape", "classes", "mean", "std"),
    "protocol": ("momentum", "device"),
    "params": ("strategy", "report", "task", "reproducible", "device", "threads"),
}


def files(root: Path) -> list[Path]:
    """All files that a check reads."""
    return sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".npy")


def meaning(root: Path) -> dict[str, Any]:
    """What the study says, without what nothing pins."""
    found: dict[str, Any] = {}
    for path in files(root):
        name = path.relative_to(root).as_posix()
        content = path.read_bytes()
        if path.suffix == ".txt":
            found[name] = content
            continue
        kind = next((kind for kind in FREE if kind in path.name or kind in path.parts), None)
        if kind is None:
            continue  # nothing reads it
        read = yaml.safe_load if path.suffix == ".yaml" else json.loads
        value = read(content.decode())
        value = {key: part for key, part in value.items() if key not in FREE[kind]}
        found[name] = json.dumps(value, sort_keys=True)
    return found


def attack(root: Path, rng: random.Random) -> str:
    """Change something at random; returns what."""
    kind = rng.choice([one_byte, one_line, whole_file, whole_file, one_value, one_value, resealed,
                       one_folder])  # fmt: skip
    return f"{kind.__name__}: {kind(root, rng)}"


def one_byte(root: Path, rng: random.Random) -> str:
    """A byte changed, lost, doubled, or something put in."""
    path = rng.choice(files(root))
    content = path.read_bytes()
    at = rng.randrange(len(content))
    new = rng.choice([bytes([rng.randrange(256)]), b"", content[at : at + 1] * 2, rng.choice(RAW)])
    path.write_bytes(content[:at] + new + content[at + 1 :])
    return f"{path} at {at}: {new[:20]!r}"


def one_line(root: Path, rng: random.Random) -> str:
    """A line lost, doubled, moved, or cut off with all that follow."""
    path = rng.choice(files(root))
    lines = path.read_bytes().splitlines(keepends=True)
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    how = rng.choice(["lost", "doubled", "moved", "cut", "from another"])
    if how == "lost":
        del lines[at]
    elif how == "doubled":
        lines.insert(at, lines[at])
    elif how == "moved":
        lines.insert(to, lines.pop(at))
    elif how == "cut":
        lines = lines[:at]
    else:
        lines[at] = rng.choice(rng.choice(files(root)).read_bytes().splitlines(keepends=True))
    path.write_bytes(b"".join(lines))
    return f"{path}:{at + 1} {how}"


def whole_file(root: Path, rng: random.Random) -> str:
    """A file deleted, renamed, exchanged, or turned into something else."""
    path, other = rng.sample(files(root), 2)
    content = path.read_bytes()
    how = rng.choice(["deleted", "renamed", "copied over", "exchanged", "folder", "fifo",
                      "link", "link out", "loop", "device", "empty", "sparse", "doubled",
                      "new"])  # fmt: skip
    if how in ("copied over", "exchanged"):
        path.write_bytes(other.read_bytes())
        if how == "exchanged":
            other.write_bytes(content)
        return f"{path} {how} {other}"
    if how == "new":
        name = rng.choice(["x", "round-9.txt", "full.json", "\udcff", "a\nb", ".hidden", "x" * 250])
        (path.parent / name).write_bytes(content)
        return f"{path.parent} {name!r} {how}"
    if how == "doubled":
        path.write_bytes(content * 2)
        return f"{path} {how}"
    path.unlink()
    if how == "renamed":
        path.with_name(rng.choice(["round-7.txt", "round-9.json", "x"])).write_bytes(content)
    elif how == "folder":
        path.mkdir()
    elif how == "fifo":
        os.mkfifo(path)
    elif how == "link":
        path.symlink_to(other)
    elif how == "link out":
        path.symlink_to("/etc/passwd")
    elif how == "loop":
        path.symlink_to(path.name)
    elif how == "device":
        path.symlink_to(rng.choice(["/dev/zero", "/dev/random", "/dev/full", "/dev/tty"]))
    elif how == "empty":
        path.touch()
    elif how == "sparse":
        path.write_bytes(content)
        os.truncate(path, 1 << rng.randrange(10, 42))
    return f"{path} {how}"


def one_folder(root: Path, rng: random.Random) -> str:
    """A folder deleted, renamed, copied or linked."""
    path, other = rng.sample(
        sorted(path for path in root.rglob("*") if path.is_dir() and path.name != "data"), 2
    )
    how = rng.choice(["deleted", "renamed", "copied", "linked", "deep"])
    if how == "deleted":
        shutil.rmtree(path)
    elif how == "renamed":
        path.rename(path.with_name(rng.choice(["seed-5", "margin", "seed-01", "x.y"])))
    elif how == "copied" and path not in other.parents:
        shutil.copytree(path, other / "seed-9")
    elif how == "linked":
        shutil.rmtree(path)
        path.symlink_to(rng.choice([str(other), "/", ".", "/dev"]))
    else:
        path.joinpath(*"abcdefghijkl" * 5).mkdir(parents=True)
        path.joinpath("a", "x.txt").write_text("x")
    return f"{path} {how} {other}"


def one_value(root: Path, rng: random.Random) -> str:
    """A value somewhere in a JSON file replaced, removed or added."""
    path = rng.choice([path for path in files(root) if path.suffix == ".json"])
    record = json.loads(path.read_text())
    place: Any = record
    while True:
        key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.3:
            break
        place = place[key]
    how = rng.choice(["value", "value", "near", "removed", "added"])
    if how == "near" and type(place[key]) in (int, float):
        place[key] += rng.choice([-1, 1, 1e-6, 0.1])
    elif how == "removed":
        del place[key]
    elif how == "added" and isinstance(place, dict):
        place["extra"] = rng.choice(VALUES)
    else:
        place[key] = rng.choice(VALUES)
    path.write_text(json.dumps(record, indent=1) + "\n")
    return f"{path} {key} {how}"


def resealed(root: Path, rng: random.Random) -> str:
    """A run's file edited, and all files after it made to fit."""
    runs = sorted({path.parent for path in root.glob("splits/toy/*/seed-*/*.txt")})
    folder = rng.choice(runs)
    names = ["round-0.txt", "round-1.txt", "round-2.txt", "round-end.txt"]
    at = rng.randrange(len(names))
    lines = (folder / names[at]).read_text().splitlines()
    line = rng.randrange(len(lines))
    how = rng.choice(["removed", "doubled", "number", "word", "added"])
    if how == "removed":
        del lines[line]
    elif how == "doubled":
        lines.insert(line, lines[line])
    elif how == "added":
        lines.insert(line, rng.choice(["# note: x", "59", "49", "", "# tuned: {}"]))
    elif how == "number":
        lines[line] = "".join(
            str(rng.randrange(10)) if c.isdigit() and rng.random() < 0.3 else c for c in lines[line]
        )
    else:
        lines[line] = lines[line].rsplit(" ", 1)[0] + rng.choice([" x", " 7", " end", "  0", ""])
    (folder / names[at]).write_text("\n".join(lines) + "\n")
    for before, after in zip(names[at:], names[at + 1 :], strict=False):
        pinned = digest((folder / before).read_bytes())
        text = (folder / after).read_text().splitlines()
        text = [f"# parent: {before} sha256:{pinned}" if "parent" in x else x for x in text]
        (folder / after).write_text("\n".join(text) + "\n")
    return f"{folder / names[at]}:{line + 1} {how}"


def rows_alone(root: Path, model: Path) -> bool:
    """Whether the only change is another row, of the same class, that fits everywhere.

    Nothing but the seal's digest, which a stranger has published, can tell.
    """
    for path in sorted(model.glob("splits/**/*.txt")):
        old, new = (
            [line for line in (top / path.relative_to(model)).read_text().splitlines()]
            for top in (model, root)
        )
        heads = [
            [line for line in lines if line.startswith("#") and "parent" not in line]
            for lines in (old, new)
        ]
        if heads[0] != heads[1] or len(old) != len(new):
            return False
    return True


def judge(model: Path, seed: int) -> tuple[str, bool, float]:
    """One attack: what it was, whether what it changed was noticed, and seconds of the check."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "study"
        shutil.copytree(model, root)
        what = attack(root, random.Random(seed))
        start = time.perf_counter()
        try:
            found = verify(root)
            noticed = bool(found.faults or found.notices)
            lines = found.faults + found.notices
        except UserError as fault:
            noticed, lines = True, [str(fault)]
        seconds = time.perf_counter() - start
        assert all(isinstance(line, str) for line in lines)
        if not noticed:
            noticed = meaning(root) == meaning(model) or rows_alone(root, model)
        return what, noticed, seconds


def main(count: int) -> None:
    """Make ``count`` attacks and print what went unnoticed, and the longest check."""
    assert MANIFEST
    longest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        model = write_study(Path(folder) / "study")
        for seed in range(count):
            what, noticed, seconds = judge(model, seed)
            longest = max(longest, seconds)
            if not noticed:
                print(f"unnoticed: seed {seed}: {what}")
    print(f"{count} attacks, the longest check {longest:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]))

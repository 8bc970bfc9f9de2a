"""Torture for the image reader: ``python -m benchmarks.fuzz_images --cases 2000 --seed 0``.

Every case is a folder of a few sound images and one hostile thing, given to the stage prepare as a
user would. What must come of it, within the time limit: five whole files whose pixels are those of
a computation in numpy by the rules of docs/data.md, or exit code 1, one line that names what is at
fault, and no file at all.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from benchmarks.common import machine, show
from benchmarks.hostile_images import CASES, FOLDERS, Case
from stages.datasets.images import PARTS
from stages.datasets.listing import shown
from stages.prepare import main as prepare

TASK = {
    "split": {"initial": 1},
    "query_size": 1,
    "model": {"name": "small_cnn"},
    "epochs": 1,
    "batch_size": 1,
    "optimizer": "sgd",
    "learning_rate": 0.1,
}
OUTPUTS = {f"{part}.npy" for part in PARTS} | {"manifest.json"}


class TooLong(BaseException):
    """Not an Exception, so that nothing takes it for a damaged file."""


@dataclass
class Outcome:
    """What became of a case: ``read``, ``refused``, or a fault with its description."""

    kind: str
    seconds: float
    about: str = ""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`TooLong` in the block after ``seconds``."""

    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_case(case: Case, place: Path, limit: float) -> Outcome:
    """Give one case to ``prepare`` and judge what it does; ``place`` is an empty folder."""
    settings = {
        "reproducible": "portable",
        "tasks": ["torture"],
        "strategies": ["random"],
        "seeds": [0],
        "rounds": [{"n": 0, "next": "end"}],
        "task": {"torture": TASK | {"dataset": case.dataset | {"name": "folder"}}},
        "strategy": {"random": {}},
    }
    settings["task"]["torture"]["dataset"]["root"] = str(place / "images")
    (place / "params.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    case.build(place / "images")
    out, err, code = io.StringIO(), io.StringIO(), 0
    start = time.perf_counter()
    try:
        with time_limit(limit), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            prepare(["--task", "torture", "--root", str(place)])
    except SystemExit as end:
        code = end.code
    except TooLong:
        return Outcome("HANG", time.perf_counter() - start, case.name)
    except BaseException:
        return Outcome("TRACEBACK", time.perf_counter() - start, traceback.format_exc())
    seconds = time.perf_counter() - start
    fault = _fault(case, place / "data/torture", code, out.getvalue(), err.getvalue())
    if fault:
        return Outcome("WRONG", seconds, f"{case.name}: {fault}")
    return Outcome("refused" if code else "read", seconds)


def _fault(case: Case, data: Path, code: int, out: str, err: str) -> str:
    """What is wrong with an outcome; nothing: an empty string."""
    there = {path.name for path in data.parent.rglob("*") if path.is_file()}
    if code:
        lines = err.splitlines()
        if code != 1 or out or not lines or not all(one.startswith("error: ") for one in lines):
            return f"not a line for each fault with exit code 1: {code} {out!r} {err!r}"
        if case.blamed and shown(case.blamed) not in err:
            return f"does not name {shown(case.blamed)}: {err!r}"
        if there:
            return f"half-written: {sorted(there)}"
        return f"refused, but has to be read: {err!r}" if case.must == "read" else ""
    if err or there != OUTPUTS or not out:
        return f"outputs {sorted(there)}, stderr {err!r}, stdout {out!r}"
    if case.must == "refuse":
        return f"read, but has to be refused: {out!r}"
    arrays = {part: np.load(data / f"{part}.npy") for part in PARTS}
    if case.expected is not None:
        found = arrays["train_images"][case.row].astype(int)
        if found.shape != case.expected.shape:
            return f"shape {found.shape}, expected {case.expected.shape}"
        off = int(np.abs(found - case.expected).max())
        if off > case.tolerance:
            return f"pixels off by {off}; {out!r}"
    return "" if all(text in out for text in case.said) else f"not said: {case.said} in {out!r}"


def cases(count: int, seed: int) -> Iterator[tuple[str, Case]]:
    """``count`` cases and the names of their kinds: all folders, then the kinds in turn."""
    yield from (("folders", case) for case in FOLDERS[:count])
    for number in range(count - len(FOLDERS)):
        group = list(CASES)[number % len(CASES)]
        yield group, CASES[group](np.random.default_rng([seed, number]))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_images", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=5.0, help="seconds a case may take")
    options = parser.parse_args()
    outcomes = {name: Counter() for name in (*CASES, "folders")}
    faults, slowest = [], 0.0
    for number, (group, case) in enumerate(cases(options.cases, options.seed)):
        with tempfile.TemporaryDirectory() as place:
            outcome = run_case(case, Path(place), options.limit)
        outcomes[group][outcome.kind] += 1
        slowest = max(slowest, outcome.seconds)
        if outcome.kind not in ("read", "refused"):
            faults.append(outcome)
            print(f"case {number} ({group}): {outcome.kind}: {outcome.about}", file=sys.stderr)
    print(f"{machine()}\n")
    kinds = ("read", "refused", "WRONG", "TRACEBACK", "HANG")
    show(("kind", *kinds), ((name, *(c[k] for k in kinds)) for name, c in outcomes.items()))
    print(f"{options.cases} cases, {len(faults)} faults, slowest {slowest:.1f} s")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()

"""Hostile settings: thousands of broken params.yaml; each must end in settings or in lines.

``python -m benchmarks.fuzz_settings [--files 6000] [--commands 400] [--processes 40] [--seed 0]``

Each file is read in this process within 5 seconds. What is accepted is checked again by rules
written here, apart from the package's, read by DVC's own reader and written and read back. Some go
through the command lines of prepare, protocol and split too, in this process and in others.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import io
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from dvc.utils.serialize import parse_yaml

from stages import catalogue, prepare, protocol, split
from stages.machine.errors import UserError
from stages.study import settings

LIMIT = 5  # seconds a file
REPOSITORY = Path(__file__).resolve().parents[1]
NUMBERS = [0, 1, -1, 2, 7, 64, 1025, 4097, 10**6, 10**6 + 1, 10**9, 10**9 + 1, 10**12, 2**53, 2**63]
NUMBERS += [10**30, -(10**30), 10**400, 0.0, -0.0, 0.5, 1.0, 1.5, -0.1, 1e-300, 5e-324, 1e300]
NUMBERS += [math.inf, -math.inf, math.nan, 1000.1, 1e12]
WORDS = ["", " ", "yes", "no", "on", "off", "null", "~", "1", "1e5", "012", "1:30", "x" * 300, "é"]
WORDS += ["\0", "\x1b[2J", "a\nb", "../..", "/dev/zero", "con", "NUL", "Random", "digits", "seed-0"]
WORDS += ["random", "entropy", "full", "2001-01-01", "json:dumps", "no.such:thing", ":", "a:b:c"]
WORDS += ["\u202e", "\U0001f600", "~nobody_at_all/x", "cuda", "folder", "portable", "end", "nin"]
OTHERS = [None, True, False, [], {}, [[]], [None], {"a": 1}, {"": ""}, [1, 1], [[[[[[1]]]]]]]
OTHERS += [list(range(3000)), ["x"] * 50, {str(n): n for n in range(200)}]
PLAIN = ["1_000", "012", "0o17", "0x1F", "1:30", "190:20:30", "2001-13-45", "2001-01-01", "=", "<<"]
PLAIN += ["1e400", "-.inf", ".nan", "9" * 5000, "9" * 900, "!!python/object:os.system x", "!x y"]
PLAIN += ["!!int x", "!!timestamp 2001-99-99", "*nothing", "&a [*a]", "'\\0'", '"\\0"', '"\\ud800"']
PLAIN += [
    '"\\U99999999"',
    "{",
    "}",
    "[",
    "]",
    "[1, 2",
    "|",
    ">",
    "? x",
    "@x",
    "`x",
    "%x",
    "'",
    '"x',
]
PLAIN += ["1e-3", "1E3", ".5", "-.5", "+1", "yes", "off", "!!str 1", "!", "&x 1", "{<<: 1}", "\t1"]
BYTES = [
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\t",
    b"\r",
    b"\x85",
    b"\xe2\x80\xa8",
    b"\n",
]
BYTES += [b"---\n", b"...\n", b"%YAML 1.1\n---\n", b": ", b"- ", b"#", b"{", b"[", b"&a ", b"*a"]


def base() -> dict[str, Any]:
    """Settings that are valid, with something in every section."""
    return copy.deepcopy(_base())


@functools.cache
def _base() -> dict[str, Any]:
    raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    raw |= {"device": "cpu", "seeds": [0, 1], "full": [0, 1], "tuned": ["mixed"]}
    raw["strategies"] = ["random", "entropy", "bald", "kmeans", "coreset", "albl", "put", "mixed"]
    raw["task"]["digits"]["split"]["validation"] = 50
    raw["task"]["own"] = copy.deepcopy(raw["task"]["digits"])
    raw["task"]["own"]["dataset"] = {"name": "folder", "root": "images", "size": [28, 28]}
    known = raw["strategies"][:-2]
    raw["strategy"] = {name: dict(catalogue.STRATEGIES[name].settings) for name in known}
    raw["strategy"]["put"] = {"learner": {"use": "ceal", "delta": 0.1}, "scorer": "margin"}
    raw["strategy"]["mixed"] = {"use": "hybrid", "combination": "mean", "alpha": [0.1, 0.5]}
    return raw


_dump = functools.partial(yaml.dump, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value of a tree may be changed."""
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def inside(value: Any, path: tuple[Any, ...]) -> Any:
    """The value at a place."""
    for part in path:
        value = value[part]
    return value


def tree_fault(tree: dict[str, Any], rng: random.Random) -> None:
    """One hostile change of a tree, in place."""
    path = rng.choice(list(places(tree)))
    parent, last = inside(tree, path[:-1]), path[-1]
    kind = rng.randrange(10)
    if kind < 4:
        parent[last] = copy.deepcopy(rng.choice(rng.choice([NUMBERS, NUMBERS, WORDS, OTHERS])))
    elif kind == 4:
        del parent[last]
    elif kind == 5 and isinstance(parent, dict):
        key = str(last) if rng.random() < 0.5 else rng.choice(WORDS)
        parent[key[: rng.randrange(len(key) + 1)] + rng.choice(["", "x", "_"])] = parent.pop(last)
    elif kind == 6:
        parent[last] = copy.deepcopy(inside(tree, rng.choice(list(places(tree)))))
    elif kind == 7 and isinstance(parent, list):
        parent.insert(0, copy.deepcopy(rng.choice(parent)))
    elif kind == 8 and isinstance(parent, dict):
        parent[rng.choice(WORDS)] = rng.choice(NUMBERS)
    elif isinstance(parent[last], (int, float)) and not isinstance(parent[last], bool):
        parent[last] = rng.choice([-parent[last], parent[last] * 10, parent[last] + 0.5])


def text_fault(content: bytes, rng: random.Random) -> bytes:
    """One hostile change of a file's bytes."""
    at, kind = rng.randrange(len(content) + 1), rng.randrange(7)
    lines = content.split(b"\n")
    where = rng.randrange(len(lines))
    if kind == 0:
        return content[:at] + rng.choice(BYTES) + content[at:]
    if kind == 1:
        return content[:at] + content[at + rng.randrange(1, 20) :]
    if kind == 2:
        return content[:at]
    if kind == 3:  # a key twice
        lines.insert(rng.randrange(len(lines) + 1), lines[where])
    elif kind == 4:
        lines[where] = rng.choice([b" ", b"  ", b"\t", b"- "]) + lines[where]
    else:
        key = lines[where].partition(b":")[0]
        lines[where] = key + b": " + rng.choice(PLAIN).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def bombs(rng: random.Random) -> bytes:
    """Files that are small and become large, or deep, or long."""
    size, kind = rng.choice([40, 3000, 60_000]), rng.randrange(11)
    if kind == 0:
        lines = (f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
        return ("a0: &a0 [x, x]\n" + "".join(lines)).encode()
    if kind == 1:
        maps = (f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, 60))
        return ("a0: &a0 {x: 1}\n" + "".join(maps)).encode()
    if kind == 2:
        return rng.choice([b"[", b"{a: ", b"- ", b"? ", b"!x [", b"&a [", b"[{"]) * size
    if kind == 3:
        return b"".join(b" " * n + b"a:\n" for n in range(min(size, 600)))
    if kind == 4:
        return b"seeds: [" + b", ".join(b"%d" % n for n in range(size // 2)) + b"]\n"
    if kind == 5:
        return b"threads: " + b"9" * size
    if kind == 6:
        return "".join(f"k{n}: {n}\n" for n in range(size // 4)).encode()
    if kind == 7:
        return b"x: &x {a: 1}\n" + b"<<: [" + b"*x, " * (size // 4) + b"*x]\n"
    if kind == 8:
        return rng.randbytes(min(size, 3000))
    if kind == 9:
        return _dump(base()).encode(rng.choice(["utf-16", "utf-32", "utf-8-sig", "utf-7"]))
    return b"#" * size * 6


def hostile(rng: random.Random) -> bytes:
    """One file."""
    if rng.random() < 0.12:
        return bombs(rng)
    tree = base()
    for _ in range(rng.choice([0, 1, 1, 1, 1, 1, 2, 3, 7])):
        with contextlib.suppress(OverflowError):  # 10**400 + 0.5
            tree_fault(tree, rng)
    try:
        content = _dump(tree, sort_keys=False, allow_unicode=rng.random() < 0.5).encode()
    except (yaml.YAMLError, UnicodeEncodeError, ValueError):
        return bombs(rng)
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        content = text_fault(content, rng)
    return content


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """TimeoutError after LIMIT seconds."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {LIMIT} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def numbers(value: Any) -> Iterator[float]:
    """All numbers in a value."""
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (dict, list)):
            yield from numbers(item)
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            yield item


def unsound(study: settings.Settings, content: bytes, folder: Path) -> str:
    """Why accepted settings make no sense; "" if they do. Apart from the package's own rules."""
    found = study.model_dump(mode="json")
    text = _dump(found, sort_keys=False)
    again = folder / "again.yaml"
    again.write_text(text, encoding="utf-8")
    try:
        if settings.load(again) != study:
            return "does not come back as it was written"
    except UserError as error:
        return f"is refused when written anew: {error}"
    theirs = parse_yaml(content.decode(), "params.yaml")
    if settings.Settings.model_validate(theirs) != study:
        return "DVC reads something else"
    given = {key: value for key, value in found.items() if key != "strategy"}
    for number in numbers(given):
        if not math.isfinite(number) or number < 0 or number >= 2**63:
            return f"holds {number}"
    for label in study.strategies:
        _, options = study.chosen(label)
        for number in numbers(options):
            if not math.isfinite(number) or not 0 <= number <= 1e12:
                return f"strategy {label} holds {number}"
    known = {*study.strategy, *catalogue.STRATEGIES}
    for names, entries in ((study.tasks, study.task), (study.strategies, known)):
        folded = {name.lower() for name in names}
        if not names or len(folded) < len(names) or not set(names) <= set(entries):
            return f"names {names}"
        if not all(re.fullmatch(r"\w{1,64}", name, re.ASCII) for name in names):
            return f"names {names}"
    if not study.seeds or len(set(study.seeds)) < len(study.seeds):
        return f"seeds {study.seeds}"
    ends = [item.next for item in study.rounds]
    if ends != [*range(1, len(ends)), "end"] or [r.n for r in study.rounds] != [*range(len(ends))]:
        return f"rounds {study.rounds}"
    if not set(study.tuned) <= set(study.strategies):
        return f"tuned {study.tuned}"
    if study.report.baseline not in {*catalogue.STRATEGIES, *study.strategy}:
        return f"baseline {study.report.baseline}"
    for name in study.tasks:
        task = study.task[name]
        known = {"digits": 1438, "cifar10": 50_000, "mnist": 60_000, "fashion_mnist": 60_000}
        rows = known.get(task.dataset.name, 10**12)
        used = task.split.initial + task.split.validation + task.budget(study.budget_rounds)
        if task.dataset.name != "folder" and used > rows:
            return f"task {name} uses {used} of {rows} rows"
        small = task.learning_rate <= 1000 and task.weight_decay <= 1000 and task.momentum < 1
        if not small or task.epochs > 10**6 or study.threads > 1024:
            return f"task {name} is beyond any machine"
    return ""


def read(content: bytes, folder: Path) -> tuple[str, str]:
    """What becomes of a file: "valid", "faults" or "WRONG", and the first line or the reason."""
    path = folder / "params.yaml"
    path.write_bytes(content)
    try:
        with time_limit():
            study = settings.load(path)
    except UserError as error:
        bad = [line for line in error.faults if "\n" in line or len(line) > 6000]
        return ("WRONG", f"no line: {bad[0]!r}") if bad else ("faults", error.faults[0])
    except BaseException as error:
        return "WRONG", f"{type(error).__name__}: {error}"
    reason = unsound(study, content, folder)
    return ("WRONG", f"accepted: {reason}") if reason else ("valid", "")


STAGES = {
    "prepare": (prepare.main, ["--task", "digits"]),
    "protocol": (protocol.main, ["--task", "digits"]),
    "split": (split.main, ["--task", "digits", "--seed", "0"]),
}


def command(content: bytes, root: Path, stage: str, apart: bool) -> tuple[str, str]:
    """As :func:`read`, by a command line, in this process or in one of its own."""
    (root / "params.yaml").write_bytes(content)
    before = held(root)
    main, arguments = STAGES[stage]
    arguments = [*arguments, "--root", str(root)]
    said = io.StringIO()
    if apart:
        line = [sys.executable, "-m", f"stages.{stage}", *arguments]
        try:
            done = subprocess.run(
                line, cwd=REPOSITORY, capture_output=True, timeout=60, check=False
            )
        except subprocess.TimeoutExpired:
            return "WRONG", "more than 60 s"
        code, text = done.returncode, done.stderr.decode(errors="replace")
    else:
        try:
            with time_limit(), contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                main(arguments)
            code = 0
        except SystemExit as stop:
            code = stop.code
        except BaseException as error:
            return "WRONG", f"{type(error).__name__}: {error}"
        text = said.getvalue() if code else ""
    if code == 0:
        return "valid", ""
    lines = text.splitlines()
    if code != 1 or not lines or not all(line.startswith("error: ") for line in lines):
        return "WRONG", f"exit {code}: {text[-300:]}"
    if "error: unexpected" in text or held(root) != before:
        return "WRONG", f"{lines[0][:300]} or half-written"
    return "faults", lines[0]


def held(root: Path) -> dict[str, float]:
    """Files of a study, and when they were written."""
    return {
        str(path): path.stat().st_mtime
        for path in root.rglob("*")
        if path.is_file() and path.name != "params.yaml"
    }


def main() -> None:
    """Run all, print the counts, and exit with 1 if anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_settings", description=__doc__)
    parser.add_argument("--files", type=int, default=6000)
    parser.add_argument("--commands", type=int, default=400)
    parser.add_argument("--processes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, counts, wrong, slowest = random.Random(options.seed), Counter(), [], 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "params.yaml").write_text(_dump(base(), sort_keys=False))
        prepare.main(["--task", "digits", "--root", name])
        os.environ["PYTHONPATH"] = str(REPOSITORY)
        for at in range(options.files + options.commands + options.processes):
            content = hostile(rng)
            start = time.perf_counter()
            if at < options.files:
                how, (kind, said) = "file", read(content, folder)
                slowest = max(slowest, time.perf_counter() - start)
            else:
                stage = rng.choice(list(STAGES))
                apart = at >= options.files + options.commands
                how = "process" if apart else "command"
                kind, said = command(content, folder, stage, apart)
            counts[how, kind] += 1
            if kind == "WRONG":
                wrong.append(said)
                print(f"{how} {at}: {said[:500]}\n{content[:3000]!r}", flush=True)
    for (how, kind), count in sorted(counts.items()):
        print(f"{how:8} {kind:7} {count}")
    print(f"slowest file {slowest:.2f} s")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()

"""What growing costs beside the work itself: ``python -m benchmarks.grow PART ...``.

overhead  studies of cheap stages, 100, 2,000 and 10,000 of them, each from nothing: milliseconds a
          stage beyond the stage's own, by the clock and of all processors, by engine; then again
          with nothing to do
noop      the same, and with nothing to do against a plain ``dvc repro``, in alternation
engines   the study of params.yaml (see the options) by serial, by 1, 2 and 8 dask workers, without
          DVC and then taken over, and by plain ``dvc repro``, in alternation, and whether all
          wrote the same bytes
warm      some rounds of each strategy of the catalogue, in one process in two random orders, and in
          processes of their own: the same bytes? And the memory of a process over many rounds
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks import cheap
from benchmarks.common import alternate, machine, ratio, show, stopwatch
from benchmarks.study import (
    add_study_options,
    compare,
    copy_repository,
    digests,
    environment,
    reset,
    write_study,
)

WROTE = ("artifacts/**/*.np?", "splits/**/*", "reports/**/*", "dvc.lock")
# Strategies, seeds and rounds, for about so many stages.
SIZES = {100: (4, 4, 5), 2_000: (20, 5, 20), 10_000: (20, 24, 20)}
WORKERS = ("1", "2", "8")  # whose bytes are compared
ENDED = re.compile(r" ended after ([\d.]+) s")


def load() -> str:
    """The load of the machine, in words."""
    return "load " + " ".join(f"{value:.1f}" for value in os.getloadavg())


def grow(root: Path, *arguments: str) -> float:
    """Seconds of ``python -m stages.grow``; ends this program if it fails."""
    return _seconds([sys.executable, "-m", "stages.grow", *arguments], root)


def spent() -> float:
    """Seconds of processor that processes begun here, and theirs, have taken."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def _seconds(command: list[str], root: Path) -> float:
    with stopwatch() as clock:
        done = subprocess.run(
            command, cwd=root, env=environment(PYTHONPATH=str(root)), capture_output=True, text=True
        )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return clock()


def worked(root: Path) -> list[float]:
    """Seconds of the stages themselves, from their logs."""
    logs = (root / "artifacts/.logs").glob("*.log")
    return [float(found) for log in logs for found in ENDED.findall(log.read_text())]


def cheap_study(root: Path, options: argparse.Namespace, size: int) -> None:
    """A copy of the repository with cheap stages, and a study of ``size`` of them or so."""
    from stages import catalogue

    strategies, seeds, rounds = SIZES[size]
    copy_repository(root, options.working_tree)
    cheap.install(root)
    names = [name for name in catalogue.STRATEGIES if name not in ("coreset",)][:strategies]
    options = argparse.Namespace(**{**vars(options), "rounds": rounds, "strategies": None})
    write_study(root, options, strategies=names, seeds=list(range(seeds)))


def overhead(options: argparse.Namespace, place: Path, plain: bool = False) -> None:
    """The parts ``overhead`` and ``noop``."""
    rows: list[list[Any]] = []
    for size in options.sizes:
        root = place / f"cheap-{size}"
        cheap_study(root, options, size)
        for engine in options.engines:
            reset(root)
            before = spent()
            taken = grow(root, "--engine", engine)
            processor, own = spent() - before, worked(root)
            count, mine = len(own), sum(own) / (1 if engine == "serial" else options.workers)
            ms = [1000 * (taken - mine) / count, 1000 * processor / count]
            found = alternate(idle_ways(root, engine, plain), options.repeats)
            idle = [f"{median(times):.1f}" for times in found.values()]
            if plain:
                idle.append(f"{ratio(*found.values()):.2f}")
            row = [count, engine, *(f"{x:.1f}" for x in (taken, sum(own), *ms)), *idle]
            rows.append([*row, load()])
        shutil.rmtree(root)
    header = ["stages", "engine", "s", "stages' own s", "ms a stage beyond", "of processor, in all"]
    header += ["nothing to do, s", *(["dvc repro, s", "ratio"] if plain else []), "load"]
    show(header, rows)


def idle_ways(root: Path, engine: str, plain: bool) -> dict[str, Callable[[], float]]:
    """What is to be done where nothing is, by whom."""
    ways = {engine: lambda: grow(root, "--engine", engine)}
    if plain:
        ways["dvc repro"] = lambda: _seconds(["dvc", "repro", "-q"], root)
    return ways


def engines(options: argparse.Namespace, place: Path) -> None:
    """The part ``engines``."""
    root = place / "study"
    copy_repository(root, options.working_tree)
    if options.cheap:
        cheap.install(root)
    write_study(root, options)
    wrote: dict[str, dict[str, str]] = {}

    def way(name: str, command: list[str]) -> float:
        reset(root)
        taken = _seconds(command, root)
        if "--without-dvc" in command:
            taken += grow(root, "--engine", "serial")  # which records what lies there
        print(f"{name}: {taken:.1f} s, {load()}", flush=True)
        wrote[name] = digests(root, WROTE[-3:] if options.cheap else WROTE)
        return taken

    python = [sys.executable, "-m", "stages.grow", "--engine"]
    ways = {
        "serial": [*python, "serial"],
        **{f"dask, workers: {count}": [*python, "dask", "--workers", count] for count in WORKERS},
        "without DVC, then taken over": [*python, "dask", "--workers", "2", "--without-dvc"],
        "dvc repro": ["dvc", "repro", "-q"],
    }
    found = alternate(
        {
            name: (lambda name=name, command=command: way(name, command))
            for name, command in ways.items()
        },
        options.repeats,
    )
    rows = [
        (
            name,
            f"{median(times):.1f}",
            f"{ratio(times, found['dvc repro']):.2f}",
            compare(wrote["dvc repro"], wrote[name]),
        )
        for name, times in found.items()
    ]
    show([f"{len(worked(root)) or ''} stages by", "seconds", "to dvc repro", "files"], rows)
    print(load())


CALL = """
import gc, json, os, psutil, sys
from stages.farm.call import Job, call
root = os.getcwd()
for at, (name, command) in enumerate(json.load(sys.stdin)):
    call(Job(name, (command,), root, root, f"{name} {os.getpid()}-{at}"))
    if at % 25 == 0:
        print(at, psutil.Process().memory_info().rss // 2**20, flush=True)
"""


def warm(options: argparse.Namespace, place: Path) -> None:
    """The part ``warm``."""
    import json

    from stages import catalogue
    from stages.farm.without_dvc import stages_of

    root = place / "warm"
    copy_repository(root, options.working_tree)
    names = [*options.strategies] if options.strategies else list(catalogue.STRATEGIES)
    options = argparse.Namespace(**{**vars(options), "strategies": None, "seeds": [0]})
    options.rounds = options.rounds or 2
    write_study(root, options, strategies=names)
    stages = {name: stage.command for name, stage in stages_of(root).items()}
    first = [name for name in stages if not name.startswith(("round", "report", "full"))]
    chains = [[f"round@digits-{name}-0-round{n}" for n in range(options.rounds)] for name in names]
    wrote: dict[str, dict[str, str]] = {}
    rng = random.Random(options.seed)

    def run(order: list[str]) -> str:
        done = subprocess.run(
            [sys.executable, "-c", CALL],
            cwd=root,
            env=environment(PYTHONPATH=str(root)),
            input=json.dumps([(name, stages[name]) for name in order]),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        return done.stdout

    for way in ("own processes", "warm, one order", "warm, another"):
        reset(root)
        run(["recipes", *(name for name in first if name not in ("code", "recipes"))])
        with stopwatch() as clock:
            if way == "own processes":
                for name in (name for chain in chains for name in chain):
                    run([name])
            else:
                run(list(shuffled(chains, rng)))
        wrote[way] = digests(root, WROTE[:-1])
        print(f"{way}: {clock():.1f} s, {load()}", flush=True)
    for way in list(wrote)[1:]:
        print(f"{way} against own processes: {compare(wrote['own processes'], wrote[way])}")
    if options.memory:
        some = [chain[0] for chain in chains]
        said = run([rng.choice(some) for _ in range(options.memory)]).split("\n")
        print(f"memory in MiB over {options.memory} rounds: {', '.join(said[:-1])}")


def shuffled(chains: list[list[str]], rng: random.Random) -> Iterator[str]:
    """The rounds of all chains in random order, each after the one before it."""
    left = [list(chain) for chain in chains]
    while left:
        chain = rng.choice(left)
        yield chain.pop(0)
        left = [chain for chain in left if chain]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.grow",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="+", choices=("overhead", "noop", "engines", "warm"))
    add_study_options(parser)
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=[100, 2_000])
    parser.add_argument("--engines", nargs="+", default=["serial", "dask"])
    parser.add_argument("--workers", type=int, default=psutil.cpu_count())
    parser.add_argument("--memory", type=int, default=0, help="warm: over so many rounds")
    parser.add_argument("--cheap", action="store_true", help="engines: stages as of overhead")
    parser.add_argument("--seed", type=int, default=0, help="warm: of the order")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--working-tree", action="store_true", help="copy uncommitted files, too")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="grow-"))
    print(f"{machine()}; {load()}\n", flush=True)
    try:
        for part in options.parts:
            if part in ("overhead", "noop"):
                overhead(options, place, plain=part == "noop")
            else:
                {"engines": engines, "warm": warm}[part](options, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()

"""Stages that write what real ones write and compute nothing, for a copy of the repository.

:func:`install` puts them in the place of the real ones: same files, same sizes as a small round's,
so that what is left of a study's time is what growing it costs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
from pathlib import Path

KINDS = ("prepare", "protocol", "split", "start", "round", "full", "report", "verify")
WEIGHTS = 100_000  # bytes


def install(root: Path) -> None:
    """Replace the stages of the copy at ``root``."""
    shutil.copy(__file__, root / "stages/cheap.py")
    for kind in KINDS:
        text = (
            f"from stages.cheap import {kind} as main\n\nif __name__ == '__main__':\n    main()\n"
        )
        (root / f"stages/{kind}.py").write_text(text)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("task", "strategy", "seed", "round", "next"):
        parser.add_argument(f"--{name}", default="")
    return parser.parse_args(arguments)


def _write(path: str, content: str | bytes) -> None:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.replace(part, target)


def prepare(arguments: list[str] | None = None) -> None:
    task = _options(arguments).task
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        _write(f"data/{task}/{name}.npy", name * 100)
    _write(f"data/{task}/manifest.json", "{}\n")


def protocol(arguments: list[str] | None = None) -> None:
    _write(f"data/{_options(arguments).task}/protocol.json", "{}\n")


def split(arguments: list[str] | None = None) -> None:
    given = _options(arguments)
    for name in ("validation", "initial"):
        _write(f"splits/{given.task}/seed-{given.seed}/{name}.txt", f"{name} {given.seed}\n")


def start(arguments: list[str] | None = None) -> None:
    given = _options(arguments)
    run = f"{given.task}/{given.strategy}/seed-{given.seed}"
    _write(f"artifacts/{run}/round-0/carry.npz", run)
    _write(f"splits/{run}/round-0.txt", run)


def round(arguments: list[str] | None = None) -> None:  # noqa: A001 - the stage's name
    given = _options(arguments)
    run = f"{given.task}/{given.strategy}/seed-{given.seed}"
    parent = Path(f"splits/{run}/round-{given.round}.txt").read_bytes()
    known = hashlib.sha256(parent + given.next.encode())
    noise = known.digest() * (WEIGHTS // 32)
    folder = f"artifacts/{run}/round-{given.next}"
    for name, size in (("carry.npz", 300), ("scores.npy", 10_000), ("weights.npz", WEIGHTS)):
        _write(f"{folder}/{name}", name.encode() + noise[:size])
    result = {"accuracy": known.digest()[0] / 256}
    _write(f"reports/rounds/{run}/round-{given.round}.json", json.dumps(result, indent=1))
    _write(f"splits/{run}/round-{given.next}.txt", f"parent {known.hexdigest()}\n")


def full(arguments: list[str] | None = None) -> None:
    given = _options(arguments)
    run = f"{given.task}/seed-{given.seed}"
    _write(f"artifacts/{run}/full/weights.npz", run * 100)
    _write(f"reports/rounds/{run}/full.json", json.dumps(run))


def report(arguments: list[str] | None = None) -> None:
    for name in ("report.md", "index.html", "curve.csv", "metrics.json"):
        _write(f"reports/{name}", "{}\n")
    for name in ("tables/a.csv", "figures/a.svg", "plots/a.png"):
        _write(f"reports/{name}", "a\n")


def verify(arguments: list[str] | None = None) -> None:
    """Nothing that these stages write is a ledger."""

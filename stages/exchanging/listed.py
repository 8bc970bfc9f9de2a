"""What a deposit holds, as tables: index sets, results, data."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.study import ledger
from stages.study.settings import Settings

RUN = re.compile(r"splits/(\w+)/(\w+)/seed-(\d+)/round-end\.txt")
SETS = ("task", "strategy", "seed", "part", "position", "row")
RESULTS = ("task", "strategy", "seed", "round", "labeled", "correct", "test", "accuracy")
DATA = ("task", "name", "sha256", "train", "test", "classes", "source", "license")


def tables(files: dict[str, bytes]) -> tuple[bytes, bytes, dict[str, str]]:
    """index_sets.csv, results.csv, and the digest of each seal by its path.

    A part is ``validation``, ``initial`` or ``round-<n>``: what round n - 1 selected.
    """
    sets: list[tuple[Any, ...]] = []
    results: list[tuple[Any, ...]] = []
    seals: dict[str, str] = {}
    found = [match for name in files if (match := RUN.fullmatch(name))]
    for match in sorted(found, key=lambda one: (one[1], one[2], int(one[3]))):
        task, strategy, seed = match[1], match[2], int(match[3])
        folder, shared = f"splits/{task}/{strategy}/seed-{seed}", f"splits/{task}/seed-{seed}"
        seals[match[0]] = ledger.digest(files[match[0]])
        rounds = sum(name.startswith(f"{folder}/round-") for name in files) - 1
        parts = {name: f"{shared}/{name}.txt" for name in ("validation", "initial")}
        parts |= {f"round-{n}": f"{folder}/round-{n}.txt" for n in range(1, rounds)}
        for part, path in parts.items():
            rows = ledger.parse(Path(path), files[path]).indices.tolist()
            sets += [(task, strategy, seed, part, at, row) for at, row in enumerate(rows)]
        for n in range(rounds):
            path = f"reports/rounds/{task}/{strategy}/seed-{seed}/round-{n}.json"
            record = json.loads(files[path])
            row = (record["labeled"], record["correct"], record["test"], record["accuracy"])
            results.append((task, strategy, seed, n, *row))
    return as_csv(SETS, sets), as_csv(RESULTS, results), seals


def as_seals(seals: dict[str, str]) -> str:
    """What ``sha256sum`` prints for them, in the order of their paths."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(seals.items()))


def data(files: dict[str, bytes], study: Settings) -> bytes:
    """data.csv: a line for each task, by its manifest."""
    rows = []
    for task in study.tasks:
        said = manifest(files, task)
        rows.append(
            (task, said.get("name", ""), said.get("digest", ""), said.get("train", ""),
             said.get("test", ""), len(said.get("classes", [])), said.get("source", ""),
             said.get("license", ""))
        )  # fmt: skip
    return as_csv(DATA, rows)


def manifest(files: dict[str, bytes], task: str) -> dict[str, Any]:
    """What prepare said of a task's data; {} where it is not there."""
    content = files.get(f"data/{task}/manifest.json")
    return json.loads(content) if content else {}


def as_csv(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """A CSV table in UTF-8 with plain line ends."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return stream.getvalue().encode()

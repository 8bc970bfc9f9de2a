"""What lies in a study's folder, found from its files alone, without its settings."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stages.checking.data import read_manifest
from stages.checking.records import Place
from stages.machine.errors import UserError
from stages.reporting.read import records
from stages.reporting.read.overlap import NEVER, read_indices
from stages.study import ledger
from stages.study.layout import END, Layout
from stages.study.problem import as_line

Run = tuple[str, str, int]
POSED = "; its problem "  # between an identity and what a task poses


@dataclass
class Study:
    """What lies in one study's folder.

    Attributes:
        root: the folder.
        results: run -> (labeled counts, accuracies), only runs with a result.
        chains: run -> its links' paths in order of the rounds, seal last.
    """

    root: Path
    results: dict[Run, tuple[list[int], list[float]]] = field(default_factory=dict)
    chains: dict[Run, list[Path]] = field(default_factory=dict)

    @property
    def runs(self) -> set[Run]:
        """Every run of which there is anything."""
        return set(self.results) | set(self.chains)


def read_study(root: Path) -> Study:
    """Find every run of a study, from its files alone.

    Raises:
        UserError: for a damaged result file or a folder without any run.
    """
    study = Study(Path(root))
    found: dict[Run, list[Path]] = {}
    for path in (study.root / "reports/rounds").glob("*/*/seed-*/round-*.json"):
        run = _run(path)
        if run and path.stem[6:].isdigit():
            found.setdefault(run, []).append(path)
    for run, paths in found.items():
        study.results[run] = _curve(run, sorted(paths, key=_number), study.root)
    for path in (study.root / "splits").glob("*/*/seed-*/round-*.txt"):
        run = _run(path)
        if run:
            study.chains.setdefault(run, []).append(path)
    for paths in study.chains.values():
        paths.sort(key=_number)
    if not study.runs:
        raise UserError(f"{root}: no runs under splits/ or reports/rounds/")
    return study


def _run(path: Path) -> Run | None:
    task, strategy, seed = path.parts[-4:-1]
    match = re.fullmatch(r"seed-(\d+)", seed)
    return (task, strategy, int(match[1])) if match else None


def _number(path: Path) -> float:
    name = path.stem[6:]
    return float(name) if name.isdigit() else float("inf")


def _curve(run: Run, paths: list[Path], root: Path) -> tuple[list[int], list[float]]:
    found: dict[int, float] = {}
    for path in paths:
        row, _ = records.parse_result(path, root, Place(*run, int(_number(path))))
        found[row["labeled"]] = row["accuracy"]
    return list(found), list(found.values())


def fingerprint(study: Study, run: Run) -> str | None:
    """SHA-256 of the seal of a run; None without one."""
    seal = Layout(study.root).link(*run, END)
    return hashlib.sha256(seal.read_bytes()).hexdigest() if seal.is_file() else None


def chosen(study: Study, run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `overlap.chosen_when`, for the links that are there; round 0 starts with nothing."""
    parts, rows = [], 0
    for path in study.chains[run]:
        if path.stem != "round-0":
            head, indices = read_indices(path)
            rows = max(rows, head["rows"])
            parts.append(indices)
    if not parts:
        return np.empty(0, np.uint16), np.empty(0, np.int64), np.empty(0, np.int64)
    when = np.full(max(rows, *(int(part.max(initial=-1)) + 1 for part in parts)), NEVER, np.uint16)
    for number, part in enumerate(parts):
        when[part] = number
    return when, np.concatenate(parts), np.cumsum([len(part) for part in parts])


def initial_set(study: Study, run: Run) -> list[int] | None:
    """The rows that a run started from; None where they are missing."""
    path = Layout(study.root).shared_split(run[0], run[2]) / "initial.txt"
    return read_indices(path)[1].tolist() if path.is_file() else None


def identities(study: Study) -> dict[str, str]:
    """Task -> name, digest and rows of its data, by its index sets, else by its manifest.

    And the problem that the task poses, where it poses one.

    Tasks of which neither is there are left out.
    """
    found = {}
    for (task, _, seed), paths in sorted(study.chains.items()):
        if task not in found:
            said = read_indices(paths[0])[0]
            found[task] = f"{said.get('data')} ({said['rows']} rows){_posed(study, task, seed)}"
    for task in sorted({run[0] for run in study.results} - found.keys()):
        path = Layout(study.root).data(task) / "manifest.json"
        if path.is_file():
            held = read_manifest(path)
            found[task] = f"{held.identity} ({held.train} rows)"
    return found


def _posed(study: Study, task: str, seed: int) -> str:
    path = Layout(study.root).shared_split(task, seed) / f"{ledger.POOL}.txt"
    return POSED + as_line(ledger.problem_of(ledger.read(path))) if path.is_file() else ""

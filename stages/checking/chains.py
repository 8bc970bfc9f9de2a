"""Index sets held against the settings and the manifest: what is missing, what is too much."""

from __future__ import annotations

import json
import os
from pathlib import Path

from stages.checking.plan import Plan
from stages.checking.records import Data
from stages.checking.tree import Run
from stages.machine.errors import UserError
from stages.machine.reading import shown
from stages.study import ledger
from stages.study.layout import END
from stages.study.problem import as_line

SHARED_FILES = ("initial.txt", "validation.txt")


def check_shared(folder: Path, run: Run) -> ledger.Chain:
    """What all runs of a (task, seed) share, checked: validation and initial set, and the pool.

    Raises:
        UserError: as `stages.study.ledger.read_shared`; or headers of another folder.
    """
    shared = ledger.read_shared(folder)
    for link in (shared.validation, shared.initial, *([shared.pool] if shared.pool else [])):
        _check_said(link, run, ledger.SHARED, f"{run[0]}/seed-{run[2]}", link.path.stem)
    ledger.problem_of(shared.pool)
    return shared


def check_run(folder: Path, run: Run) -> ledger.Chain:
    """The chain of a run, checked from its seal to its beginning.

    Raises:
        UserError: as `stages.study.ledger.walk`; no seal; or links that belong elsewhere.
    """
    seal = folder / f"round-{END}.txt"
    if not os.path.lexists(seal):
        raise UserError(f"{folder}: no seal (round-end.txt): the run is not finished")
    chain = ledger.walk(seal)
    task, strategy, seed = run
    for link in reversed(chain.links):
        said = link.path.stem.removeprefix("round-")
        _check_said(link, run, str(strategy), f"{task}/{strategy}/seed-{seed}", said)
    shared = folder.parent.parent / f"seed-{seed}" / "initial.txt"
    if os.path.normpath(chain.initial.path) != os.path.normpath(shared):
        raise UserError(f"{chain.links[0].path}: does not start from {shared}")
    return chain


def _check_said(link: ledger.Link, run: Run, strategy: str, place: str, n: str) -> None:
    """The names of folder and file must say what the header says."""
    header = link.header
    task, seed = header["task"], header["seed"]
    if (task, header["strategy"], seed) != (run[0], strategy, str(run[2])):
        own = "" if header["strategy"] == ledger.SHARED else f"{header['strategy']}/"
        raise UserError(
            f"{link.path}: its header belongs under splits/{shown(f'{task}/{own}seed-{seed}', 120)}"
            f", not splits/{place}"
        )
    if header["round"] != n:
        raise UserError(f"{link.path}: its header says round {header['round']}")


def against_plan(chain: ledger.Chain, plan: Plan, task: str, tuned: dict | None) -> list[str]:
    """Faults of a sound chain by what the settings ask for: its length, its sizes, its settings.

    Args:
        tuned: the settings that were chosen on the validation set; None where nothing is tuned,
            {} where it is not known.
    """
    faults = []
    seal, rounds = chain.links[-1], len(chain.links) - 1
    if rounds != plan.rounds:
        faults.append(
            f"{seal.path}: the run has {rounds} rounds, {plan.path} asks for {plan.rounds}"
        )
    for at, link in enumerate(chain.links[:-1]):
        wanted = plan.tasks[task].selects(at - 1) if at else 0
        if len(link.indices) != wanted:
            faults.append(
                f"{link.path}: count is {len(link.indices)}, {plan.path} asks for {wanted} a round"
            )
            break
    first = chain.links[0]
    if tuned is None and ledger.TUNED in first.header:
        faults.append(f"{first.path}: says settings were tuned, {plan.path} tunes none")
    elif tuned and json.dumps(ledger.tuned_settings(first)) != json.dumps(tuned):
        said = shown(first.header.get(ledger.TUNED, "nothing"), 80)
        faults.append(
            f"{first.path}: tuned says {said}, but reports/tuned gives {json.dumps(tuned)}"
        )
    return faults


def shared_against_plan(shared: ledger.Chain, plan: Plan, task: str) -> list[str]:
    """Faults of the shared sets by the sizes, and of the pool by what the settings ask for."""
    faults = []
    asked = plan.tasks[task].problem
    if shared.problem != asked:
        place = (shared.pool or shared.validation).path
        faults.append(
            f"{place}: pool and oracle are {shown(as_line(shared.problem), 120)}, {plan.path} "
            f"asks for {shown(as_line(asked), 120)}"
        )
    for link, key in ((shared.validation, "validation"), (shared.initial, "initial")):
        wanted = getattr(plan.tasks[task], key)
        if len(link.indices) != wanted:
            faults.append(
                f"{link.path}: count is {len(link.indices)}, {plan.path} asks for {wanted} "
                f"(task.{task}.split.{key})"
            )
    return faults


def against_data(link: ledger.Link, data: Data, copies: int = 1) -> list[str]:
    """Faults of a link by the manifest: another data set, or another number of rows."""
    faults = []
    if link.header["data"] != data.identity:
        faults.append(
            f"{link.path}: data set is {shown(repr(link.header['data']), 120)}, {data.path} says "
            f"{data.identity!r}"
        )
    if link.header["rows"] != str(data.train * copies):
        times = f", and each image {copies} times" if copies > 1 else ""
        faults.append(
            f"{link.path}: rows is {link.header['rows']}, {data.path} has {data.train} rows{times}"
        )
    return faults

"""The runs of somebody else's study: copied to a folder apart, and checked there as one's own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from stages.checking import records
from stages.checking.data import read_manifest
from stages.machine import yaml_input
from stages.machine.errors import UserError, nearest
from stages.machine.reading import shown
from stages.study import ledger
from stages.study.imported import NAME
from stages.study.layout import END, Layout

LINK = re.compile(r"splits/([^/]+)/(?:([^/]+)/)?seed-(\d{1,18})/([\w-]+)\.txt")
IDENTITY = re.compile(r"[ -~]{1,200} sha256:[0-9a-f]{64}")


def take(
    files: dict[str, bytes], apart: Path, task: str | None, strategy: str | None
) -> dict[str, Any]:
    """Copy the runs of one task, and check each as a whole.

    Args:
        files: of the source, by path.
        apart: a folder where the copies go.
        task: whose; None: the only one.
        strategy: whose; None: all of them.

    Returns:
        What ``source.json`` says of them.

    Raises:
        UserError: a run is damaged or no run, or it is not clear which are meant.
    """
    found = [match for name in files if (match := LINK.fullmatch(name))]
    task = _one("task", task, sorted({match[1] for match in found}))
    strategies = sorted({match[2] for match in found if match[1] == task and match[2]})
    if strategy is not None:
        strategies = [_one("strategy", strategy, strategies)]
    for name in strategies:
        if not NAME.fullmatch(name):
            raise UserError(f"strategy {shown(repr(name), 80)} cannot be a name here")
    runs = {
        (match[2], int(match[3])) for match in found if match[1] == task and match[2] in strategies
    }
    seeds = sorted({seed for _, seed in runs})
    if not runs:
        raise UserError(f"no run of task {task!r} here")
    if missing := sorted({(one, k) for one in strategies for k in seeds} - runs):
        raise UserError(f"strategy {missing[0][0]} has no seed {missing[0][1]}, which others have")
    for match in found:
        if match[1] == task and match[2] in (None, *strategies) and int(match[3]) in seeds:
            _put(apart, match[0], files[match[0]])
    said: dict[str, Any] = {}
    accuracies: dict[str, dict[str, list[float]]] = {}
    for name in strategies:
        for seed in seeds:
            chain = checked(apart, task, name, seed)
            about = {
                "data": chain.initial.header["data"],
                "rows": int(chain.initial.header["rows"]),
            }
            if said.setdefault("about", about) != about:
                raise UserError(f"{chain.initial.path}: is about other data than the other runs")
            said["selections"] = min(said.get("selections", 10**9), len(_picking(chain)))
            if measured := _measured(files, apart, chain, task, name, seed):
                accuracies.setdefault(name, {})[str(seed)] = measured
    about = said.pop("about")
    _check_manifest(files, apart, task, about["data"])
    return {
        "kind": "ledger",
        "task": task,
        "model": _model(files, apart, task),
        **about,
        "strategies": strategies,
        "seeds": seeds,
        **said,
        "accuracies": accuracies,
    }


def _one(what: str, wanted: str | None, there: list[str]) -> str:
    if not there:
        raise UserError(f"no {what} of a study here")
    if wanted is None and len(there) != 1:
        raise UserError(f"several {what}s here; say with --{what} which; {nearest('', there)}")
    if wanted is not None and wanted not in there:
        raise UserError(f"no {what} {wanted!r} here; {nearest(wanted, there)}")
    name = there[0] if wanted is None else wanted
    if not NAME.fullmatch(name):
        raise UserError(f"{what} {shown(repr(name), 80)} cannot be a name here")
    return name


def _put(apart: Path, name: str, content: bytes) -> None:
    (apart / name).parent.mkdir(parents=True, exist_ok=True)
    (apart / name).write_bytes(content)


def checked(apart: Path, task: str, strategy: str, seed: int) -> ledger.Chain:
    """A run, each link held against the one before and against its place.

    Raises:
        UserError: they disagree, or something else lies there.
    """
    layout, last = Layout(apart), None
    folder = layout.chain(task, strategy, seed)
    for n in (END, *range(len(list(folder.glob("*.txt"))), -1, -1)):
        if (path := layout.link(task, strategy, seed, n)).exists():
            last = path
            break
    if last is None:
        raise UserError(f"{folder}: no link of a run")
    chain = ledger.walk(last)
    shared = [link for link in (chain.pool, chain.validation, chain.initial) if link is not None]
    links = [*shared, *chain.links]
    for at, link in enumerate(links):
        for key, value in link.header.items():
            if not value.isprintable():
                raise UserError(f"{link.path}: header {key} holds a control character")
        due = {
            "task": task,
            "strategy": ledger.SHARED if at < len(shared) else strategy,
            "seed": str(seed),
        }
        for key, value in due.items():
            if link.header[key] != value:
                raise UserError(
                    f"{link.path}: says {key} {shown(repr(link.header[key]), 60)}, lies in {value}"
                )
    if not IDENTITY.fullmatch(chain.initial.header["data"]):
        said = shown(repr(chain.initial.header["data"]), 80)
        raise UserError(f"{chain.initial.path}: data is {said}; allowed: '<name> sha256:<digest>'")
    expected = {os.path.normpath(link.path) for link in links}
    for path in [*folder.glob("*"), *layout.shared_split(task, seed).glob("*")]:
        if os.path.normpath(path) not in expected:
            raise UserError(f"{path}: not part of the run")
    return chain


def _picking(chain: ledger.Chain) -> list[ledger.Link]:
    return [link for link in chain.links[1:] if link.header["round"] != END]


def _measured(
    files: dict[str, bytes], apart: Path, chain: ledger.Chain, task: str, strategy: str, seed: int
) -> list[float]:
    """Accuracies of a sealed run's rounds, by the records that its seal pins; [] without them."""
    if not chain.sealed:
        return []
    pinned, found = ledger.pinned_results(chain.links[-1]), []
    for n, digest in enumerate(pinned):
        name = f"reports/rounds/{task}/{strategy}/seed-{seed}/round-{n}.json"
        content = files.get(name)
        if content is None:
            return []
        if ledger.digest(content) != digest:
            raise UserError(f"{name}: changed after the run was sealed")
        path = apart.parent / "record.json"
        _put(apart.parent, path.name, content)
        place = records.Place(task, strategy, seed, n, labeled=chain.links[n].total)
        record, faults = records.read(path, place, name)
        if faults:
            raise UserError(faults[0])
        found.append(record["accuracy"])
    return found


def _check_manifest(files: dict[str, bytes], apart: Path, task: str, identity: str) -> None:
    """The manifest of the source's data, if there is one, is about the same data."""
    name = f"data/{task}/manifest.json"
    if name in files:
        path = apart.parent / "manifest.json"
        _put(apart.parent, path.name, files[name])
        try:
            said = read_manifest(path)
        except UserError as error:
            raise UserError(str(error).replace(str(path), name)) from None
        if said.identity != identity:
            raise UserError(f"{name}: is about {shown(said.identity, 100)}, the runs are not")


def _model(files: dict[str, bytes], apart: Path, task: str) -> str:
    """The architecture that the source's params.yaml names; empty where it says none."""
    if "params.yaml" not in files:
        return ""
    path = apart.parent / "params.yaml"
    _put(apart.parent, path.name, files["params.yaml"])
    try:
        value = yaml_input.read(path)
    except UserError as error:
        raise UserError(*(one.replace(str(path), "params.yaml") for one in error.faults)) from None
    for key in ("task", task, "model", "name"):
        value = value.get(key) if isinstance(value, dict) else None
    return shown(value, 80) if isinstance(value, str) else ""

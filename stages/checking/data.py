"""A task's manifest, protocol and labels, held against each other and against the settings."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stages.checking.plan import Plan
from stages.checking.records import Data
from stages.machine.errors import UserError
from stages.machine.reading import MissingFile, open_regular, read_json, shown
from stages.study.layout import Layout
from stages.study.problem import Problem

SHARED = ("reproducible", "device")  # and threads, where they can change a result
MOST_MANIFEST = 1 << 26  # bytes; a million patients in no order are a tenth of it
HEADER = 1 << 14  # bytes before the labels in their file


def read_manifest(path: Path) -> Data:
    """The manifest of a task's data.

    Raises:
        UserError: missing, not a manifest, or its counts do not add up.
    """
    manifest = read_json(path, MOST_MANIFEST)
    name, digest = manifest.get("name"), manifest.get("digest")
    if not isinstance(name, str) or not re.fullmatch(r"[0-9a-f]{64}", str(digest)):
        raise UserError(f"{path}: not a manifest (name, and digest of 64 hexadecimal digits)")
    classes = manifest.get("classes")
    if not isinstance(classes, list) or not classes:
        raise UserError(f"{path}: classes is {shown(repr(classes), 80)}, allowed: a list of names")
    found: list[Any] = []
    for part in ("train", "test"):
        total, counts = manifest.get(part), manifest.get(f"{part}_per_class")
        if type(total) is not int or total < 1:
            raise UserError(f"{path}: {part} is {shown(repr(total), 80)}, allowed: 1 or more")
        if (
            not isinstance(counts, list)
            or len(counts) != len(classes)
            or not all(type(count) is int and count >= 0 for count in counts)
        ):
            raise UserError(
                f"{path}: {part}_per_class is {shown(repr(counts), 80)}, allowed: a count for "
                f"each of {len(classes)} classes"
            )
        if sum(counts) != total:
            raise UserError(
                f"{path}: {part}_per_class adds up to {sum(counts)}, but {part} is {total}"
            )
        found += [total, tuple(counts)]
    train, train_per_class, test, test_per_class = found
    identity = f"{name} sha256:{digest}"
    pictures = manifest.get("kind") != "features"
    return Data(path, identity, train, test, train_per_class, test_per_class, pictures)


def posed(data: Data, problem: Problem) -> Data:
    """What records of this problem are held against: its rows and the classes asked for."""
    if not problem.facts:
        return data
    rows, train = data.train * problem.copies, data.train_per_class
    if data.classes and problem.open_set and problem.open_set[-1] >= data.classes:
        raise UserError(
            f"{data.path}: has {data.classes} classes, but the pool's open_set names "
            f"{problem.open_set[-1]}"
        )
    known = problem.known(data.classes).tolist()
    test = tuple(data.test_per_class[at] for at in known)
    # A wrong label can be of any class.
    most = [rows if problem.noise else train[at] * problem.copies for at in known]
    return replace(
        data,
        train=rows,
        train_per_class=tuple(most),
        test=sum(test) if data.test else 0,
        test_per_class=test,
    )


def check_protocol(path: Path, task: str, plan: Plan, data: Data | None) -> list[str]:
    """What contradicts the settings or the manifest in a task's protocol.json; [] without one."""
    try:
        protocol = read_json(path)
    except MissingFile:
        return []
    except UserError as fault:
        return [str(fault)]
    faults = []
    if data is not None and protocol.get("data") != data.identity:
        faults.append(
            f"{path}: data is {shown(repr(protocol.get('data')), 120)}, {data.path} says "
            f"{data.identity!r}"
        )
    shared = SHARED if plan.raw.get("reproducible") == "portable" else (*SHARED, "threads")
    given = {key: plan.raw[key] for key in shared if key in plan.raw}
    given |= {key: value for key, value in plan.raw["task"][task].items() if key != "dataset"}
    if given.get("thumbnails") == "auto":
        del given["thumbnails"]  # which says nothing
    for key, value, said in _differences(given, protocol):
        faults.append(
            f"{path}: {shown(key, 60)} is {shown(repr(said), 80)}, {plan.path} says "
            f"{shown(repr(value), 80)}"
        )
    return faults


def _differences(given: dict, protocol: dict, under: str = "") -> list[tuple[str, Any, Any]]:
    """Differences: (key, in the settings, in the protocol); the latter alone has the defaults."""
    found = []
    for key, value in given.items():
        said = protocol.get(key)
        if isinstance(value, dict) and isinstance(said, dict):
            found += _differences(value, said, f"{under}{key}.")
        elif said != value:
            found.append((f"{under}{key}", value, said))
    return found


def read_labels(layout: Layout, task: str, data: Data) -> np.ndarray | None:
    """Labels of the training rows, int64, shape (rows,); None where they are not on this machine.

    Raises:
        UserError: they are not what the manifest says.
    """
    path = layout.data(task) / "train_labels.npy"
    if path.is_symlink():
        return None  # DVC may link data to its cache, which is outside of the folder
    try:
        with open_regular(path) as stream:
            content = stream.read(data.train * 8 + HEADER)
    except MissingFile:
        return None
    try:
        labels = _parse(content)
    except ValueError as error:
        raise UserError(f"{path}: not a whole .npy file of labels ({error})") from None
    if labels.shape != (data.train,):
        raise UserError(f"{path}: has shape {labels.shape}, {data.path} has {data.train} rows")
    counts = np.bincount(np.clip(labels, -1, data.classes) + 1, minlength=data.classes + 2)
    if counts.tolist() != [0, *data.train_per_class, 0]:
        raise UserError(f"{path}: labels by class are not train_per_class of {data.path}")
    return labels


def _parse(content: bytes) -> np.ndarray:
    """An int64 vector from the bytes of a .npy file of version 1.0, as ``prepare`` writes it."""
    size = int.from_bytes(content[8:10], "little")
    header = content[10 : 10 + size].decode("latin-1")
    match = re.fullmatch(
        r"\{'descr': '<i8', 'fortran_order': False, 'shape': \((\d{1,18}),\), \} *\n", header
    )
    if content[:8] != b"\x93NUMPY\x01\x00" or not match:
        raise ValueError("its header is not that of a vector of int64")
    body = content[10 + size :]
    if len(body) != 8 * int(match[1]):
        raise ValueError(f"its header says {match[1]} labels, it holds {len(body) / 8:g}")
    return np.frombuffer(body, dtype="<i8")

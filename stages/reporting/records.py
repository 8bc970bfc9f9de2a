"""Reading the result files of a study into one tidy table, checking them on the way."""

import hashlib
import json
from numbers import Real
from pathlib import Path

import pandas as pd

from stages.errors import UserError
from stages.layout import END, Layout

FORMAT = 1
COLUMNS = ["task", "strategy", "seed", "round", "labeled", "test", "correct", "accuracy"]
FULL = "full"


def _parse(path: Path, name: str, expected: dict) -> dict:
    """One result file as a row, held against what its path says."""
    try:
        record = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{name}: not valid JSON ({error})") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise UserError(f"{name}: not a result file of format {FORMAT}")
    absent = [key for key in COLUMNS if key not in record]
    if absent:
        raise UserError(f"{name}: lacks the key {absent[0]!r}")
    for key, value in expected.items():
        if record[key] != value:
            raise UserError(f"{name}: {key} is {record[key]!r}, but its path says {value!r}")
    for key in ("labeled", "test", "correct"):
        if type(record[key]) is not int or record[key] < 0:
            raise UserError(f"{name}: {key} is {record[key]!r}, allowed: a count")
    accuracy = record["accuracy"]
    if isinstance(accuracy, bool) or not isinstance(accuracy, Real) or not 0 <= accuracy <= 1:
        raise UserError(f"{name}: accuracy is {accuracy!r}, allowed: a fraction in [0, 1]")
    # The file rounds to six decimals; anything beyond that was edited.
    if record["test"] < 1 or abs(record["correct"] / record["test"] - accuracy) > 1e-6:
        raise UserError(
            f"{name}: accuracy {accuracy} is not {record['correct']} correct of {record['test']}"
        )
    return {key: record[key] for key in COLUMNS}


def read_rounds(settings, root: Path) -> pd.DataFrame:
    """All rounds named by the settings.

    Args:
        settings: with `tasks`, `strategies`, `seeds` and `rounds` (items with `n`).
        root: folder that holds `reports/`.

    Returns:
        DataFrame with COLUMNS, one row a round, in the order of the settings: task, strategy
        (str), seed, round, labeled, test, correct (int), accuracy (float, a fraction).

    Raises:
        UserError: for a missing file (naming the first and how many are missing), a file that is
            damaged or contradicts its path, or labeled counts that shrink along a chain.
    """
    layout = Layout(root)
    wanted = [
        (
            {"task": task, "strategy": strategy, "seed": seed, "round": item.n},
            layout.result(task, strategy, seed, item.n),
        )
        for task in settings.tasks
        for strategy in settings.strategies
        for seed in settings.seeds
        for item in settings.rounds
    ]
    if not wanted:
        raise UserError("nothing to report: tasks, strategies, seeds or rounds is empty")
    missing = [path for _, path in wanted if not path.is_file()]
    if missing:
        raise UserError(
            f"{missing[0].relative_to(root).as_posix()} is missing "
            f"({len(missing)} of {len(wanted)} result files are): run the rounds first"
        )
    rows = []
    for expected, path in wanted:
        name = path.relative_to(root).as_posix()
        row = _parse(path, name, expected)
        before = rows[-1] if rows else None
        same_chain = before and all(before[key] == row[key] for key in COLUMNS[:3])
        if same_chain and row["labeled"] < before["labeled"]:
            raise UserError(f"{name}: {row['labeled']} labeled, fewer than the round before")
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def read_full(settings, root: Path) -> pd.DataFrame:
    """Results of training on the whole training set, as far as they exist.

    Args:
        settings, root: as for `read_rounds`.

    Returns:
        DataFrame with columns task, seed, labeled, accuracy; empty where no file exists.

    Raises:
        UserError: for a damaged file.
    """
    rows = []
    for task in settings.tasks:
        for seed in settings.seeds:
            path = Layout(root).full_result(task, seed)
            if path.is_file():
                expected = {"task": task, "strategy": FULL, "seed": seed, "round": None}
                rows.append(_parse(path, path.relative_to(root).as_posix(), expected))
    return pd.DataFrame(rows, columns=COLUMNS)[["task", "seed", "labeled", "accuracy"]]


def read_fingerprints(settings, root: Path) -> pd.DataFrame:
    """SHA-256 of the seal of every chain.

    Args:
        settings, root: as for `read_rounds`.

    Returns:
        DataFrame with columns task, strategy, seed, fingerprint (64 hexadecimal digits, or
        "no seal" where the chain has none).
    """
    rows = []
    for task in settings.tasks:
        for strategy in settings.strategies:
            for seed in settings.seeds:
                seal = Layout(root).link(task, strategy, seed, END)
                digest = (
                    hashlib.sha256(seal.read_bytes()).hexdigest() if seal.is_file() else "no seal"
                )
                rows.append((task, strategy, seed, digest))
    return pd.DataFrame(rows, columns=["task", "strategy", "seed", "fingerprint"])


def read_manifests(settings, root: Path) -> dict[str, dict | None]:
    """The manifest of every task's data, None where there is none.

    Args:
        settings, root: as for `read_rounds`.

    Raises:
        UserError: for a manifest that is not a JSON object.
    """
    manifests = {}
    for task in settings.tasks:
        path = Layout(root).data(task) / "manifest.json"
        try:
            manifests[task] = json.loads(path.read_bytes()) if path.is_file() else None
        except ValueError as error:
            raise UserError(
                f"{path.relative_to(root).as_posix()}: not valid JSON ({error})"
            ) from None
        if not isinstance(manifests[task], dict | None):
            raise UserError(f"{path.relative_to(root).as_posix()}: not a JSON object")
    return manifests

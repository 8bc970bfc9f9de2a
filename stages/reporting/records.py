"""Reading the result files of a study into one tidy table, checking them on the way."""

import hashlib
import json
from numbers import Real
from pathlib import Path

import pandas as pd

from stages.errors import UserError
from stages.layout import END, Layout
from stages.statistics.measures import class_balance, group_accuracies

FORMAT = 1
COLUMNS = ["task", "strategy", "seed", "round", "labeled", "test", "correct", "accuracy"]
# What newer result files hold as well; NaN or None where one does not.
CALIBRATION = ["ece", "nll"]
CLASSES = ["worst_class", "balance", "ratio"]
GROUPS = ["worst_group", "mismatch"]
SELECTION = ["diversity", "uncertainty", "inconsistency"]
LAST = ["per_class", "groups"]
FULL = "full"
NAN = float("nan")


def parse_result(path: Path, root: Path, expected: dict) -> tuple[dict, dict]:
    """One result file, held against what its path says: the columns, and the whole record."""
    name = path.relative_to(root).as_posix()
    try:
        record = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{name}: not valid JSON ({error})") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise UserError(f"{name}: not a result file of format {FORMAT}")
    for key in COLUMNS:
        if key not in record:
            raise UserError(f"{name}: lacks the key {key!r}")
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
    return {key: record[key] for key in COLUMNS}, record


def _more(record: dict, path: Path, root: Path) -> dict:
    """The optional measures of one result file."""
    try:
        found = {key: _number(record.get(key)) for key in CALIBRATION}
        right, tested = record.get("per_class_correct"), record.get("per_class_test")
        shares = (
            [k / n if n else NAN for k, n in zip(right, tested, strict=True)] if right else None
        )
        known = [share for share in shares or () if share == share]
        found["worst_class"] = min(known, default=NAN)
        counts = record.get("labeled_per_class")
        found["balance"], found["ratio"] = class_balance(counts) if counts else (NAN, NAN)
        groups = group_accuracies(record["groups"]) if record.get("groups") else {}
        found["worst_group"] = groups.pop("worst group", NAN)
        found["mismatch"] = groups.pop("mismatch", NAN)
        chosen = record.get("selection") or {}
        found |= {key: _number(chosen.get(key)) for key in SELECTION}
        found["per_class"], found["groups"] = shares, groups or None
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        name = path.relative_to(root).as_posix()
        raise UserError(f"{name}: a measure by class, group or selection is odd: {error}") from None
    return found


def _number(value) -> float:
    if value is None:
        return NAN
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def read_rounds(settings, root: Path) -> pd.DataFrame:
    """All rounds named by the settings.

    Args:
        settings: with `tasks`, `strategies`, `seeds` and `rounds` (items with `n`).
        root: folder that holds `reports/`.

    Returns:
        DataFrame, one row a round, in the order of the settings, with COLUMNS: task, strategy
        (str), seed, round, labeled, test, correct (int), accuracy (float, a fraction); CALIBRATION,
        CLASSES (worst class accuracy; entropy and largest-to-smallest ratio of the labeled
        classes), GROUPS and SELECTION: floats, NaN where the file has none; and, for the last
        round of each chain, per_class (list of accuracies) and groups (name -> accuracy), else
        None.

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
    rows: list[dict] = []
    for expected, path in wanted:
        row, record = parse_result(path, root, expected)
        before = rows[-1] if rows else None
        if before and all(before[key] == row[key] for key in COLUMNS[:3]):
            if row["labeled"] < before["labeled"]:
                name = path.relative_to(root).as_posix()
                raise UserError(f"{name}: {row['labeled']} labeled, fewer than the round before")
            # Kept for the last round only: a hundred classes a row would fill the memory.
            before["per_class"] = before["groups"] = None
        rows.append(row | _more(record, path, root))
    columns = [*COLUMNS, *CALIBRATION, *CLASSES, *GROUPS, *SELECTION, *LAST]
    return pd.DataFrame(
        {key: pd.Series([row[key] for row in rows], dtype=_kind(key)) for key in columns}
    )


def _kind(column: str) -> type | str | None:
    if column in LAST:
        return object
    return None if column in COLUMNS else "float64"


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
                rows.append(parse_result(path, root, expected)[0])
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


def read_seconds(settings, root: Path) -> pd.DataFrame:
    """Wall-clock seconds of every round, as far as they are on this machine (not committed).

    Args:
        settings, root: as for `read_rounds`.

    Returns:
        DataFrame with columns task, strategy, seed, round, training (train), selection
        (score + select), evaluation; empty where no file exists.

    Raises:
        UserError: for a damaged file.
    """
    rows = []
    for task in settings.tasks:
        for strategy in settings.strategies:
            for seed in settings.seeds:
                for item in settings.rounds:
                    path = Layout(root).seconds(task, strategy, seed, item.n)
                    if path.is_file():
                        rows.append((task, strategy, seed, item.n, *_seconds(path, root)))
    columns = ["task", "strategy", "seed", "round", "training", "selection", "evaluation"]
    return pd.DataFrame(rows, columns=columns)


def _seconds(path: Path, root: Path) -> tuple[float, float, float]:
    try:
        spent = json.loads(path.read_bytes())
        parts = {key: _number(spent.get(key, 0.0)) for key in spent}
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path.relative_to(root).as_posix()}: not seconds: {error}") from None
    chosen = parts.get("score", 0.0) + parts.get("select", 0.0)
    return parts.get("train", 0.0), chosen, parts.get("evaluate", 0.0)

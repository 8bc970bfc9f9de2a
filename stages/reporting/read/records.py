"""Reading the result files of a study into one tidy table, checking them on the way."""

from __future__ import annotations

import hashlib
from numbers import Real
from pathlib import Path

import pandas as pd

from stages.checking import records as checks
from stages.checking.data import posed, read_manifest
from stages.checking.records import FULL, OF_PROBLEM, Data, Place
from stages.machine.errors import UserError
from stages.machine.reading import read_json
from stages.reporting.read import metric
from stages.statistics.measures import class_balance, group_accuracies
from stages.study import ledger
from stages.study.layout import END, Layout

COLUMNS = ["task", "strategy", "seed", "round", "labeled", "test", "correct", "accuracy"]
# What newer result files hold as well; NaN or None where one does not.
CALIBRATION = ["ece", "nll"]
CLASSES = ["worst_class", "balance", "ratio"]
GROUPS = ["worst_group", "mismatch"]
SELECTION = ["diversity", "uncertainty", "inconsistency"]
LAST = ["per_class", "groups"]
TRAINING = "training"
NAN = float("nan")


def parse_result(path: Path, root: Path, place: Place) -> tuple[dict, dict]:
    """One result file, held against what is known of its place: columns, and the whole record.

    Raises:
        UserError: it cannot be read or contradicts something; the first fault, file and field.
    """
    name = path.relative_to(root).as_posix()
    record, faults = checks.read(path, place, name)
    if faults:
        more = f" (and {len(faults) - 1} more: python -m stages.verify)" if faults[1:] else ""
        raise UserError(faults[0] + more)
    return {key: record[key] for key in COLUMNS}, record


def _more(record: dict) -> dict:
    """The optional measures of one checked record."""
    found = {key: float(record.get(key, NAN)) for key in CALIBRATION}
    right, tested = record.get("per_class_correct"), record.get("per_class_test", ())
    shares = [k / n if n else NAN for k, n in zip(right, tested, strict=True)] if right else None
    known = [share for share in shares or () if share == share]
    found["worst_class"] = min(known, default=NAN)
    counts = record.get("labeled_per_class")
    found["balance"], found["ratio"] = class_balance(counts) if counts else (NAN, NAN)
    groups = group_accuracies(record["groups"]) if record.get("groups") else {}
    found["worst_group"] = groups.pop("worst group", NAN)
    found["mismatch"] = groups.pop("mismatch", NAN)
    chosen = record.get("selection", {})
    found |= {key: float(chosen.get(key, NAN)) for key in SELECTION}
    found["per_class"], found["groups"] = shares, groups or None
    found[TRAINING] = _of_training(record) or None
    return found


def _of_training(record: dict) -> dict[str, float]:
    """What a learner tells of its training, and how many labels were believed or bought wrong."""
    told = {name: float(value) for name, value in record.get("signature", {}).items()}
    if pseudo := record.get("pseudo_labeled"):
        told["pseudo_labeled"] = float(pseudo["count"])
        if pseudo["count"]:
            told["pseudo_labeled_wrong"] = pseudo["wrong"] / pseudo["count"]
    return told | {name: float(record[name]) for name in OF_PROBLEM if name in record}


def _data(root: Path, task: str) -> Data | None:
    """What the manifest of a task says, None where there is none."""
    path = Layout(root).data(task) / "manifest.json"
    return read_manifest(path) if path.exists() else None


def _chain(root: Path, task: str, strategy: str, seed: int) -> ledger.Chain | None:
    """A sealed chain, checked; None where there is no seal."""
    seal = Layout(root).link(task, strategy, seed, END)
    return ledger.walk(seal) if seal.exists() else None


def read_rounds(settings, root: Path) -> pd.DataFrame:
    """All rounds named by the settings.

    Args:
        settings: with `tasks`, `strategies`, `seeds` and `rounds` (items with `n`), and `report`.
        root: folder that holds `reports/`.

    Returns:
        DataFrame, one row a round, in the order of the settings, with COLUMNS: task, strategy
        (str), seed, round, labeled, test, correct (int), accuracy (float, a fraction; the measure
        that `report.metric` names); CALIBRATION,
        CLASSES (worst class accuracy; entropy and largest-to-smallest ratio of the labeled
        classes), GROUPS and SELECTION: floats, NaN where the file has none; and, for the last
        round of each chain, per_class (list of accuracies) and groups (name -> accuracy), else
        None; and training (name -> number), what a learner tells of itself, or None.

    Raises:
        UserError: for a missing file (naming the first and how many are missing), a file that is
            damaged or contradicts itself, its path, its chain or the manifest, a chain that is
            not sound, or labeled counts that shrink.
    """
    layout = Layout(root)
    wanted = [
        ((task, strategy, seed), item.n, layout.result(task, strategy, seed, item.n))
        for task in settings.tasks
        for strategy in settings.strategies
        for seed in settings.seeds
        for item in settings.rounds
    ]
    if not wanted:
        raise UserError("nothing to report: tasks, strategies, seeds or rounds is empty")
    missing = [path for *_, path in wanted if not path.is_file()]
    if missing:
        raise UserError(
            f"{missing[0].relative_to(root).as_posix()} is missing "
            f"({len(missing)} of {len(wanted)} result files are): run the rounds first"
        )
    rows: list[dict] = []
    about = metric.chosen(settings)
    data = {task: _data(root, task) for task in settings.tasks}
    links: list[ledger.Link] = []
    own: Data | None = None
    for run, n, path in wanted:
        before = rows[-1] if rows else None
        if before is None or tuple(before[key] for key in COLUMNS[:3]) != run:
            before, chain = None, _chain(root, *run)
            links = chain.links if chain else []
            own = data[run[0]]
            if chain and own:
                own = posed(own, chain.problem)
        known = len(links) > n + 1
        labeled = links[n].total if known else None
        selected = len(links[n + 1].indices) if known else None
        row, record = parse_result(path, root, Place(*run, n, own, labeled, selected))
        if links:
            ledger.check_result(links[-1], n, path)
        if before:
            if row["labeled"] < before["labeled"]:
                name = path.relative_to(root).as_posix()
                raise UserError(f"{name}: {row['labeled']} labeled, fewer than the round before")
            # Kept for the last round only: a hundred classes a row would fill the memory.
            before["per_class"] = before["groups"] = None
        more = _more(record)
        row["accuracy"] = metric.value_of(about, record, more, path.relative_to(root).as_posix())
        rows.append(row | more)
    columns = [*COLUMNS, *CALIBRATION, *CLASSES, *GROUPS, *SELECTION, *LAST, TRAINING]
    return pd.DataFrame(
        {key: pd.Series([row[key] for row in rows], dtype=_kind(key)) for key in columns}
    )


def _kind(column: str) -> type | str | None:
    if column in (*LAST, TRAINING):
        return object
    return None if column in COLUMNS else "float64"


def read_full(settings, root: Path) -> pd.DataFrame:
    """Results of training on the whole training set, as far as they exist.

    Args:
        settings, root: as for `read_rounds`; of `full_seeds`, where they have it.

    Returns:
        DataFrame with columns task, seed, labeled, accuracy; empty where no file exists.

    Raises:
        UserError: for a damaged file.
    """
    rows = []
    for task in settings.tasks:
        data = _data(root, task)
        for seed in getattr(settings, "full_seeds", settings.seeds):
            path = Layout(root).full_result(task, seed)
            if path.is_file():
                own, labeled = _whole_pool(root, task, seed, data)
                place = Place(task, FULL, seed, None, own, labeled)
                row, record = parse_result(path, root, place)
                name = path.relative_to(root).as_posix()
                row["accuracy"] = metric.value_of(
                    metric.chosen(settings), record, _more(record), name
                )
                rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)[["task", "seed", "labeled", "accuracy"]]


def _whole_pool(
    root: Path, task: str, seed: int, data: Data | None
) -> tuple[Data | None, int | None]:
    """The data as posed, and the rows of the pool; None where they are not known."""
    folder = Layout(root).shared_split(task, seed)
    if data is None or not (folder / "validation.txt").exists():
        return data, None
    shared = ledger.read_shared(folder)
    own = posed(data, shared.problem)
    return own, own.train - len(shared.validation.indices) - len(shared.left_out)


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
        manifests[task] = read_json(path) if path.exists() else None
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


def _number(value) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _seconds(path: Path, root: Path) -> tuple[float, float, float]:
    try:
        parts = {key: _number(value) for key, value in read_json(path).items()}
    except TypeError as error:
        raise UserError(f"{path.relative_to(root).as_posix()}: not seconds: {error}") from None
    chosen = parts.get("score", 0.0) + parts.get("select", 0.0)
    return parts.get("train", 0.0), chosen, parts.get("evaluate", 0.0)

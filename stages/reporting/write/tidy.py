"""Results for other software: one tidy table, or the scores as autorank and rliable take them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from stages.machine.errors import UserError
from stages.reporting.read import coverage, records
from stages.reporting.read.frames import AUBC, runs_table

NUMBERS = (*records.CALIBRATION, *records.CLASSES, *records.GROUPS, *records.SELECTION)
COLUMNS = {
    "task": "name of the task in params.yaml",
    "dataset": "name of its data set",
    "strategy": "label of the strategy",
    "bound": "true for a bound, which sees labels that no strategy may",
    "seed": "of the run",
    "round": "from 0",
    "labeled": "images whose label was asked for, those of no class that is asked for too (count)",
    "test": "test images (count)",
    "correct": "of these classified rightly (count)",
    "accuracy": "correct / test",
    "value": "what report.metric names, which areas are of; accuracy where it names no other",
    "ece": "expected calibration error (fraction)",
    "nll": "mean negative log-likelihood (nats)",
    "worst_class": "accuracy of the worst class (fraction)",
    "balance": "entropy of the labeled class shares over its maximum (fraction)",
    "ratio": "largest over smallest labeled class count; inf where a class has no label",
    "worst_group": "accuracy of the worst group (fraction)",
    "mismatch": "accuracy of the mismatched groups (fraction)",
    "diversity": "mean distance between embeddings of the images selected in this round",
    "uncertainty": "their mean of 1 - max p",
    "inconsistency": "their mean total variation between predictions with and without augmentation",
}


def tidy(settings, root: Path) -> pd.DataFrame:
    """All rounds of all finished runs, a row each.

    Args:
        settings: as of `stages.study.settings.load`.
        root: folder that holds `reports/` and `splits/`.

    Returns:
        DataFrame with COLUMNS; NaN where a result file has no such number.
    """
    settings, _ = coverage.covered(settings, root)
    _, bounds, _ = coverage.without_bounds(settings)
    rows = records.read_rounds(settings, root)
    names = {task: settings.task[task].dataset.name for task in settings.tasks}
    rows = rows.assign(
        dataset=rows["task"].map(names),
        bound=rows["strategy"].isin(bounds),
        value=rows["accuracy"],
        accuracy=(rows["correct"] / rows["test"]).round(6),
    )
    return rows[list(COLUMNS)]


def _areas(rows: pd.DataFrame) -> pd.DataFrame:
    """(task, seed) x strategy table of AUBC, without bounds."""
    runs = runs_table(rows[~rows["bound"]].assign(accuracy=rows["value"]))
    table = runs.pivot(index=["task", "seed"], columns="strategy", values=AUBC)
    return table[list(dict.fromkeys(runs["strategy"]))].loc[list(dict.fromkeys(runs["task"]))]


def _csv(rows: pd.DataFrame) -> bytes:
    return rows.to_csv(index=False, lineterminator="\n").encode()


def _parquet(rows: pd.DataFrame) -> bytes:
    try:
        import pyarrow as arrow
        import pyarrow.parquet
    except ImportError:
        raise UserError("--format parquet needs pyarrow: pip install 'aledger[exchange]'") from None
    table = arrow.Table.from_pandas(rows, preserve_index=False)
    fields = [field.with_metadata({"description": COLUMNS[field.name]}) for field in table.schema]
    stream = io.BytesIO()
    arrow.parquet.write_table(table.cast(arrow.schema(fields)), stream)
    return stream.getvalue()


def _autorank(rows: pd.DataFrame) -> bytes:
    areas = _areas(rows)
    tasks = areas.groupby("task", sort=False).mean()
    blocks = tasks if len(tasks) > 1 else areas.droplevel("task")
    return blocks.to_csv(lineterminator="\n").encode()


def _rliable(rows: pd.DataFrame) -> bytes:
    areas, tasks = _areas(rows), list(dict.fromkeys(rows["task"]))
    found = {name: areas[name].unstack("task")[tasks].to_numpy().tolist() for name in areas.columns}
    return (json.dumps(found, indent=1) + "\n").encode()


FORMATS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "tidy-csv": _csv,
    "parquet": _parquet,
    "autorank": _autorank,
    "rliable": _rliable,
}
BINARY = ("parquet",)


def write(name: str, settings, root: Path) -> bytes:
    """The results of a study in one of FORMATS.

    Args:
        name: "tidy-csv" or "parquet", one row a round with COLUMNS; "autorank", CSV with a row
            for each task (each seed where there is one task) and a column of mean AUBC for each
            strategy; "rliable", JSON: strategy -> list over seeds of lists over tasks of AUBC.
        settings, root: as for `tidy`.

    Raises:
        UserError: for missing or damaged result files, or without what the format needs.
    """
    return FORMATS[name](tidy(settings, root))

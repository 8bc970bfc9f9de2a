"""Numbers that five studies of deep active learning printed, as tables.

`load(name)` gives every printed number of one study, one observation a row. The numbers are as
printed, misprints included; `stages.published.checks` says what does not add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stages.machine.errors import UserError, nearest

HERE = Path(__file__).parent
COLUMNS = (
    "paper", "table", "dataset", "variant", "method", "labeled", "metric", "mean", "std", "note",
)  # fmt: skip
KEY = ["table", "dataset", "variant", "method", "labeled", "metric"]
NUMBERS = ("labeled", "mean", "std")


@dataclass(frozen=True)
class Study:
    """A published study.

    Attributes:
        title, authors, year: of the paper.
        runs: runs behind each mean and deviation in its tables.
        ddof: of its standard deviations (0: population, 1: sample).
        unit: what its accuracies are divided by to become fractions.
        prefix: of its metrics that are no results but settings.
    """

    title: str
    authors: str
    year: int
    runs: int
    ddof: int
    unit: float


STUDIES = {
    "deepalplus": Study(
        "A Comparative Survey of Deep Active Learning", "Zhan et al.", 2022, 3, 0, 1.0
    ),
    "li": Study(
        "An Empirical Study on the Efficacy of Deep Active Learning for Image Classification",
        "Li et al.", 2022, 5, 1, 100.0,
    ),
    "gashi": Study("Deep Active Learning: A Reality Check", "Gashi et al.", 2024, 5, 1, 100.0),
    "munjal": Study(
        "Towards Robust and Reproducible Active Learning Using Neural Networks",
        "Munjal et al.", 2022, 25, 1, 100.0,
    ),
    "hybrid": Study(
        "Deep Bayesian Active Learning with Hybrid Query Strategies", "Li et al.", 2022, 5, 1, 100.0
    ),
}  # fmt: skip


def load(name: str, path: Path | None = None) -> pd.DataFrame:
    """Every printed number of a study.

    Args:
        name: a key of STUDIES.
        path: another CSV file of the same columns (default: the one that is shipped).

    Returns:
        DataFrame with COLUMNS: paper, table, dataset, variant, method, metric and note are text
        ("" where nothing is printed), labeled, mean and std floats (NaN where blank; a blank mean
        has its reason in note).

    Raises:
        UserError: an unknown name, or a file that breaks the schema (column, number, repeated
            row, negative deviation, blank mean without a reason); the message names the line.
    """
    if name not in STUDIES:
        raise UserError(f"no published tables of {name!r}; {nearest(name, STUDIES)}")
    path = path or HERE / f"{name}.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if tuple(table.columns) != COLUMNS:
        raise UserError(f"{path}: columns are {list(table.columns)}, expected {list(COLUMNS)}")
    for column in NUMBERS:
        table[column] = _numbers(table[column], path)
    for column in ("paper", "table", "dataset", "method", "metric"):
        _reject(table[column] == "", path, f"{column} is blank")
    _reject(table.duplicated(KEY), path, "repeats an earlier row")
    _reject(table["std"] < 0, path, "std is negative")
    silent = table["mean"].isna() & ~table["note"].str.startswith(("missing", "text value"))
    _reject(silent, path, "mean is blank and note gives no reason")
    _reject(table["mean"].isna() & table["std"].notna(), path, "std without a mean")
    return table


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    numbers = pd.to_numeric(column.where(column != ""), errors="coerce").astype("float64")
    _reject(numbers.isna() & (column != ""), path, f"{column.name} is not a number")
    return numbers


def _reject(wrong: pd.Series, path: Path, what: str) -> None:
    if wrong.any():
        raise UserError(f"{path}:{int(wrong.to_numpy().argmax()) + 2}: {what}")

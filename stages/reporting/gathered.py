"""The tables of a report, gathered from the files of `stages/reporting/tables`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from stages.reporting import tables as package
from stages.reporting.given import Given
from stages.reporting.numbers import fixed
from stages.reporting.read.frames import FULL_ROW
from stages.reporting.table import DIGITS, QUESTIONS, Table
from stages.statistics.comparisons import BETTER, NOT_AVAILABLE, WORSE


def gather() -> dict[str, Table]:
    """Name -> declaration of every table, by question, then as the files have them.

    Raises:
        ValueError: two tables have one name.
    """
    found: list[Table] = []
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        found += importlib.import_module(f"{package.__name__}.{module.name}").TABLES
    found.sort(key=lambda table: QUESTIONS.index(table.question))
    names = [table.name for table in found]
    if len(set(names)) < len(names):
        raise ValueError(f"two tables are named alike: {sorted(names)}")
    return dict(zip(names, found, strict=True))


TABLES = gather()


def build(
    rounds: pd.DataFrame, full: pd.DataFrame, settings, root: Path | None = None, **more
) -> dict[str, pd.DataFrame]:
    """All tables of a report.

    Args:
        rounds, full, settings, root, more: as for `Given`.

    Returns:
        Name -> DataFrame, unrounded, rows in the order of the settings, the columns those that
        the table declares. Tables for which there is nothing (two tasks, index sets, a published
        number) are left out; those declared `always` are there.

    Raises:
        ValueError: a table has a column that it does not declare.
    """
    given = Given(rounds, full, settings, TABLES, root=root, **more)
    made = {}
    for name, table in TABLES.items():
        frame = given.table(name)
        fields = table.fields(frame)
        if unknown := [column for column in frame.columns if column not in fields]:
            raise ValueError(f"table {name} does not declare {', '.join(unknown)}")
        if len(frame) or table.always:
            made[name] = frame
    return made


def methods(names: Collection[str]) -> str:
    """What a report with these tables measures and tests, as a list in Markdown.

    Args:
        names: of the tables that the report has.
    """
    told = [text for name, table in TABLES.items() if name in names for text in table.methods]
    return "\n".join(dict.fromkeys(told))


def to_csv(frame: pd.DataFrame, table: Table) -> str:
    r"""A table as CSV text with fixed decimals and \n line ends.

    Args:
        frame: its rows.
        table: its declaration.
    """
    missing = NOT_AVAILABLE if table.missing is None else table.missing
    shown, fields = frame.copy(), table.fields(frame)
    for column in frame.columns:
        kind = frame[column].dtype
        if pd.api.types.is_float_dtype(kind):
            shown[column] = [fixed(value, fields[column], missing) for value in frame[column]]
        elif pd.api.types.is_integer_dtype(kind):
            shown[column] = [missing if pd.isna(value) else str(value) for value in frame[column]]
    return shown.to_csv(index=False, lineterminator="\n")


def metrics(made: dict[str, pd.DataFrame], baseline: str) -> dict:
    """A few numbers of each task, so that `dvc exp show` fits a terminal.

    Args:
        made: as of `build`, with summary and primary.
        baseline: the strategy that others are held against.

    Returns:
        {task: {best: highest mean AUBC, gain: of it over the baseline's, better, worse: how many
        strategies the primary analysis calls so}}; gain only where the baseline was run.
    """
    summary, held = made["summary"], made["primary"]
    found: dict = {}
    for task, own in summary[summary["strategy"] != FULL_ROW].groupby("task", sort=False):
        areas = own.set_index("strategy")["aubc_mean"]
        found[task] = {"best": round(float(areas.max()), DIGITS)}
        if baseline in areas:
            found[task]["gain"] = round(float(areas.max() - areas[baseline]), DIGITS)
        words = held[held["task"] == task]["verdict"]
        found[task] |= {word: int((words == word).sum()) for word in (BETTER, WORSE)}
    return found

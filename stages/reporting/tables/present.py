"""A table as it is shown: rounded cells, merged spreads, the best three marked; for all formats."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from stages.reporting.tables.tables import AUBC, FULL_ROW, fixed
from stages.statistics.comparisons import NOT_AVAILABLE

BEST = 3
HIGHER = re.compile(
    r"(aubc|final|final_accuracy|accuracy|points|api|mean_accuracy|worst\w*|group_accuracy"
    r"|saving|saved|balanced_accuracy)(_mean)?"
)
LOWER = re.compile(
    r"(ece|nll|labels_needed|needed|mean_rank|average_rank"
    r"|(selection|training|total)(_seconds|_s|_time)?)(_mean)?"
)
KEYS = (
    "task", "measure", "labeled", "budget", "round", "seed", "target", "level", "group", "class",
    "part", "metric", "margin", "share", "blocks",
)  # fmt: skip
P_COLUMNS = re.compile(r"p|p_\w+|\w+_p")
HEADERS = {
    "aubc": "AUBC", "n": "n", "p": "p", "h": "H", "t": "t", "df": "df", "api": "API", "ece": "ECE",
    "nll": "NLL", "cd": "CD", "std": "Std. deviation", "aubc_rank": "AUBC rank",
    "final_rank": "Final rank", "final": "Final accuracy", "n_per_group": "n each",
    "standard_error": "Std. error", "p_holm": "p (Holm)",
}  # fmt: skip
HEX = re.compile(r"[0-9a-f]{64}")
HEX_SHOWN = 12
SUPERSCRIPTS = {1: "¹", 2: "²", 3: "³"}


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: as shown, rounded.
        key: what it is sorted by; None for n/a.
        place: 1, 2 or 3 among the strategies it is compared with, else 0.
        above_full: better than training on all labels.
        long: the whole text where `text` is cut.
    """

    text: str
    key: float | str | None
    place: int = 0
    above_full: bool = False
    long: str = ""


@dataclass(frozen=True)
class Shown:
    """A table ready to be written in any format."""

    name: str
    title: str
    note: str
    headers: list[str]
    numeric: list[bool]
    rows: list[list[Cell]]
    total: int

    @property
    def marked(self) -> bool:
        """Whether any cell carries a place."""
        return any(cell.place for row in self.rows for cell in row)

    @property
    def any_above_full(self) -> bool:
        """Whether any cell is better than Full."""
        return any(cell.above_full for row in self.rows for cell in row)

    @property
    def shortened(self) -> bool:
        """Whether rows were left out."""
        return len(self.rows) < self.total


def decimals_of(name: str, values: pd.Series) -> int:
    """Decimals that a column is shown with: fewer for large numbers."""
    if P_COLUMNS.fullmatch(name):
        return 4
    if name in ("h", "t", "df", "statistic"):
        return 3
    largest = values.abs().max()
    return 4 if not largest >= 10 else 2 if largest < 1000 else 1


def number(value: float, decimals: int, p_value: bool = False) -> str:
    """A number as shown; a tiny p value as a bound."""
    if p_value and value < 0.0001:
        return "<0.0001"
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "-∞"
    return fixed(value, decimals)


def header(column: str) -> str:
    """A column's name in words."""
    column = column.removesuffix("_mean")
    return HEADERS.get(column, column.replace("_", " ").capitalize())


def _numeric(values: pd.Series) -> bool:
    kind = values.dtype
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)


def _direction(column: str) -> int:
    if HIGHER.fullmatch(column):
        return 1
    return -1 if LOWER.fullmatch(column) else 0


def _marks(table: pd.DataFrame) -> tuple[dict[str, pd.Series], dict[str, pd.Series]]:
    """Column -> places (0: none), and column -> whether the value beats the Full row."""
    places: dict[str, pd.Series] = {}
    above: dict[str, pd.Series] = {}
    if "strategy" not in table.columns:
        return places, above
    # A key that is itself an outcome (labels needed) has another name, so this is safe.
    keys = [key for key in KEYS if key in table.columns]
    if table.duplicated([*keys, "strategy"]).any():
        return places, above
    groups = pd.Series("", index=table.index)
    for key in keys:
        groups = groups + "\x1f" + table[key].astype(str)
    is_full = table["strategy"] == FULL_ROW
    for column in table.columns:
        sign = _direction(column)
        if not sign or column in keys or not _numeric(table[column]):
            continue
        values = (sign * table[column].astype("float64")).round(
            decimals_of(column, table[column].astype("float64"))
        )
        own = values[~is_full & values.notna()]
        of_group = groups[own.index]
        rank = own.groupby(of_group).rank(method="min", ascending=False)
        # Where all are alike, or there is one strategy alone, nothing is best.
        telling = own.groupby(of_group).transform("nunique") > 1
        place = rank.where((rank <= BEST) & telling, 0).astype("int64")
        places[column] = place.reindex(table.index, fill_value=0)
        whole = groups.map(dict(zip(groups[is_full], values[is_full], strict=True)))
        above[column] = (values > pd.to_numeric(whole)) & ~is_full
    return places, above


def _short(table: pd.DataFrame, most: int | None) -> pd.DataFrame:
    if most is None or len(table) <= most:
        return table
    if "measure" in table.columns:
        areas = table[table["measure"] == AUBC]
        if len(areas):
            table = areas
    return table.head(most)


def present(
    name: str, table: pd.DataFrame, titles: dict[str, tuple[str, str]], most: int | None = None
) -> Shown:
    """Round, merge and mark a table.

    Args:
        name: its key in `tables.build`.
        table: one row a result; columns `x_mean` and `x_std` become one, and a
            column without any text is left out.
        titles: name -> (title, explanation); the name stands in where there is none.
        most: rows kept; where there are more, those on AUBC come first.

    Returns:
        The table as it is shown; `total` counts the rows before shortening.
    """
    table = table.reset_index(drop=True)
    places, above = _marks(table)
    kept = _short(table, most)
    columns = [
        column
        for column in kept.columns
        if not (column.endswith("_std") and f"{column[:-4]}_mean" in kept.columns)
        and not (len(kept) and (kept[column].astype("object") == "").all())
    ]
    made: list[list[Cell]] = []
    for column in columns:
        spread = f"{column[:-5]}_std" if column.endswith("_mean") else None
        stds = kept[spread] if spread in kept.columns else None
        made.append(
            _column(
                column,
                kept[column],
                decimals_of(column, table[column].astype("float64"))
                if _numeric(table[column])
                else 0,
                stds,
                places.get(column),
                above.get(column),
            )
        )
    title, note = titles.get(name, (name.replace("_", " ").capitalize(), ""))
    return Shown(
        name=name,
        title=title,
        note=note,
        headers=[header(column) for column in columns],
        numeric=[_numeric(kept[column]) for column in columns],
        rows=[list(row) for row in zip(*made, strict=True)] if len(kept) else [],
        total=len(table),
    )


def _column(column, values, decimals, stds, places, above) -> list[Cell]:
    if not _numeric(values):
        return [_word(value) for value in values]
    whole = pd.api.types.is_integer_dtype(values.dtype)
    p_value = bool(P_COLUMNS.fullmatch(column))
    cells = []
    for at, value in values.items():
        if pd.isna(value):
            cells.append(Cell(NOT_AVAILABLE, None))
            continue
        text = str(value) if whole else number(value, decimals, p_value)
        if stds is not None and not pd.isna(stds[at]):
            text += f" ± {fixed(stds[at], decimals)}"
        cells.append(
            Cell(
                text,
                round(float(value), 9),
                0 if places is None else int(places[at]),
                False if above is None else bool(above[at]),
            )
        )
    return cells


def _word(value) -> Cell:
    if not isinstance(value, str) and pd.isna(value):
        return Cell(NOT_AVAILABLE, None)
    if isinstance(value, float):
        return Cell(fixed(value, 4), value)
    if not isinstance(value, str):
        value = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    if value == NOT_AVAILABLE:
        return Cell(value, None)
    if HEX.fullmatch(value):
        return Cell(value[:HEX_SHOWN], value, long=value)
    return Cell(value, int(value) if re.fullmatch(r"\d{1,15}", value) else value)


def legend(shown: Shown) -> str:
    """What the marks mean, in a sentence; empty where there are none."""
    parts = []
    if shown.marked:
        parts.append("Superscripts 1, 2 and 3 mark the best three of a column.")
    if shown.any_above_full:
        parts.append("Bold: better than training on all labels (Full).")
    return " ".join(parts)

"""A table as it is shown: rounded cells, merged spreads, the best three marked; for all formats."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from stages.reporting.numbers import fixed, number
from stages.reporting.read.frames import AUBC, FULL_ROW
from stages.reporting.table import HIGHER, Column, P, Table
from stages.statistics.comparisons import NOT_AVAILABLE

BEST = 3
HEX = re.compile(r"[0-9a-f]{64}")
HEX_SHOWN = 12
SIGNS = {"better": "▲", "equivalent": "=", "worse": "▼", "undetermined": "·"}
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
        verdict: what the primary analysis says of it, "" where it says nothing.
    """

    text: str
    key: float | str | None
    place: int = 0
    above_full: bool = False
    long: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Shown:
    """A table ready to be written in any format."""

    table: Table
    columns: list[Column]
    numeric: list[bool]
    rows: list[list[Cell]]
    total: int

    @property
    def headers(self) -> list[str]:
        """The heads of the columns."""
        return [column.heading for column in self.columns]

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


def decimals_of(column: Column, values: pd.Series) -> int:
    """Decimals that a column is shown with: as declared, else fewer for large numbers."""
    if column.decimals is not None:
        return column.decimals
    largest = values.abs().max()
    return 4 if not largest >= 10 else 2 if largest < 1000 else 1


def _numeric(values: pd.Series) -> bool:
    kind = values.dtype
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)


def _marks(table: Table, frame: pd.DataFrame) -> tuple[dict[str, pd.Series], dict[str, pd.Series]]:
    """Column -> places (0: none), and column -> whether the value beats the Full row."""
    places: dict[str, pd.Series] = {}
    above: dict[str, pd.Series] = {}
    if "strategy" not in frame.columns:
        return places, above
    keys = [column.name for column in table.shown_of(frame) if column.key]
    if frame.duplicated([*keys, "strategy"]).any():
        return places, above
    groups = pd.Series("", index=frame.index)
    for key in keys:
        groups = groups + "\x1f" + frame[key].astype(str)
    is_full = frame["strategy"] == FULL_ROW
    for column in table.shown_of(frame):
        if not column.better or not _numeric(frame[column.name]):
            continue
        sign = 1 if column.better == HIGHER else -1
        plain = frame[column.name].astype("float64")
        values = (sign * plain).round(decimals_of(column, plain))
        own = values[~is_full & values.notna()]
        of_group = groups[own.index]
        rank = own.groupby(of_group).rank(method="min", ascending=False)
        # Where all are alike, or there is one strategy alone, nothing is best.
        telling = own.groupby(of_group).transform("nunique") > 1
        place = rank.where((rank <= BEST) & telling, 0).astype("int64")
        places[column.name] = place.reindex(frame.index, fill_value=0)
        whole = groups.map(dict(zip(groups[is_full], values[is_full], strict=True)))
        above[column.name] = (values > pd.to_numeric(whole)) & ~is_full
    return places, above


def _short(frame: pd.DataFrame, most: int | None) -> pd.DataFrame:
    if most is None or len(frame) <= most:
        return frame
    if "measure" in frame.columns:
        areas = frame[frame["measure"] == AUBC]
        if len(areas):
            frame = areas
    return frame.head(most)


def present(table: Table, frame: pd.DataFrame, most: int | None = None) -> Shown:
    """Round, merge and mark a table.

    Args:
        table: its declaration.
        frame: its rows; a column without any text is left out.
        most: rows kept; where there are more, those on AUBC come first.

    Returns:
        The table as it is shown; `total` counts the rows before shortening.
    """
    frame = frame.reset_index(drop=True)
    places, above = _marks(table, frame)
    kept = _short(frame, most)
    columns = [
        column
        for column in table.shown_of(frame)
        if not (len(kept) and (kept[column.name].astype("object") == "").all())
    ]
    made: list[list[Cell]] = []
    for column in columns:
        values = kept[column.name]
        if not _numeric(values):
            made.append([_word(value) for value in values])
            continue
        stds = kept[column.spread] if column.spread in kept.columns else None
        decimals = decimals_of(column, frame[column.name].astype("float64"))
        marks = places.get(column.name), above.get(column.name)
        words = kept[column.mark] if column.mark in kept.columns else None
        made.append(_column(column, values, decimals, stds, *marks, words))
    return Shown(
        table=table,
        columns=columns,
        numeric=[_numeric(kept[column.name]) for column in columns],
        rows=[list(row) for row in zip(*made, strict=True)] if len(kept) else [],
        total=len(frame),
    )


def _column(column: Column, values, decimals, stds, places, above, words) -> list[Cell]:
    whole = pd.api.types.is_integer_dtype(values.dtype)
    cells = []
    for at, value in values.items():
        if pd.isna(value):
            cells.append(Cell(NOT_AVAILABLE, None))
            continue
        text = str(value) if whole else number(value, decimals, column.form == P)
        if stds is not None and not pd.isna(stds[at]):
            text += f" ± {fixed(stds[at], decimals)}"
        cells.append(
            Cell(
                text,
                round(float(value), 9),
                0 if places is None else int(places[at]),
                False if above is None else bool(above[at]),
                verdict="" if words is None else words[at],
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
    said = {cell.verdict for row in shown.rows for cell in row}
    if signs := [f"{sign} {word}" for word, sign in SIGNS.items() if word in said]:
        parts.append(f"Against the baseline, by the primary analysis: {', '.join(signs)}.")
    return " ".join(parts)

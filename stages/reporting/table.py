"""What a table of the report is: one declaration, from which every format is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from stages.reporting.given import Given

HIGHER, LOWER = "higher", "lower"
DIGITS = 6  # of a number in a CSV file
P = "p"

# The questions of a reader, in the order in which the report answers them.
BEST = "Which strategy is best?"
SAVED = "How many labels does it save?"
APART = "Which strategies differ?"
TRUST = "How far can the tests be trusted?"
RIGHT = "Where are they right, and how surely?"
CHOSEN = "What did they choose?"
TRAINED = "How was it trained?"
PUBLISHED = "How does it compare with published numbers?"
RUNS = "Which runs are these?"
QUESTIONS = (BEST, SAVED, APART, TRUST, RIGHT, CHOSEN, TRAINED, PUBLISHED, RUNS)


@dataclass(frozen=True)
class Column:
    """A column, as it is computed, written and read.

    Attributes:
        name: of the DataFrame's column, and its head in the CSV file.
        heading: for people, with its unit where it has one.
        better: HIGHER or LOWER where strategies are compared by it: the best three are marked.
        key: rows are compared with each other where they agree in it.
        spread: name of the column with its standard deviation, shown beside it.
        mark: name of the column with its verdict, shown as a sign behind it.
        form: P for a p value, else empty.
        decimals: as shown; None: four, fewer for numbers from ten on.
        digits: decimals in the CSV file.
    """

    name: str
    heading: str
    better: str = ""
    key: bool = False
    spread: str = ""
    mark: str = ""
    form: str = ""
    decimals: int | None = None
    digits: int = DIGITS


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Attributes:
        name: of its files, `tables/<name>.csv`, `.tex` and `.md`.
        title: in a few words.
        question: under which it stands, one of QUESTIONS.
        build: from what is known of a study to rows; an empty table is left out.
        columns: in order, or from the rows where each task has one; one that the rows lack is left
            out.
        note: what the columns are, which test, what it assumes.
        methods: paragraphs of Markdown on its measures and tests; shared ones are told once.
        always: it is kept even if it is empty.
        missing: what stands for NaN in its CSV file; None: n/a.
        path: of its CSV file under `reports/`, if not `tables/<name>.csv`.
        open: it is one of the few that the page shows at once.
    """

    name: str
    title: str
    question: str
    build: Callable[[Given], pd.DataFrame]
    columns: tuple[Column, ...] | Callable[[pd.DataFrame], tuple[Column, ...]]
    note: str = ""
    methods: tuple[str, ...] = ()
    always: bool = False
    missing: str | None = None
    path: str = ""
    open: bool = False

    @property
    def csv(self) -> str:
        """Where its CSV file lies under `reports/`."""
        return self.path or f"tables/{self.name}.csv"

    def declared(self, frame: pd.DataFrame) -> tuple[Column, ...]:
        """The columns that a frame of this table may have."""
        return self.columns(frame) if callable(self.columns) else self.columns

    def fields(self, frame: pd.DataFrame) -> dict[str, int]:
        """Every column of the CSV file, deviations and marks included, with its decimals."""
        return {
            name: column.digits
            for column in self.declared(frame)
            for name in (column.name, column.spread, column.mark)
            if name
        }

    def shown_of(self, frame: pd.DataFrame) -> list[Column]:
        """The declared columns that a frame has, deviations and marks apart."""
        return [column for column in self.declared(frame) if column.name in frame.columns]


def mean(name: str, heading: str, better: str = "", **more) -> Column:
    """A mean over seeds, with its deviation beside it: columns `name`_mean and `name`_std."""
    return Column(f"{name}_mean", heading, better, spread=f"{name}_std", **more)


TASK = Column("task", "Task", key=True)
STRATEGY = Column("strategy", "Strategy")
MEASURE = Column("measure", "Measure", key=True)
LABELED = Column("labeled", "Labeled images", key=True)
SEED = Column("seed", "Seed", key=True)
FIRST, SECOND = Column("first", "First"), Column("second", "Second")
SEEDS = Column("n", "Seeds")
P_VALUE = Column("p", "p", form=P, decimals=4)
P_HOLM = Column("p_holm", "p (Holm)", form=P, decimals=4)
T = Column("t", "t", decimals=3, digits=4)
DF = Column("df", "df", decimals=2, digits=4)
LOW, HIGH = Column("low", "Low"), Column("high", "High")
VERDICT = Column("verdict", "Verdict")
REASON = Column("reason", "Reason")

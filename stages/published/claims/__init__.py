"""What five studies claim, in their own words, held against the numbers that they print.

A claim is a function beside its quotation: it computes from the printed tables whether the claim
holds there. That says nothing about whether it is true elsewhere. Claims that no printed number
can decide stand there too, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

import pandas as pd

from stages.machine.errors import UserError, nearest
from stages.published import STUDIES, load

HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be tested"
NAN = float("nan")
COLUMNS = ["study", "where", "claim", "tables", "outcome", "found", "share"]


@dataclass(frozen=True)
class Outcome:
    """What the printed numbers say of a claim.

    Attributes:
        holds: whether they carry it.
        found: the numbers, in a phrase.
        share: of simulated studies in which it holds, where the single values are not printed and
            only means, deviations and counts are; NaN where nothing had to be simulated.
    """

    holds: bool
    found: str
    share: float = NAN


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper.

    Attributes:
        study: a key of `stages.published.STUDIES`.
        where: section or caption.
        quote: its words, shortened.
        tables: those that it is held against, as in the column "table" of `published.load`.
        check: computes the outcome; None where no printed number can decide.
        why: it cannot.
    """

    study: str
    where: str
    quote: str
    tables: tuple[str, ...] = ()
    check: Callable[[], Outcome] | None = None
    why: str = ""


CLAIMS: list[Claim] = []


def claim(study: str, where: str, quote: str, *tables: str):
    """Register the function below it as the test of a claim."""

    def register(check: Callable[[], Outcome]) -> Callable[[], Outcome]:
        CLAIMS.append(Claim(study, where, quote, tables, check))
        return check

    return register


def untested(study: str, where: str, quote: str, why: str) -> None:
    """Register a claim that no printed number can decide."""
    CLAIMS.append(Claim(study, where, quote, why=why))


def value(
    study: str, table: str, dataset: str, method: str, metric: str, variant: str = "",
    labeled: float | None = None,
) -> float:  # fmt: skip
    """One printed mean.

    Raises:
        LookupError: unless exactly one row is meant.
    """
    data = numbers(study)
    own = data[
        (data["table"] == table) & (data["dataset"] == dataset) & (data["method"] == method)
        & (data["metric"] == metric) & (data["variant"] == variant)
    ]  # fmt: skip
    if labeled is not None:
        own = own[own["labeled"] == labeled]
    if len(own) != 1:
        raise LookupError(f"{len(own)} rows of {study} {table} {dataset} {method} {metric}")
    return float(own["mean"].iloc[0])


@lru_cache
def numbers(study: str) -> pd.DataFrame:
    """Every printed number of a study, read once; not to be written to."""
    return load(study)


def claims_of(study: str) -> list[Claim]:
    """The claims of one study, in the order of its file.

    Raises:
        UserError: for an unknown name.
    """
    if study not in STUDIES:
        raise UserError(f"no claims of {study!r}; {nearest(study, STUDIES)}")
    import_module(f"stages.published.claims.{study}")
    return [one for one in CLAIMS if one.study == study]


def _spans(tables: tuple[str, ...]) -> str:
    """Names of tables, those that follow each other as a span: "T1, S7-S9"."""
    parts: list[list[str]] = []
    for name in tables:
        last = parts[-1][-1] if parts else ""
        if last[:1] == name[:1] and last[1:].isdigit() and name[1:] == str(int(last[1:]) + 1):
            parts[-1].append(name)
        else:
            parts.append([name])
    return ", ".join(own[0] if len(own) == 1 else f"{own[0]}-{own[-1]}" for own in parts)


@lru_cache
def _outcomes(study: str) -> tuple[tuple, ...]:
    rows = []
    for one in claims_of(study):
        head = (study, one.where, one.quote, _spans(one.tables))
        if one.check is None:
            rows.append((*head, OPEN, one.why, NAN))
        else:
            made = one.check()
            rows.append((*head, HOLDS if made.holds else FAILS, made.found, made.share))
    return tuple(rows)


def outcomes(study: str) -> pd.DataFrame:
    """Every claim of one study with its outcome.

    Returns:
        DataFrame with COLUMNS: study, where, claim (the quotation), tables (that it is held
        against), outcome ("holds", "does not hold" or "cannot be tested"), found (the numbers, or
        why it cannot be tested), share (of simulated studies in which it holds, or NaN).
    """
    return pd.DataFrame(_outcomes(study), columns=COLUMNS)


def tables_tested(study: str) -> pd.DataFrame:
    """Every table of one study with the number of claims that are held against it.

    Returns:
        DataFrame: table, numbers (printed), claims (0: untested).
    """
    data = numbers(study)
    used = pd.Series([t for one in claims_of(study) for t in one.tables], dtype=object)
    counts = used.value_counts()
    rows = [
        (table, int(own["mean"].notna().sum()), int(counts.get(table, 0)))
        for table, own in data.groupby("table", sort=False)
    ]
    return pd.DataFrame(rows, columns=["table", "numbers", "claims"])


def tally() -> pd.DataFrame:
    """How many claims of each study hold, do not hold, and cannot be tested.

    Returns:
        DataFrame: study, claims, holds, fails, open, tables, untested (tables that no claim is held
        against, by name, or "none").
    """
    rows = []
    for study in STUDIES:
        counts = outcomes(study)["outcome"].value_counts()
        tables = tables_tested(study)
        bare = tables.loc[tables["claims"] == 0, "table"].tolist()
        rows.append(
            (study, int(counts.sum()), *(int(counts.get(x, 0)) for x in (HOLDS, FAILS, OPEN)),
             len(tables), ", ".join(bare) or "none")
        )  # fmt: skip
    columns = ["study", "claims", "holds", "fails", "open", "tables", "untested"]
    return pd.DataFrame(rows, columns=columns)

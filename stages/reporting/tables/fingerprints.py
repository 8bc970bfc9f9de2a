"""The fingerprint of every run."""

from __future__ import annotations

import pandas as pd

from stages.reporting.given import Given
from stages.reporting.read.records import read_fingerprints
from stages.reporting.table import RUNS, SEED, STRATEGY, TASK, Column, Table


def _fingerprints(given: Given) -> pd.DataFrame:
    if given.root is None:
        return pd.DataFrame()
    return read_fingerprints(given.whole, given.root)


TABLES = [
    Table(
        name="fingerprints",
        title="Fingerprints of the runs",
        question=RUNS,
        build=_fingerprints,
        columns=(TASK, STRATEGY, SEED, Column("fingerprint", "Fingerprint")),
        note="SHA-256 of the seal of each chain.",
    ),
]

"""What was selected: balance of the classes, diversity, overlap between strategies."""

from __future__ import annotations

import pandas as pd

from stages.reporting.given import Given
from stages.reporting.methods import OVERLAP
from stages.reporting.read import overlap
from stages.reporting.read.frames import distinct_budgets
from stages.reporting.read.records import SELECTION
from stages.reporting.table import (
    CHOSEN,
    FIRST,
    LABELED,
    SECOND,
    SEEDS,
    STRATEGY,
    TASK,
    Column,
    Table,
)


def by_round(rounds: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Means over seeds of some columns at every budget.

    Args:
        rounds: as of `records.read_rounds`.
        columns: of `rounds`; one without any value is left out.

    Returns:
        DataFrame: task, strategy, labeled, the columns, n (runs with a value in the first of
        them); rows without any value are left out; empty where there are none.
    """
    columns = [name for name in columns if rounds[name].notna().any()]
    rows = distinct_budgets(rounds)
    keys = ["task", "strategy", "labeled"]
    if not columns:
        return pd.DataFrame(columns=[*keys, "n"])
    rows = rows[rows[columns].notna().any(axis=1)]
    grouped = rows.groupby(keys, sort=False)
    table = grouped[columns].mean()
    table["n"] = grouped[columns[0]].count()
    return table.reset_index()


def _overlaps(given: Given) -> dict[str, pd.DataFrame]:
    """Overlap of the index sets; nothing where there are no files."""
    if given.root is None:
        return {"overlap": pd.DataFrame(), "overlap_rounds": pd.DataFrame()}
    return overlap.read_overlap(given.settings, given.root)


TABLES = [
    Table(
        name="class_balance",
        title="Class balance of the labeled set",
        question=CHOSEN,
        build=lambda given: by_round(given.rounds, ["balance", "ratio"]),
        columns=(
            TASK,
            STRATEGY,
            LABELED,
            Column("balance", "Balance"),
            Column("ratio", "Largest / smallest"),
            SEEDS,
        ),
        note="balance: entropy of the labeled class shares over its maximum (1: all classes "
        "alike); ratio: largest over smallest class count (∞: a class has no label). Means "
        "over seeds.",
        methods=(
            """\
- **Class balance**: entropy of the class shares of the labeled set over log of the number of
  classes.""",
        ),
    ),
    Table(
        name="selection",
        title="What was selected",
        question=CHOSEN,
        build=lambda given: by_round(given.rounds, SELECTION),
        columns=(
            TASK,
            STRATEGY,
            LABELED,
            Column("diversity", "Diversity"),
            Column("uncertainty", "Uncertainty"),
            Column("inconsistency", "Inconsistency"),
            SEEDS,
        ),
        note="Mean distance between embeddings (diversity), mean uncertainty and inconsistency "
        "of the selected images (Li et al. 2022, Figure 2). Means over seeds.",
        methods=(
            """\
- **Diversity, uncertainty, inconsistency** of the selected images: mean distance between their
  embeddings, mean of 1 - max p, and mean total variation between the predictions with and without
  augmentation, as in Figure 2 of Li et al. 2022 (*An Empirical Study*).""",
        ),
    ),
    Table(
        name="overlap",
        title="Overlap of the selected sets",
        question=CHOSEN,
        build=lambda given: given.once(_overlaps)["overlap"],
        columns=(
            TASK,
            FIRST,
            SECOND,
            LABELED,
            Column("jaccard", "Jaccard"),
            Column("jaccard_std", "Std. deviation"),
            Column("by_chance", "By chance"),
            SEEDS,
        ),
        note="Jaccard index of what two strategies chose from the same initial set with the "
        "same seed, after the last selection, the initial set left out; by_chance: of two "
        "random sets.",
        methods=(OVERLAP,),
    ),
    Table(
        name="overlap_rounds",
        title="Overlap of the selected sets, round by round",
        question=CHOSEN,
        build=lambda given: given.once(_overlaps)["overlap_rounds"],
        columns=(
            TASK,
            STRATEGY,
            LABELED,
            Column("with_baseline", "With the baseline"),
            Column("with_others", "With all others"),
            Column("by_chance", "By chance"),
            SEEDS,
        ),
        note="Mean Jaccard index with the baseline and with all other strategies.",
        methods=(OVERLAP,),
    ),
]

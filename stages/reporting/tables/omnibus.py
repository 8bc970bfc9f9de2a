"""Whether the strategies differ at all: Kruskal-Wallis and Welch's analysis of variance."""

from __future__ import annotations

import pandas as pd

from stages.reporting.given import Given
from stages.reporting.methods import HOLM
from stages.reporting.read.frames import DIFFER, SHARED, Measured, answer, count_text
from stages.reporting.table import (
    APART,
    DF,
    LABELED,
    MEASURE,
    P_HOLM,
    P_VALUE,
    REASON,
    TASK,
    VERDICT,
    Column,
    Table,
)
from stages.statistics.omnibus import kruskal_wallis, welch_anova
from stages.statistics.paired import holm

NAN = float("nan")


def omnibus_tables(cells: list[Measured], alpha: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Kruskal-Wallis and Welch's analysis of variance over all strategies of one task.

    Returns:
        Two DataFrames: task, measure, labeled, groups, n_per_group, the statistic with its degrees
        of freedom, p (Kruskal-Wallis's with p_by: how it was found), p_holm (over the tasks for
        AUBC, over tasks and budgets for accuracy), verdict by p_holm, reason; a shared first
        budget is not tested.
    """
    ranked, welch = [], []
    for cell in cells:
        head = (cell.task, cell.measure, cell.labeled)
        k, w = kruskal_wallis(cell.groups), welch_anova(cell.groups)
        sizes = (k["groups"], count_text(k["n"]))
        if cell.shared:
            k |= dict.fromkeys(("h", "df", "p"), NAN) | {"p_by": "", "reason": SHARED}
            w |= dict.fromkeys(("f", "df1", "df2", "p"), NAN) | {"reason": SHARED}
        ranked.append((*head, *sizes, k["h"], k["df"], k["p_by"], k["p"], k["reason"]))
        welch.append((*head, *sizes, w["f"], w["df1"], w["df2"], w["p"], w["reason"]))
    head, tail = ["task", "measure", "labeled", "groups", "n_per_group"], ["p", "reason"]
    tables = (
        pd.DataFrame(ranked, columns=[*head, "h", "df", "p_by", *tail]),
        pd.DataFrame(welch, columns=[*head, "f", "df1", "df2", *tail]),
    )
    for table in tables:
        adjusted = pd.Series(NAN, index=table.index)
        for _, own in table.groupby("measure", sort=False):
            adjusted[own.index] = holm(own["p"])
        at = list(table.columns).index("p") + 1
        table.insert(at, "p_holm", adjusted)
        table.insert(at + 1, "verdict", [answer(p, alpha, *DIFFER) for p in adjusted])
    return tables


def _omnibus(given: Given) -> tuple[pd.DataFrame, pd.DataFrame]:
    return omnibus_tables(given.cells, given.alpha)


SIZES = (Column("groups", "Strategies"), Column("n_per_group", "Seeds each"))
TABLES = [
    Table(
        name="kruskal_wallis",
        title="Do the strategies differ at all? Kruskal-Wallis",
        question=APART,
        build=lambda given: given.once(_omnibus)[0],
        columns=(
            TASK,
            MEASURE,
            LABELED,
            *SIZES,
            Column("h", "H", decimals=3, digits=4),
            DF,
            Column("p_by", "p by"),
            P_VALUE,
            P_HOLM,
            VERDICT,
            REASON,
        ),
        note="Secondary. By ranks; assumes independent runs. p_by: below five runs a strategy p is "
        "counted over permutations. p_holm: over all tasks and budgets, AUBC apart; the verdict is "
        "by it.",
        methods=(
            """\
- **Kruskal-Wallis** (1952) compares all strategies by ranks and assumes neither; H is corrected for
  ties and referred to the chi-square distribution with (strategies - 1) degrees of freedom, which
  is rough below five runs a strategy: there p is the share of all permutations of the runs, or of
  9,999 random ones, that have as large an H.""",
            HOLM,
        ),
        always=True,
    ),
    Table(
        name="welch_anova",
        title="Do the strategies differ at all? Welch's analysis of variance",
        question=APART,
        build=lambda given: given.once(_omnibus)[1],
        columns=(
            TASK,
            MEASURE,
            LABELED,
            *SIZES,
            Column("f", "F", decimals=3),
            Column("df1", "df 1"),
            Column("df2", "df 2", decimals=2),
            P_VALUE,
            P_HOLM,
            VERDICT,
            REASON,
        ),
        note="Secondary. By means; assumes normal groups, not equal variances. p_holm and verdict "
        "as for Kruskal-Wallis.",
        methods=(
            """\
- **Welch's analysis of variance** (1951) compares the means of all strategies without assuming
  equal variances, but normal groups.""",
            HOLM,
        ),
        always=True,
    ),
]

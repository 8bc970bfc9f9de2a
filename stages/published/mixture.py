"""Which mixture of a survey's two sources gives its own win-tie-loss counts."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, product

import numpy as np
import pandas as pd

from stages.published.checks import STANDARD, survey_scores, table_9
from stages.statistics.paired import paired_table
from stages.statistics.wintieloss import win_tie_loss

UNCERTAINTY = (
    "LeastConf", "LeastConfD", "Margin", "MarginD", "Entropy", "EntropyD", "BALD", "MeanSTD",
    "VarRatio", "CEAL(Entropy)",
)  # fmt: skip
COUNTS = ["wins", "ties", "losses"]
FIRST, DETAILED, EITHER = "Table 1", "Tables 4-6", "either"
NOISE = 5e-5  # half a printed digit


@lru_cache
def table_9_mixtures() -> pd.DataFrame:
    """The standard half of Table 9 of Zhan et al. 2022 from mixtures of Table 1 and Tables 4-6.

    The two print another AUBC in a few cells of the eight standard tasks; each can be taken from
    either, and all ways are tried.

    Returns:
        DataFrame, a row for each such cell: dataset, method, table_1, detailed, source: which of
        the two ("Table 1" or "Tables 4-6"; "either" where both do) the mixtures hold that give the
        most methods their printed counts. `attrs` has "mixtures" (tried), "methods" (with the
        printed counts) and "best" (mixtures that give so many).
    """
    detailed, first = survey_scores(STANDARD), survey_scores(STANDARD, ("T1",))
    a, b = detailed.to_numpy(), first.to_numpy()
    differs = (np.isnan(a) != np.isnan(b)) | (np.abs(a - b) > NOISE)
    cells = np.argwhere(differs)
    printed = table_9("standard-8").set_index("strategy").loc[detailed.columns]
    printed = printed[[f"printed_{name}" for name in COUNTS]].to_numpy()
    hits = {}
    for picks in product((False, True), repeat=len(cells)):
        mixed = a.copy()
        for (row, column), from_first in zip(cells, picks, strict=True):
            if from_first:
                mixed[row, column] = b[row, column]
        made = win_tie_loss(pd.DataFrame(mixed, columns=detailed.columns))[COUNTS].to_numpy()
        hits[picks] = int((made == printed).all(1).sum())
    most = max(hits.values())
    best = np.array([picks for picks, count in hits.items() if count == most])
    rows = [
        (detailed.index[row], detailed.columns[column], b[row, column], a[row, column],
         FIRST if own.all() else EITHER if own.any() else DETAILED)
        for (row, column), own in zip(cells, best.T, strict=True)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["dataset", "method", "table_1", "detailed", "source"])
    table.attrs = {"mixtures": len(hits), "methods": most, "best": len(best)}
    return table


def uncertainty_pairs(tables=("T4", "T5", "T6"), alpha: float = 0.05) -> pd.DataFrame:
    """Paired t tests of AUBC between the uncertainty-based methods over the standard tasks.

    Args:
        tables: of the survey that the means are taken from.
        alpha: one minus the level of the intervals.

    Returns:
        As of `paired.paired_table`, a row for each of the 45 pairs.
    """
    return paired_table(survey_scores(STANDARD, tables), list(combinations(UNCERTAINTY, 2)), alpha)

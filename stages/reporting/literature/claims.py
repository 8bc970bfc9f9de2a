"""What the reports on published tables share: verdict words, a list of claims, mean ranks."""

from __future__ import annotations

import pandas as pd

from stages.reporting.numbers import p_text as p_of
from stages.reporting.read.frames import answer
from stages.reporting.write.grid import grid
from stages.statistics.ranking import block_ranks, critical_difference, friedman

ALPHA = 0.05
YES, NO, OPEN = "**Reproduced.**", "**Not reproduced.**", "**Cannot be tested.**"


def claims(lines: list[str]) -> str:
    """A section with one item a claim."""
    return "## What the tables say\n\n" + "\n".join(f"- {line}" for line in lines)


def ranking(scores: pd.DataFrame, blocks: str) -> str:
    """Friedman, mean ranks and Nemenyi's critical difference over complete blocks."""
    test, ranks = friedman(scores), block_ranks(scores)
    distance = critical_difference(test["groups"], test["n"], ALPHA)
    means = ranks.mean().sort_values(kind="stable")
    table = pd.DataFrame({"method": means.index, "mean_rank": means.to_numpy()})
    verdict = answer(test["p"], ALPHA, "not rejected", "rejected")
    return (
        f"Friedman over {test['n']} complete {blocks} ({test['left_out']} left out for blank "
        f"cells), {test['groups']} methods: chi2 = {test['chi2']:.3f}, df = {test['df']}, "
        f"{p_of(test['p'])}, equal ranks {verdict}; Iman-Davenport F = {test['f']:.3f}, "
        f"{p_of(test['f_p'])}. Nemenyi's critical difference of mean ranks is "
        f"{distance:.3f}. Assumes independent {blocks}.\n\n" + grid(table, 3)
    )

"""What the reports on published tables share: the section of claims, mean ranks."""

from __future__ import annotations

import pandas as pd

from stages.published.claims import FAILS, HOLDS, OPEN, outcomes, tables_tested
from stages.reporting.numbers import p_text as p_of
from stages.reporting.read.frames import answer
from stages.reporting.write.grid import grid
from stages.statistics.ranking import block_ranks, critical_difference, friedman

ALPHA = 0.05


def section(study: str) -> str:
    """The claims of one study, what its printed numbers say of each, and what was not tested."""
    table = outcomes(study)
    tables = tables_tested(study)
    counts = table["outcome"].value_counts()
    bare = tables.loc[tables["claims"] == 0, "table"].tolist()
    shown = table[["where", "claim", "tables", "outcome", "found"]].copy()
    shown["found"] = [
        found if pd.isna(share) else f"{found} (share of draws: {share:.2f})"
        for found, share in zip(table["found"], table["share"], strict=True)
    ]
    text = (
        f"Of {len(table)} claims {counts.get(HOLDS, 0)} hold in the printed numbers, "
        f"{counts.get(FAILS, 0)} do not, {counts.get(OPEN, 0)} cannot be tested. Claims are held "
        f"against {len(tables) - len(bare)} of {len(tables)} tables; against no claim: "
        f"{', '.join(bare) or 'none'}. Whether a claim is true of other runs is another question."
    )
    return f"## Claims\n\n{text}\n\n{grid(shown)}"


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

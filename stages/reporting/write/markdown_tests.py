"""The sections of the Markdown report that show a test: the primary one, and those beside it."""

from __future__ import annotations

import pandas as pd

from stages.reporting.numbers import count, fixed, interval, small
from stages.reporting.read.frames import AUBC, SHARED
from stages.reporting.write.findings import ANALYSES, budget_label
from stages.reporting.write.markdown_tables import Markdown, code, table
from stages.statistics.comparisons import BETTER, NOT_AVAILABLE, UNDETERMINED, WORSE, verdict
from stages.statistics.primary import EQUIVALENT

MOST_BUDGETS = 7
MOST_PAIRS = 15
SIGNS = {
    BETTER: "better",
    EQUIVALENT: "equivalent",
    WORSE: "worse",
    UNDETERMINED: "·",
    NOT_AVAILABLE: "n/a",
}
PAIR_SIGNS = SIGNS | {BETTER: "higher", WORSE: "lower"}


def primary(tables: dict, task: str, settings) -> list[str]:
    """The primary analysis of one task."""
    own = tables["primary"]
    own = own[own["task"] == task]
    if settings.report.baseline not in settings.strategies or own.empty:
        return ["Not available: see *What could not be computed*."]
    rows = [
        [
            code(row.strategy),
            fixed(row.difference, 4),
            interval(row.low, row.high),
            small(row.p_adjusted),
            small(row.p_equivalent),
            fixed(row.seen, 4),
            SIGNS[row.verdict],
        ]
        for row in own.itertuples(index=False)
    ]
    level = f"{100 * (1 - settings.report.alpha):g} % interval"
    heads = ["Strategy", "Difference in AUBC", level, "p", "p of equivalence", "Seen", "Verdict"]
    return [
        table(heads, rows),
        f"By {ANALYSES[own['analysis'].iloc[0]]}, which decides. p and intervals hold for all "
        "strategies together; the intervals are a little wider than the stepwise p. Equivalent: "
        f"the difference is smaller than {settings.report.margin:g}. Seen: the least difference "
        "that so many seeds show four times in five. "
        "As CSV: [tables/primary.csv](tables/primary.csv).",
    ]


def kruskal(tables: dict, task: str) -> list[str]:
    """Kruskal-Wallis on AUBC and at some budgets."""
    own = tables["kruskal_wallis"]
    own = own[own["task"] == task]
    rows = [
        [
            budget_label(row.measure, row.labeled),
            row.groups,
            row.n_per_group,
            fixed(row.h, 3),
            fixed(row.df, 0),
            small(row.p_holm),
            row.verdict,
        ]
        for row in _chosen(own).itertuples(index=False)
    ]
    return [
        table(["Labeled", "Strategies", "n each", "H", "df", "p (Holm)", "Verdict"], rows),
        *shortened(len(rows), len(own), "kruskal_wallis", "budgets"),
    ]


def _chosen(rows: pd.DataFrame) -> pd.DataFrame:
    """AUBC and evenly spread budgets, the first and the last among them; none that is shared."""
    rows = rows[~rows.groupby("labeled", sort=False)["reason"].transform(_all_shared)]
    budgets = rows[rows["measure"] != AUBC]["labeled"].drop_duplicates().tolist()
    if len(budgets) > MOST_BUDGETS:
        last = len(budgets) - 1
        budgets = [budgets[round(x * last / (MOST_BUDGETS - 1))] for x in range(MOST_BUDGETS)]
    return rows[(rows["measure"] == AUBC) | rows["labeled"].isin(budgets)]


def _all_shared(reasons: pd.Series) -> bool:
    return bool((reasons == SHARED).all())


def shortened(shown: int, total: int, name: str, what: str) -> list[str]:
    """Where the whole table is, and whether this is a part of it."""
    link = f"[tables/{name}.csv](tables/{name}.csv)"
    return [f"Shortened: all {what} are in {link}." if shown < total else f"As CSV: {link}."]


def verdicts(tables: dict, task: str, settings) -> list[str]:
    """Better or worse than the baseline, by Games-Howell."""
    own = tables["verdicts"]
    own = own[own["task"] == task]
    if settings.report.baseline not in settings.strategies or own.empty:
        return ["Not available: see *What could not be computed*."]
    chosen = _chosen(own)
    columns = list(dict.fromkeys(zip(chosen["measure"], chosen["labeled"], strict=True)))
    cells = {
        (row.strategy, row.measure, row.labeled): SIGNS[row.verdict]
        for row in own.itertuples(index=False)
    }
    names = [name for name in settings.strategies if name != settings.report.baseline]
    rows = [
        [code(name), *(cells.get((name, *column), NOT_AVAILABLE) for column in columns)]
        for name in names
    ]
    return [
        table(["Strategy", *(budget_label(*column) for column in columns)], rows),
        *shortened(len(chosen), len(own), "verdicts", "budgets and p values"),
    ]


def games_howell(tables: dict, task: str, settings) -> list[str]:
    """Pairs of strategies on AUBC; the baseline's alone where there are many."""
    own = tables["games_howell"]
    own = own[(own["task"] == task) & (own["measure"] == AUBC)]
    if own.empty:
        return ["Not available: see *What could not be computed*."]
    alpha, baseline = settings.report.alpha, settings.report.baseline
    shown = own
    if len(own) > MOST_PAIRS:
        with_baseline = own[(own["first"] == baseline) | (own["second"] == baseline)]
        shown = with_baseline if len(with_baseline) else own.nsmallest(MOST_PAIRS, "p")
    rows = [
        [
            Markdown(f"{code(row.first_)} − {code(row.second)}"),
            fixed(row.difference, 4),
            fixed(row.standard_error, 4),
            fixed(row.t, 2),
            fixed(row.df, 2),
            small(row.p),
            interval(row.low, row.high),
            PAIR_SIGNS[verdict(row.difference, row.standard_error, row.p, alpha)],
        ]
        for row in shown.rename(columns={"first": "first_"}).itertuples(index=False)
    ]
    below = int((own["p"] < alpha).sum())
    level = f"{100 * (1 - alpha):g} % interval"
    return [
        f"{count(below, 'pair')} of {len(own)} {'has' if below == 1 else 'have'} p below "
        f"{alpha:g} on AUBC.",
        table(["Pair", "Difference", "Std. error", "t", "df", "p", level, "First is"], rows),
        *shortened(len(shown), len(own), "games_howell", "pairs (also on final accuracy)"),
    ]

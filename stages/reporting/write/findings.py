"""What the numbers of a study say, and what they cannot say, in sentences."""

from __future__ import annotations

import pandas as pd

from stages.reporting.numbers import count, fixed, listing, p_text
from stages.reporting.read.frames import ACCURACY, ALL_BUDGETS, ALL_TASKS, AUBC, FULL_ROW, SHARED
from stages.statistics.comparisons import BETTER, NOT_AVAILABLE, UNDETERMINED, WORSE
from stages.statistics.primary import BLOCKED, EQUIVALENT, FLIPS, PAIRED

MOST_TASKS = 3  # told one by one; of more it is counted
MOST_NAMED = 8
ANALYSES = {
    PAIRED: "paired t tests over seeds with Holm's correction",
    BLOCKED: "Dunnett's test with seeds as blocks",
    FLIPS: "the largest t over the signs of the seeds' differences",
}


def _verdict_sentence(held: pd.DataFrame, baseline: str, alpha: float, margin: float) -> str:
    """What the primary analysis of one task concludes."""
    words = {
        word: held.loc[held["verdict"] == word, "strategy"].tolist()
        for word in (BETTER, EQUIVALENT, WORSE, UNDETERMINED, NOT_AVAILABLE)
    }
    meant = {EQUIVALENT: f"equivalent (within {margin:g})"}
    clauses = [
        f"{listing(words[word])} {'is' if len(words[word]) == 1 else 'are'} {meant.get(word, word)}"
        for word in (BETTER, EQUIVALENT, WORSE)
        if words[word]
    ]
    if words[UNDETERMINED]:
        rest = "no difference could be shown for "
        clauses.append(
            rest
            + (listing(words[UNDETERMINED]) if clauses or words[NOT_AVAILABLE] else "any strategy")
        )
    if words[NOT_AVAILABLE]:
        clauses.append(f"no test is possible for {listing(words[NOT_AVAILABLE])}")
    by = ANALYSES[held["analysis"].iloc[0]]
    return f"Against `{baseline}` ({by}, alpha {alpha:g}), {'; '.join(clauses)}."


def seen_sentence(held: pd.DataFrame) -> str:
    """The differences that a task's seeds could have shown; empty where there is no test."""
    seen = held["seen"].dropna()
    if not len(seen):
        return ""
    low, high = fixed(seen.min(), 4), fixed(seen.max(), 4)
    span = low if low == high else f"{low} to {high}"
    return (
        f"With {count(int(held['n'].max()), 'seed')} a difference in AUBC of {span} is seen four "
        "times in five, a smaller one less often."
    )


def main_findings(tables: dict[str, pd.DataFrame], settings) -> list[str]:
    """What was shown, from the primary analysis alone; with many tasks counted over them.

    Args:
        tables: as of `gathered.build`.
        settings: with `tasks`, `strategies` and `report`.

    Returns:
        Paragraphs of Markdown.
    """
    found = (
        [_of_task(tables, task, settings) for task in settings.tasks]
        if len(settings.tasks) <= MOST_TASKS
        else _over_tasks(tables, settings)
    )
    if len(settings.seeds) == 1:
        return [
            *found,
            "With one seed every number rests on a single run: no test is possible, "
            "and no order of strategies can be concluded.",
        ]
    return [
        *found,
        "A difference that could not be shown is not evidence that there is none"
        + (", least of all with few seeds." if len(settings.seeds) < 10 else "."),
    ]


def _of_task(tables: dict[str, pd.DataFrame], task: str, settings) -> str:
    """The finding of one task, then which mean is highest."""
    baseline = settings.report.baseline
    summary = tables["summary"].query("task == @task and strategy != @FULL_ROW")
    held = tables["primary"].query("task == @task")
    best = summary[summary["aubc_rank"] == 1]
    area = fixed(best["aubc_mean"].iloc[0], 4)
    parts = []
    if len(settings.seeds) > 1 and baseline in settings.strategies and len(held):
        alpha, margin = settings.report.alpha, settings.report.margin
        parts += [_verdict_sentence(held, baseline, alpha, margin), seen_sentence(held)]
    if len(summary) == 1:
        name = best["strategy"].iloc[0]
        parts.append(f"`{name}`, the only strategy, has a mean AUBC of {area}.")
    elif len(best) == len(summary):
        parts.append(f"All {len(summary)} strategies have the same mean AUBC, {area}.")
    else:
        verb = "has" if len(best) == 1 else "share"
        parts.append(f"{listing(best['strategy'].tolist())} {verb} the highest mean AUBC, {area}.")
    return f"**{task}**: " + " ".join(filter(None, parts))


def _over_tasks(tables: dict[str, pd.DataFrame], settings) -> list[str]:
    """On how many tasks each strategy is better, equivalent or worse."""
    baseline, held = settings.report.baseline, tables["primary"]
    if len(settings.seeds) < 2 or baseline not in settings.strategies or held.empty:
        return []
    tasks = len(settings.tasks)
    counts = held.groupby(["strategy", "verdict"], sort=False).size().unstack(fill_value=0)
    counts = counts.reindex(columns=[BETTER, EQUIVALENT, WORSE, UNDETERMINED], fill_value=0)
    order = (counts[BETTER] - counts[WORSE]).sort_values(ascending=False, kind="stable").index
    often = [name for name in order if counts.loc[name, BETTER] or counts.loc[name, EQUIVALENT]]
    items = []
    for name in often[:MOST_NAMED]:
        rest = [
            f"{word} on {counts.loc[name, word]}"
            for word in (EQUIVALENT, WORSE, UNDETERMINED)
            if counts.loc[name, word]
        ]
        also = f" ({', '.join(rest)})" if rest else ""
        items.append(f"`{name}` on {counts.loc[name, BETTER]}{also}")
    never = [name for name in order if name not in often]
    by = ANALYSES[held["analysis"].iloc[0]]
    first = f"Against `{baseline}` on {tasks} tasks ({by}, alpha {settings.report.alpha:g}): " + (
        "better are " + "; ".join(items) + "." if items else "no strategy is better on any task."
    )
    more = len(often) - MOST_NAMED
    if more > 0:
        first += f" {count(more, 'more strategy')} on at least one."
    worse = [name for name in never if counts.loc[name, WORSE]]
    second = [
        f"{listing(words)} {'is' if len(words) == 1 else 'are'} {said}."
        for words, said in (
            (worse, "worse on at least one task and better on none"),
            ([name for name in never if name not in worse], "not shown to differ on any task"),
        )
        if words
    ]
    return [" ".join([first, *second]), seen_sentence(held)]


def limits(tables: dict[str, pd.DataFrame], settings) -> list[str]:
    """Which statistics could not be computed, or carry little weight, and why.

    Args:
        tables: as of `gathered.build`.
        settings: with `tasks`, `strategies`, `seeds` and `report`.

    Returns:
        Sentences, none where there is nothing to say.
    """
    seeds, baseline = len(settings.seeds), settings.report.baseline
    several = len(settings.strategies) > 1
    notes = []
    if seeds < 2:
        notes.append(
            "With one seed there is no spread: standard deviations, bands, all tests and "
            "all verdicts are n/a. At least two seeds are needed, three for the tests of "
            "assumptions."
        )
    elif seeds < 3:
        notes.append(
            "With two seeds Shapiro-Wilk and Levene's test are n/a: both need three values a group."
        )
    if not several:
        notes.append(
            "With one strategy there is nothing to compare: Levene, Kruskal-Wallis, "
            "Games-Howell and win-tie-loss are n/a or empty."
        )
    if baseline not in settings.strategies:
        notes.append(
            f"The baseline `{baseline}` is not among the strategies, so the verdicts "
            "against it are n/a."
        )
    if seeds > 1:
        notes += _degenerate(tables, several)
    if 1 < seeds < 5 and several:
        notes.append(
            f"With {seeds} seeds the tests are weak: the chi-square approximation of "
            "Kruskal-Wallis is rough below five values a group, and tests of "
            "assumptions rarely reject."
        )
    notes += _undrawn(tables, settings)
    summary = tables["summary"]
    whole = set(summary.loc[summary["strategy"] == FULL_ROW, "task"])
    without = [task for task in settings.tasks if task not in whole]
    if without:
        notes.append(
            f"There is no result of training on all labels for {listing(without)}, so "
            "the Full row and line are left out."
        )
    short = summary[(summary["strategy"] == FULL_ROW) & (summary["n"] < seeds)]
    notes += [
        f"The Full row of `{row.task}` rests on {row.n} of {count(seeds, 'seed')}."
        for row in short.itertuples(index=False)
    ]
    return notes


def _undrawn(tables: dict[str, pd.DataFrame], settings) -> list[str]:
    """Why there is no critical-difference diagram."""
    over = ALL_TASKS if len(settings.tasks) > 1 else settings.tasks[0]
    ranks = tables.get("friedman", pd.DataFrame(columns=["task", "cd", "groups", "n"]))
    wide = ranks[(ranks["task"] == over) & (ranks["cd"] > ranks["groups"] - 1)]
    return [
        f"The critical difference of mean ranks, {fixed(row.cd, 2)} over "
        f"{count(int(row.n), 'task' if over == ALL_TASKS else 'seed')}, is wider than the scale "
        f"from 1 to {row.groups}: no two strategies could be told apart, and no diagram is drawn."
        for row in wide.itertuples(index=False)
    ]


def _degenerate(tables: dict[str, pd.DataFrame], several: bool) -> list[str]:
    notes = []
    spread = tables["curve"]
    flat = spread[(spread["n"] > 1) & (spread["std"] == 0)]
    if len(flat):
        first = flat.iloc[0]
        notes.append(
            f"All seeds agree exactly in {count(len(flat), 'group')} of one strategy at "
            f"one budget (first: `{first['strategy']}` on `{first['task']}` at "
            f"{first['labeled']} labeled): Shapiro-Wilk is n/a there, and a pair of such "
            "groups has no Games-Howell test."
        )
    kruskal = tables["kruskal_wallis"]
    equal = kruskal[kruskal["p"].isna() & (kruskal["reason"] != SHARED)]
    if several and len(equal):
        first = equal.iloc[0]
        where = "AUBC" if first["measure"] == AUBC else f"{first['labeled']} labeled"
        notes.append(
            f"Kruskal-Wallis is n/a in {count(len(equal), 'place')} (first: "
            f"`{first['task']}`, {where}), where all values are equal or a strategy has "
            "fewer than two runs."
        )
    return notes


def assumption_sentence(rows: pd.DataFrame, alpha: float) -> str:
    """Whether the assumptions of an ordinary analysis of variance hold on one task.

    Args:
        rows: one task's rows of the assumptions table.
        alpha: level of the tests.
    """
    sentences = []
    for test, name, claim in (
        ("shapiro_wilk", "Shapiro-Wilk", "normality"),
        ("levene_median", "Levene's test (centre: median)", "equal variances"),
    ):
        own = rows[(rows["test"] == test) & rows["p"].notna()]
        if own.empty:
            sentences.append(f"{name} is n/a.")
            continue
        counts = []
        for measure, what in ((AUBC, "on AUBC"), (ACCURACY, "on accuracy at single budgets")):
            tested = own.loc[own["measure"] == measure, "p"]
            if len(tested) == 1:
                counts.append(f"{what}, {p_text(tested.iloc[0])}")
            elif len(tested):
                counts.append(f"{what} in {(tested < alpha).sum()} of {len(tested)} tests")
        rejects = "does not reject" if own["p"].min() >= alpha else "rejects"
        sentences.append(f"{name} {rejects} {claim} at alpha {alpha:g} ({'; '.join(counts)}).")
    return " ".join(sentences)


def budget_label(measure: str, labeled: str) -> str:
    """How a measure is named at the head of a column."""
    return "AUBC" if labeled == ALL_BUDGETS and measure == AUBC else labeled

"""Tables of mean ranks, with tasks as blocks and, within a task, with seeds."""

from __future__ import annotations

import pandas as pd

from stages.reporting.given import Given
from stages.reporting.methods import NEMENYI
from stages.reporting.read.frames import ALL_TASKS, AUBC, DIFFER, answer, measured
from stages.reporting.table import (
    APART,
    FIRST,
    LOWER,
    MEASURE,
    P_VALUE,
    REASON,
    SECOND,
    STRATEGY,
    TASK,
    VERDICT,
    Column,
    P,
    Table,
)
from stages.statistics.comparisons import NOT_AVAILABLE
from stages.statistics.ranking import (
    block_ranks,
    cliques,
    critical_difference,
    friedman,
    least_blocks,
    nemenyi,
)


def rank_tables(runs: pd.DataFrame, means: pd.DataFrame, tasks, alpha: float):
    """Friedman, mean ranks and Nemenyi, with tasks as blocks and, within a task, with seeds.

    Args:
        runs: as of `frames.runs_table`.
        means: (tasks, strategies) mean AUBC.
        tasks: names, in order.
        alpha: level.

    Returns:
        Name -> DataFrame: friedman (task or "all tasks", blocks, n, groups, chi2, df, p, f, f_p,
        cd, pairs: what they can tell if that is nothing, verdict, reason), mean_ranks (task,
        strategy, mean_rank, cliques: numbers of the groups that are not shown to differ) and
        nemenyi (task, first, second, difference, p, verdict).
    """
    sources = [(ALL_TASKS, "tasks", means)]
    sources += [(task, "seeds", measured(runs, task, AUBC).paired()) for task in tasks]
    tests, ranks, pairs = [], [], []
    for task, blocks, scores in sources:
        test = friedman(scores)
        distance = critical_difference(test["groups"], test["n"], alpha)
        # The F form is the one to be judged by: chi^2 is too cautious for few blocks.
        word = answer(test["f_p"], alpha, *DIFFER)
        keys = ("n", "left_out", "groups", "chi2", "df", "p", "f", "f_p")
        values = [test[key] for key in keys]
        wide = test["groups"] > 1 and distance >= test["groups"] - 1
        pairs_tell = ""
        if wide:
            least = least_blocks(test["groups"], alpha)
            pairs_tell = f"nothing: cd is wider than the scale, pairs need {least} {blocks}"
        tests.append((task, AUBC, blocks, *values, distance, pairs_tell, word, test["reason"]))
        if test["n"] < 2 or test["groups"] < 2:
            continue
        found = block_ranks(scores).mean().to_dict()
        groups = cliques(found, distance)
        for name, rank in found.items():
            own = [str(at) for at, group in enumerate(groups, 1) if name in group]
            shown = NOT_AVAILABLE if wide else " ".join(own) or "none"
            ranks.append((task, name, rank, shown, test["n"]))
        part = nemenyi(scores)
        part.insert(0, "task", task)
        part["verdict"] = [NOT_AVAILABLE if wide else answer(p, alpha, *DIFFER) for p in part["p"]]
        pairs.append(part)
    tables = {
        "friedman": pd.DataFrame(
            tests,
            columns=["task", "measure", "blocks", *keys, "cd", "pairs", "verdict", "reason"],
        ),
        "mean_ranks": pd.DataFrame(
            ranks, columns=["task", "strategy", "mean_rank", "cliques", "n"]
        ),
    }
    if pairs:
        tables["nemenyi"] = pd.concat(pairs, ignore_index=True)
    return {name: table for name, table in tables.items() if len(table)}


def _ranked(given: Given) -> dict[str, pd.DataFrame]:
    return rank_tables(given.runs, given.means, given.tasks, given.alpha)


BLOCKS = Column("n", "Blocks")
TABLES = [
    Table(
        name="friedman",
        title="Do the mean ranks differ? Friedman",
        question=APART,
        build=lambda given: given.once(_ranked).get("friedman", pd.DataFrame()),
        columns=(
            TASK,
            MEASURE,
            Column("blocks", "Blocks are", key=True),
            BLOCKS,
            Column("left_out", "Left out"),
            Column("groups", "Strategies"),
            Column("chi2", "χ²", decimals=3),
            Column("df", "df", decimals=0, digits=4),
            P_VALUE,
            Column("f", "F", decimals=3),
            Column("f_p", "p (F)", form=P, decimals=4),
            Column("cd", "CD", decimals=2),
            Column("pairs", "Pairs tell"),
            VERDICT,
            REASON,
        ),
        note="Secondary. On AUBC; blocks are tasks, or the seeds of one task; the verdict is by "
        "the F form of Iman and Davenport, by exact probability where all blocks agree and F is "
        "infinite; cd: Nemenyi's critical difference. Assumes independent blocks.",
        methods=(
            """\
- **Friedman's test** (1937) compares the mean ranks of all strategies over tasks, or over the seeds
  of a task; the verdict is by the F form of Iman & Davenport (1980). Blocks must be
  independent.""",
        ),
    ),
    Table(
        name="mean_ranks",
        title="Mean ranks",
        question=APART,
        build=lambda given: given.once(_ranked).get("mean_ranks", pd.DataFrame()),
        columns=(
            TASK,
            STRATEGY,
            Column("mean_rank", "Mean rank", LOWER),
            Column("cliques", "Cliques"),
            BLOCKS,
        ),
        note="1 is best. Strategies that share a clique number are not shown to differ (Nemenyi).",
        methods=(NEMENYI,),
    ),
    Table(
        name="nemenyi",
        title="Pairs of mean ranks: Nemenyi",
        question=APART,
        build=lambda given: given.once(_ranked).get("nemenyi", pd.DataFrame()),
        columns=(
            TASK,
            FIRST,
            SECOND,
            Column("difference", "Difference in mean rank"),
            P_VALUE,
            VERDICT,
        ),
        note="Secondary. Difference of mean ranks, first minus second (negative: the first is "
        "better).",
        methods=(NEMENYI,),
    ),
]

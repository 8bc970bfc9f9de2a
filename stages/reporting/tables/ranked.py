"""Tables of mean ranks, with tasks as blocks and, within a task, with seeds."""

from __future__ import annotations

import pandas as pd

from stages.reporting.read.frames import AUBC, DIFFER, answer, measured
from stages.statistics.ranking import (
    block_ranks,
    cliques,
    critical_difference,
    friedman,
    nemenyi,
)

ALL_TASKS = "all tasks"


def rank_tables(runs: pd.DataFrame, means: pd.DataFrame, tasks, alpha: float):
    """Friedman, mean ranks and Nemenyi, with tasks as blocks and, within a task, with seeds.

    Args:
        runs: as of `frames.runs_table`.
        means: (tasks, strategies) mean AUBC.
        tasks: names, in order.
        alpha: level.

    Returns:
        Name -> DataFrame: friedman (task or "all tasks", blocks, n, groups, chi2, df, p, f, f_p,
        cd, verdict, reason), mean_ranks (task, strategy, mean_rank, cliques: numbers of the groups
        that are not shown to differ) and nemenyi (task, first, second, difference, p, verdict).
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
        tests.append((task, AUBC, blocks, *values, distance, word, test["reason"]))
        if test["n"] < 2 or test["groups"] < 2:
            continue
        found = block_ranks(scores).mean().to_dict()
        groups = cliques(found, distance)
        for name, rank in found.items():
            own = [str(at) for at, group in enumerate(groups, 1) if name in group]
            ranks.append((task, name, rank, " ".join(own) or "none", test["n"]))
        part = nemenyi(scores)
        part.insert(0, "task", task)
        part["verdict"] = [answer(p, alpha, *DIFFER) for p in part["p"]]
        pairs.append(part)
    tables = {
        "friedman": pd.DataFrame(
            tests,
            columns=["task", "measure", "blocks", *keys, "cd", "verdict", "reason"],
        ),
        "mean_ranks": pd.DataFrame(
            ranks, columns=["task", "strategy", "mean_rank", "cliques", "n"]
        ),
    }
    if pairs:
        tables["nemenyi"] = pd.concat(pairs, ignore_index=True)
    return {name: table for name, table in tables.items() if len(table)}

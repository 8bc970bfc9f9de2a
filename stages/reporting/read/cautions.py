"""What a number of a report does not show by itself, a sentence each."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stages.reporting.read import metric
from stages.study.problem import PLAIN

MOST = 8  # strategies in one sentence
OFTEN = 0.5  # of a strategy's runs


def of(rounds: pd.DataFrame, settings: Any) -> tuple[list[str], list[str]]:
    """The sentences about what is measured: those that come before all else, and the others.

    Args:
        rounds: as of `records.read_rounds`.
        settings: with `report`.
    """
    often, seldom = _unrecognised(rounds)
    return [*metric.said(settings), *_posed(settings), *often], seldom


def _posed(settings: Any) -> list[str]:
    """What the tasks pose beside a pool of all rows and an oracle that is always right."""
    tasks = getattr(settings, "tasks", ())
    facts = {name: getattr(settings.task[name], "problem", PLAIN).facts for name in tasks}
    return [
        f"**The problem of `{name}`**: "
        + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in own.items())
        + ". Classes and images below are counted in the whole data set."
        for name, own in facts.items()
        if own
    ]


def _unrecognised(rounds: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Where the last model of a run recognises no test image of a class, often or now and then."""
    last = rounds[rounds["per_class"].notna()]
    often: list[str] = []
    seldom: list[str] = []
    for task, own in last.groupby("task", sort=False):
        missed = own[[any(share == 0 for share in shares) for shares in own["per_class"]]]
        if missed.empty:
            continue
        classes = sorted(
            {at for shares in missed["per_class"] for at, x in enumerate(shares) if x == 0}
        )
        counts = missed["strategy"].value_counts(sort=False)
        by_strategy = [f"`{name}` {count}" for name, count in list(counts.items())[:MOST]]
        more = f" and {len(counts) - MOST} more strategies" if len(counts) > MOST else ""
        named = ", ".join(map(str, classes[:MOST])) + (", ..." if len(classes) > MOST else "")
        runs = own["strategy"].value_counts()
        (often if (counts / runs[counts.index]).max() >= OFTEN else seldom).append(
            f"**A class that is never recognised.** On `{task}` the last model of {len(missed)} of "
            f"{len(own)} runs is right about no test image of a class "
            f"(number {named}; {', '.join(by_strategy)}{more}): accuracy, and what is computed of "
            f"it, says little of such a class; `report.metric: balanced_accuracy` does."
        )
    return often, seldom

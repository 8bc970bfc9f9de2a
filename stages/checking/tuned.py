"""What reports/tuned says held against the settings: candidates, counts, and what was chosen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stages.checking.plan import Plan
from stages.machine.errors import UserError
from stages.machine.reading import read_json, shown


def chosen(
    plan: Plan, paths: dict[int, Path], task: str, strategy: str
) -> tuple[dict[str, Any], list[str]]:
    """The candidate with the most right answers over all seeds, the first among equals.

    Args:
        paths: seed -> its file under reports/tuned.

    Returns:
        the settings ({} where a file is at fault), and a line for each fault.
    """
    totals: list[int] = []
    grid: list[dict[str, Any]] = []
    faults: list[str] = []
    for seed, path in paths.items():
        try:
            grid, counts = _read(path, plan, task, strategy, seed)
        except UserError as fault:
            faults.append(str(fault))
            continue
        totals = [a + b for a, b in zip(totals or [0] * len(counts), counts, strict=True)]
    if faults or not totals:
        return {}, faults
    return grid[totals.index(max(totals))], []


def _read(
    path: Path, plan: Plan, task: str, strategy: str, seed: int
) -> tuple[list[dict[str, Any]], list[int]]:
    """The candidates and their right answers in one file, checked."""
    record = read_json(path)
    sizes = plan.tasks[task]
    expected = {
        "format": 1,
        "task": task,
        "strategy": strategy,
        "seed": seed,
        "labeled": plan.total(task, plan.rounds - 1),
        "validation": sizes.validation,
    }
    if set(record) != {*expected, "candidates"}:
        raise UserError(
            f"{path}: allowed keys: {', '.join([*expected, 'candidates'])}, all of them"
        )
    for key, value in expected.items():
        if type(record[key]) is not type(value) or record[key] != value:
            said = shown(repr(record[key]), 80)
            raise UserError(f"{path}: {key} is {said}, by its path and {plan.path} it is {value!r}")
    tried = record["candidates"]
    if not isinstance(tried, list) or not tried:
        raise UserError(f"{path}: candidates is {shown(repr(tried), 80)}, allowed: a list")
    for at, item in enumerate(tried):
        right = item.get("correct") if isinstance(item, dict) else None
        if (
            not isinstance(item, dict)
            or set(item) != {"values", "correct"}
            or not isinstance(item["values"], dict)
        ):
            raise UserError(f"{path}: candidates[{at}] has not the keys values and correct")
        if type(right) is not int or not 0 <= right <= sizes.validation:
            raise UserError(
                f"{path}: candidates[{at}].correct is {shown(repr(right), 80)}, allowed: 0 to "
                f"{sizes.validation}"
            )
    grid = plan.candidates(strategy, list(tried[0]["values"]))
    if grid is None or list(map(json.dumps, grid)) != [json.dumps(i["values"]) for i in tried]:
        raise UserError(f"{path}: candidates are not those of strategy.{strategy} in {plan.path}")
    return grid, [item["correct"] for item in tried]

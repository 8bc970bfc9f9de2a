"""Settings chosen on the validation set: what the stage tune measured, and what follows from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stages.machine.errors import UserError
from stages.study import ledger
from stages.study.layout import Layout
from stages.study.settings import Settings


def chosen(study: Settings, layout: Layout, task: str, strategy: str) -> dict[str, Any]:
    """The combination of candidates with the most right on the validation sets of all seeds.

    Among equals the one written first (Li et al. 2022, hybrid, section 4.1.1, where every seed has
    a validation set of the same size, so the most right have the highest mean accuracy too). {} for
    a strategy that is not tuned.

    Raises:
        UserError: a seed was not tuned, or with other candidates than params.yaml has.
    """
    if strategy not in study.tuned:
        return {}
    grid = study.grid(strategy)
    totals = [0] * len(grid)
    for seed in study.seeds:
        for at, right in enumerate(right_answers(layout.tuned(task, strategy, seed), grid)):
            totals[at] += right
    return grid[totals.index(max(totals))]


def right_answers(path: Path, grid: list[dict[str, Any]]) -> list[int]:
    """Right answers of each candidate, in the order of ``grid``."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise UserError(f"{path}: missing; run dvc repro") from None
    except ValueError:
        raise UserError(f"{path}: not JSON; run dvc repro") from None
    try:
        measured = {json.dumps(item["values"]): item["correct"] for item in found["candidates"]}
        return [int(measured[json.dumps(values)]) for values in grid]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: not about the candidates in params.yaml; run dvc repro") from None


def in_force(study: Settings, strategy: str, chain: ledger.Chain) -> dict[str, Any]:
    """The chosen settings that the first link of a run names, checked against params.yaml.

    Raises:
        UserError: it names none of the candidates.
    """
    first = chain.links[0]
    values = ledger.tuned_settings(first)
    if values not in study.grid(strategy):
        raise UserError(
            f"{first.path}: says tuned {json.dumps(values)}, which is none of the candidates of "
            f"strategy.{strategy} in params.yaml; run dvc repro"
        )
    return values

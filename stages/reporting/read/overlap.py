"""How far the sets overlap that strategies chose, from the committed index sets."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from stages.machine.errors import UserError
from stages.statistics.measures import describe
from stages.study.layout import Layout

NEVER = np.iinfo(np.uint16).max
PAIRS = ["task", "first", "second", "labeled", "jaccard", "jaccard_std", "by_chance", "n"]
ROUNDS = ["task", "strategy", "labeled", "with_baseline", "with_others", "by_chance", "n"]


def read_indices(path: Path) -> tuple[dict[str, str], np.ndarray]:
    """Header and indices of one index file, without the checks of `stages.study.ledger.read`.

    The report reads tens of thousands of them; `python -m stages.verify` checks them.

    Raises:
        UserError: where the file is no index file at all.
    """
    head, indices = {}, []
    try:
        lines = path.read_text(encoding="ascii").split("\n")
        for at, line in enumerate(lines):
            if not line.startswith("# "):
                indices = [int(line) for line in lines[at:] if line]
                break
            key, _, value = line[2:].partition(": ")
            head[key] = value
        return head | {"rows": int(head["rows"])}, np.array(indices, dtype=np.int64)
    except (ValueError, KeyError) as error:
        raise UserError(f"{path}: not an index file ({error})") from None


def chosen_when(
    layout: Layout, task: str, strategy: str, seed: int, nexts: list
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """What a run chose and when.

    Args:
        layout: of the study.
        task, strategy, seed: the run.
        nexts: names of the links that its rounds wrote, in order.

    Returns:
        (when, chosen, totals): when (rows,) uint16, the number of the round that chose a row,
        else NEVER; chosen (count,) the rows in order; totals (rounds,) how many up to each round.
        None where a link is missing.
    """
    paths = [layout.link(task, strategy, seed, name) for name in nexts]
    if not all(path.is_file() for path in paths):
        return None
    parts, rows = [], 0
    for path in paths:
        head, indices = read_indices(path)
        rows = head["rows"]
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < rows:
            raise UserError(f"{path}: an index is out of range")
        parts.append(indices)
    when = np.full(rows, NEVER, dtype=np.uint16)
    for number, part in enumerate(parts):
        when[part] = number
    return when, np.concatenate(parts), np.cumsum([len(part) for part in parts])


def jaccards(first, second) -> np.ndarray:
    """Jaccard index of two runs' chosen sets after each round.

    Args:
        first, second: as of `chosen_when`, over the same rows.

    Returns:
        (rounds,) floats, NaN where neither has chosen anything.
    """
    (_, rows, totals), (when, _, others) = first, second
    both = np.maximum(first[0][rows], when[rows])
    shared = np.bincount(both[both != NEVER], minlength=len(totals)).cumsum()[: len(totals)]
    union = totals + others - shared
    return np.where(union > 0, shared / np.maximum(union, 1), np.nan)


def by_chance(chosen: float, pool: float) -> float:
    """Jaccard index to be expected of two random sets of this size from a pool."""
    if not 0 < chosen <= pool:
        return float("nan")
    shared = chosen * chosen / pool
    return shared / (2 * chosen - shared)


def read_overlap(settings, root: Path) -> dict[str, pd.DataFrame]:
    """Overlap of all pairs of strategies with the same seed; the shared initial set is left out.

    Args:
        settings: with `tasks`, `strategies`, `seeds`, `rounds` and `report.baseline`.
        root: folder that holds `splits/`.

    Returns:
        "overlap": PAIRS, a row for each pair after the last selection: mean and deviation of the
        Jaccard index over n seeds, and the value two random sets would have on average;
        "overlap_rounds": ROUNDS, for each strategy after each selection the mean over seeds with
        the baseline and with all other strategies. Both are empty without index sets.
    """
    layout, nexts = Layout(root), [item.next for item in settings.rounds]
    names, baseline = list(settings.strategies), settings.report.baseline
    pairs: list[tuple] = []
    rounds: list[tuple] = []
    for task in settings.tasks:
        found: dict[tuple[str, str], list[np.ndarray]] = {}
        sizes: dict[str, list] = {}
        for seed in settings.seeds:
            start = layout.shared_split(task, seed)
            if not all((start / f"{name}.txt").is_file() for name in ("initial", "validation")):
                continue
            initial = len(read_indices(start / "initial.txt")[1])
            unused = len(read_indices(start / "validation.txt")[1]) + initial
            if (start / "pool.txt").is_file():
                unused += len(read_indices(start / "pool.txt")[1])
            runs = {name: chosen_when(layout, task, name, seed, nexts) for name in names}
            runs = {name: run for name, run in runs.items() if run is not None and run[2][-1] > 0}
            for first, second in combinations(runs, 2):
                if len(runs[first][0]) == len(runs[second][0]):
                    found.setdefault((first, second), []).append(
                        jaccards(runs[first], runs[second])
                    )
            for name, (when, _, totals) in runs.items():
                sizes.setdefault(name, []).append((initial, totals, len(when) - unused))
        pairs += _pair_rows(task, found, sizes)
        rounds += _round_rows(task, names, baseline, found, sizes)
    return {
        "overlap": pd.DataFrame(pairs, columns=PAIRS),
        "overlap_rounds": pd.DataFrame(rounds, columns=ROUNDS),
    }


def _pair_rows(task: str, found, sizes) -> list[tuple]:
    rows = []
    for (first, second), values in found.items():
        initial, totals, pool = sizes[first][0]
        mean, std, n = describe([value[-1] for value in values])
        chance = by_chance(float(totals[-1]), pool)
        rows.append((task, first, second, int(initial + totals[-1]), mean, std, chance, n))
    return rows


def _round_rows(task: str, names, baseline: str, found, sizes) -> list[tuple]:
    rows = []
    for name in names:
        own = {
            (pair[1] if pair[0] == name else pair[0]): values
            for pair, values in found.items()
            if name in pair
        }
        if not own:
            continue
        initial, totals, pool = sizes[name][0]
        others = np.mean([np.mean(values, axis=0) for values in own.values()], axis=0)
        based = np.mean(own[baseline], axis=0) if baseline in own else np.full(len(totals), np.nan)
        seeds = max(len(values) for values in own.values())
        steps = np.flatnonzero(np.diff(np.concatenate([[0], totals])) > 0)
        for at in steps:
            chance = by_chance(float(totals[at]), pool)
            rows.append(
                (task, name, int(initial + totals[at]), based[at], others[at], chance, seeds)
            )
    return rows

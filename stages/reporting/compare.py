"""Two studies side by side: index sets, overlap, results, and whether they differ."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import numpy as np
import pandas as pd

from stages.machine import yaml_input
from stages.reporting.numbers import count
from stages.reporting.read.overlap import jaccards
from stages.reporting.read.revisions import resolve
from stages.reporting.read.study import (
    POSED,
    Run,
    Study,
    chosen,
    fingerprint,
    identities,
    initial_set,
    read_study,
)
from stages.reporting.write.grid import grid
from stages.statistics.comparisons import games_howell
from stages.statistics.measures import aubc, describe
from stages.statistics.paired import holm, paired_t, wilcoxon

__all__ = ["compare", "read_study", "resolve"]

MOST_LISTED = 20
NAN = float("nan")


def compare(a: Path, b: Path) -> str:
    """Which index sets are identical, how far the others overlap, and whether results differ.

    Args:
        a, b: folders with splits/ and reports/rounds/, as of `resolve`.

    Returns:
        Markdown; the first study is called A, the second B, differences are B - A.

    Raises:
        UserError: for a folder without runs or a damaged file.
    """
    first, second = read_study(a), read_study(b)
    common = sorted(first.runs & second.runs)
    held = identities(first), identities(second)
    data = {
        task: (one, held[1][task]) for task, one in held[0].items() if held[1].get(task, one) != one
    }
    sets = index_sets(first, second, data)
    results = differences(first, second, data)
    parts = ["# A compared with B", _summary(first, second, common, sets, results, data)]
    parts.append("## Settings and data\n\n" + _settings(first, second, data, held))
    if len(sets):
        note = (
            "Jaccard index of what A and B selected (the shared initial set left out), mean over "
            "the seeds that both have; first difference: the round that first chose otherwise."
        )
        parts.append(f"## Index sets\n\n{note}\n\n{grid(sets, 3)}")
        rounds = overlap_rounds(first, second, data)
        if len(rounds):
            parts.append(f"## Overlap round by round\n\n{grid(rounds, 3)}")
    if len(results):
        note = (
            "B - A, AUBC of accuracy, whatever report.metric says, over the labeled counts that "
            "both have. Paired over seeds where both have "
            "at least two in common (t test: assumes normal differences; Wilcoxon: symmetric "
            "ones), otherwise Welch's t test (normal groups). Holm over the rows."
        )
        parts.append(f"## Difference in AUBC\n\n{note}\n\n{grid(results)}")
    return "\n\n".join(parts) + "\n"


def _summary(first, second, common, sets, results, data) -> str:
    lines = [f"- {count(len(common), 'run')} in both."]
    for name, one, other in (("A", first, second), ("B", second, first)):
        only = sorted(one.runs - other.runs)
        if only:
            shown = ", ".join(f"{task}/{strategy}/seed-{seed}" for task, strategy, seed in only[:8])
            more = f" and {len(only) - 8} more" if len(only) > 8 else ""
            lines.append(f"- {count(len(only), 'run')} only in {name}: {shown}{more}.")
        else:
            lines.append(f"- No run is only in {name}.")
    if data:
        lines.append(
            f"- {', '.join(f'`{task}`' for task in sorted(data))}: A and B are about different "
            f"data or problems, so neither index sets nor accuracies of these tasks are compared."
        )
    if not common:
        lines.append("- Nothing can be compared: no task, strategy and seed is in both.")
    if len(sets):
        same, all_ = int(sets["identical"].sum()), int(sets["seeds"].sum())
        lines.append(f"- {same} of {count(all_, 'chain')} of index sets are identical by seal.")
    if len(results):
        shown = results[results["p_holm"] < 0.05]
        names = ", ".join(f"{row.task}/{row.strategy}" for row in shown.itertuples())
        equal = int(results["equal_runs"].sum())
        lines.append(f"- {count(equal, 'run')} with exactly the same accuracy in every round.")
        if names:
            lines.append(f"- AUBC differs significantly (0.05, Holm) for {names}.")
        elif (results["difference"].abs() < 1e-9).all():
            lines.append("- All mean AUBC are equal.")
        else:
            lines.append(
                "- No difference in AUBC is shown (0.05, Holm), which does not prove there is none."
            )
    return "\n".join(lines)


def _flat(node, prefix: str = "") -> dict[str, str]:
    if not isinstance(node, dict):
        return {prefix: str(node)}
    found = {}
    for key, value in node.items():
        found |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def _settings(
    first: Study,
    second: Study,
    data: dict[str, tuple[str, str]],
    held: tuple[dict[str, str], dict[str, str]],
) -> str:
    lines = [
        f"- Data of task {task} differ: A {one}; B {other}. {_why(one, other)} Their index sets "
        f"and accuracies are not compared."
        for task, (one, other) in data.items()
    ]
    lines += [
        f"- Task {one} of A and task {other} of B are about the same data; under one name their "
        f"runs could be compared."
        for one, identity in held[0].items()
        for other in held[1]
        if held[1][other] == identity and one not in held[1] and other not in held[0]
    ]
    paths = [study.root / "params.yaml" for study in (first, second)]
    if not all(path.is_file() for path in paths):
        lines.append("- Settings cannot be compared: params.yaml is missing in one of the two.")
        return "\n".join(lines)
    one, other = (_flat(yaml_input.read(path)) for path in paths)
    keys = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
    lines += [
        f"- `{key}`: A {one.get(key, 'none')}, B {other.get(key, 'none')}"
        for key in keys[:MOST_LISTED]
    ]
    if len(keys) > MOST_LISTED:
        lines.append(f"- and {len(keys) - MOST_LISTED} more settings")
    return "\n".join(lines) if lines else "- The same data and settings."


def _why(one: str, other: str) -> str:
    """What two different identities, as of :func:`identities`, may mean."""
    names = [identity.partition(" sha256:")[0] for identity in (one, other)]
    if one.partition(POSED)[0].partition(" (")[0] == other.partition(POSED)[0].partition(" (")[0]:
        return (
            "It is one data set under two problems: what is in the pool, what the oracle answers "
            "or what is tested differs. With copies, row r shows image r mod N."
        )
    if names[0] != names[1]:
        return "These are two data sets: a row number means another image in each."
    return (
        "It is one data set with other content: another version or part of it, or prepared by "
        "other settings. A row number may mean another image."
    )


def _pairs(first: Study, second: Study, data) -> dict[tuple[str, str], list[Run]]:
    """(task, strategy) -> runs with index sets about the same data in both."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(set(first.chains) & set(second.chains)):
        if run[0] not in data:
            found.setdefault(run[:2], []).append(run)
    return found


def _overlap(first: Study, second: Study, run: Run) -> tuple[np.ndarray, int | None]:
    """Jaccard index after each common round, and the first round that chose otherwise."""
    one, other = chosen(first, run), chosen(second, run)
    rounds = min(len(one[2]), len(other[2]))
    cut = [
        (when, picks[: totals[rounds - 1] if rounds else 0], totals[:rounds])
        for when, picks, totals in (one, other)
    ]
    values = jaccards(*cut) if rounds else np.empty(0)
    sets = [np.split(picks, totals[:-1]) if rounds else [] for _, picks, totals in cut]
    unlike = [at for at in range(rounds) if not np.array_equal(sets[0][at], sets[1][at])]
    if not unlike and len(one[2]) != len(other[2]):
        unlike = [rounds]
    return values, unlike[0] if unlike else None


def index_sets(first: Study, second: Study, data: dict) -> pd.DataFrame:
    """Index sets of the common runs.

    Returns:
        DataFrame: task, strategy, seeds (common chains), identical (equal seals),
        same_initial_set (how many start alike), first_difference (the earliest round that chose
        otherwise, in any seed), final_jaccard (mean over seeds).
    """
    rows = []
    for (task, strategy), runs in _pairs(first, second, data).items():
        same, starts, firsts, finals = 0, 0, [], []
        for run in runs:
            seals = fingerprint(first, run), fingerprint(second, run)
            same += seals[0] is not None and seals[0] == seals[1]
            starts += initial_set(first, run) == initial_set(second, run)
            values, unlike = _overlap(first, second, run)
            known = values[np.isfinite(values)]
            finals += [known[-1]] if len(known) else []
            firsts += [] if unlike is None else [unlike]
        mean = float(np.mean(finals)) if finals else NAN
        earliest = str(min(firsts, default="none"))
        rows.append((task, strategy, len(runs), same, starts, earliest, mean))
    columns = ["task", "strategy", "seeds", "identical", "same_initial_set", "first_difference",
               "final_jaccard"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def overlap_rounds(first: Study, second: Study, data: dict) -> pd.DataFrame:
    """Mean Jaccard index of A and B after each round that selects, over common seeds.

    Returns:
        DataFrame: task, strategy, and a column for each round; chains that are equal throughout
        are left out.
    """
    rows = []
    for (task, strategy), runs in _pairs(first, second, data).items():
        found = [_overlap(first, second, run) for run in runs]
        if all(unlike is None for _, unlike in found):
            continue
        shortest = min(len(values) for values, _ in found)
        means = np.mean([values[:shortest] for values, _ in found], axis=0)
        cells = {f"round {at}": x for at, x in enumerate(means) if np.isfinite(x)}
        rows.append({"task": task, "strategy": strategy} | cells)
    return pd.DataFrame(rows)


def differences(first: Study, second: Study, data: Container[str] = frozenset()) -> pd.DataFrame:
    """Difference in AUBC (B - A) of every strategy that both have, with its test.

    Args:
        data: tasks that are about different data, which are left out.

    Returns:
        DataFrame: task, strategy, n_a, n_b, paired (common seeds), equal_runs (common seeds with
        equal accuracies throughout), a, b (mean AUBC), difference, test, p, p_holm, wilcoxon_p,
        reason.
    """
    groups = [
        {key: {run[2]: run for run in study.results if run[:2] == key} for key in keys}
        for study, keys in (
            (study, sorted({run[:2] for run in study.results})) for study in (first, second)
        )
    ]
    rows = []
    for key in sorted(set(groups[0]) & set(groups[1])):
        if key[0] in data:
            continue
        one, other = groups[0][key], groups[1][key]
        budgets = set.intersection(
            *(set(first.results[run][0]) for run in one.values()),
            *(set(second.results[run][0]) for run in other.values()),
        )
        seeds = sorted(set(one) & set(other))
        equal = sum(first.results[one[seed]] == second.results[other[seed]] for seed in seeds)
        if not budgets:
            rows.append((*key, len(one), len(other), len(seeds), equal, *[NAN] * 3, "n/a", NAN,
                         NAN, "no labeled count in common"))  # fmt: skip
            continue
        a = {seed: _area(first.results[run], budgets) for seed, run in one.items()}
        b = {seed: _area(second.results[run], budgets) for seed, run in other.items()}
        rows.append((*key, len(one), len(other), len(seeds), equal, *_tested(a, b, seeds)))
    columns = ["task", "strategy", "n_a", "n_b", "paired", "equal_runs", "a", "b", "difference",
               "test", "p", "wilcoxon_p", "reason"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    table.insert(columns.index("p") + 1, "p_holm", holm(table["p"]))
    return table


def _area(result: tuple[list[int], list[float]], budgets: set[int]) -> float:
    kept = [(x, y) for x, y in zip(*result, strict=True) if x in budgets]
    return round(aubc(*zip(*kept, strict=True)), 9)


def _tested(a: dict[int, float], b: dict[int, float], seeds: list[int]) -> tuple:
    if len(seeds) >= 2:
        x, y = [a[seed] for seed in seeds], [b[seed] for seed in seeds]
        test, ranked = paired_t(y, x), wilcoxon(y, x)
        means = describe(x)[0], describe(y)[0]
        return *means, test["difference"], "paired t", test["p"], ranked["p"], test["reason"]
    means = describe(list(a.values()))[0], describe(list(b.values()))[0]
    welch = games_howell({"B": list(b.values()), "A": list(a.values())}, interval=False)
    p = float(welch["p"].iloc[0])
    reason = "" if np.isfinite(p) else "a study has fewer than two runs, or there is no variance"
    return *means, means[1] - means[0], "Welch", p, NAN, reason

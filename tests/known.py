"""A small study with known numbers, written as result files, for tests of what the report says."""

from __future__ import annotations

import hashlib
import itertools
import json
import tempfile
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from study import write_chain

TASKS = {"m": "mnist", "c": "cifar10"}
STRATEGIES = ["badge", "random", "kcenter", "entropy"]
BASELINE = "random"  # neither the first nor the last
SEEDS = [3, 1, 4, 0, 7]  # in no order
ALPHA, MARGIN = 0.1, 0.01  # not the defaults
BUDGETS = {"m": [500, 2500, 4000, 10500], "c": [1000, 2000, 8000, 20000]}
FULL = {"m": 60000, "c": 50000}
TRAIN = {"m": [20000, 20000, 20000], "c": [17000, 17000, 16000]}
DIGESTS = {task: hashlib.sha256(task.encode()).hexdigest() for task in TASKS}
TESTED = 1000
CLASSES = [400, 350, 250]
GROUPS = {"plain": 700, "odd": 300}
TABLES = (
    "aubc", "summary", "primary", "win_tie_loss", "improvement", "labels_needed", "calibration",
    "classes", "groups", "class_balance", "selection", "tests", "assumptions", "kruskal_wallis",
    "welch_anova", "games_howell", "verdicts", "verdict_lists", "paired_tasks", "paired_seeds",
    "penalty", "friedman", "mean_ranks", "nemenyi", "bootstrap", "seeds_needed", "literature",
    "fingerprints", "across", "profiles", "labels_saved", "overlap", "overlap_rounds", "standing",
    "along",
)  # fmt: skip
EFFECT = {"badge": 30, "random": 0, "kcenter": 9, "entropy": -55}


def settings(**changes):
    """Settings of the study, as far as the report reads them."""
    return SimpleNamespace(
        **{
            "tasks": list(TASKS),
            "strategies": list(STRATEGIES),
            "seeds": list(SEEDS),
            "tuned": [],
            "rounds": [SimpleNamespace(n=n, next=n + 1 if n < 3 else "end") for n in range(4)],
            "report": SimpleNamespace(
                margin=MARGIN, alpha=ALPHA, baseline=BASELINE, primary="auto"
            ),
            "reproducible": "portable",
            "task": {
                task: SimpleNamespace(dataset=SimpleNamespace(name=name))
                for task, name in TASKS.items()
            },
        }
        | changes
    )


def numbers() -> pd.DataFrame:
    """Every round of the study: counts of right answers and the measures beside them."""
    rng = np.random.default_rng(11)
    rows = []
    for t, task in enumerate(TASKS):
        for strategy in STRATEGIES:
            for seed in SEEDS:
                # Runs of one seed move together, so that pairing tells.
                shared = 6 * seed
                for n, labeled in enumerate(BUDGETS[task]):
                    effect = EFFECT[strategy] * n / 3 * (0.4 if task == "c" else 1)
                    spread = 9 if strategy == "entropy" else 5
                    correct = 480 + 90 * n - 40 * t + shared + effect + rng.normal(0, spread)
                    rows.append((task, strategy, seed, n, labeled, round(correct)))
    table = pd.DataFrame(rows, columns=["task", "strategy", "seed", "round", "labeled", "correct"])
    table["accuracy"] = table["correct"] / TESTED
    table["ece"] = np.round(rng.uniform(0.01, 0.2, len(table)), 6)
    table["nll"] = np.round(rng.uniform(0.5, 2, len(table)), 6)
    for name, most in (("diversity", 3), ("uncertainty", 0.6), ("inconsistency", 1)):
        table[name] = np.round(rng.uniform(0, most, len(table)), 6)
    # What is right falls on the classes and groups unevenly, but sums to `correct`.
    shares = rng.dirichlet([8, 6, 4], len(table))
    table["per_class"] = [
        spread_out(count, share, CLASSES)
        for count, share in zip(table["correct"], shares, strict=True)
    ]
    table["per_group"] = [
        spread_out(count, share, list(GROUPS.values()))
        for count, share in zip(table["correct"], rng.dirichlet([7, 3], len(table)), strict=True)
    ]
    table["labeled_per_class"] = [
        spread_out(row.labeled, share, [min(row.labeled, most) for most in TRAIN[row.task]])
        for row, share in zip(table.itertuples(), rng.dirichlet([3, 2, 2], len(table)), strict=True)
    ]
    return table


def spread_out(total: int, shares, bounds: list[int]) -> list[int]:
    """Whole numbers within bounds that sum to a total, roughly in these shares."""
    parts = np.minimum(np.floor(total * np.asarray(shares)).astype(int), bounds)
    for at in np.argsort(parts - np.asarray(bounds)):
        parts[at] += min(total - parts.sum(), bounds[at] - parts[at])
    assert parts.sum() == total
    return parts.tolist()


def full_numbers() -> dict[tuple[str, int], int]:
    """(task, seed) -> right answers of training on every label."""
    return {
        (task, seed): 800 - 60 * t + 3 * at * at
        for t, task in enumerate(TASKS)
        for at, seed in enumerate(SEEDS)
    }


def record(row) -> dict:
    """The result file of one round; the last one selects nothing."""
    budgets = BUDGETS[row.task]
    selected = budgets[row.round + 1] - row.labeled if row.labeled < budgets[-1] else 0
    found = {
        "format": 1, "task": row.task, "strategy": row.strategy, "seed": int(row.seed),
        "round": int(row.round), "labeled": int(row.labeled), "test": TESTED,
        "correct": int(row.correct), "accuracy": round(row.correct / TESTED, 6),
        "ece": row.ece, "nll": row.nll, "selected": int(selected),
        "per_class_test": CLASSES, "per_class_correct": row.per_class,
        "labeled_per_class": row.labeled_per_class,
        "groups": {
            name: {"test": GROUPS[name], "correct": right} | ({"mismatch": True} if at else {})
            for at, (name, right) in enumerate(zip(GROUPS, row.per_group, strict=True))
        },
    }  # fmt: skip
    if selected:
        measures = ("diversity", "uncertainty", "inconsistency")
        found["selection"] = {name: getattr(row, name) for name in measures}
    return found


def put(path: Path, content) -> None:
    """Write text, or a value as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def write(root: Path) -> None:
    """All files of the study that the report reads."""
    for row in numbers().itertuples(index=False):
        folder = root / f"reports/rounds/{row.task}/{row.strategy}/seed-{row.seed}"
        put(folder / f"round-{row.round}.json", record(row))
    for task, strategy, seed in itertools.product(TASKS, STRATEGIES, SEEDS):
        budgets = BUDGETS[task]
        write_chain(
            root,
            [list(range(*pair)) for pair in itertools.pairwise(budgets)],
            validation=[],
            initial=list(range(budgets[0])),
            rows=FULL[task],
            task=task,
            strategy=strategy,
            seed=seed,
            data=f"{TASKS[task]} sha256:{DIGESTS[task]}",
        )
    for (task, seed), correct in full_numbers().items():
        put(
            root / f"reports/rounds/{task}/seed-{seed}/full.json",
            {"format": 1, "task": task, "strategy": "full", "seed": seed, "round": None,
             "labeled": FULL[task], "test": TESTED, "correct": correct,
             "accuracy": correct / TESTED},
        )  # fmt: skip
    for task, name in TASKS.items():
        put(
            root / f"data/{task}/manifest.json",
            {"name": name, "digest": DIGESTS[task], "source": f"source of {task}",
             "license": f"license of {task}", "classes": ["x", "y", "z"], "train": FULL[task],
             "test": TESTED, "train_per_class": TRAIN[task], "test_per_class": CLASSES},
        )  # fmt: skip


@lru_cache(maxsize=1)
def report() -> dict[str, str | bytes]:
    """Path under reports/ -> content of the study's report, rendered once for all tests."""
    from stages.report import render

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        return render(settings(), Path(folder))

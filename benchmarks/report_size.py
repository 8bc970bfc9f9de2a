"""Seconds and peak memory of the report on a synthetic study: python -m benchmarks.report_size.

Makes 19 strategies x 10 tasks x 5 seeds x 80 rounds in a temporary folder (76,000 result files;
`--links` writes the 76,000 index files as well), then times each step of the report.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from stages.study.layout import Layout

CLASSES, TEST = 10, 10_000


def make_settings(strategies: int, tasks: int, seeds: int, rounds: int) -> SimpleNamespace:
    """The part of the settings that the report reads."""
    names = [f"task_{n:02}" for n in range(tasks)]
    return SimpleNamespace(
        tasks=names,
        strategies=["random", *(f"strategy_{n:02}" for n in range(1, strategies))],
        seeds=list(range(seeds)),
        rounds=[
            SimpleNamespace(n=n, next=n + 1 if n + 1 < rounds else "end") for n in range(rounds)
        ],
        report=SimpleNamespace(margin=0.005, alpha=0.05, baseline="random", primary="auto"),
        tuned=[],
        reproducible="off",
        task={name: SimpleNamespace(dataset=SimpleNamespace(name="mnist")) for name in names},
    )


def make_study(root: Path, settings: SimpleNamespace, links: bool, query: int = 100) -> None:
    """Result files of made-up curves, one random generator for all."""
    rng, layout = np.random.default_rng(1), Layout(root)
    tested = [TEST // CLASSES] * CLASSES
    for number, task in enumerate(settings.tasks):
        for at, strategy in enumerate(settings.strategies):
            for seed in settings.seeds:
                skill = 0.05 * number + 0.002 * at + 0.01 * rng.standard_normal()
                write_run(layout, rng, settings, (task, strategy, seed), skill, tested, query)
                if links:
                    write_links(layout, rng, settings, (task, strategy, seed), query)


def write_run(layout, rng, settings, run, skill, tested, query) -> None:
    """The result files of one run."""
    folder = layout.result(*run, 0).parent
    folder.mkdir(parents=True)
    for item in settings.rounds:
        share = min(0.95, 0.5 + skill - 0.4 * np.exp(-item.n / 20))
        right = rng.binomial(TEST // CLASSES, share, CLASSES)
        labeled = query * (item.n + 1)
        record = {
            "format": 1, "task": run[0], "strategy": run[1], "seed": run[2], "round": item.n,
            "labeled": labeled,
            "labeled_per_class": rng.multinomial(labeled, [1 / CLASSES] * CLASSES).tolist(),
            "test": TEST, "correct": int(right.sum()),
            "accuracy": round(int(right.sum()) / TEST, 6), "per_class_test": tested,
            "per_class_correct": right.tolist(), "nll": 2.5, "ece": 0.04, "selected": query,
            "selection": {"diversity": 3.2, "uncertainty": 0.31, "inconsistency": 0.12},
        }  # fmt: skip
        (folder / f"round-{item.n}.json").write_text(json.dumps(record))


def write_links(layout, rng, settings, run, query, rows: int = 50_000) -> None:
    """The index files of one run, without a sound chain: the report reads their indices alone."""
    task, strategy, seed = run
    order = np.random.default_rng(seed).permutation(rows)[:query]
    shared = layout.shared_split(task, seed)
    if not shared.exists():
        shared.mkdir(parents=True)
        for name, indices in (("initial", order), ("validation", ())):
            write_indices(shared / f"{name}.txt", rows, indices)
    picks = rng.permutation(np.setdiff1d(np.arange(rows), order))
    layout.chain(*run).mkdir(parents=True)
    for item in settings.rounds:
        chosen = picks[query * item.n : query * (item.n + 1)] if item.next != "end" else ()
        write_indices(layout.link(*run, item.next), rows, chosen)


def write_indices(path: Path, rows: int, indices) -> None:
    """One index file with the header that the report needs."""
    lines = [f"# rows: {rows}", *map(str, indices)]
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, number in (("strategies", 19), ("tasks", 10), ("seeds", 5), ("rounds", 80)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--links", action="store_true", help="index files as well")
    parser.add_argument("--tables", action="store_true", help="tables only, no figures and pages")
    options = parser.parse_args()
    settings = make_settings(options.strategies, options.tasks, options.seeds, options.rounds)
    root = Path(tempfile.mkdtemp(prefix="aledger-report-"))
    try:
        started = time.perf_counter()
        make_study(root, settings, options.links)
        print(f"made in {time.perf_counter() - started:.1f} s (not counted)")
        started = time.perf_counter()
        if options.tables:
            time_tables(root, settings)
        else:
            from stages.report import report

            report(settings, root)
            page = root / "reports/index.html"
            if page.exists():
                print(f"page: {page.stat().st_size / 1e6:.2f} MB")
        spent = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"report: {spent:.1f} s, peak {memory:.2f} GiB")
    finally:
        shutil.rmtree(root)


def time_tables(root: Path, settings) -> None:
    """Reading and tables, step by step."""
    from stages.reporting import gathered
    from stages.reporting.read import records

    clock = time.perf_counter()

    def lap(what: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        print(f"{what}: {now - clock:.1f} s")
        clock = now

    rounds = records.read_rounds(settings, root)
    lap("results read")
    made = gathered.build(rounds, records.read_full(settings, root), settings, root)
    lap("tables, with the index sets read and compared")
    text = sum(len(gathered.to_csv(table, gathered.TABLES[name])) for name, table in made.items())
    lap(f"CSV ({text / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()

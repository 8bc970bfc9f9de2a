"""Stage round: train, score, select, append.

One round of one run. The new link is written last of all, atomically: a round that dies leaves
none, and ``dvc repro`` simply runs it again.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from stages import carry, catalogue, ledger, settings
from stages.compute import Compute, configure
from stages.datasets import Prepared
from stages.errors import UserError, command_line
from stages.files import write_array, write_atomically, write_json
from stages.layout import END, Layout
from stages.learners.evaluation import evaluate
from stages.learners.problem import Learned, Problem
from stages.models import state
from stages.models.batches import Batches
from stages.process import leave
from stages.randomness import Purpose
from stages.scorers.pool import Pool


@dataclass(frozen=True)
class Run:
    """One run: a chain of the ledger."""

    study: settings.Settings
    layout: Layout
    task: str
    strategy: str
    seed: int


def run_round(run: Run, n: int, following: int | str) -> None:
    """Run round ``n`` and write the link ``following`` (``"end"``: the seal).

    Raises:
        UserError: bad settings, a damaged chain, missing files, or training that diverged.
    """
    study = run.study
    study.check_names(run.task, run.strategy, run.seed)
    if not any(item.n == n and item.next == following for item in study.rounds):
        raise UserError(f"round {n} with next {following} is not in params.yaml's rounds")
    lock = run.layout.lock(run.task, run.strategy, run.seed)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # a round whose dvc was killed may still be writing
        _locked(run, n, following)


def _locked(run: Run, n: int, following: int | str) -> None:
    layout, protocol = run.layout, run.study.task[run.task]
    link = layout.link(run.task, run.strategy, run.seed, n)
    chain = ledger.walk(link)
    data = Prepared(layout.data(run.task))
    check_identity(chain, data)
    entry, options = run.study.chosen(run.strategy)
    compute = configure(run.study.reproducible, run.study.device, run.study.threads)
    labels = np.asarray(data.array("train_labels"))
    used = np.concatenate([chain.labeled, chain.validation.indices])
    pool_rows = np.setdiff1d(np.arange(data.rows), used)
    problem = make_problem(run, data, compute, chain.labeled, labels[chain.labeled], pool_rows, n)
    clock = {"start": time.perf_counter()}
    learned = catalogue.bind(entry.learner, options)(problem)
    clock["train"] = time.perf_counter()
    result = evaluate_on_test(learned, data, compute)
    clock["evaluate"] = time.perf_counter()
    final = following == END
    picks = np.empty(0, np.int64)
    scored: Any = None
    if not final:
        pool = Pool(learned.network, problem.batches, pool_rows, chain.labeled, problem.generator)
        scored = catalogue.bind(entry.scorer, options)(pool)
        clock["score"] = time.perf_counter()
        choose = catalogue.bind(entry.selector, options)
        positions = choose(scored, protocol.query_size, problem.generator(Purpose.SELECT))
        check_selection(positions, protocol.query_size, len(pool_rows), run.strategy)
        picks = pool_rows[positions]
        clock["select"] = time.perf_counter()
    write_artifacts(
        layout.artifacts(run.task, run.strategy, run.seed, following), learned, scored, clock
    )
    counts = np.bincount(problem.labels, minlength=data.classes).tolist()
    write_json(
        layout.result(run.task, run.strategy, run.seed, n),
        {
            "format": 1,
            "task": run.task,
            "strategy": run.strategy,
            "seed": run.seed,
            "round": n,
            "labeled": len(chain.labeled),
            "labeled_per_class": counts,
            **result,
            "selected": len(picks),
        },
    )
    ledger.write(
        layout.link(run.task, run.strategy, run.seed, following),
        picks,
        data=data.identity,
        rows=data.rows,
        task=run.task,
        strategy=run.strategy,
        seed=run.seed,
        round_n=following,
        parent=ledger.read(link),
        total=len(chain.labeled) + len(picks),
    )


def check_identity(chain: ledger.Chain, data: Prepared) -> None:
    """Raise unless the chain is about the prepared data set."""
    said = chain.initial.header["data"]
    if said != data.identity:
        raise UserError(
            f"{chain.initial.path}: these index sets are about {said}, but {data.folder} "
            f"holds {data.identity}"
        )


def check_selection(positions: np.ndarray, b: int, candidates: int, strategy: str) -> None:
    """Raise unless a selector gave ``b`` different positions among the candidates."""
    positions = np.asarray(positions)
    right = positions.shape == (b,) and np.issubdtype(positions.dtype, np.integer)
    if (
        not right
        or len(np.unique(positions)) != b
        or not ((positions >= 0) & (positions < candidates)).all()
    ):
        raise UserError(
            f"strategy {strategy!r}: its selector must give {b} different positions "
            f"below {candidates}"
        )


def make_problem(
    run: Run,
    data: Prepared,
    compute: Compute,
    rows: np.ndarray,
    labels: np.ndarray,
    pool: np.ndarray,
    n: int,
) -> Problem:
    """What the learner of round ``n`` is given."""
    manifest = data.manifest
    batches = Batches(data.array("train_images"), manifest["mean"], manifest["std"], compute)
    handed = carry.read(run.layout.artifacts(run.task, run.strategy, run.seed, n))
    return Problem(
        batches,
        rows,
        labels,
        pool,
        data.classes,
        tuple(manifest["shape"]),
        run.study.task[run.task],
        run.seed,
        n,
        compute,
        handed,
    )


def evaluate_on_test(learned: Learned, data: Prepared, compute: Compute) -> dict[str, Any]:
    """The test-set measures of a trained network."""
    manifest = data.manifest
    batches = Batches(data.array("test_images"), manifest["mean"], manifest["std"], compute)
    labels = np.asarray(data.array("test_labels"))
    return evaluate(learned.network, batches, labels, data.classes, compute)


def write_artifacts(folder: Path, learned: Learned, scored: Any, clock: dict[str, float]) -> None:
    """Weights, scores (where they are one number a candidate), seconds by phase, and the carry."""
    write_atomically(
        folder / "model.npz", lambda stream: np.savez(stream, **state(learned.network))
    )
    if isinstance(scored, np.ndarray) and scored.ndim == 1:
        write_array(folder / "scores.npy", scored)
    marks = list(clock.items())
    seconds = {name: round(at - marks[i][1], 4) for i, (name, at) in enumerate(marks[1:])}
    write_json(folder / "seconds.json", seconds)
    carry.write(folder, learned.carry)


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.round", description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--round", type=int, required=True)
    parser.add_argument("--next", required=True, help="number of the next round, or 'end'")
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    study = settings.load(options.root / "params.yaml")
    following = int(options.next) if options.next.isdigit() else options.next
    run = Run(study, Layout(options.root), options.task, options.strategy, options.seed)
    run_round(run, options.round, following)


if __name__ == "__main__":
    main()
    leave()

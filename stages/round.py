"""Stage round: train, score, select, append.

One round of one run. The new link is written last of all, atomically: a round that dies leaves
none, and ``dvc repro`` simply runs it again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from stages import catalogue, protocol, recipes
from stages.checking import records
from stages.checking.data import read_manifest
from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError, command_line
from stages.machine.files import write_array, write_atomically, write_json
from stages.machine.process import leave
from stages.machine.randomness import Purpose
from stages.models import state
from stages.models.batches import Batches
from stages.models.compute import Compute, configure
from stages.rounds.context import Learned, Problem
from stages.rounds.evaluation import evaluate
from stages.rounds.pool import Pool, drawn
from stages.rounds.properties import properties, thumbnails
from stages.selectors import Selection
from stages.study import carry, ledger, settings, tuning
from stages.study.layout import END, Layout


@dataclass(frozen=True)
class Run:
    """One run: a chain of the ledger."""

    study: settings.Settings
    layout: Layout
    task: str
    strategy: str
    seed: int


class Clock:
    """Wall-clock seconds of the phases of a round."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, phase: str) -> None:
        """The phase that has just ended."""
        now = time.perf_counter()
        self.seconds[phase], self._last = round(now - self._last, 4), now


def run_round(
    run: Run, n: int, following: int | str, last_check: Callable[[], None] | None = None
) -> None:
    """Run round ``n`` and write the link ``following`` (``"end"``: the seal).

    Args:
        last_check: called before the link is written, to raise where none may be.

    Raises:
        UserError: bad settings, a damaged chain, missing files, or training that diverged.
    """
    check_asked(run, n, following)
    lock = run.layout.lock(run.task, run.strategy, run.seed)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # a round whose dvc was killed may still be writing
        _locked(run, n, following, last_check or (lambda: None))


def check_asked(run: Run, n: int, following: int | str) -> None:
    """Raise unless params.yaml names this run and this round."""
    run.study.check_names(run.task, run.strategy, run.seed)
    if not any(item.n == n and item.next == following for item in run.study.rounds):
        raise UserError(f"round {n} with next {following} is not in params.yaml's rounds")


def _locked(run: Run, n: int, following: int | str, last_check: Callable[[], None]) -> None:
    layout, where = run.layout, (run.task, run.strategy, run.seed)
    chain = ledger.walk(layout.link(*where, n))
    data = Prepared(layout.data(run.task))
    check_identity(chain, data)
    problem = make_problem(run, data, chain, n)
    entry, options = run.study.chosen(run.strategy)
    options |= tuning.in_force(run.study, run.strategy, chain)
    clock = Clock()
    learned = catalogue.bind(entry.learner, options)(problem)
    clock.mark("train")
    result = evaluate_on_test(learned, data, problem.compute)
    clock.mark("evaluate")
    picks, scored, state_of_selector, seen = np.empty(0, np.int64), None, {}, {}
    if following != END:
        scored, selection, seen = choose(run, problem, learned, entry, options, clock)
        picks, state_of_selector = problem.pool[selection.positions], selection.carry
    handed_on = {**learned.carry, **state_of_selector}
    write_artifacts(layout.artifacts(*where, following), learned, scored, handed_on)
    write_json(layout.seconds(*where, n), clock.seconds)
    write_json(layout.result(*where, n), {**describe(run, n, problem, result, len(picks)), **seen})
    last_check()
    header = chain.links[-1].header
    ledger.write(
        layout.link(*where, following),
        picks,
        data=header["data"],
        rows=data.rows,
        task=run.task,
        strategy=run.strategy,
        seed=run.seed,
        round_n=following,
        parent=chain.links[-1],
        total=len(chain.labeled) + len(picks),
        results=results_of(run, chain) if following == END else (),
    )


def results_of(run: Run, chain: ledger.Chain) -> list[str]:
    """SHA-256 of the result file of each round of a run that ends now, for its seal.

    Raises:
        UserError: one is missing, or is not about this run, its chain or its data.
    """
    where = (run.task, run.strategy, run.seed)
    data = read_manifest(run.layout.data(run.task) / "manifest.json")
    sizes = [len(link.indices) for link in chain.links[1:]] + [0]
    found = []
    for n, (link, selected) in enumerate(zip(chain.links, sizes, strict=True)):
        path = run.layout.result(*where, n)
        _, faults = records.read(path, records.Place(*where, n, data, link.total, selected))
        if faults:
            raise UserError(*faults)
        found.append(ledger.digest(path.read_bytes()))
    return found


def choose(
    run: Run,
    problem: Problem,
    learned: Learned,
    entry: catalogue.Strategy,
    options: dict[str, Any],
    clock: Clock,
) -> tuple[Any, Selection, dict[str, Any]]:
    """Score and select: what the scorer gave, the selection, and what it looks like.

    Positions and scores are in ``problem.pool``; the score of what was no candidate is NaN.
    """
    kept = preselect(problem, options.get("candidates", 0))
    pool = pool_of(problem, learned, kept)
    scored = catalogue.bind(entry.scorer, options)(pool)
    clock.mark("score")
    selection = select(run.strategy, problem, scored, entry, options, len(kept))
    clock.mark("select")
    seen: dict[str, Any] = {"selection": properties(pool, selection.positions, problem.task)}
    if problem.round_n == 0:
        seen["first_selected"] = thumbnails(pool, selection.positions)
    if isinstance(scored, np.ndarray) and scored.ndim == 1 and len(kept) < len(problem.pool):
        scores, scored = scored, np.full(len(problem.pool), np.nan)
        scored[kept] = scores
    return scored, Selection(kept[selection.positions], selection.carry), seen


def pool_of(problem: Problem, learned: Learned, kept: np.ndarray) -> Pool:
    """What the scorer is given: the candidates at positions ``kept`` of the pool."""
    return Pool(
        learned.network,
        problem.batches,
        problem.pool[kept],
        problem.rows,
        problem.generator,
        problem.labels,
        problem.classes,
        problem.task.query_size,
        problem.round_n,
        learned.members,
        problem.carry,
        problem.pool,
    )


def select(
    label: str,
    problem: Problem,
    scored: Any,
    entry: catalogue.Strategy,
    options: dict[str, Any],
    candidates: int,
) -> Selection:
    """The selector's choice from what the scorer gave, checked."""
    selector = catalogue.bind(entry.selector, options)
    chosen = selector(scored, problem.task.query_size, problem.generator(Purpose.SELECT))
    selection = chosen if isinstance(chosen, Selection) else Selection(chosen)
    check_selection(selection.positions, problem.task.query_size, candidates, label)
    return selection


def preselect(problem: Problem, candidates: int) -> np.ndarray:
    """Positions of a random part of the pool, rising: ``candidates`` of it, or all (0).

    So that uncertain images that are all alike do not fill the batch (Gashi et al. 2024, section
    on diversity). A pool that has become smaller is taken whole.
    """
    return drawn(len(problem.pool), candidates, problem.generator(Purpose.CANDIDATES))


def describe(
    run: Run, n: int, problem: Problem, result: dict[str, Any], selected: int
) -> dict[str, Any]:
    """The record of a round, as reports/rounds has it."""
    return {
        "format": 1,
        "task": run.task,
        "strategy": run.strategy,
        "seed": run.seed,
        "round": n,
        "labeled": len(problem.rows),
        "labeled_per_class": np.bincount(problem.labels, minlength=problem.classes).tolist(),
        **result,
        "selected": selected,
    }


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


def make_problem(run: Run, data: Prepared, chain: ledger.Chain, n: int) -> Problem:
    """What the learner of round ``n`` is given: of the labels, only those that were bought."""
    manifest, images = data.manifest, data.array("train_images")
    compute = configure(run.study.reproducible, run.study.device, run.study.threads)
    batches = Batches(images, manifest["mean"], manifest["std"], compute)
    handed_on = carry.read(run.layout.artifacts(run.task, run.strategy, run.seed, n))
    return problem_of(run, data, batches, chain.labeled, chain.validation.indices, n, handed_on)


def problem_of(
    run: Run,
    data: Prepared,
    batches: Batches,
    labeled: np.ndarray,
    validation: np.ndarray,
    n: int,
    handed_on: dict[str, np.ndarray],
) -> Problem:
    """Round ``n`` with these labeled rows, in order of selection; the pool is all the rest."""
    return Problem(
        batches,
        labeled,
        np.asarray(data.array("train_labels"))[labeled],
        np.setdiff1d(np.arange(data.rows), np.concatenate([labeled, validation])),
        data.classes,
        tuple(data.manifest["shape"]),
        run.study.task[run.task],
        run.seed,
        n,
        batches.compute,
        handed_on,
    )


def evaluate_on_test(learned: Learned, data: Prepared, compute: Compute) -> dict[str, Any]:
    """The test-set measures of a trained network."""
    manifest = data.manifest
    batches = Batches(data.array("test_images"), manifest["mean"], manifest["std"], compute)
    labels = np.asarray(data.array("test_labels"))
    return evaluate(learned.network, batches, labels, data.classes, compute)


def write_artifacts(
    folder: Path, learned: Learned, scored: Any, handed_on: dict[str, np.ndarray]
) -> None:
    """Weights, scores (where they are one number a candidate), and the carry."""
    weights = state(learned.network)
    write_atomically(folder / "model.npz", lambda stream: np.savez(stream, **weights))
    if isinstance(scored, np.ndarray) and scored.ndim == 1:
        write_array(folder / "scores.npy", scored)
    carry.write(folder, handed_on)


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
    number = options.next.isdecimal() and len(options.next) < 10
    following = int(options.next) if number else options.next
    run = Run(study, Layout(options.root), options.task, options.strategy, options.seed)
    check_asked(run, options.round, following)
    before = frozenset(sys.modules)
    recipes.check(study, run.layout, run.strategy)
    protocol.check(study, options.root, run.task)
    run_round(
        run,
        options.round,
        following,
        lambda: recipes.check_loaded(run.layout, run.strategy, before),
    )


if __name__ == "__main__":
    main()
    leave()

"""Stage round: train, score, select, append.

One round of one run. The new link is written last of all, atomically: a round that dies leaves
none, and ``dvc repro`` simply runs it again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock

from stages import protocol, recipes
from stages.checking import records
from stages.checking.data import posed, read_manifest
from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError, command_line
from stages.machine.files import write_json
from stages.machine.process import leave
from stages.rounds import trained
from stages.rounds.context import Round
from stages.rounds.evaluation import on_test_set
from stages.rounds.opening import (
    Clock,
    Run,
    check_identity,
    open_round,
    posed_by,
    training_images,
)
from stages.rounds.oracle import Oracle, reveal
from stages.rounds.posed import Posed
from stages.rounds.record import describe, describe_choice, describe_signature, write_artifacts
from stages.rounds.selection import choose, pool_of, replayed, score
from stages.study import carry, ledger, settings, tuning
from stages.study.layout import END, Layout


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
    chain = ledger.walk(run.layout.link(run.task, run.strategy, run.seed, n))
    prepared = Prepared(run.layout.data(run.task))
    check_identity(chain.initial.header, chain.initial.path, prepared)
    data = posed_by(run.study, run.task, run.seed, prepared, chain)
    known = _opened(run, n, chain, data)
    entry, options = run.study.chosen(run.strategy)
    options |= tuning.in_force(run.study, run.strategy, chain)
    clock = Clock()
    found = trained.train(run, known, entry.learner, options)
    learned = found.learned
    clock.mark("train", found.seconds)
    result = on_test_set(learned.network, data, known.batches, known.task.metrics)
    clock.mark("evaluate")
    choice = None
    if following != END:
        pool = pool_of(known, learned, options)
        rows = replayed(run.layout.root, chain, entry, options, run.seed)
        given = reveal(entry, data, known.batches, n) if rows is None else rows
        scored = score(pool, entry, options, given)
        clock.mark("score")
        choice = choose(run.strategy, scored, pool, entry, options)
        clock.mark("select")
    names = {"task": run.task, "strategy": run.strategy, "seed": run.seed, "round": n}
    record = describe(names, known, learned, result, Oracle(data)) | describe_choice(choice)
    record |= describe_signature(learned, data, known.batches)
    where = (run.task, run.strategy, run.seed)
    folder = run.layout.artifacts(*where, following)
    write_artifacts(folder, learned, choice, run.study.keeps(following))
    if following == END:
        trained.note_last(run, found)
    write_json(run.layout.seconds(*where, n), clock.seconds)
    write_json(run.layout.result(*where, n), record)
    last_check()
    _append(run, chain, following, known.unlabeled[:0] if choice is None else choice.rows, data)


def _opened(run: Run, n: int, chain: ledger.Chain, data: Posed) -> Round:
    return open_round(
        run.study,
        run.task,
        run.seed,
        n,
        data=data,
        batches=training_images(run.study, data),
        labeled=chain.labeled,
        validation=chain.validation.indices,
        carry=carry.read(run.layout.artifacts(run.task, run.strategy, run.seed, n)),
    )


def _append(
    run: Run, chain: ledger.Chain, following: int | str, picks: np.ndarray, data: Posed
) -> None:
    """Write the next link, or the seal: the last thing that a round does."""
    ledger.write(
        run.layout.link(run.task, run.strategy, run.seed, following),
        picks,
        data=chain.links[-1].header["data"],
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
    data = posed(read_manifest(run.layout.data(run.task) / "manifest.json"), chain.problem)
    sizes = [len(link.indices) for link in chain.links[1:]] + [0]
    found = []
    for n, (link, selected) in enumerate(zip(chain.links, sizes, strict=True)):
        path = run.layout.result(*where, n)
        _, faults = records.read(path, records.Place(*where, n, data, link.total, selected))
        if faults:
            raise UserError(*faults)
        found.append(ledger.digest(path.read_bytes()))
    return found


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
        lambda: recipes.check_loaded(run.layout, run.strategy, run.task, before),
    )


if __name__ == "__main__":
    main()
    leave()

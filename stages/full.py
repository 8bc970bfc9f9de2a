"""Stage full: the model trained on the whole training set, once per (task, seed): the Full row."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from stages import protocol, recipes
from stages.datasets.prepared import Prepared
from stages.learners.supervised import train
from stages.machine.errors import command_line
from stages.machine.files import write_json
from stages.machine.process import leave
from stages.rounds.evaluation import on_test_set
from stages.rounds.opening import Clock, open_round, posed_by, training_images
from stages.rounds.oracle import Oracle
from stages.rounds.record import describe, write_artifacts
from stages.study import ledger, settings
from stages.study.layout import Layout


def full(study: settings.Settings, root: Path, task: str, seed: int) -> None:
    """Train on every row of the pool, evaluate on the test set."""
    study.check_names(task, seed=seed)
    layout = Layout(root)
    shared = ledger.read_shared(layout.shared_split(task, seed))
    data = posed_by(study, task, seed, Prepared(layout.data(task)), shared)
    validation = shared.validation
    aside = np.concatenate([validation.indices, shared.left_out])
    rows = np.setdiff1d(np.arange(data.rows), aside)
    batches = training_images(study, data)
    known = open_round(
        study,
        task,
        seed,
        0,
        data=data,
        batches=batches,
        labeled=rows,
        validation=validation.indices,
        pool=False,
    )
    clock = Clock()
    learned = train(known)
    clock.mark("train")
    result = on_test_set(learned.network, data, batches, known.task.metrics)
    clock.mark("evaluate")
    names = {"task": task, "strategy": "full", "seed": seed, "round": None}
    write_artifacts(layout.full_artifacts(task, seed), learned, weights=study.keeps("end"))
    write_json(layout.full_seconds(task, seed), clock.seconds)
    write_json(
        layout.full_result(task, seed), describe(names, known, learned, result, Oracle(data))
    )


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.full", description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    study = settings.load(options.root / "params.yaml")
    study.check_names(options.task, seed=options.seed)
    recipes.check_stage(Layout(options.root), "full")
    protocol.check(study, options.root, options.task)
    full(study, options.root, options.task, options.seed)


if __name__ == "__main__":
    main()
    leave()

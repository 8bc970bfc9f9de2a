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
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.round import Clock, evaluate_on_test, write_artifacts
from stages.rounds.context import Problem
from stages.study import ledger, settings
from stages.study.layout import Layout


def full(study: settings.Settings, root: Path, task: str, seed: int) -> None:
    """Train on every row that is not in the validation set, evaluate on the test set."""
    study.check_names(task, seed=seed)
    layout = Layout(root)
    data = Prepared(layout.data(task))
    validation = ledger.read(layout.shared_split(task, seed) / "validation.txt")
    compute = configure(study.reproducible, study.device, study.threads)
    rows = np.setdiff1d(np.arange(data.rows), validation.indices)
    labels = np.asarray(data.array("train_labels"))[rows]
    manifest = data.manifest
    batches = Batches(data.array("train_images"), manifest["mean"], manifest["std"], compute)
    problem = Problem(
        batches,
        rows,
        labels,
        np.empty(0, np.int64),
        data.classes,
        tuple(manifest["shape"]),
        study.task[task],
        seed,
        0,
        compute,
    )
    clock = Clock()
    learned = train(problem)
    clock.mark("train")
    result = evaluate_on_test(learned, data, compute)
    clock.mark("evaluate")
    write_artifacts(layout.full_artifacts(task, seed), learned, None, {})
    write_json(layout.full_seconds(task, seed), clock.seconds)
    write_json(
        layout.full_result(task, seed),
        {
            "format": 1,
            "task": task,
            "strategy": "full",
            "seed": seed,
            "round": None,
            "labeled": len(rows),
            "labeled_per_class": np.bincount(labels, minlength=data.classes).tolist(),
            **result,
        },
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

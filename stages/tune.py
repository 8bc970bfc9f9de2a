"""Stage tune: what each candidate of a strategy's settings achieves on the validation set.

A whole run for each candidate, as the stage round would do it, and in the end the accuracy on the
rows that are set aside (Li et al. 2022, hybrid, section 4.1.1). Only this stage and the report look
at their labels. Which candidate is taken, all seeds together, the stage start says.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages import catalogue, protocol, recipes
from stages.catalogue import parts
from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError, command_line
from stages.machine.files import write_json
from stages.machine.process import leave
from stages.machine.progress import progress
from stages.rounds.context import Carry, Learned, Pool, Round
from stages.rounds.evaluation import evaluate_rows
from stages.rounds.opening import Run, check_identity, open_round, posed_by, training_images
from stages.rounds.oracle import Oracle
from stages.rounds.selection import choose, pool_of, score
from stages.strategies.handshake import Scored
from stages.study import ledger, settings
from stages.study.layout import Layout


@dataclass
class Trial:
    """A candidate's run so far.

    Attributes:
        values: the settings that are tried.
        labeled: rows in order of selection, int64, shape (L,).
        carry: what its last round handed on.
    """

    values: dict[str, Any]
    labeled: np.ndarray
    carry: Carry = field(default_factory=dict)

    def state(self, entry: catalogue.Strategy, role: str) -> Hashable:
        """What a part can know of this trial: two that agree in it share its result."""
        named = {entry.name(role, key) for key in parts.section(getattr(entry, role)).kinds}
        own = {key: value for key, value in self.values.items() if key in named}
        arrays = tuple(
            (f"{one}/{key}", value.tobytes())
            for one, arrays in sorted(self.carry.items())
            for key, value in sorted(arrays.items())
        )
        return json.dumps(own), self.labeled.tobytes(), arrays


class Tuning:
    """All candidates of one (task, strategy, seed), round by round."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.entry, self.options = run.study.chosen(run.strategy)
        prepared = Prepared(run.layout.data(run.task))
        shared = ledger.read_shared(run.layout.shared_split(run.task, run.seed))
        initial = shared.initial
        check_identity(initial.header, initial.path, prepared)
        self.data = posed_by(run.study, run.task, run.seed, prepared, shared)
        self.validation = shared.validation.indices
        self.trials = [Trial(values, initial.indices) for values in run.study.grid(run.strategy)]
        self.batches = training_images(run.study, self.data)

    def measure(self) -> list[dict[str, Any]]:
        """For each candidate its settings and the right answers of its last model."""
        rounds = self.run.study.rounds
        for item in progress(rounds[:-1], f"tune {self.run.strategy}", "round"):
            self._grow(item.n)
        labels = Oracle(self.data).labels(self.validation)
        results: dict[Hashable, int] = {}
        for trial in self.trials:
            key = trial.state(self.entry, "learner")
            if key not in results:
                _, learned = self._train(trial, rounds[-1].n)
                found = evaluate_rows(
                    learned.network, self.batches, self.validation, labels, self.data.classes
                )
                results[key] = found["correct"]
        return [
            {"values": trial.values, "correct": results[trial.state(self.entry, "learner")]}
            for trial in self.trials
        ]

    def _grow(self, n: int) -> None:
        """One round of every trial; those whose rows agree so far share model and scores."""
        models: dict[Hashable, tuple[Round, Learned]] = {}
        scores: dict[Hashable, tuple[Pool, Scored]] = {}
        for trial in sorted(
            self.trials, key=lambda trial: repr(trial.state(self.entry, "learner"))
        ):
            model = trial.state(self.entry, "learner")
            if model not in models:
                models, scores = {model: self._train(trial, n)}, {}  # sorted: older ones are done
            known, learned = models[model]
            options = {**self.options, **trial.values}
            state = trial.state(self.entry, "scorer")
            if state not in scores:
                pool = pool_of(known, learned, options)
                scores[state] = pool, score(pool, self.entry, options)
            pool, scored = scores[state]
            choice = choose(self.run.strategy, scored, pool, self.entry, options)
            trial.labeled = np.concatenate([trial.labeled, choice.rows])
            trial.carry = {"learner": learned.carry, **choice.carry}

    def _train(self, trial: Trial, n: int) -> tuple[Round, Learned]:
        known = open_round(
            self.run.study,
            self.run.task,
            self.run.seed,
            n,
            data=self.data,
            batches=self.batches,
            labeled=trial.labeled,
            validation=self.validation,
            carry=trial.carry,
        )
        options = {**self.options, **trial.values}
        return known, catalogue.bind(self.entry.learner, options, "learner")(known)


def check_tuned(study: settings.Settings, task: str, strategy: str, seed: int) -> None:
    """Raise unless params.yaml names this task, strategy and seed, and tunes the strategy."""
    study.check_names(task, strategy, seed)
    if strategy not in study.tuned:
        raise UserError(
            f"strategy {strategy!r} is not in params.yaml's tuned; "
            f"allowed: {', '.join(study.tuned) or 'none'}"
        )


def tune(study: settings.Settings, root: Path, task: str, strategy: str, seed: int) -> None:
    """Try all candidates on one seed and write reports/tuned/<task>/<strategy>/seed-<k>.json.

    Raises:
        UserError: the strategy is not tuned, bad settings, or missing files.
    """
    check_tuned(study, task, strategy, seed)
    layout = Layout(root)
    tuning = Tuning(Run(study, layout, task, strategy, seed))
    candidates = tuning.measure()
    write_json(
        layout.tuned(task, strategy, seed),
        {
            "format": 1,
            "task": task,
            "strategy": strategy,
            "seed": seed,
            "labeled": len(tuning.trials[0].labeled),
            "validation": len(tuning.validation),
            "candidates": candidates,
        },
    )


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.tune", description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    study = settings.load(options.root / "params.yaml")
    check_tuned(study, options.task, options.strategy, options.seed)
    recipes.check(study, Layout(options.root), options.strategy)
    protocol.check(study, options.root, options.task)
    tune(study, options.root, options.task, options.strategy, options.seed)


if __name__ == "__main__":
    main()
    leave()

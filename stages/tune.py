"""Stage tune: what each candidate of a strategy's settings achieves on the validation set.

A whole run for each candidate, as the stage round would do it, and in the end the accuracy on the
rows that are set aside (Li et al. 2022, hybrid, section 4.1.1). Only this stage and the report look
at their labels. Which candidate is taken, all seeds together, the stage start says.
"""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages import catalogue, protocol, recipes
from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError, command_line
from stages.machine.files import write_json
from stages.machine.process import leave
from stages.machine.progress import progress
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.round import Run, pool_of, preselect, problem_of, select
from stages.rounds.context import Learned, Problem
from stages.rounds.evaluation import evaluate_rows
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
    carry: dict[str, np.ndarray] = field(default_factory=dict)

    def state(self, function: Callable[..., Any]) -> Hashable:
        """What ``function`` can know of this trial: two that agree in it share its result."""
        names = inspect.signature(function).parameters
        own = {key: value for key, value in self.values.items() if key in names}
        arrays = tuple((key, value.tobytes()) for key, value in sorted(self.carry.items()))
        return json.dumps(own), self.labeled.tobytes(), arrays


class Tuning:
    """All candidates of one (task, strategy, seed), round by round."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.entry, self.options = run.study.chosen(run.strategy)
        self.learner, self.scorer = (
            catalogue.load(path) for path in (self.entry.learner, self.entry.scorer)
        )
        self.data = Prepared(run.layout.data(run.task))
        shared = run.layout.shared_split(run.task, run.seed)
        validation, initial = (
            ledger.read(shared / f"{name}.txt") for name in ("validation", "initial")
        )
        ledger.check_shared(validation, initial)
        if initial.header["data"] != self.data.identity:
            raise UserError(
                f"{initial.path}: these index sets are about {initial.header['data']}, but "
                f"{self.data.folder} holds {self.data.identity}"
            )
        self.validation = validation.indices
        self.trials = [Trial(values, initial.indices) for values in run.study.grid(run.strategy)]
        manifest = self.data.manifest
        compute = configure(run.study.reproducible, run.study.device, run.study.threads)
        images = self.data.array("train_images")
        self.batches = Batches(images, manifest["mean"], manifest["std"], compute)

    def measure(self) -> list[dict[str, Any]]:
        """For each candidate its settings and the right answers of its last model."""
        rounds = self.run.study.rounds
        for item in progress(rounds[:-1], f"tune {self.run.strategy}", "round"):
            self._grow(item.n)
        labels = np.asarray(self.data.array("train_labels"))[self.validation]
        results: dict[Hashable, int] = {}
        for trial in self.trials:
            key = trial.state(self.learner)
            if key not in results:
                _, learned = self._train(trial, rounds[-1].n)
                found = evaluate_rows(
                    learned.network, self.batches, self.validation, labels, self.data.classes
                )
                results[key] = found["correct"]
        return [
            {"values": trial.values, "correct": results[trial.state(self.learner)]}
            for trial in self.trials
        ]

    def _grow(self, n: int) -> None:
        """One round of every trial; those whose rows agree so far share model and scores."""
        models: dict[Hashable, tuple[Problem, Learned]] = {}
        scores: dict[Hashable, Any] = {}
        kept: dict[Hashable, np.ndarray] = {}
        for trial in sorted(self.trials, key=lambda trial: repr(trial.state(self.learner))):
            model = trial.state(self.learner)
            if model not in models:
                models, scores = {model: self._train(trial, n)}, {}  # sorted: older ones are done
            problem, learned = models[model]
            options = {**self.options, **trial.values}
            score = trial.state(self.scorer)
            if score not in scores:
                scorer = catalogue.bind(self.entry.scorer, options)
                kept[score] = preselect(problem, options.get("candidates", 0))
                scores[score] = scorer(pool_of(problem, learned, kept[score]))
            candidates = kept[score]
            found = select(
                self.run.strategy, problem, scores[score], self.entry, options, len(candidates)
            )
            picks = problem.pool[candidates[found.positions]]
            trial.labeled = np.concatenate([trial.labeled, picks])
            trial.carry = {**learned.carry, **found.carry}

    def _train(self, trial: Trial, n: int) -> tuple[Problem, Learned]:
        problem = problem_of(
            self.run, self.data, self.batches, trial.labeled, self.validation, n, trial.carry
        )
        learner = catalogue.bind(self.entry.learner, {**self.options, **trial.values})
        return problem, learner(problem)


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

"""The runs of a study: what DVC calls their stages, and which files are theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stages.checking.tree import Run
from stages.study.layout import END, Layout
from stages.study.settings import Settings

__all__ = [
    "Run",
    "all_runs",
    "committed",
    "inputs",
    "label",
    "left",
    "seconds",
    "stages_of",
    "tuned",
]


def all_runs(study: Settings) -> list[Run]:
    """Every run; strategy None stands for training on everything (stage full)."""
    places = [(task, seed) for task in study.tasks for seed in study.seeds]
    grown = [(task, name, seed) for task, seed in places for name in study.strategies]
    return [*grown, *((task, None, seed) for task, seed in places if seed in study.full_seeds)]


def label(run: Run) -> str:
    """A run's name in messages."""
    task, strategy, seed = run
    return f"{task}/{strategy or 'full'}/seed-{seed}"


def stages_of(study: Settings, run: Run) -> list[str]:
    """Names of a run's stages in dvc.lock, in order."""
    task, strategy, seed = run
    if strategy is None:
        return [f"full@{task}-{seed}"]
    name = f"{task}-{strategy}-{seed}"
    return [f"start@{name}", *(f"round@{name}-round{at}" for at in range(len(study.rounds)))]


def inputs(layout: Layout, run: Run) -> list[Path]:
    """What a run depends on: small files that must be equal wherever it is grown."""
    task, strategy, seed = run
    own = [layout.recipe("stage-start"), layout.recipe(strategy)] if strategy else []
    shared = layout.shared_split(task, seed)
    pool = [shared / "pool.txt"] if (shared / "pool.txt").exists() else []
    return [
        layout.data(task) / "manifest.json",
        layout.protocol(task),
        *(own or [layout.recipe("stage-full")]),
        *pool,
        shared / "validation.txt",
        shared / "initial.txt",
    ]


def tuned(layout: Layout, run: Run) -> list[Path]:
    """What the settings of a run were chosen by, as far as it is there; nothing for most."""
    task, strategy, seed = run
    return sorted(layout.tuned(task, strategy, seed).parent.glob("*.json")) if strategy else []


def committed(study: Settings, layout: Layout, run: Run) -> list[Path]:
    """The files of a finished run that git holds, the one that says that it is finished last."""
    task, strategy, seed = run
    if strategy is None:
        return [layout.full_result(task, seed)]
    results = [layout.result(task, strategy, seed, item.n) for item in study.rounds]
    links = [layout.link(task, strategy, seed, n) for n in _links(study)]
    return [*results, *links]


def left(study: Settings, layout: Layout, run: Run) -> list[Path]:
    """The folders of a run that DVC keeps: weights, scores, carry."""
    task, strategy, seed = run
    if strategy is None:
        return [layout.full_artifacts(task, seed)]
    return [layout.artifacts(task, strategy, seed, n) for n in _links(study)]


def seconds(study: Settings, layout: Layout, run: Run) -> list[Path]:
    """What a run took; nobody's without a loss."""
    task, strategy, seed = run
    if strategy is None:
        return [layout.full_seconds(task, seed)]
    return [layout.seconds(task, strategy, seed, item.n) for item in study.rounds]


def _links(study: Settings) -> Iterator[int | str]:
    yield from (item.n for item in study.rounds)
    yield END

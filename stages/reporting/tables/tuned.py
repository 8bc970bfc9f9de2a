"""Tables of the settings that were chosen on the validation set."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from stages.machine.errors import UserError
from stages.reporting.given import Given
from stages.reporting.table import SEED, SEEDS, STRATEGY, TASK, TRAINED, Column, Table, mean
from stages.statistics.measures import describe
from stages.study import tuning
from stages.study.layout import Layout

SHORT = ["task", "strategy", "setting", "chosen", "validation_mean", "validation_std", "n",
         "candidates"]  # fmt: skip
LONG = ["task", "strategy", "seed", "candidate", "correct", "validation_images",
        "validation", "chosen"]  # fmt: skip


def read_tuned(settings, root: Path) -> dict[str, pd.DataFrame]:
    """What the candidates of tuned settings achieved on the validation set, and which was taken.

    Args:
        settings: as of `stages.study.settings.load`.
        root: folder that holds `reports/`.

    Returns:
        "tuned", a row for each (task, strategy): setting, chosen, accuracy on the validation set
        (mean and std over seeds) of what was chosen, n (seeds), candidates (each with its mean
        accuracy). "tuned_candidates", a row for each (task, strategy, seed, candidate): correct,
        validation_images, validation (accuracy), chosen ("yes" or "no"). Empty tables where
        nothing was tuned.

    Raises:
        UserError: for a missing or damaged file of the stage tune.
    """
    layout, short, long = Layout(root), [], []
    for task in settings.tasks:
        for strategy in settings.tuned:
            grid = settings.grid(strategy)
            best = grid.index(tuning.chosen(settings, layout, task, strategy))
            shares: list[list[float]] = [[] for _ in grid]
            for seed in settings.seeds:
                path = layout.tuned(task, strategy, seed)
                images = _validation(path)
                for at, correct in enumerate(tuning.right_answers(path, grid)):
                    shares[at].append(correct / images)
                    word = "yes" if at == best else "no"
                    share = correct / images
                    name = _values(grid[at])
                    long.append((task, strategy, seed, name, correct, images, share, word))
            means = [describe(own) for own in shares]
            tried = "; ".join(
                f"{_values(values)}: {mean:.4f}"
                for values, (mean, _, _) in zip(grid, means, strict=True)
            )
            short.append(
                (task, strategy, ", ".join(grid[best]), _values(grid[best]), *means[best], tried)
            )
    return {
        "tuned": pd.DataFrame(short, columns=SHORT),
        "tuned_candidates": pd.DataFrame(long, columns=LONG),
    }


def _values(settings: dict) -> str:
    return ", ".join(map(str, settings.values()))


def _validation(path: Path) -> int:
    """How many rows the candidates were tried on."""
    try:
        images = json.loads(path.read_text(encoding="utf-8"))["validation"]
    except (OSError, ValueError, KeyError, TypeError):
        images = None
    if type(images) is not int or images < 1:
        raise UserError(f"{path}: does not say how many validation rows there are; run dvc repro")
    return images


def _tuned(given: Given) -> dict[str, pd.DataFrame]:
    """What was tuned; nothing where there are no files."""
    if given.root is None:
        return {"tuned": pd.DataFrame(), "tuned_candidates": pd.DataFrame()}
    return read_tuned(given.settings, given.root)


TABLES = [
    Table(
        name="tuned",
        title="Settings chosen on the validation set",
        question=TRAINED,
        build=lambda given: given.once(_tuned)["tuned"],
        columns=(
            TASK,
            STRATEGY,
            Column("setting", "Setting"),
            Column("chosen", "Chosen"),
            mean("validation", "Validation accuracy"),
            SEEDS,
            Column("candidates", "Candidates"),
        ),
        note="validation: accuracy of the chosen candidate on the validation set, mean ± std "
        "over seeds; candidates: each with its mean accuracy. The most right answers over "
        "all seeds are taken, the first of equals. It is the best of several on these "
        "images, so it promises a little too much.",
        methods=(
            """\
- **Tuned settings**: every candidate is run with each seed, and the one with the most right answers
  on the validation sets of all seeds together is taken, the first of equals (Li et al. 2022, *Deep
  Bayesian Active Learning with Hybrid Query Strategies*). No test label plays a part.""",
        ),
    ),
    Table(
        name="tuned_candidates",
        title="Candidates on the validation set, seed by seed",
        question=TRAINED,
        build=lambda given: given.once(_tuned)["tuned_candidates"],
        columns=(
            TASK,
            STRATEGY,
            SEED,
            Column("candidate", "Candidate"),
            Column("correct", "Correct"),
            Column("validation_images", "Validation images"),
            Column("validation", "Validation accuracy"),
            Column("chosen", "Chosen"),
        ),
        note="validation: accuracy on validation_images images after the last round.",
    ),
]

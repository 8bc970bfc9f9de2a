"""Transfer of index sets: a model on what another selected (Munjal et al. 2022, Table 4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stages.reporting.given import Given
from stages.reporting.read import metric
from stages.reporting.table import (
    CHOSEN,
    HIGHER,
    LABELED,
    SEEDS,
    STRATEGY,
    TASK,
    Column,
    Table,
    mean,
)
from stages.statistics.measures import describe
from stages.study import imported

COLUMNS = [
    "task", "model", "strategy", "selected_by", "source_model", "labeled", "n", "accuracy_mean",
    "accuracy_std", "baseline_mean", "difference", "source_accuracy",
]  # fmt: skip
UNKNOWN = "n/a"
NAN = float("nan")


@dataclass(frozen=True)
class Replay:
    """Where the index sets of a replay come from.

    Attributes:
        selected_by: the source's strategy.
        model: the source's architecture; empty where nobody said.
        accuracies: of the source's own rounds, by seed; {} where they did not come along.
    """

    selected_by: str
    model: str
    accuracies: dict[int, list[float]]


def read_replays(settings, root: Path) -> dict[str, Replay]:
    """The replays of a study, by their names in params.yaml.

    Raises:
        UserError: an import is missing or damaged.
    """
    found = {}
    for label in settings.strategies if hasattr(settings, "chosen") else ():
        if source := imported.replayed_by(root, settings, label):
            measured = source.said.get("accuracies", {}).get(source.strategy, {})
            if metric.chosen(settings) != metric.ACCURACY:
                measured = {}  # another measure than the source's
            accuracies = {int(seed): list(map(float, row)) for seed, row in measured.items()}
            model = str(source.said.get("model") or "")
            found[label] = Replay(source.strategy, model, accuracies)
    return found


def transfer_table(
    rounds: pd.DataFrame, replays: dict[str, Replay], models: dict[str, str], baseline: str
) -> pd.DataFrame:
    """Accuracy of a target model on the sets that a source model selected, against a baseline.

    Args:
        rounds: task, strategy, seed, round, labeled, accuracy; as of `records.read_rounds`.
        replays: as of :func:`read_replays`.
        models: task -> architecture, the target.
        baseline: the strategy that the difference is to, of the same task, round and seeds.

    Returns:
        DataFrame, a row for each task, replay and budget: task, model (target), strategy (the
        replay), selected_by (strategy), source_model, labeled, n (seeds), accuracy_mean,
        accuracy_std (ddof = 1), baseline_mean, difference (mean over the seeds that both have, NaN
        without any), source_accuracy (what the source's own model achieved with these seeds).

    Examples:
        >>> rows = [("t", s, k, 0, 20, a) for s, k, a in (("again", 0, 0.5), ("again", 1, 0.7),
        ...                                                ("random", 0, 0.4), ("random", 1, 0.5))]
        >>> names = ["task", "strategy", "seed", "round", "labeled", "accuracy"]
        >>> replay = Replay("entropy", "vgg16", {0: [0.9]})
        >>> table = transfer_table(pd.DataFrame(rows, columns=names), {"again": replay},
        ...                        {"t": "resnet18"}, "random")
        >>> [round(x, 3) for x in table.loc[0, ["accuracy_mean", "difference", "source_accuracy"]]]
        [0.6, 0.15, 0.9]
    """
    rows = []
    known = rounds.set_index(["task", "strategy", "round", "seed"])["accuracy"].to_dict()
    for label, replay in replays.items():
        own = rounds[rounds["strategy"] == label]
        for (task, n, labeled), group in own.groupby(["task", "round", "labeled"], sort=True):
            pairs = [
                (accuracy, known.get((task, baseline, n, seed)))
                for seed, accuracy in zip(group["seed"], group["accuracy"], strict=True)
            ]
            both = [(mine, theirs) for mine, theirs in pairs if theirs is not None]
            source = [
                replay.accuracies[seed][n]
                for seed in group["seed"]
                if n < len(replay.accuracies.get(seed, []))
            ]
            mean, std, count = describe(list(group["accuracy"]))
            rows.append(
                (task, models.get(task, UNKNOWN), label, replay.selected_by,
                 replay.model or UNKNOWN, labeled, count, mean, std,
                 _mean([theirs for _, theirs in both]),
                 _mean([mine - theirs for mine, theirs in both]), _mean(source))
            )  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def build(given: Given) -> pd.DataFrame:
    """The table of a study, empty where it replays nothing."""
    replays = {} if given.root is None else read_replays(given.settings, given.root)
    models = {task: given.settings.task[task].model.name for task in given.tasks if replays}
    return transfer_table(given.rounds, replays, models, given.baseline)


def _mean(values: list[float]) -> float:
    return describe(values)[0] if values else NAN


TABLES = [
    Table(
        name="transfer",
        title="Transfer of index sets",
        question=CHOSEN,
        build=build,
        columns=(
            TASK,
            Column("model", "Model"),
            STRATEGY,
            Column("selected_by", "Selected by"),
            Column("source_model", "With model"),
            LABELED,
            SEEDS,
            mean("accuracy", "Accuracy", HIGHER),
            Column("baseline_mean", "Baseline"),
            Column("difference", "Difference"),
            Column("source_accuracy", "Accuracy of the source"),
        ),
        note="Accuracy of a task's model trained on the sets that another run selected (Munjal et "
        "al. 2022, Table 4), mean and sample standard deviation over the seeds; difference to the "
        "baseline of the same task, budget and seeds, mean over them. The source's accuracy is "
        "what the model that selected achieved itself, where its results came with the import.",
    ),
]

"""What semi-supervised training and its queries gain: python -m benchmarks.semi_supervised.

A pool is drawn from the training set of real images for each seed, some of it labeled. All
learners train on the same labeled rows, for the same number of steps, from the same weights.

  --learners A B ...  accuracy after one training; pseudo: share of the unlabeled images whose class
                      the learner believed, and how many of those classes were wrong
  --queries A B ...   accuracy before and after each of --rounds queries, trained by --learner

A setting of a learner or a strategy follows its name: mixmatch:unlabeled_weight=10.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import Any

import numpy as np
import yaml

from benchmarks.common import machine, show
from stages import catalogue
from stages.catalogue import LEARNERS
from stages.datasets.sources import load
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Learned, Round
from stages.rounds.evaluation import evaluate
from stages.rounds.selection import choose, pool_of, score
from stages.study.settings import Dataset, Task


@dataclasses.dataclass
class Problem:
    """Images, their labels, and a task."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: int
    mean: list[float]
    std: list[float]
    task: dict[str, Any]

    def begin(self, seed: int, pool: int, labeled: int) -> Round:
        """``pool`` images drawn by the seed, ``labeled`` of them labeled, as many of each class."""
        rng = np.random.default_rng(seed)
        rows = rng.permutation(len(self.images))[:pool]
        each = [
            rows[self.labels[rows] == c][: labeled // self.classes] for c in range(self.classes)
        ]
        known = rng.permutation(np.concatenate(each))
        compute = configure("off", "auto", 1)
        return Round(
            batches=Batches(self.images, self.mean, self.std, compute),
            labeled=known,
            labels=self.labels[known],
            unlabeled=np.setdiff1d(rows, known),
            classes=self.classes,
            shape=self.images.shape[1:],
            task=Task(**self.task),
            seed=seed,
            n=0,
            compute=compute,
        )

    def accuracy(self, learned: Learned, like: Round) -> float:
        """On the test set, in percent."""
        batches = Batches(self.test_images, self.mean, self.std, like.compute)
        found = evaluate(learned.network, batches, self.test_labels, self.classes)
        return 100 * found["accuracy"]

    def next(self, round: Round, rows: np.ndarray) -> Round:
        """The round in which ``rows`` are labeled too."""
        return dataclasses.replace(
            round,
            labeled=np.concatenate([round.labeled, rows]),
            labels=np.concatenate([round.labels, self.labels[rows]]),
            unlabeled=np.setdiff1d(round.unlabeled, rows),
            n=round.n + 1,
        )


def read(arguments: argparse.Namespace) -> Problem:
    """The data set, and the task of the options."""
    whole = load(Dataset(name=arguments.data))
    manifest = whole.manifest()
    task = {
        "dataset": {"name": arguments.data},
        "split": {"initial": arguments.labels},
        "query_size": arguments.query_size,
        "model": {"name": arguments.model},
        "epochs": 1,
        "batch_size": arguments.batch_size,
        "optimizer": "adamw",
        "learning_rate": 0.002,
        "weight_decay": 0.02,
        "weight_decay_on": "kernels",
        "augmentation": "crop",
        "padding": 2,
    }
    task |= yaml.safe_load(arguments.task)
    test = slice(arguments.test)
    return Problem(
        whole.train_images,
        np.asarray(whole.train_labels),
        whole.test_images[test],
        np.asarray(whole.test_labels)[test],
        len(manifest["classes"]) if isinstance(manifest["classes"], list) else manifest["classes"],
        manifest["mean"],
        manifest["std"],
        task,
    )


def named(text: str) -> tuple[str, dict[str, Any]]:
    """``mixmatch:alpha=0.2,ramp=0`` as a name and settings."""
    name, _, settings = text.partition(":")
    pairs = [one.partition("=") for one in settings.split(",") if one]
    return name, {key: yaml.safe_load(value) for key, _, value in pairs}


def in_steps(round: Round, steps: int) -> Round:
    """The round with as many epochs as have ``steps`` steps."""
    each = max(1, -(-len(round.labeled) // round.task.batch_size))
    task = round.task.model_copy(update={"epochs": -(-steps // each)})
    return dataclasses.replace(round, task=task)


def trained(round: Round, text: str, steps: int) -> Learned:
    """What a learner gives."""
    name, settings = named(text)
    return catalogue.bind(LEARNERS[name], settings)(in_steps(round, steps))


def compare_learners(problem: Problem, arguments: argparse.Namespace) -> None:
    """A row for each learner."""
    rows = []
    heads = ["learner", "accuracy", "each", "believed %", "wrong %", "CPU s", "signature"]
    for text in arguments.learners:
        reached, believed, wrong, seconds, notes = [], [], [], [], {}
        for seed in range(arguments.seeds):
            round = problem.begin(seed, arguments.pool, arguments.labels)
            started = time.process_time()
            learned = trained(round, text, arguments.steps)
            seconds.append(time.process_time() - started)
            reached.append(problem.accuracy(learned, round))
            if pseudo := learned.parts.get("pseudo_labeled"):
                believed.append(100 * len(pseudo["rows"]) / len(round.unlabeled))
                right = problem.labels[pseudo["rows"]] == pseudo["labels"]
                wrong.append(100 * (1 - right.mean()) if len(right) else 0.0)
            for key, value in learned.parts.get("signature", {}).items():
                notes.setdefault(key, []).append(value)
        said = ", ".join(f"{key} {np.mean(value):.3f}" for key, value in notes.items())
        cells = [f"{np.mean(one):.1f}" if one else "" for one in (believed, wrong, seconds)]
        each = " ".join(f"{one:.1f}" for one in reached)
        rows.append([text, f"{np.mean(reached):.2f} ± {_spread(reached):.2f}", each, *cells, said])
        print(text, rows[-1][1:], flush=True)
    if rows:
        show(heads, rows)


def compare_queries(problem: Problem, arguments: argparse.Namespace) -> None:
    """A row for each strategy; a column for each round."""
    rows = []
    for text in arguments.queries:
        name, given = named(text)
        entry = catalogue.find(name)
        settings = catalogue.complete(name, entry, given)
        reached: list[list[float]] = []
        for seed in range(arguments.seeds):
            round, curve = problem.begin(seed, arguments.pool, arguments.labels), []
            for n in range(arguments.rounds + 1):
                learned = trained(round, arguments.learner, arguments.steps)
                curve.append(problem.accuracy(learned, round))
                if n < arguments.rounds:
                    pool = pool_of(round, learned, settings)
                    scored = score(pool, entry, settings)
                    picked = choose(name, scored, pool, entry, settings)
                    round = problem.next(round, picked.rows)
            reached.append(curve)
        table = np.array(reached)
        means = [f"{m:.2f} ± {_spread(s):.2f}" for m, s in zip(table.mean(0), table.T, strict=True)]
        rows.append([text, *means, f"{table[:, 1:].mean():.2f}"])
        print(*rows[-1], table.round(1).tolist(), flush=True)
    counts = [arguments.labels + n * arguments.query_size for n in range(arguments.rounds + 1)]
    if rows:
        show([f"query, {arguments.learner}", *map(str, counts), "mean after a query"], rows)


def _spread(values: Any) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def main() -> None:
    """Measure what the options ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="fashion_mnist")
    parser.add_argument("--model", default="lenet")
    parser.add_argument("--pool", type=int, default=5000)
    parser.add_argument("--test", type=int, default=5000)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--query-size", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--task", default="{}", help="further settings of the task, as YAML")
    parser.add_argument("--learner", default="mixmatch", help="that trains for --queries")
    parser.add_argument("--learners", nargs="*", default=["supervised", "mixmatch", "fixmatch"])
    parser.add_argument("--queries", nargs="*", default=[])
    arguments = parser.parse_args()
    print(machine(), vars(arguments), sep="\n", end="\n\n", flush=True)
    problem = read(arguments)
    compare_learners(problem, arguments)
    compare_queries(problem, arguments)


if __name__ == "__main__":
    main()

"""What a learner and its query gain on real images: python -m benchmarks.learners NAME ...

A pool is drawn from the training set for each seed and some of it is labeled. Each NAME is a
strategy of the catalogue whose training is its own, with settings if wanted: waal:alpha=0.01.

  first table   accuracy of plain training and of the learner on the same labels, then after some
                rounds of its own query and of random sampling, trained by the same learner
  second table  the signature of the learner's last round

Real data: ALEDGER_DATA names the folder of the files.
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
from stages.datasets.sources import load
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Learned, Round
from stages.rounds.evaluation import evaluate
from stages.rounds.selection import choose, pool_of, score
from stages.study.settings import Dataset, Task


@dataclasses.dataclass
class World:
    """Images with all their labels, and how a model is trained."""

    images: Any
    task: dict[str, Any]
    arguments: argparse.Namespace

    def begin(self, seed: int) -> Round:
        """A pool, as many labeled rows of it as were asked for, and round 0."""
        rows = np.random.default_rng(seed).permutation(len(self.images.train_images))
        known = rows[: self.arguments.labels]
        manifest = self.images.manifest()
        compute = configure("off", "auto", self.arguments.threads)
        return Round(
            batches=Batches(self.images.train_images, manifest["mean"], manifest["std"], compute),
            labeled=known,
            labels=self.labels(known),
            unlabeled=np.sort(rows[len(known) : self.arguments.pool]),
            classes=len(self.images.classes),
            shape=self.images.train_images.shape[1:],
            task=Task(**self.task),
            seed=seed,
            n=0,
            compute=compute,
        )

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """What the oracle says."""
        return np.asarray(self.images.train_labels, np.int64)[rows]

    def bought(self, round: Round, rows: np.ndarray) -> Round:
        """The next round, in which ``rows`` are labeled."""
        return dataclasses.replace(
            round,
            labeled=np.concatenate([round.labeled, rows]),
            labels=np.concatenate([round.labels, self.labels(rows)]),
            unlabeled=np.setdiff1d(round.unlabeled, rows),
            n=round.n + 1,
        )

    def test(self, like: Round) -> tuple[Batches, np.ndarray]:
        """Test images and labels, as many as were asked for."""
        manifest, many = self.images.manifest(), slice(self.arguments.test)
        batches = Batches(
            self.images.test_images[many], manifest["mean"], manifest["std"], like.compute
        )
        return batches, np.asarray(self.images.test_labels, np.int64)[many]

    def accuracy(self, learned: Learned, like: Round) -> float:
        """In percent."""
        found = evaluate(learned.network, *self.test(like), like.classes)
        return 100 * found["accuracy"]

    def signature(self, learned: Learned, like: Round) -> dict[str, float]:
        """What the learner says of its own training."""
        given = learned.parts.get("signature") or {}
        return {
            name: value(*self.test(like)) if callable(value) else value
            for name, value in given.items()
        }


def named(text: str) -> tuple[str, dict[str, Any]]:
    """``waal:alpha=0.01,penalty=5`` as a name and settings."""
    name, _, given = text.partition(":")
    return name, {
        key: yaml.safe_load(value)
        for key, value in (one.split("=") for one in given.split(",") if one)
    }


def grown(
    world: World, round: Round, learner: str, query: str, settings: dict[str, Any]
) -> tuple[list[float], dict[str, float]]:
    """Accuracy after each round, and the signature of the last.

    Args:
        learner, query: names of strategies: whose training, and whose scorer and selector.
    """
    entry = dataclasses.replace(catalogue.find(query), learner=catalogue.find(learner).learner)
    own = {key: value for key, value in settings.items() if key in entry.kinds}
    options = catalogue.complete(query, entry, own)
    accuracies = []
    for left in range(world.arguments.rounds, -1, -1):
        learned = catalogue.bind(entry.learner, options, "learner")(round)
        accuracies.append(world.accuracy(learned, round))
        if left:
            pool = pool_of(round, learned, options)
            choice = choose(query, score(pool, entry, options), pool, entry, options)
            round = world.bought(round, choice.rows)
    return accuracies, world.signature(learned, round)


def mean(values: list[float]) -> str:
    """Mean and standard deviation over seeds."""
    spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{spread}"


def compare(world: World, texts: list[str]) -> None:
    """Both tables."""
    seeds = range(world.arguments.seeds)
    begun = [world.begin(seed) for seed in seeds]
    plain = [grown(world, round, "random", "random", {})[0] for round in begun]
    rows, signatures = [], []
    for text in texts:
        name, settings = named(text)
        start = time.perf_counter()
        own = [grown(world, round, name, name, settings) for round in begun]
        took = time.perf_counter() - start
        chance = [grown(world, round, name, "random", settings)[0] for round in begun]
        curves = [curve for curve, _ in own]
        gains = [one[0] - other[0] for one, other in zip(curves, plain, strict=True)]
        queried = [one[-1] - other[-1] for one, other in zip(curves, chance, strict=True)]
        rows.append(
            (
                text,
                mean([one[0] for one in plain]),
                mean([one[0] for one in curves]),
                mean(gains),
                mean([one[-1] for one in plain]),
                mean([one[-1] for one in chance]),
                mean([one[-1] for one in curves]),
                mean(queried),
                f"{took / len(begun) / (world.arguments.rounds + 1):.1f}",
            )
        )
        names = dict.fromkeys(key for _, found in own for key in found)
        for key in names:
            signatures.append((text, key, mean([found[key] for _, found in own if key in found])))
    many, last = world.arguments.labels, world.arguments.rounds * world.arguments.query_size
    show(
        (
            "strategy",
            f"plain, {many} labels",
            "learner, same labels",
            "gain",
            f"plain + random, {many + last}",
            "learner + random",
            "learner + query",
            "gain of the query",
            "s a round",
        ),
        rows,
    )
    if signatures:
        show(("strategy", "signature", "last round"), signatures)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", help="strategies, each with settings: waal:alpha=0.01")
    parser.add_argument("--data", default="fashion_mnist", help="a data set of the catalogue")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2, help="how often is queried")
    parser.add_argument("--labels", type=int, default=300)
    parser.add_argument("--query-size", type=int, default=200)
    parser.add_argument("--pool", type=int, default=10_000)
    parser.add_argument("--test", type=int, default=5_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--task", default="{}", help="keys of a task, as YAML: '{epochs: 50}'")
    arguments = parser.parse_args()
    task = {
        "dataset": {"name": arguments.data},
        "split": {"initial": arguments.labels},
        "query_size": arguments.query_size,
        "model": {"name": "lenet", "dropout": 0.3},
        "epochs": 40,
        "batch_size": 64,
        "optimizer": "adam",
        "learning_rate": 0.001,
    } | yaml.safe_load(arguments.task)
    print(machine(), end="\n\n")
    compare(World(load(Dataset(name=arguments.data)), task, arguments), arguments.names)


if __name__ == "__main__":
    main()

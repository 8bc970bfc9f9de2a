"""What learners and their queries gain on real images: python -m benchmarks.learners STRATEGY ...

A STRATEGY is what may stand in the section ``strategy`` of params.yaml: a name (``waal``), or a
name and settings (``'waal: {diversity: 0.5}'``, ``'sure: {learner: fixmatch, scorer: margin}'``).
For each seed a pool is drawn from the training set and some of it is labeled. All learners train
for the same number of steps, from the same weights, on the same labels; gains are paired by seed,
in points of accuracy:

  training, L     the learner against plain supervised training, both on the first L labels
  training, M     the same on M labels, those bought since by random sampling: the same for both
  query, M        the strategy's query against random sampling, both trained by its learner

and the signature of the last round, with how many of the pseudo-labels were right. ``--also`` adds
settings that are measured beside, without a query. ALEDGER_DATA names the folder of the files.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import yaml

from benchmarks.common import machine, show
from stages import catalogue
from stages.catalogue import Strategy
from stages.datasets.sources import load
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.models.fit import steps_an_epoch
from stages.rounds.context import Learned, Round
from stages.rounds.evaluation import evaluate
from stages.rounds.selection import choose, pool_of, score
from stages.study.settings import Dataset, Task

HEADER = ("training, {0}", "training, {1}", "query, {1}", "signature", "CPU s a training")


@dataclasses.dataclass(frozen=True)
class Way:
    """A strategy of params.yaml, with all its settings."""

    name: str
    entry: Strategy
    settings: dict[str, Any]

    @classmethod
    def of(cls, text: str) -> Way:
        """What a STRATEGY names."""
        given = yaml.safe_load(text)
        name, wanted = next(iter(given.items())) if isinstance(given, dict) else (given, {})
        entry, own = catalogue.composed(name, wanted)
        return cls(name, entry, catalogue.complete(name, entry, own))

    def train(self, round: Round) -> Learned:
        """By the strategy's learner."""
        return catalogue.bind(self.entry.learner, self.settings, "learner")(round)

    def at_random(self) -> Way:
        """The same learner with random sampling."""
        drawn = dataclasses.replace(catalogue.find("random"), learner=self.entry.learner)
        return Way(self.name, drawn, self.settings | {"candidates": 0})


@dataclasses.dataclass
class World:
    """Images with all their labels, and how a model is trained."""

    images: Any
    task: dict[str, Any]
    options: argparse.Namespace

    def begin(self, seed: int) -> Round:
        """A pool, labeled and validation rows apart from it, and round 0."""
        options, rng = self.options, np.random.default_rng(seed)
        rows = rng.permutation(len(self.images.train_images))[: options.pool + options.validation]
        aside, rows = rows[: options.validation], rows[options.validation :]
        known = self.spread(rows) if options.balanced else rows[: options.labels]
        manifest = self.images.manifest()
        compute = configure("off", "auto", options.threads)
        round = Round(
            batches=Batches(self.images.train_images, manifest["mean"], manifest["std"], compute),
            labeled=known,
            labels=self.labels(known),
            unlabeled=np.setdiff1d(rows, known),
            validation=aside,
            validation_labels=self.labels(aside),
            classes=len(self.images.classes),
            shape=self.images.train_images.shape[1:],
            task=Task(**self.task),
            seed=seed,
            n=0,
            compute=compute,
        )
        return self.in_steps(round)

    def spread(self, rows: np.ndarray) -> np.ndarray:
        """As many labeled rows of each class."""
        labels, classes = self.labels(rows), len(self.images.classes)
        each = self.options.labels // classes
        found = np.concatenate([rows[labels == c][:each] for c in range(classes)])
        return np.random.default_rng(len(rows)).permutation(found)

    def in_steps(self, round: Round) -> Round:
        """With as many epochs as have the steps that were asked for."""
        each = steps_an_epoch(len(round.labeled), round.task.batch_size)
        task = round.task.model_copy(update={"epochs": -(-self.options.steps // each)})
        return dataclasses.replace(round, task=task)

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """What the oracle says."""
        return np.asarray(self.images.train_labels, np.int64)[rows]

    def bought(self, round: Round, rows: np.ndarray, carry: dict[str, Any]) -> Round:
        """The next round, in which ``rows`` are labeled."""
        return self.in_steps(
            dataclasses.replace(
                round,
                labeled=np.concatenate([round.labeled, rows]),
                labels=np.concatenate([round.labels, self.labels(rows)]),
                unlabeled=np.setdiff1d(round.unlabeled, rows),
                n=round.n + 1,
                carry=carry,
            )
        )

    def test(self, like: Round) -> tuple[Batches, np.ndarray]:
        """Test images and labels, as many as were asked for."""
        manifest, many = self.images.manifest(), slice(self.options.test)
        images = self.images.test_images[many]
        batches = Batches(images, manifest["mean"], manifest["std"], like.compute)
        return batches, np.asarray(self.images.test_labels, np.int64)[many]

    def accuracy(self, learned: Learned, like: Round) -> float:
        """In percent."""
        return 100 * evaluate(learned.network, *self.test(like), like.classes)["accuracy"]

    def signature(self, learned: Learned, like: Round) -> dict[str, float]:
        """What the learner says of its own training, and how many pseudo-labels are right."""
        given = learned.parts.get("signature") or {}
        found = {
            name: value(*self.test(like)) if callable(value) else value
            for name, value in given.items()
        }
        if pseudo := learned.parts.get("pseudo_labeled"):
            right = self.labels(pseudo["rows"]) == pseudo["labels"]
            found["pseudo_labeled"] = len(right) / len(like.unlabeled)
            if len(right):
                found["pseudo_labels_right"] = right.mean()
        if search := learned.parts.get("search"):
            ended = [one["ended"] for one in search["trials"]]
            found["trials_pruned"] = ended.count("pruned") / len(ended)
        return found


@dataclasses.dataclass
class Curve:
    """Accuracies after each training, the last one's signature, CPU seconds of the first."""

    reached: list[float]
    signature: dict[str, float]
    seconds: float


def grown(world: World, round: Round, way: Way, rounds: int) -> tuple[Curve, Curve]:
    """Train, and ``rounds`` times query and train again: at random, and by the strategy's query.

    Both have the first training in common.
    """
    start = time.process_time()
    first = way.train(round)
    seconds, found = time.process_time() - start, []
    for asked in (way.at_random(), way):
        learned, now = first, round
        reached = [world.accuracy(first, round)]
        for _ in range(rounds):
            pool = pool_of(now, learned, asked.settings)
            scored = score(pool, asked.entry, asked.settings)
            choice = choose(way.name, scored, pool, asked.entry, asked.settings)
            now = world.bought(now, choice.rows, {"learner": learned.carry, **choice.carry})
            learned = way.train(now)
            reached.append(world.accuracy(learned, now))
        found.append(Curve(reached, world.signature(learned, now), seconds))
    return found[0], found[1]


def mean(values: list[float], digits: int = 2) -> str:
    """Mean and standard deviation over seeds."""
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def signs(curves: Sequence[Curve]) -> str:
    """Means of what the signatures say."""
    names = dict.fromkeys(key for curve in curves for key in curve.signature)
    each = {key: [c.signature[key] for c in curves if key in c.signature] for key in names}
    return ", ".join(f"{key} {mean(values)}" for key, values in each.items())


def compare(world: World, texts: list[str], also: list[str]) -> None:
    """A row for each strategy, and a shorter one for each of ``also``."""
    options, begun = world.options, [world.begin(seed) for seed in range(world.options.seeds)]
    first, last = options.labels, options.labels + options.rounds * options.query_size
    plain = [grown(world, round, Way.of("random"), options.rounds)[0] for round in begun]
    for labels, at in ((first, 0), (last, -1)):
        print(f"plain, {labels} labels:", mean([c.reached[at] for c in plain]), flush=True)
    rows = []
    for text in (*texts, *also):
        way, rounds = Way.of(text), options.rounds if text in texts else 0
        chance, own = zip(*(grown(world, round, way, rounds) for round in begun), strict=True)
        cells = [gain(chance, plain, 0)]
        cells += [gain(chance, plain, -1), gain(own, chance, -1)] if rounds else ["", ""]
        rows.append((text, *cells, signs(own), mean([c.seconds for c in own], 1)))
        print(*rows[-1], sep=" | ", flush=True)
    print()
    show(("strategy", *(head.format(first, last) for head in HEADER)), rows)


def gain(some: Sequence[Curve], others: Sequence[Curve], at: int) -> str:
    """Of some accuracies over others, seed by seed."""
    pairs = zip(some, others, strict=True)
    return mean([one.reached[at] - other.reached[at] for one, other in pairs])


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("strategies", nargs="*", metavar="STRATEGY")
    add("--also", nargs="+", default=[], metavar="STRATEGY", help="trained, but not asked")
    add("--data", default="{name: fashion_mnist}", help="section dataset of a task, as YAML")
    add("--seeds", type=int, default=3)
    add("--rounds", type=int, default=1, help="how often is queried")
    add("--labels", type=int, default=200, help="L; then each round adds --query-size")
    add("--balanced", action="store_true", help="the first labels: as many of each class")
    add("--query-size", type=int, default=100)
    add("--pool", type=int, default=4000)
    add("--validation", type=int, default=100, help="rows apart, for learners that choose by them")
    add("--test", type=int, default=3000)
    add("--steps", type=int, default=300, help="of a training, rounded up to whole epochs")
    add("--threads", type=int, default=1)
    add("--task", default="{}", help="keys of a task, as YAML: '{batch_size: 64}'")
    return parser.parse_args()


def main() -> None:
    """Entry point."""
    options = parsed()
    data = yaml.safe_load(options.data)
    task = {
        "dataset": data,
        "split": {"initial": options.labels},
        "query_size": options.query_size,
        "model": {"name": "lenet", "dropout": 0.3},
        "epochs": 1,
        "batch_size": 32,
        "optimizer": "adam",
        "learning_rate": 0.001,
    } | yaml.safe_load(options.task)
    print(machine(), end="\n\n")
    compare(World(load(Dataset(**data)), task, options), options.strategies, options.also)


if __name__ == "__main__":
    main()

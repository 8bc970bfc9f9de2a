"""Ways of training on the same rows: ours, that of :mod:`benchmarks.plain`, and the floor."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from benchmarks.common import stopwatch
from benchmarks.floor import Floor
from benchmarks.plain import Loop, published, usual_state
from stages.catalogue import load
from stages.datasets import sources
from stages.datasets.images import channel_statistics
from stages.geometry.probabilities import entropy, softmax
from stages.models.batches import Batches, classify, embed
from stages.models.compute import Compute, configure
from stages.models.fit import fit, fresh
from stages.rounds.context import Round
from stages.rounds.evaluation import evaluate, measure
from stages.study.settings import Dataset, Split, Task

PROTOCOL = {
    "split": Split(initial=1),
    "query_size": 1,
    "batch_size": 128,
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 5e-4,
}


class Contest:
    """Both ways of training on the same rows of one task."""

    def __init__(self, source: Dataset, model: str, options: argparse.Namespace) -> None:
        self.options = options
        with stopwatch() as reading:
            self.images = sources.load(source)
        self.reading = reading()
        self.statistics = channel_statistics(self.images.train_images)
        self.task = Task(
            **PROTOCOL,
            dataset=source,
            epochs=options.epochs,
            amp=options.amp,
            model={"name": model},
            channels_last=options.channels_last,
        )
        rows = np.random.default_rng(0).permutation(len(self.images.train_images))
        self.rows = rows[: options.images or None]
        self.compute = self._configure()
        self.train = Batches(self.images.train_images, *self.statistics, self.compute)
        self.test = Batches(self.images.test_images, *self.statistics, self.compute)
        self.sets = published(source, *self.statistics)

    def _configure(self) -> Compute:
        usual_state()
        return configure(self.options.reproducible, self.options.device, self.options.threads)

    def _free(self) -> None:
        usual_state()
        configure("off", self.options.device, self.options.threads)

    def problem(self, rows: np.ndarray, epochs: int, unlabeled: np.ndarray | None = None) -> Round:
        """What a learner is given."""
        images, task = self.images, self.task.model_copy(update={"epochs": epochs})
        return Round(
            batches=self.train,
            labeled=rows,
            labels=images.train_labels[rows],
            unlabeled=rows[:0] if unlabeled is None else np.sort(unlabeled),
            classes=len(images.classes),
            shape=images.train_images.shape[1:],
            task=task,
            seed=0,
            n=0,
            compute=self.compute,
        )

    def plain_network(self) -> torch.nn.Module:
        """The same initial network, in float32 with torch's own layers."""
        compute = configure("off", self.options.device, self.options.threads)
        usual_state()
        problem = self.problem(self.rows, 1)
        return fresh(replace(problem, compute=compute))

    def floor(self) -> Floor:
        """The least that any way can take; its batch is large enough for unlabeled images too."""
        most = min(len(self.rows), 16 * self.task.batch_size)
        batches = Batches(
            self.images.train_images,
            *self.statistics,
            configure("off", self.options.device, self.options.threads),
        )
        images = batches.normalise(batches.raw(self.rows[:most]))
        if self.task.channels_last:
            images = images.to(memory_format=torch.channels_last)
        labels = torch.from_numpy(self.images.train_labels[self.rows[:most]]).to(images.device)
        return Floor(self.plain_network(), self.task, images, labels)

    def timed(self, way: Callable[[], object]) -> float:
        """Seconds until the device has finished."""
        cuda = self.compute.device.type == "cuda"
        if cuda:
            torch.cuda.synchronize()
        with stopwatch() as clock:
            way()
            if cuda:
                torch.cuda.synchronize()
        return clock()

    def epochs(self) -> dict[str, Callable[[], float]]:
        """Ways of training, each warm."""
        network = fresh(self.problem(self.rows, 1))

        def ours(epochs: int = self.options.epochs) -> float:
            self._configure()
            return self.timed(lambda: fit(network, self.problem(self.rows, epochs)))

        def usual(workers: int) -> Callable[[], float]:
            loop, plain = Loop(self.task, self.compute.device, workers), self.plain_network()
            loader = loop.loader(self.sets[0], self.rows, True)
            loop.fit(plain, loader, 1)

            def way() -> float:
                usual_state()
                return self.timed(lambda: loop.fit(plain, loader, self.options.epochs))

            return way

        ours(1)
        floor = self.floor().way(ours)

        def least() -> float:
            self._free()
            return self.timed(floor)

        ways: dict[str, Callable[[], float]] = {"ours": ours, "floor": least}
        for workers in self.options.workers:
            ways[f"DataLoader, {workers} workers"] = usual(workers)
        return ways

    def learner(self, path: str) -> dict[str, Callable[[], float]]:
        """A learner on ``--labeled`` rows, all others unlabeled, and its floor."""
        labeled, pool = np.split(self.rows, [self.options.labeled])
        train = load(path)

        def ours() -> float:
            self._configure()
            problem = self.problem(labeled, self.options.epochs, pool)
            return self.timed(lambda: train(problem))

        floor = self.floor().way(ours)

        def least() -> float:
            self._free()
            return self.timed(floor)

        return {path: ours, "floor": least}

    def rounds(self) -> dict[str, Callable[[], float]]:
        """Ways of doing a round: train, evaluate, score."""
        labeled, pool = np.split(self.rows, [self.options.labeled])
        epochs, labels = self.options.round_epochs, self.images.test_labels

        def ours() -> float:
            self._configure()
            problem = self.problem(labeled, epochs)

            def work() -> None:
                network = fresh(problem)
                fit(network, problem)
                evaluate(network, self.test, labels, problem.classes, self.compute)
                embeddings = embed(network, self.train, np.sort(pool))
                entropy(softmax(classify(network, embeddings, self.compute)))

            return self.timed(work)

        def usual(workers: int) -> float:
            usual_state()

            def work() -> None:
                loop, network = Loop(self.task, self.compute.device, workers), self.plain_network()
                loop.fit(network, loop.loader(self.sets[0], labeled, True), epochs)
                tests = loop.loader(self.sets[1], np.arange(len(labels)), False)
                measure(loop.outputs(network, tests), labels, len(self.images.classes))
                chances = loop.outputs(network, loop.loader(self.sets[0], pool, False))
                entropy(softmax(chances))

            return self.timed(work)

        ways: dict[str, Callable[[], float]] = {"ours": ours}
        for workers in self.options.workers:
            ways[f"DataLoader, {workers} workers"] = lambda workers=workers: usual(workers)
        return ways

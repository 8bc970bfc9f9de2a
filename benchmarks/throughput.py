"""Training images a second against the usual loop: ``python -m benchmarks.throughput``.

The same network from ``stages.models.build``, the same rows, batch size and SGD: (A) our learner,
``stages.learners.supervised.fit``; (B) a torchvision data set behind a DataLoader (ToTensor,
Normalize; 0 and 2 worker processes that stay between epochs) with ``torch.optim.SGD``. One epoch
of each without a clock, then ``--epochs`` with, in alternation; reading files into our arrays, and
making torchvision's data set, come before the clock. LeNet on MNIST and ResNet-18 (3x3 stem) on
CIFAR-10, batches of 128. The floor is below both: the same passes on ready tensors.

With ``--learners`` also other ways of training (names of learners, or ``module:function``), on
``--labeled`` rows with the rest unlabeled, against a floor of as many passes as each asks for.

With ``--rounds``, and always on CUDA, also the seconds of an active-learning round: training on
``--labeled`` rows, evaluation on the test set, entropy of the rest.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

import torch

from benchmarks.common import alternate, machine, ratio, show
from benchmarks.contest import Contest
from stages.catalogue import LEARNERS
from stages.study.settings import Dataset


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--tasks", nargs="+", choices=("mnist", "cifar10"), default=["mnist"])
    add("--mnist-root", help="folder of MNIST/raw; default: as a study's")
    add("--cifar-root", help="folder of train/<class>/* and test/<class>/*, or torchvision's")
    add("--images", type=int, default=10000, help="rows to train on; 0: all")
    add("--epochs", type=int, default=1, help="in one measurement")
    add("--workers", type=int, nargs="+", default=[0, 2], help="of the DataLoader")
    add("--reproducible", choices=("portable", "machine", "off"), default="machine")
    add("--amp", action="store_true", help="bfloat16 autocast in both; needs --reproducible off")
    add("--channels-last", action="store_true", help="in both; needs --reproducible off")
    add("--rounds", action="store_true", help="seconds of an active-learning round on a CPU, too")
    add("--learners", nargs="+", default=[], help="further learners, with default settings")
    add("--labeled", type=int, default=1000, help="rows that a round trains on")
    add("--round-epochs", type=int, default=10)
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--threads", type=int, default=0)
    add("--repeats", type=int, default=5)
    options = parser.parse_args()
    if (options.amp or options.channels_last) and options.reproducible != "off":
        parser.error("--amp and --channels-last need --reproducible off")
    folder = Dataset(name="folder", root=options.cifar_root)
    if (Path(options.cifar_root or ".") / "cifar-10-batches-py").exists():
        folder = Dataset(name="cifar10", root=options.cifar_root, download=False)
    if "cifar10" in options.tasks and not options.cifar_root:
        parser.error("cifar10 needs --cifar-root")
    sources = {
        "mnist": (Dataset(name="mnist", root=options.mnist_root), "lenet"),
        "cifar10": (folder, "resnet18"),
    }
    print(machine())
    for name in options.tasks:
        contest = Contest(*sources[name], options)
        count, device = len(contest.rows), contest.compute.device.type
        print(
            f"\n{name}, {sources[name][1]}, {device}, {torch.get_num_threads()} threads, "
            f"reproducible: {options.reproducible}; "
            f"N = {count} images x {options.epochs} epochs; "
            f"medians of {options.repeats}; files to arrays, once: {contest.reading:.1f} s\n"
        )
        found = alternate(contest.epochs(), options.repeats)
        show(
            ["training", "images/s", "ours is faster by", "time of the floor's"],
            [
                (
                    way,
                    f"{count * options.epochs / median(times):,.0f}",
                    f"{ratio(times, found['ours']):.2f}",
                    f"{ratio(times, found['floor']):.2f}",
                )
                for way, times in found.items()
            ],
        )
        for learner in options.learners:
            path = LEARNERS.get(learner, learner)
            found = alternate(contest.learner(path), options.repeats)
            show(
                [f"learner: {options.labeled} labeled, {options.epochs} epochs", "s", "of floor"],
                [
                    (way, f"{median(times):.2f}", f"{ratio(times, found['floor']):.2f}")
                    for way, times in found.items()
                ],
            )
        if options.rounds or device == "cuda":
            found = alternate(contest.rounds(), options.repeats)
            show(
                [
                    f"round: {options.labeled} labeled, {options.round_epochs} epochs",
                    "seconds",
                    "ours is faster by",
                ],
                [
                    (way, f"{median(times):.2f}", f"{ratio(times, found['ours']):.2f}")
                    for way, times in found.items()
                ],
            )


if __name__ == "__main__":
    main()

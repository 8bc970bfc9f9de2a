"""CIFAR-10 and CIFAR-100 with fewer images of some classes; their test sets are whole."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stages.catalogue.dataset import DataSet, Facts
from stages.datasets.images import Images
from stages.datasets.torchvision_sets import cifar10, cifar100

SEED = 4666  # of the survey's code
SURVEY = 27_499  # images: 1,000 and 26,499 in Table 3 of Zhan et al. 2022
EACH = {10: 5000, 100: 500}  # images of a class


def known(settings: dict[str, Any]) -> Facts:
    """Rows, where they do not depend on the order of the labels."""
    rows = 27_500 if settings["draw"] == "exact" else None
    return Facts(rows, (3, 32, 32), 10)


def power_law() -> list[int]:
    """Images of class i = 1..100: 100 + 400 exp(-0.046 (i + 0.5)), rounded (Munjal et al. 2022)."""
    return [round(100 + 400 * float(np.exp(-0.046 * (i + 0.5)))) for i in range(1, 101)]


ENTRIES = {
    "cifar10_imb": DataSet("stages.datasets.cifar_imbalanced:ten", known),
    "cifar100_imb": DataSet(
        "stages.datasets.cifar_imbalanced:hundred", Facts(sum(power_law()), (3, 32, 32), 100)
    ),
}


def ten(
    root: Path | None, *, draw: Literal["survey", "exact"] = "survey", download: bool = True
) -> Images:
    """CIFAR-10 with classes 0 to 9 in the ratio 1 : 2 : ... : 10 (Zhan et al. 2022, CIFAR10-imb).

    Args:
        draw: ``survey``: as its code does, image by image in the order of the files, each of class
            c is kept where Python's random(), seeded with 4666, is below (c + 1) / 10; ``exact``:
            the first 500 (c + 1) images of each class.
        download: whether missing files are fetched.
    """
    images = cifar10(root, download=download)
    labels = images.train_labels
    if draw == "exact":
        return _kept(images, firsts(labels, [500 * (c + 1) for c in range(10)]), "cifar10_imb")
    kept = chances(labels)
    said = f"{len(kept)} images are left; the survey has {SURVEY}"
    return replace(_kept(images, kept, "cifar10_imb"), notes=(*images.notes, said))


def hundred(root: Path | None, *, download: bool = True) -> Images:
    """CIFAR-100, of class i = 1..100 the first 100 + 400 exp(-0.046 (i + 0.5)) images, rounded.

    Munjal et al. 2022 draw their initial set by these numbers; here they are what there is.
    """
    images = cifar100(root, download=download)
    return _kept(images, firsts(images.train_labels, power_law()), "cifar100_imb")


def chances(labels: np.ndarray) -> np.ndarray:
    """Rows (int64) that the survey's code keeps of ``labels``, int64 (N,), in 0..9."""
    generator = random.Random(SEED)
    ratio = [(c + 1) / 10 for c in range(10)]
    kept = [at for at, label in enumerate(labels.tolist()) if generator.random() < ratio[label]]
    return np.array(kept, np.int64)


def firsts(labels: np.ndarray, counts: list[int]) -> np.ndarray:
    """Rows (int64, ascending) of the first ``counts[c]`` images of each class c."""
    rows = [np.flatnonzero(labels == c)[:count] for c, count in enumerate(counts)]
    return np.sort(np.concatenate(rows))


def _kept(images: Images, rows: np.ndarray, name: str) -> Images:
    return replace(
        images,
        train_images=images.train_images[rows],
        train_labels=images.train_labels[rows],
        name=name,
    )

"""Embeddings of whole data sets by a network that is trained no further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stages.machine.randomness import Purpose, generator
from stages.models import weights
from stages.models.batches import Batches, embed
from stages.models.compute import configure
from stages.models.exact import exact_sum, sqrt
from stages.models.networks import build, initialise

if TYPE_CHECKING:
    from stages.datasets.images import Images

LEAST = 1e-9  # deviation, as a share of the largest feature: exact sums round to a grid of 2^-37


def embeddings(model: Any, images: Images, exact: bool) -> list[np.ndarray]:
    """Embeddings of the training and of the test images, shapes (N, D) and (M, D).

    Images are normalised by the mean and deviation of the training images' channels.

    Args:
        model: with ``name``, ``settings``, ``weights`` and ``sha256``, as a task's.
        exact: as with ``reproducible: portable``, on the CPU; else with float32 where it is fast.
    """
    compute = configure("portable", "cpu") if exact else configure("machine")
    network = build(model, images.train_images.shape[1:], len(images.classes))
    initialise(network, generator(0, Purpose.INITIALISATION))  # of the classifier, which is unused
    weights.load(network, model)
    network = compute.place(network)
    mean, std = images.statistics()
    return [
        embed(network, Batches(part, mean, std, compute), np.arange(len(part)))
        for part in (images.train_images, images.test_images)
    ]


def scaled(train: np.ndarray, test: np.ndarray, scale: str) -> list[np.ndarray]:
    """Features (N, D) and (M, D), scaled by what the training rows say; sums are exact.

    ``standard``: minus their mean, over their deviation; ``unit``: rows over their length. What
    never varies (but for rounding), and a row of zeros, are divided by 1.
    """
    if scale == "none":
        return [train, test]
    parts = [torch.from_numpy(np.asarray(part, np.float64)) for part in (train, test)]
    if scale == "unit":
        lengths = [sqrt(exact_sum(part * part, (1,)))[:, None] for part in parts]
        return [
            (part / _or_one(length)).numpy() for part, length in zip(parts, lengths, strict=True)
        ]
    mean = exact_sum(parts[0], (0,)) / len(train)
    centred = [part - mean for part in parts]
    deviation = sqrt(exact_sum(centred[0] * centred[0], (0,)) / len(train))
    deviation[deviation <= LEAST * parts[0].abs().amax()] = 0
    return [(part / _or_one(deviation)).numpy() for part in centred]


def _or_one(values: torch.Tensor) -> torch.Tensor:
    return torch.where(values == 0, torch.ones_like(values), values)

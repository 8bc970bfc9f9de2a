"""Supervised training in which selected images are joined by their adversarial ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from stages.learners import supervised
from stages.machine.errors import UserError
from stages.models.batches import Batches
from stages.rounds.context import Learned, Problem
from stages.selectors.adversarial import IMAGES, ROWS


def train(problem: Problem, train_on_adversarial: bool = False) -> Learned:
    """Train as :func:`supervised.train` does, on the labeled set and what earlier rounds handed on.

    Ducoffe & Precioso 2018 (DFAL): the adversarial image of a selected image has the label
    that was bought for the latter. It is augmented like any other image.

    Raises:
        UserError: training diverged, or an adversarial image belongs to a row without a label.
    """
    if not train_on_adversarial or len(problem.carry.get(ROWS, ())) == 0:
        return supervised.train(problem)
    return supervised.train(with_adversarial(problem))


def with_adversarial(problem: Problem) -> Problem:
    """The problem with the carried images as further labeled rows, after those of the data set."""
    rows, images = problem.carry[ROWS], problem.carry[IMAGES]
    label_of = dict(zip(problem.rows.tolist(), problem.labels.tolist(), strict=True))
    unknown = [row for row in rows.tolist() if row not in label_of]
    if unknown:
        raise UserError(f"carry.npz has an adversarial image of row {unknown[0]}, without a label")
    labels = np.array([label_of[row] for row in rows.tolist()], problem.labels.dtype)
    further = len(problem.batches) + np.arange(len(rows))
    return dataclasses.replace(
        problem,
        batches=Extended(problem.batches, images),
        rows=np.concatenate([problem.rows, further]),
        labels=np.concatenate([problem.labels, labels]),
    )


class Extended:
    """:class:`Batches` with further images behind it, float32 in units of pixels."""

    def __init__(self, batches: Batches, images: np.ndarray) -> None:
        self.batches = batches
        self.compute = batches.compute
        self.images = torch.from_numpy(images).to(self.compute.device)

    def raw(self, rows: np.ndarray) -> Tensor:
        """Images of these rows, float32 (0 to 255), shape (B, C, H, W), on the device."""
        ours = rows >= len(self.batches)
        result = torch.empty((len(rows), *self.images.shape[1:]), device=self.compute.device)
        result[torch.from_numpy(ours)] = self.images[
            torch.from_numpy(rows[ours]) - len(self.batches)
        ]
        result[torch.from_numpy(~ours)] = self.batches.raw(rows[~ours]).float()
        return result

    def normalise(self, raw: Tensor) -> Tensor:
        """As :meth:`Batches.normalise`."""
        return self.batches.normalise(raw)

    def __len__(self) -> int:
        return len(self.batches) + len(self.images)

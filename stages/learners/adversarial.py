"""Supervised training in which selected images are joined by their adversarial ones."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from stages.catalogue.parts import continues
from stages.learners import supervised
from stages.machine.errors import UserError
from stages.strategies.adversarial import IMAGES, ROWS

if TYPE_CHECKING:
    from stages.rounds.context import Learned, Round


@continues
def train(round: Round) -> Learned:
    """Train as :func:`supervised.train` does, on the labeled set and what earlier rounds handed on.

    Ducoffe & Precioso 2018 (DFAL): the adversarial image of a selected image has the label
    that was bought for the latter. It is augmented like any other image.

    Raises:
        UserError: training diverged, or an adversarial image belongs to a row without a label.
    """
    if len(round.carry.get("selector", {}).get(IMAGES, ())) == 0:
        return supervised.train(round)
    return supervised.train(with_adversarial(round))


def with_adversarial(round: Round) -> Round:
    """The round with the carried images as further labeled rows, after those of the data set."""
    from stages.models.extended import Extended

    rows, images = round.carry["selector"][ROWS], round.carry["selector"][IMAGES]
    label_of = dict(zip(round.labeled.tolist(), round.labels.tolist(), strict=True))
    unknown = [row for row in rows.tolist() if row not in label_of]
    if unknown:
        raise UserError(f"carry.npz has an adversarial image of row {unknown[0]}, without a label")
    labels = np.array([label_of[row] for row in rows.tolist()], round.labels.dtype)
    further = len(round.batches) + np.arange(len(rows))
    return dataclasses.replace(
        round,
        batches=Extended(round.batches, images),
        labeled=np.concatenate([round.labeled, further]),
        labels=np.concatenate([round.labels, labels]),
    )

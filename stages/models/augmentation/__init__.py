"""Augmentation of whole batches of uint8 images, with draws of its own for each image.

What a learner needs::

    views = {
        "weak": Augmentation("crop_flip"),
        "strong": Augmentation(["flip", {"randaugment": {"variant": "fixmatch"}}, "cutout"]),
    }
    fit(network, round, loss, views=views, unlabeled_per_labeled=7)
    batch.unlabeled.view("strong")          # in the loss; "train" is the task's own augmentation

A view is anything that can be called as ``view(raw, draws)``: uint8 images (B, C, H, W) on any
device and the :class:`Draws` of their rows give images of the same shape. Its numbers belong to
(seed, round, purpose and name of the view, epoch, row), so that neither the size nor the order nor
the company of a batch changes what happens to an image. Elsewhere than in training::

    view(batches.raw(rows), draws_of(round, purpose, rows))        # stages.models.views

All arithmetic is of whole numbers, or such that its order cannot matter, and equals PIL's bit for
bit: the same on every processor and on a GPU, so it holds under ``reproducible: portable``.
"""

from __future__ import annotations

from stages.models.augmentation.chain import Augmentation
from stages.models.augmentation.draws import Draws

__all__ = ["Augmentation", "Draws"]

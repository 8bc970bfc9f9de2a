"""The images of a batch in training: their rows, and the augmented views of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from stages.machine.randomness import Purpose
from stages.models.augmentation import Augmentation
from stages.models.batches import Batches

if TYPE_CHECKING:
    from stages.rounds.context import Round


@dataclass
class Images:
    """Rows of a batch and their images; views are drawn when they are asked for.

    Attributes:
        rows: of the data set, int64, shape (B,).
    """

    rows: np.ndarray
    _batches: Batches
    _views: Mapping[str, tuple[Augmentation, np.random.Generator]]
    _drawn: dict[str, Tensor] = field(default_factory=dict)

    def view(self, name: str = "train") -> Tensor:
        """Normalised images (B, C, H, W), augmented as the view ``name`` is; the same all batch."""
        if name not in self._drawn:
            augmentation, rng = self._views[name]
            raw = augmentation(self._batches.raw(self.rows), rng)
            self._drawn[name] = self._batches.normalise(raw)
        return self._drawn[name]


def of_labeled(
    round: Round, views: Mapping[str, Augmentation]
) -> Callable[[np.ndarray, int], Images]:
    """Labeled images of an epoch, by their positions in ``round.labeled``."""
    drawn = _views(round, views, Purpose.AUGMENTATION, Purpose.VIEWS)

    def images(chosen: np.ndarray, epoch: int) -> Images:  # noqa: ARG001
        return Images(round.labeled[chosen], round.batches, drawn)

    return images


def of_unlabeled(
    round: Round, per_labeled: int, views: Mapping[str, Augmentation]
) -> Callable[[int], Images | None]:
    """Unlabeled images for batches of any size: all of them once, in random order, then again."""
    if not per_labeled or not len(round.unlabeled):
        return lambda _: None
    drawn = _views(round, views, Purpose.UNLABELED_AUGMENTATION, Purpose.UNLABELED_VIEWS)
    rows = _again_and_again(round.unlabeled, round.generator(Purpose.UNLABELED_BATCHES))

    def images(size: int) -> Images:
        chosen = np.array([next(rows) for _ in range(size * per_labeled)], np.int64)
        return Images(chosen, round.batches, drawn)

    return images


def _views(
    round: Round, views: Mapping[str, Augmentation], own: Purpose, further: Purpose
) -> dict[str, tuple[Augmentation, np.random.Generator]]:
    """Each augmentation with a stream of its own; "train" is the task's."""
    plain = Augmentation(round.task.augmentation, round.task.padding)
    streams = round.generator(further).spawn(len(views)) if views else []
    found = {"train": (plain, round.generator(own))}
    return found | {
        name: (view, rng) for (name, view), rng in zip(views.items(), streams, strict=True)
    }


def _again_and_again(rows: np.ndarray, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(rows)

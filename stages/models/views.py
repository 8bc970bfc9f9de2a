"""The images of a batch in training: their rows, and the augmented views of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from stages.machine.randomness import Purpose
from stages.models.augmentation import Augmentation, Draws
from stages.models.batches import Batches

if TYPE_CHECKING:
    from stages.rounds.context import Round

View = Callable[[Tensor, Draws], Tensor]


@dataclass
class Images:
    """Rows of a batch and their images; views are drawn when they are asked for.

    Attributes:
        rows: of the data set, int64, shape (B,).
        epochs: how many times their set has been gone through before, for all or for each.
    """

    rows: np.ndarray
    epochs: np.ndarray | int
    _batches: Batches
    _views: Mapping[str, tuple[View, np.random.SeedSequence]]
    _drawn: dict[str, Tensor] = field(default_factory=dict)

    def view(self, name: str = "train") -> Tensor:
        """Normalised images (B, C, H, W), augmented as the view ``name`` is; the same all batch."""
        if name not in self._drawn:
            view, key = self._views[name]
            raw = view(self._batches.raw(self.rows), Draws.of(key, self.rows, self.epochs))
            self._drawn[name] = self._batches.normalise(raw)
        return self._drawn[name]


def of_labeled(round: Round, views: Mapping[str, View]) -> Callable[[np.ndarray, int], Images]:
    """Labeled images of an epoch, by their positions in ``round.labeled``."""
    drawn = _views(round, views, Purpose.AUGMENTATION, Purpose.VIEWS)

    def images(chosen: np.ndarray, epoch: int) -> Images:
        return Images(round.labeled[chosen], epoch, round.batches, drawn)

    return images


def of_unlabeled(
    round: Round, per_labeled: int, views: Mapping[str, View]
) -> Callable[[int], Images | None]:
    """Unlabeled images for batches of any size: all of them once, in random order, then again."""
    if not per_labeled or not len(round.unlabeled):
        return lambda _: None
    drawn = _views(round, views, Purpose.UNLABELED_AUGMENTATION, Purpose.UNLABELED_VIEWS)
    rows = _again_and_again(round.unlabeled, round.generator(Purpose.UNLABELED_BATCHES))

    def images(size: int) -> Images:
        chosen = np.array([next(rows) for _ in range(size * per_labeled)], np.int64)
        return Images(chosen[:, 0], chosen[:, 1], round.batches, drawn)

    return images


def draws_of(
    round: Round, purpose: Purpose, rows: np.ndarray, epochs: np.ndarray | int = 0, name: str = ""
) -> Draws:
    """Draws of ``rows`` outside training; ``epochs`` tells repeated views of a row apart."""
    return Draws.of(_key(round, purpose, name), rows, epochs)


def _views(
    round: Round, views: Mapping[str, View], own: Purpose, further: Purpose
) -> dict[str, tuple[View, np.random.SeedSequence]]:
    """Each view with a key of its own, by its name; "train" is the task's."""
    plain = Augmentation(round.task.augmentation, round.task.padding)
    found: dict[str, tuple[View, np.random.SeedSequence]] = {"train": (plain, _key(round, own))}
    return found | {name: (view, _key(round, further, name)) for name, view in views.items()}


def _key(round: Round, purpose: Purpose, name: str = "") -> np.random.SeedSequence:
    """What keys the draws of a purpose, or of one of its views, in this part of this round."""
    base = round.generator(purpose).bit_generator.seed_seq
    return np.random.SeedSequence(base.entropy, spawn_key=(*base.spawn_key, *name.encode()))


def _again_and_again(rows: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """All rows in random order, then again, and how many times that was done before."""
    for times in itertools.count():
        for row in rng.permutation(rows):
            yield row, times

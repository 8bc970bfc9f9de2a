"""The b best scores, and their adversarial images for the rounds to come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.selectors import Selection
from stages.selectors.top import top

ROWS, IMAGES = "adversarial_rows", "adversarial_images"  # names in the carry


@dataclass(frozen=True)
class Attacked:
    """What a selector needs to hand adversarial images on.

    Attributes:
        scores: of the pool, shape (N,).
        positions: candidates that can be among the b best and have an adversarial image, (M,).
        rows: their rows, int64, shape (M,).
        images: their adversarial images in units of pixels, float32, shape (M, C, H, W).
        carry: rows and images of earlier rounds.
    """

    scores: np.ndarray
    positions: np.ndarray
    rows: np.ndarray
    images: np.ndarray
    carry: dict[str, np.ndarray]


def top_with_images(
    scored: np.ndarray | Attacked, b: int, rng: np.random.Generator
) -> np.ndarray | Selection:
    """:func:`stages.selectors.top.top`; images of what it takes join those of earlier rounds.

    An image that was selected without an adversarial one (its prediction never changed) adds none.

    Raises:
        UserError: a score is not finite, or b is larger than N.
    """
    if isinstance(scored, np.ndarray):
        return top(scored, b, rng)
    picks = top(scored.scores, b, rng)
    chosen = np.isin(scored.positions, picks)
    rows, images = scored.rows[chosen], scored.images[chosen]
    if ROWS in scored.carry:
        rows = np.concatenate([scored.carry[ROWS], rows])
        images = np.concatenate([scored.carry[IMAGES], images])
    return Selection(picks, {ROWS: rows, IMAGES: images})

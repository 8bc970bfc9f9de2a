"""The b best scores, with something for the next round."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stages.selectors import Selection
from stages.selectors.top import top


class Remembered(NamedTuple):
    """Scores, higher is more wanted, shape (N,), and this round's accuracy of each class, (C,)."""

    scores: np.ndarray
    accuracies: np.ndarray


def top_with_accuracies(scored: Remembered, b: int, rng: np.random.Generator) -> Selection:
    """:func:`stages.selectors.top.top` of the scores; the classes' accuracies travel on."""
    return Selection(top(scored.scores, b, rng), {"mcadl_accuracies": scored.accuracies})

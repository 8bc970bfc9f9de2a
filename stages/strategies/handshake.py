"""What scorers give and selectors take: a selector fits a scorer if the names agree.

A scorer says it by its return annotation, a selector by that of its first parameter. What one
scorer alone gives, and one selector alone takes, stands in the file of both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

Scores = np.ndarray  # float, shape (N,): higher is more wanted
Embeddings = np.ndarray  # of the candidates, float, shape (N, D)


class Known(NamedTuple):
    """Embeddings of the candidates and of the labeled set.

    Attributes:
        candidates: float, shape (N, D).
        labeled: float, shape (L, D).
    """

    candidates: np.ndarray
    labeled: np.ndarray


@dataclass(frozen=True)
class Scored:
    """What a scorer gives that hands something on to the next round.

    Attributes:
        value: what the selector is given.
        carry: arrays by name; the next round finds them in ``carry["scorer"]``.
    """

    value: object
    carry: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """What a selector gives that hands something on to the next round.

    Attributes:
        positions: in the candidates, int64, shape (b,), all different, in order of selection.
        carry: arrays by name; the next round finds them in ``carry["selector"]``.
    """

    positions: np.ndarray
    carry: dict[str, np.ndarray] = field(default_factory=dict)

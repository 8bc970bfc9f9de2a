"""Which candidates are taken. Selectors see arrays and a generator, nothing else.

Each returns positions in the pool, int64, shape (b,), all different, in order of selection; one
that learns from round to round returns a :class:`Selection`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Selection:
    """Positions, and what the next round's scorer or selector wants to find in the carry."""

    positions: np.ndarray
    carry: dict[str, np.ndarray] = field(default_factory=dict)

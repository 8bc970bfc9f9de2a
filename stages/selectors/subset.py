"""Selection among candidates that a scorer has drawn."""

from __future__ import annotations

import numpy as np

from stages.selectors import kcenter


def kcenter_greedy(
    features: tuple[np.ndarray, np.ndarray, np.ndarray], b: int, rng: np.random.Generator
) -> np.ndarray:
    """:func:`stages.selectors.kcenter.greedy` among some of the pool.

    Args:
        features: positions of the drawn candidates (M,), their features (M, K), and those of the
            labeled set (L, K).

    Raises:
        UserError: a feature is not finite, or b is larger than M.
    """
    drawn, pool, labeled = features
    return drawn[kcenter.greedy((pool, labeled), b, rng)]

"""D^2 sampling: rows drawn one after another by their squared distance to those before."""

from __future__ import annotations

from typing import Protocol

import numpy as np

FEWEST = 16  # proposals of a period


class Space(Protocol):
    """N things with squared distances."""

    def approach(self, nearest: np.ndarray, picks: np.ndarray) -> None:
        """Lower ``nearest`` (N,) to the squared distances to ``picks``, in place."""

    def between(self, rows: np.ndarray) -> np.ndarray:
        """Squared distances among ``rows``, shape (R, R)."""


def draw(
    space: Space, count: int, b: int, first: int, rng: np.random.Generator, weights: np.ndarray
) -> np.ndarray:
    """k-means++ (Arthur & Vassilvitskii 2007): positions in order, int64, shape (b,).

    Picks are drawn in periods: proposals in proportion to the squared distances d to the picks
    before the period (times the weight); each, in order, is accepted with probability d' / d, where
    d' is its squared distance to the picks of now. An accepted proposal is a draw in proportion to
    d': the distribution is that of one pick at a time, while all are compared with the picks of a
    whole period in one matrix product. A period has as many proposals as there are picks.

    Once all that weighs anything coincides with a pick the rest is drawn uniformly.

    Args:
        count: N.
        b: 1 to N.
        first: the first pick.
        weights: 0 or more, shape (N,).

    Examples:
        >>> from types import SimpleNamespace
        >>> table = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 4.0], [1.0, 4.0, 0.0]])
        >>> space = SimpleNamespace(
        ...     approach=lambda reach, picks: np.minimum(reach, table[picks].min(0), out=reach),
        ...     between=lambda rows: table[np.ix_(rows, rows)],
        ... )
        >>> draw(space, 3, 2, 1, np.random.default_rng(0), np.array([1.0, 1.0, 0.0])).tolist()
        [1, 0]
    """
    taken = np.zeros(count, bool)
    nearest = np.full(count, np.inf)
    picks = fresh = [first]
    while len(picks) < b:
        taken[fresh] = True
        space.approach(nearest, np.array(fresh))
        nearest[taken] = 0.0
        total = np.cumsum(weights * nearest)
        if total[-1] == 0:
            rest = rng.permutation(np.flatnonzero(~taken))
            return np.array([*picks, *rest[: b - len(picks)]], np.int64)
        draws = rng.random((2, max(FEWEST, len(picks))))
        proposals = np.searchsorted(total, draws[0] * total[-1], side="right")
        bars = draws[1] * nearest[proposals]
        fresh = _accepted(space.between(proposals), proposals, nearest[proposals], bars)
        fresh = fresh[: b - len(picks)]
        picks = [*picks, *fresh]
    return np.array(picks, np.int64)


def _accepted(
    between: np.ndarray, proposals: np.ndarray, nearest: np.ndarray, bars: np.ndarray
) -> list[int]:
    """The proposals whose squared distance to the picks, at their turn, is above the bar."""
    accepted: list[int] = []
    for at, pick in enumerate(proposals):
        if bars[at] < nearest[at]:
            accepted.append(int(pick))
            nearest = np.minimum(nearest, between[at])
    return accepted

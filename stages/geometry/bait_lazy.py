"""BAIT's forward pass, without looking at every candidate in every step."""

from __future__ import annotations

import numpy as np

from stages.geometry.fisher import TIES, State, best

FIRST = 128  # candidates that are looked at before any bound
LEAST = 0.1  # a bound by an old solution is trusted while 1 - rho is above this


class Forward:
    """The candidate with the largest gain tr((1 + K)^-1 H), again and again.

    Two upper bounds spare most of the work. Candidates that did not yet see the last changes of A:
    H is S^T S with S = F^(1/2) A V, and a change takes U U^T from A, so |S| grows by at most
    |F^(1/2) U U^T V| <= (tr U^T F U)^(1/2) (tr K)^(1/2); the first trace is the gain of the pick.
    Hence gain <= tr H <= (h + (k g)^(1/2))^2, with h^2 = tr H and k = tr K as they were, and g the
    sum of the picks' gains since. Candidates that did: with G = (1 + K_old)^-1 of an earlier step
    and rho = tr G (K_old - K) < 1, 1 + K >= (1 - rho) (1 + K_old), so that
    gain <= tr(G H) / (1 - rho); no system is solved.

    Args:
        state: candidates, and A before the first pick.
        order: ties go to the first in it.

    Examples:
        >>> from stages.geometry.fisher import Fisher
        >>> x, p = np.array([[1.0], [3.0], [2.0]]), np.full((3, 1), 0.5)
        >>> forward = Forward(State.of(x, p, Fisher(x, p, x[:1], p[:1]), 1.0), np.arange(3))
        >>> [forward.take(), forward.take()]
        [1, 2]
    """

    def __init__(self, state: State, order: np.ndarray) -> None:
        self.state, self.order = state, order
        count, classes = state.chances.shape
        self.free = np.ones(count, bool)
        self.gained = [0.0]  # by the picks, summed up
        self.solution = np.zeros((count, classes, classes))  # G,
        self.before = np.zeros(count)  # and tr G K_old
        self.size = np.empty(count)  # h
        self.trace = np.empty(count)  # k
        self._measure(np.arange(count))
        self.last = self.size**2  # the last bound or gain of each, for a first guess

    def take(self) -> int:
        """The next pick; A knows it then."""
        gains = np.full(len(self.order), -np.inf)
        margin = 1 - 4 / TIES  # what is equal must be looked at too
        free = np.flatnonzero(self.free)
        first = (
            free[np.argpartition(-self.last[free], FIRST)[:FIRST]] if len(free) > FIRST else free
        )
        gains[first] = self._solve(first)
        bound = self._bounds()
        bound[~self.free] = -np.inf
        bound[first] = -np.inf
        open_ = np.flatnonzero(bound >= gains.max() * margin)
        close = self._refresh(open_)
        open_ = open_[close >= gains.max() * margin]
        gains[open_] = self._solve(open_)
        pick = best(gains, self.order)
        self.free[pick] = False
        self.gained.append(self.gained[-1] + max(self.state.change(pick, +1), 0.0))
        return pick

    def _bounds(self) -> np.ndarray:
        """The first bound, of all candidates."""
        gained = np.array(self.gained)
        since = gained[-1] - gained[self.state.seen]
        return (self.size + np.sqrt(self.trace * since)) ** 2 * (1 + 1e-9)

    def _refresh(self, rows: np.ndarray) -> np.ndarray:
        """Bring candidates up to date; their second bound, or the trace of H where that is less."""
        self.state.catch_up(rows)
        self._measure(rows)
        there = self.solution[rows]
        left = 1 - self.before[rows] + np.einsum("nij,nij->n", there, self.state.k[rows])
        close = np.einsum("nij,nij->n", there, self.state.h[rows]) / np.maximum(left, LEAST)
        close = np.where((left > LEAST) & (self.before[rows] > 0), close, np.inf)
        close = np.minimum(close, self.size[rows] ** 2) * (1 + 1e-9)
        self.last[rows] = close
        return close

    def _measure(self, rows: np.ndarray) -> None:
        self.trace[rows] = np.maximum(np.trace(self.state.k[rows], axis1=1, axis2=2), 0)
        size = np.maximum(np.trace(self.state.h[rows], axis1=1, axis2=2), 0)
        self.size[rows] = np.sqrt(size)

    def _solve(self, rows: np.ndarray) -> np.ndarray:
        """The gains of these candidates."""
        self.state.catch_up(rows)
        self._measure(rows)
        gains, self.solution[rows] = self.state.gains(rows)
        self.before[rows] = np.einsum("nij,nji->n", self.solution[rows], self.state.k[rows])
        self.last[rows] = gains
        return gains

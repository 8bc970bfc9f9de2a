"""Lloyd's k-means with decisions that are the same on every processor, and few matrix products."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from stages.selectors.row_grid import Exact, blocks

BLOCK = 2048
FAST = 8  # one of so many centres, those that moved farthest, is compared with every point
MARGIN = 1e-6  # relative; float64 noise of a square root and a sum is 1e-15


class Points:
    """Points on grids (:mod:`stages.selectors.row_grid`), in their frame.

    Attributes:
        rows: float32 without loss, shape (N, D).
        norms: squared lengths, float64, shape (N,).
        slack: as :class:`Exact` has it.
    """

    def __init__(self, features: np.ndarray) -> None:
        self.frame = Exact(features, features[:0])
        self.rows = np.empty(features.shape, np.float32)
        self.norms = np.empty(len(features))
        for part in blocks(len(features), BLOCK):
            self.rows[part], self.norms[part] = self.frame.exactly(features[part])
        self.slack = self.frame.slack

    def noise(self, part: slice | np.ndarray, largest: float) -> np.ndarray:
        """How far a float32 squared distance to a centre of this squared length or less is off."""
        return self.slack * (self.norms[part] + largest) + 1e-30


def centres(points: Points, seeds: np.ndarray, iterations: int) -> np.ndarray:
    """Lloyd's algorithm from the points ``seeds`` (positions), until nothing changes.

    A point is compared in float32 with all centres only if bounds on its distances leave open which
    is nearest (Hamerly 2010, SDM: an upper bound to its own centre, a lower one to all others, that
    move with the centres; here the fastest centres are compared first and do not spoil the lower
    bound). Where float32 leaves it open, distances on grids in float64 decide. A centre without
    points stays where it is.

    Returns:
        the centres in the frame of ``points``, on grids, float64, shape (b, D).
    """
    state = _Lloyd(points, points.rows[seeds].astype(np.float64))
    for _ in range(iterations):
        if not state.step():
            break
    return state.centres


class _Lloyd:
    def __init__(self, points: Points, start: np.ndarray) -> None:
        self.points, self.centres = points, start
        count = len(points.rows)
        self.own = np.full(count, -1)
        self.upper = np.full(count, np.inf)  # of the distance to the own centre
        self.lower = np.zeros(count)  # of the distances to all others
        self.sums = np.zeros_like(start)
        self.sizes = np.zeros(len(start), np.int64)

    def step(self) -> bool:
        """Assign and move; whether any centre moved."""
        before = self.own.copy()
        norms = np.einsum("ij,ij->i", self.centres, self.centres)
        single = (-2 * self.centres).astype(np.float32)
        open_ = np.flatnonzero(self.upper >= self.lower * (1 - MARGIN))
        for part in blocks(len(open_), BLOCK):
            self._assign(open_[part], single, norms)
        self._add(np.flatnonzero(before != self.own), before)
        return self._move()

    def _assign(self, rows: np.ndarray, single: np.ndarray, norms: np.ndarray) -> None:
        values = self.points.rows[rows]
        beyond = values @ single.T
        beyond += norms.astype(np.float32)
        at = np.arange(len(rows))
        own = beyond.argmin(1)
        first = beyond[at, own].astype(np.float64)
        beyond[at, own] = np.inf
        second = beyond.min(1).astype(np.float64)
        noise = self.points.noise(rows, norms.max())
        close = np.flatnonzero(second - first <= 2 * noise)
        if len(close):
            exact = norms - 2 * (values[close].astype(np.float64) @ self.centres.T)
            own[close] = exact.argmin(1)
            exact.partition(1)
            first[close], second[close], noise[close] = exact[:, 0], exact[:, 1], 0
        self.own[rows] = own
        squared = self.points.norms[rows]
        self.upper[rows] = np.sqrt(np.maximum(first + squared + noise, 0))
        self.lower[rows] = np.sqrt(np.maximum(second + squared - noise, 0))

    def _add(self, rows: np.ndarray, before: np.ndarray) -> None:
        """Let the sums of the clusters know the points that changed."""
        for part in blocks(len(rows), BLOCK):
            some = rows[part]
            values = self.points.rows[some].astype(np.float64)
            for own, sign in ((before[some], -1), (self.own[some], 1)):
                there = np.flatnonzero(own >= 0)
                table = csr_matrix(
                    (np.full(len(there), float(sign)), (own[there], there)),
                    shape=(len(self.sums), len(some)),
                )
                self.sums += table @ values
                np.add.at(self.sizes, own[there], sign)

    def _move(self) -> bool:
        means = self.sums / np.maximum(self.sizes, 1)[:, None]
        means = self.points.frame.ground(means)
        new = np.where(self.sizes[:, None] > 0, means, self.centres)
        moved = np.sqrt(((new - self.centres) ** 2).sum(1)) * (1 + MARGIN)
        self.centres = new
        if not moved.any():
            return False
        self.upper += moved[self.own]
        fast = np.argsort(-moved, kind="stable")[: max(1, len(new) // FAST)]
        slow = np.setdiff1d(np.arange(len(new)), fast)
        self.lower -= moved[slow].max(initial=0)
        self._compare(np.sort(fast))
        return True

    def _compare(self, fast: np.ndarray) -> None:
        """Lower the lower bounds to the distances to the centres ``fast``."""
        centres = self.centres[fast]
        norms = np.einsum("ij,ij->i", centres, centres)
        single = (-2 * centres).astype(np.float32)
        place = np.full(len(self.centres), -1)
        place[fast] = np.arange(len(fast))
        open_ = np.flatnonzero(self.upper < self.lower * (1 - MARGIN))
        for part in blocks(len(open_), BLOCK):
            rows = open_[part]
            beyond = self.points.rows[rows] @ single.T
            beyond += norms.astype(np.float32)
            mine = place[self.own[rows]]
            there = np.flatnonzero(mine >= 0)
            noise, squared = self.points.noise(rows, norms.max()), self.points.norms[rows]
            own = beyond[there, mine[there]] + squared[there] + noise[there]
            self.upper[rows[there]] = np.minimum(
                self.upper[rows[there]], np.sqrt(np.maximum(own, 0))
            )
            beyond[there, mine[there]] = np.inf
            least = np.sqrt(np.maximum(beyond.min(1) + squared - noise, 0))
            self.lower[rows] = np.minimum(self.lower[rows], least)

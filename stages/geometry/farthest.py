"""The point farthest from all that are known, again and again."""

from __future__ import annotations

import numpy as np

from stages.geometry import axes
from stages.geometry.distances import Frame
from stages.geometry.grid import blocks, check_finite, squares
from stages.machine.errors import UserError

BLOCK = 1024
SHORTLIST = 2048


def farthest_first(
    pool: np.ndarray, labeled: np.ndarray, b: int, rng: np.random.Generator, pca: int = 0
) -> np.ndarray:
    """u = argmax_i min_j d(x_i, x_j), b times (Sener & Savarese 2018, Algorithm 1).

    Lazy: float32 matrix products give each candidate an upper bound of its squared distance to the
    nearest centre. Picks come from a short list of the largest bounds, kept up to date; the rest of
    the pool learns of new picks, all at once, only when the list has sunk to the bounds outside.
    Decided is on distances on a grid in float64 (:mod:`stages.geometry.grid`), of the few
    whose bounds are near the largest: the picks are the plain algorithm's, on every processor.
    Ties are broken by ``rng``; once every candidate is covered (distance 0) the rest is drawn
    uniformly. Memory beyond the embeddings: (L + b) D + N numbers and the short list.

    Args:
        pool: candidates, float, shape (N, D).
        labeled: what is known, float, shape (L, D).
        pca: number of principal components to keep (of pool and labeled set together); 0: all.

    Returns:
        Positions, int64, shape (b,), in order of selection.

    Raises:
        UserError: a feature is not finite, or b is larger than N.

    Examples:
        >>> pool, labeled = np.array([[0.0], [1.0], [5.0], [9.0]]), np.array([[0.0]])
        >>> farthest_first(pool, labeled, 2, np.random.default_rng(0)).tolist()
        [3, 2]
    """
    pool, labeled = np.asarray(pool), np.asarray(labeled)
    if pool.dtype != np.float32:
        pool, labeled = pool.astype(np.float64, copy=False), labeled.astype(np.float64, copy=False)
    if b > len(pool):
        raise UserError(f"cannot take {b} of {len(pool)} candidates")
    check_finite(pool, labeled)
    if 0 < pca < pool.shape[1]:
        pool, labeled = axes.principal_components(pool, labeled, pca)
    order = rng.permutation(len(pool))  # ties go to the first of a random order
    return _FarthestFirst(pool, labeled, b, order).run()


class _FarthestFirst:
    """The state of the greedy algorithm; positions are those of ``pool``."""

    def __init__(self, pool: np.ndarray, labeled: np.ndarray, b: int, order: np.ndarray) -> None:
        self.pool, self.frame = pool, Frame(pool, labeled)
        self.order = order
        self.rank = np.empty(len(pool), np.int64)
        self.rank[order] = np.arange(len(pool))
        self.b = b
        self.picks: list[int] = []
        self.centres = np.empty((len(labeled) + b, pool.shape[1]))
        self.norms = np.empty(len(labeled) + b)
        for part in blocks(len(labeled), BLOCK):
            self.centres[part], self.norms[part] = self.frame.exactly(labeled[part])
        self.count = len(labeled)  # centres there are,
        self.screened = 0  # of which all bounds know these,
        self.seen = np.zeros(len(pool), np.int64)  # and the exact distance of a row these
        self.exact = np.full(len(pool), np.inf)
        self.bound = np.full(len(pool), np.inf)
        self.size = SHORTLIST

    def run(self) -> np.ndarray:
        """All picks, int64, shape (b,)."""
        if self.count == 0 and self.b:
            self._take(int(self.order[0]))
        self._renew()
        while len(self.picks) < self.b:
            found = self._farthest()
            if found is None:
                if self.screened == self.count:  # nothing to learn: look at more of the pool
                    self.size *= 2
                self._renew()
            elif self.exact[found] == 0:  # all are covered
                left = np.setdiff1d(np.arange(len(self.order)), self.picks)
                rest = left[np.argsort(self.rank[left])]
                self.picks += rest[: self.b - len(self.picks)].tolist()
            else:
                self._take(found)
        return np.array(self.picks, np.int64)

    def _take(self, pick: int) -> None:
        centre, norm = self.frame.exactly(self.pool[[pick]])
        self.centres[self.count], self.norms[self.count] = centre[0], norm[0]
        self.count += 1
        self.picks.append(pick)
        self.bound[pick] = -1.0
        if len(self.picks) > 1 or self.screened:
            self._lower(self.listed, self.listed_rows, self.count - 1)

    def _lower(self, rows: slice | np.ndarray, values: np.ndarray, start: int) -> None:
        """Lower the bounds of ``rows`` to what the centres from ``start`` on allow.

        Args:
            values: the rows in float32, about their exact version.
        """
        norms = squares(values)
        lowest = np.full(len(values), np.inf, np.float32)
        for part in blocks(self.count - start, BLOCK):
            part = slice(start + part.start, start + part.stop)
            beyond = (-2 * self.centres[part]).astype(np.float32) @ values.T
            beyond += (self.norms[part, None] * (1 + self.frame.slack)).astype(np.float32)
            np.minimum(lowest, np.minimum.reduce(beyond, axis=0), out=lowest)
        highest = lowest + norms.astype(np.float64) * (1 + self.frame.slack) + 1e-30
        self.bound[rows] = np.minimum(self.bound[rows], highest)

    def _renew(self) -> None:
        """Let all bounds know all centres, and list the rows of the largest anew."""
        if self.screened < self.count:
            for part in blocks(len(self.bound), BLOCK):
                self._lower(part, self.frame.roughly(self.pool[part]), self.screened)
            self.bound[self.picks] = -1.0
            self.screened = self.count
        outside = len(self.bound) - self.size
        self.rest = -1.0  # the largest bound outside the list
        self.listed = np.arange(len(self.bound))
        if outside > 0:
            parted = np.argpartition(self.bound, outside - 1)
            self.rest = self.bound[parted[outside - 1]]
            self.listed = parted[outside:]
        self.listed_rows = self.frame.roughly(self.pool[self.listed])

    def _farthest(self) -> int | None:
        """The farthest candidate; None where the list cannot say."""
        most = 1
        while True:
            bounds = self.bound[self.listed]
            if bounds.max() <= self.rest:
                return None
            known = self.seen[self.listed] == self.count
            best = bounds[known].max(initial=-1.0)
            open_ = self.listed[~known & (bounds >= max(best, 0.0))]
            if len(open_) == 0:
                break
            if len(open_) > most:
                open_ = open_[np.argpartition(-self.bound[open_], most - 1)[:most]]
            self._resolve(open_)
            most *= 2
        ties = self.listed[bounds == best]
        return int(ties[np.argmin(self.rank[ties])])

    def _resolve(self, rows: np.ndarray) -> None:
        """Replace the bounds of ``rows`` by exact distances to all centres."""
        for seen in np.unique(self.seen[rows]):
            group = rows[self.seen[rows] == seen]
            for part in blocks(len(group), BLOCK):
                some = group[part]
                values, norms = self.frame.exactly(self.pool[some])
                nearest = self.exact[some]
                for new in blocks(self.count - seen, BLOCK):
                    new = slice(seen + new.start, seen + new.stop)
                    distances = self.norms[new, None] - 2 * (self.centres[new] @ values.T) + norms
                    np.minimum(nearest, np.maximum(distances.min(0), 0), out=nearest)
                self.exact[some] = self.bound[some] = nearest
        self.seen[rows] = self.count

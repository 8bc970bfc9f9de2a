"""Lloyd's k-means with decisions that are the same on every processor, and few matrix products."""

from __future__ import annotations

import numpy as np

from stages.geometry import seeding
from stages.geometry.distances import Points, nearest, squared
from stages.geometry.grid import BLOCK, blocks, ground, squares
from stages.machine.threads import in_threads

SPAN = 8 * BLOCK  # points that are searched together
GROUP = 24  # centres that share a bound, about,
GROUPS = 64  # or as many as leave this number of groups: a bound for each point and group
DENSE = 0.5  # share of distances left open from which all are computed
MARGIN = 1e-6  # relative; float32 noise of a square root is 1e-7
DRIFT = 2.0**-22  # relative; float32 noise of a product and a sum is 2^-23
WEIGHT_BITS = 24  # with those of a coordinate less than 53: products are exact


def kmeans(
    points: Points,
    k: int,
    rng: np.random.Generator,
    iterations: int,
    weights: np.ndarray | None = None,
) -> tuple[Points, np.ndarray]:
    """Lloyd's algorithm from k-means++ seeds (Arthur & Vassilvitskii 2007).

    Args:
        k: number of clusters, 1 to N.
        iterations: at most; it stops when nothing changes.
        weights: 0 or more, shape (N,); None, or 0 throughout: all alike.

    Returns:
        the centres; the cluster of each point, int64, shape (N,): the nearest centre, of equally
        near ones the first. Some clusters may be empty.

    Examples:
        >>> points = Points.of(np.array([[0.0], [1.0], [8.0], [9.0]]))
        >>> centres, own = kmeans(points, 2, np.random.default_rng(0), 10)
        >>> own.tolist(), (centres.rows / points.frame.scale + points.frame.shift).tolist()
        ([1, 1, 0, 0], [[8.5], [0.5]])
    """
    whole = whole_numbers(np.ones(len(points)) if weights is None else weights)
    state = Lloyd(points, points[plus_plus(points, k, rng, whole)], whole)
    state.run(iterations)
    state.assign()
    return state.centres, state.own


def plus_plus(
    points: Points, k: int, rng: np.random.Generator, weights: np.ndarray | None = None
) -> np.ndarray:
    """k-means++: rows drawn by squared distance to those drawn before, int64, shape (k,).

    Args:
        k: 1 to N.
        weights: 0 or more, shape (N,), times which the distances count; None: all alike.

    Examples:
        >>> points = Points.of(np.array([[0.0], [0.0], [9.0]]))  # a copy comes after all others
        >>> sorted(points.rows[plus_plus(points, 2, np.random.default_rng(0))].tolist())
        [[0.0], [0.5625]]
    """
    weights = np.ones(len(points)) if weights is None else weights
    cumulated = np.cumsum(weights)
    first = int(np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right"))
    return seeding.draw(_Spread(points), len(points), k, first, rng, weights)


class _Spread:
    """Squared distances of points as a :class:`stages.geometry.seeding.Space`."""

    def __init__(self, points: Points) -> None:
        self.points = points

    def approach(self, reach: np.ndarray, picks: np.ndarray) -> None:
        """Lower ``reach`` (N,) to the squared distances to ``picks``, in place."""
        others = self.points[picks]

        def lower(part: slice) -> None:
            _, found = nearest(self.points[part], others, reach[part])
            np.minimum(reach[part], found, out=reach[part])

        in_threads(lower, blocks(len(reach), SPAN))

    def between(self, rows: np.ndarray) -> np.ndarray:
        """Squared distances among ``rows``, shape (R, R)."""
        return squared(self.points[rows], self.points[rows])


def centres_from(points: Points, seeds: np.ndarray, iterations: int) -> Points:
    """The centres of Lloyd's algorithm from the points ``seeds`` (positions).

    Examples:
        >>> points = Points.of(np.array([[0.0], [1.0], [8.0], [9.0]]))
        >>> centres = centres_from(points, np.array([0, 1]), 10)
        >>> (centres.rows / points.frame.scale + points.frame.shift).tolist()
        [[0.5], [8.5]]
    """
    state = Lloyd(points, points[seeds])
    state.run(iterations)
    return state.centres


def whole_numbers(weights: np.ndarray) -> np.ndarray:
    """Weights as whole numbers below 2^24, so that their products with coordinates are exact.

    All equal where none is above 0.

    Examples:
        >>> whole_numbers(np.array([0.0, 0.5, 1.0])).tolist(), whole_numbers(np.zeros(2)).tolist()
        ([0.0, 8388608.0, 16777216.0], [1.0, 1.0])
    """
    top = float(weights.max(initial=0))
    return np.rint(weights / top * 2.0**WEIGHT_BITS) if top > 0 else np.ones(len(weights))


class Lloyd:
    """The state of the algorithm.

    A point is compared with a group of centres only if bounds on its distances leave open whether
    its nearest centre is there (Ding et al. 2015, ICML, "Yinyang": an upper bound to its own
    centre, a lower one to all others of each group, that move with the centres). It is compared in
    float32, and exactly where float32 leaves open which is nearest. So the result is that of the
    plain algorithm, whatever the groups.

    Attributes:
        centres: on grids; a centre without points, or without weight, stays where it is.
        own: the cluster of each point as last assigned, int64, shape (N,).

    Examples:
        >>> points = Points.of(np.array([[0.0], [1.0], [8.0], [9.0]]))
        >>> state = Lloyd(points, points[:2])
        >>> state.run(10)
        >>> state.assign()
        >>> state.own.tolist()
        [0, 0, 1, 1]
    """

    def __init__(self, points: Points, start: Points, weights: np.ndarray | None = None) -> None:
        self.points, self.centres = points, start
        self.noise = points.off()
        self.weights = np.ones(len(points)) if weights is None else weights
        self.own = np.full(len(points), -1)
        self.upper = np.full(len(points), np.inf, np.float32)
        self.sums = np.zeros(start.rows.shape)
        self.totals = np.zeros(len(start))
        self._group(np.zeros(len(start), np.int64))

    def run(self, iterations: int) -> None:
        """Assign and move, until nothing changes."""
        for iteration in range(iterations):
            self.assign()
            if not self._move():
                break
            count = len(self.centres)
            if iteration == 0 and count >= 2 * GROUP:  # groups are clusters of the centres
                some = np.arange(0, count, max(GROUP, count // GROUPS))
                few = Lloyd(self.centres, self.centres[some])
                few.run(5)
                self._group(few.own)

    def _group(self, group: np.ndarray) -> None:
        """Give each centre its group; no bounds are known."""
        _, self.group, sizes = np.unique(group, return_inverse=True, return_counts=True)
        self.by_group = np.argsort(self.group, kind="stable")
        self.starts = np.concatenate([[0], np.cumsum(sizes)])
        self.lower = np.zeros((len(self.points), len(sizes)), np.float32)

    def assign(self) -> None:
        """Give each point its nearest centre."""
        before = self.own.copy()
        self.sorted, self.off = self.centres[self.by_group], self.centres.off()
        open_ = np.flatnonzero((self.lower * (1 - MARGIN) <= self.upper[:, None]).any(1))
        group = np.where(self.own < 0, 0, self.group[self.own])
        open_ = open_[np.argsort(group[open_], kind="stable")]
        in_threads(
            lambda part: _Search(self, open_[part], group[open_[part]]).run(),
            blocks(len(open_), SPAN),
        )
        self._add(np.flatnonzero(before != self.own), before)

    def _add(self, rows: np.ndarray, before: np.ndarray) -> None:
        """Let the sums of the clusters know the points that changed."""
        from scipy.sparse import csr_array

        shape = len(self.centres)
        for part in blocks(len(rows), BLOCK):
            some = rows[part]
            values = self.points.rows[some].astype(np.float64)
            for own, sign in ((before[some], -1), (self.own[some], 1)):
                there = np.flatnonzero(own >= 0)
                weights = sign * self.weights[some[there]]
                table = csr_array((weights, (own[there], there)), shape=(shape, len(some)))
                self.sums += table @ values
                self.totals += np.bincount(own[there], weights, shape)

    def _move(self) -> bool:
        """Move the centres to the means; whether any moved."""
        before, kept = self.centres, self.totals > 0
        means = ground(self.sums / np.maximum(self.totals, 1)[:, None])
        rows = np.where(kept[:, None], means, before.rows).astype(np.float32)
        norms = np.where(kept, squares(means), before.norms)
        self.centres = Points(before.frame, rows, norms)
        moved = np.sqrt(squares(rows.astype(np.float64) - before.rows)) * (1 + MARGIN)
        self.upper += self.upper * np.float32(DRIFT) + moved[self.own].astype(np.float32)
        farthest = np.zeros(self.lower.shape[1], np.float32)
        np.maximum.at(farthest, self.group, moved.astype(np.float32))
        self.lower *= np.float32(1 - DRIFT)
        self.lower -= farthest
        return bool(moved.any())


class _Search:
    """The nearest centres of a block of points: ``rows``, whose centres are of groups ``group``.

    Values are those of :meth:`Points.rough`.
    """

    def __init__(self, lloyd: Lloyd, rows: np.ndarray, group: np.ndarray) -> None:
        self.lloyd, self.rows, self.group = lloyd, rows, group
        self.norms = lloyd.points.norms[rows]
        self.off = lloyd.noise[rows]
        self.lower = lloyd.lower[rows]
        self.own = np.full(len(rows), -1)
        # The least value found, the second, and the second in the group of the least.
        self.least, self.second, self.inner = np.full((3, len(rows)), np.inf, np.float32)

    def run(self) -> None:
        """Look where the bounds leave it open, and note what is found."""
        lloyd, everyone = self.lloyd, np.arange(len(self.rows))
        sizes = np.diff(lloyd.starts)
        open_ = self.lower * (1 - MARGIN) <= lloyd.upper[self.rows, None]
        if (open_ @ sizes).mean() >= DENSE * sizes.sum():
            self._look(everyone, 0, len(sizes))
        else:
            for group in np.unique(self.group):
                self._look(np.flatnonzero(self.group == group), group, group + 1)
            upper = self._upper()
            open_ = self.lower * (1 - MARGIN) <= upper[:, None]
            open_[everyone, self.group] = False
            for group in np.flatnonzero(open_.any(0)):
                self._look(np.flatnonzero(open_[:, group]), group, group + 1)
        self._settle()

    def _look(self, rows: np.ndarray, first: int, last: int) -> None:
        """Compare some points with all centres of the groups ``first`` to ``last`` - 1."""
        for part in blocks(len(rows), BLOCK):
            self._compare(rows[part], first, last)

    def _compare(self, at: np.ndarray, first: int, last: int) -> None:
        lloyd, here = self.lloyd, slice(self.lloyd.starts[first], self.lloyd.starts[last])
        values = lloyd.points[self.rows[at]].rough(lloyd.sorted[here])
        line, place = np.arange(len(at)), values.argmin(1)
        least = values[line, place]
        values[line, place] = np.inf
        others = np.minimum.reduceat(values, lloyd.starts[first:last] - here.start, axis=1)
        own = lloyd.by_group[here][place]
        group = lloyd.group[own] - first
        second, inner = others.min(1), others[line, group]
        others[line, group] = least
        self.lower[at, first:last] = self._lower(others, at)
        before = self.least[at]
        self.second[at] = np.minimum(np.maximum(before, least), np.minimum(self.second[at], second))
        better = np.flatnonzero(least < before)
        some = at[better]
        self.least[some], self.inner[some] = least[better], inner[better]
        self.own[some] = own[better]

    def _settle(self) -> None:
        """Decide exactly what float32 leaves open, and hand the bounds back."""
        lloyd, found = self.lloyd, self.own.copy()
        lloyd.upper[self.rows] = self._upper()
        close = np.flatnonzero(self.second <= self.least + 2 * (self.off + lloyd.off[found]))
        if len(close):
            self.own[close], _ = nearest(lloyd.points[self.rows[close]], lloyd.centres)
        # The bound to the group of the own centre need not count that centre.
        at = np.flatnonzero(self.own == found)
        self.lower[at, lloyd.group[found[at]]] = self._lower(self.inner[at], at)
        lloyd.own[self.rows], lloyd.lower[self.rows] = self.own, self.lower

    def _upper(self) -> np.ndarray:
        """Bounds to the nearest found."""
        off = self.off + 2 * self.lloyd.off[self.own]
        return np.sqrt(np.maximum(self.least + (self.norms + off), 0))

    def _lower(self, values: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Bounds from values (n,) or (n, G) of the points ``at``."""
        squared = (values.T + (self.norms[at] - self.off[at])).T
        return np.sqrt(np.maximum(squared, 0))

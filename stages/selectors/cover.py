"""Can b balls of one radius cover all but a few points? The mixed-integer program of Core-Set."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack, vstack

from stages.errors import UserError
from stages.selectors.distances import Points, nearest, pieces, within

SOLVED, LIMIT, INFEASIBLE = 0, 1, 2


class Undecided(Exception):
    """The program was not solved within its limits."""


@dataclass
class Limits:
    """What one selection may spend.

    Attributes:
        nodes: branch-and-bound nodes of one program.
        nonzeros: of one program's matrix.
        programs: how many for one radius.
        seconds: for all programs; the clock is a safety, and running out of it an error.
    """

    nodes: int
    nonzeros: int
    programs: int
    seconds: float

    def __post_init__(self) -> None:
        self._start = time.monotonic()

    def left(self) -> float:
        """Seconds that are left."""
        return self.seconds - (time.monotonic() - self._start)


class Cover:
    """Sener & Savarese 2018, eq. (5): Feasible(b, s_0, radius, budget).

    The program of the paper, with its trivial variables taken out: u_j is 1 for a centre j, x_i is
    1 for an outlier i; each point has a centre within the radius or is an outlier; b centres and at
    most ``budget`` outliers. Points that a labeled one covers need nothing. Pairs farther apart
    than the radius have no entry, so the matrix is sparse.

    Only the points that turn out to matter become rows: the program is solved for a few, the points
    that its answer leaves open are added, and so on (the relaxation method of Chen & Handler 1987).
    No answer for some of the points means none for all, and an answer that serves all is one:
    the verdict is that of the whole program.

    Args:
        points: the pool.
        to_labeled: squared distance of each to the nearest labeled point, shape (N,).
        b, budget: centres and outliers.
        first: rows to begin with.
        limits: what may be spent.
    """

    def __init__(
        self,
        points: Points,
        to_labeled: np.ndarray,
        b: int,
        budget: int,
        first: np.ndarray,
        limits: Limits,
    ) -> None:
        self.points, self.to_labeled = points, to_labeled
        self.b, self.budget, self.limits = b, budget, limits
        self.rows = first

    def centres(self, radius: float) -> np.ndarray | None:
        """At most b centres that do for this squared radius; None: there are none.

        Raises:
            Undecided: not solved within the limits.
            UserError: out of time.
        """
        rows = self.rows[self.to_labeled[self.rows] > radius]
        for _ in range(self.limits.programs):
            found = self._solve(rows, radius)
            if found is None:
                return None
            reach = self.reach(found)
            open_ = np.flatnonzero(reach > radius)
            if len(open_) <= self.budget:
                return found
            more = self._spread(np.setdiff1d(open_, rows), reach, radius)
            if not len(more):  # the solver's tolerance let a row pass
                raise Undecided
            rows = np.concatenate([rows, more])
            self.rows = np.union1d(self.rows, more)
        raise Undecided

    def reach(self, centres: np.ndarray) -> np.ndarray:
        """Squared distance of each point to the nearest centre or labeled point, shape (N,)."""
        return np.minimum(self.to_labeled, nearest(self.points, self.points[centres])[1])

    def _spread(self, open_: np.ndarray, reach: np.ndarray, radius: float) -> np.ndarray:
        """At most b open points, farthest first, apart by the radius, and if few by half of it.

        Points far apart share few centres: they show soonest that a radius is too small.
        """
        among, chosen = self.points[open_], np.zeros(0, np.int64)
        for apart in (radius, radius / 4):
            left = reach[open_]
            for part in pieces(len(chosen), len(among)):
                left[within(among[chosen[part]], among, apart).any(0)] = 0
            while len(chosen) < self.b and left.any():
                chosen = np.append(chosen, left.argmax())
                left[within(among[chosen[-1:]], among, apart)[0]] = 0
            if len(chosen) >= self.b // 5:
                break
        return open_[chosen]

    def _solve(self, rows: np.ndarray, radius: float) -> np.ndarray | None:
        """The program for these rows alone."""
        if len(rows) <= self.budget:
            return np.zeros(0, np.int64)
        matrix, columns = self._matrix(rows, radius)
        count, size = matrix.shape
        # Variables u then x; rows: each point, b centres, the budget.
        constraints = vstack(
            [
                hstack([matrix, _identity(count)]),
                hstack([csr_array(np.ones((1, size))), csr_array((1, count))]),
                hstack([csr_array((1, size)), csr_array(np.ones((1, count)))]),
            ]
        )
        low = np.r_[np.ones(count), 0, 0]
        high = np.r_[np.full(count, np.inf), self.b, self.budget]
        answer = milp(
            # Any answer will do; among several rather one of centres that cover much.
            np.concatenate([-np.asarray(matrix.sum(0)).ravel(), np.zeros(count)]),
            integrality=np.repeat([1, 0], [size, count]),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(constraints.tocsc(), low, high),
            options={
                "node_limit": self.limits.nodes,
                "time_limit": max(self.limits.left(), 0.01),
                "mip_rel_gap": 1e9,
            },
        )
        if answer.x is not None:
            return columns[answer.x[:size] > 0.5]
        if answer.status == INFEASIBLE:
            return None
        if self.limits.left() <= 0:
            raise UserError(
                f"core-set: the mixed-integer programs were not solved within time_limit "
                f"{self.limits.seconds:g} s; raise it, or lower nodes, nonzeros or steps"
            )
        raise Undecided

    def _matrix(self, rows: np.ndarray, radius: float) -> tuple[csr_array, np.ndarray]:
        """Which candidate covers which row; of candidates that cover the same rows only one.

        Raises:
            Undecided: more entries than allowed.
        """
        parts, entries = [], 0
        for part in pieces(len(rows), len(self.points)):
            near = within(self.points[rows[part]], self.points, radius)
            parts.append(csr_array(near, dtype=np.float64))
            entries += parts[-1].nnz
            if entries > 50 * self.limits.nonzeros:
                raise Undecided
        columns = vstack(parts).tocsc()
        columns.sort_indices()
        covers: dict[bytes, int] = {}
        ends = columns.indptr
        for at in np.flatnonzero(np.diff(ends)):
            covers.setdefault(columns.indices[ends[at] : ends[at + 1]].tobytes(), int(at))
        kept = np.array(list(covers.values()), np.int64)
        matrix = columns[:, kept]
        if matrix.nnz > self.limits.nonzeros:
            raise Undecided
        return matrix.tocsr(), kept


def _identity(count: int) -> csr_array:
    return csr_array((np.ones(count), np.arange(count), np.arange(count + 1)))

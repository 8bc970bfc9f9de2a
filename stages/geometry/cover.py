"""Can b balls of one radius cover all but a few points? Core-Set's question, by three answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stages.geometry.distances import Points, nearest, pieces, squared, within
from stages.geometry.set_cover import ENTRIES, Search, distinct_columns, needs_more
from stages.machine.errors import UserError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

INFEASIBLE = 2  # what milp calls it


class Undecided(Exception):
    """Neither centres nor a proof that there are none were found within the limits."""


@dataclass
class Limits:
    """What one selection may spend.

    Attributes:
        nodes: branch-and-bound nodes of one program.
        nonzeros: of one program's matrix; a larger one is not tried.
        programs: how often points may be added for one radius.
        seconds: for all radii; the clock is a safety, and running out of it an error.
        moves: of one local search.

    Examples:
        >>> 0 < Limits(nodes=10, nonzeros=1000, programs=5, seconds=60).left() <= 60
        True
    """

    nodes: int
    nonzeros: int
    programs: int
    seconds: float
    moves: int = 10_000

    def __post_init__(self) -> None:
        self._start = time.monotonic()

    def left(self) -> float:
        """Seconds that are left.

        Raises:
            UserError: none.
        """
        left = self.seconds - (time.monotonic() - self._start)
        if left <= 0:
            raise UserError(
                f"core-set: not done within time_limit {self.seconds:g} s; raise it, or lower "
                f"steps, moves, nodes or nonzeros"
            )
        return left


class Cover:
    """Sener & Savarese 2018, eq. (5): Feasible(b, s_0, radius, budget).

    The program of the paper, with its trivial variables taken out: u_j is 1 for a centre j, x_i is
    1 for an outlier i; each point has a centre within the radius or is an outlier; b centres and at
    most ``budget`` outliers. Points that a labeled one covers need nothing. Pairs farther apart
    than the radius have no entry, so the matrix is sparse.

    Only the points that turn out to matter become rows: the program is answered for a few, the
    points that its answer leaves open are added, and so on (the relaxation method of Chen & Handler
    1987). No answer for some of the points means none for all, and an answer that serves all is
    one: the verdict is that of the whole program.

    Each program is answered by the first of three that can: prices prove that there are no centres
    (:func:`stages.geometry.set_cover.needs_more`), branch and bound decides either way, or a local
    search finds some (:class:`stages.geometry.set_cover.Search`).

    Args:
        points: the pool.
        to_labeled: squared distance of each to the nearest labeled point, shape (N,).
        b, budget: centres and outliers.
        first: rows to begin with.
        limits: what may be spent.
        rng: of the local search.

    Attributes:
        kept_to: neighbours up to this squared radius are kept; best the largest that will be asked.

    Examples:
        >>> points = Points.of(np.array([[0.0], [1.0], [8.0], [9.0]]))
        >>> limits = Limits(nodes=10, nonzeros=1000, programs=5, seconds=60)
        >>> rows, rng = np.arange(4), np.random.default_rng(0)
        >>> cover = Cover(points, np.full(4, np.inf), 2, 0, rows, limits, rng)
        >>> len(cover.centres(points.frame.scale**2, rows[:1])), cover.rules_out(0.0)
        (2, True)
    """

    def __init__(
        self,
        points: Points,
        to_labeled: np.ndarray,
        b: int,
        budget: int,
        first: np.ndarray,
        limits: Limits,
        rng: np.random.Generator,
    ) -> None:
        self.points, self.to_labeled = points, to_labeled
        self.b, self.budget, self.limits, self.rng = b, budget, limits, rng
        self.rows = first
        self._near: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.kept_to = 0.0

    def centres(self, radius: float, start: np.ndarray) -> np.ndarray | None:
        """At most b centres that do for this squared radius; None: there are none.

        Args:
            start: centres that the local search begins with.

        Raises:
            Undecided: neither was found within the limits.
            UserError: out of time.
        """
        # What is drawn for one radius must not depend on how soon another one was decided.
        rng = self.rng.spawn(1)[0]
        rows = self.rows[self.to_labeled[self.rows] > radius]
        for _ in range(self.limits.programs):
            self.limits.left()
            matrix, columns = self._matrix(rows, radius)
            found = self._answer(matrix, columns, start, rng)
            if found is None:
                return None
            start = found
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

    def rules_out(self, radius: float) -> bool:
        """Whether prices of the rows so far prove that no b centres do for this squared radius."""
        try:
            matrix, _ = self._matrix(self.rows[self.to_labeled[self.rows] > radius], radius)
        except Undecided:
            return False
        return needs_more(matrix, self.b, self.budget)

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

    def _answer(
        self, matrix: csr_array, columns: np.ndarray, start: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray | None:
        """Centres for these rows alone; None: there are none.

        Raises:
            Undecided: neither was found.
        """
        if needs_more(matrix, self.b, self.budget):
            return None
        try:
            return self._solve(matrix, columns)
        except Undecided:
            found = self._search(matrix, columns, start, rng)
            if found is None:
                raise
            return found

    def _search(
        self, matrix: csr_array, columns: np.ndarray, start: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray | None:
        known = np.isin(columns, start)
        found = Search(matrix, self.b, self.budget, rng).run(
            np.flatnonzero(known), self.limits.moves
        )
        return None if found is None else columns[found]

    def _solve(self, matrix: csr_array, columns: np.ndarray) -> np.ndarray | None:
        """The mixed-integer program for these rows alone."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array, hstack, vstack

        count = matrix.shape[0]
        if count <= self.budget:
            return np.zeros(0, np.int64)
        matrix, kept = distinct_columns(matrix)
        columns, size = columns[kept], len(kept)
        if matrix.nnz > self.limits.nonzeros:
            raise Undecided
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
                "time_limit": self.limits.left(),
                "mip_rel_gap": 1e9,
            },
        )
        if answer.x is not None:
            return columns[answer.x[:size] > 0.5]
        if answer.status == INFEASIBLE:
            return None
        self.limits.left()
        raise Undecided

    def _matrix(self, rows: np.ndarray, radius: float) -> tuple[csr_array, np.ndarray]:
        """Which candidate (the second result names them) covers which of these rows.

        Raises:
            Undecided: more entries than allowed.
        """
        from scipy.sparse import csr_array

        self._look_around(rows, radius)
        near = [self._near[row] for row in rows.tolist()]
        sizes = [int(np.searchsorted(squares, radius, side="right")) for _, squares in near]
        if sum(sizes) > ENTRIES:
            raise Undecided
        entries = [found[:size] for (found, _), size in zip(near, sizes, strict=True)]
        entries = np.concatenate([np.zeros(0, np.int32), *entries])
        columns, at = np.unique(entries, return_inverse=True)
        ends = np.cumsum([0, *sizes])
        matrix = csr_array((np.ones(len(at), np.int8), at, ends), shape=(len(rows), len(columns)))
        matrix.sort_indices()
        return matrix, columns.astype(np.int64)

    def _look_around(self, rows: np.ndarray, radius: float) -> None:
        """Let every row know its neighbours within the radius, nearest first."""
        if radius > self.kept_to:
            self._near, self.kept_to = {}, radius
        new = rows[[row not in self._near for row in rows.tolist()]]
        entries = sum(len(found) for found, _ in self._near.values())
        for part in pieces(len(new), len(self.points)):
            distances = squared(self.points[new[part]], self.points)
            for row, squares in zip(new[part].tolist(), distances, strict=True):
                found = np.flatnonzero(squares <= self.kept_to)
                found = found[np.argsort(squares[found], kind="stable")]
                self._near[row] = found.astype(np.int32), squares[found]
                entries += len(found)
            if entries > ENTRIES:
                self._near = {}
                raise Undecided


def _identity(count: int) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((np.ones(count), np.arange(count), np.arange(count + 1)))

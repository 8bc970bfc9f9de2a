"""Covering rows by few columns: a local search that finds covers, and a bound that rules them out.

Of a 0/1 matrix at most b columns are to cover all rows but a few. Row i is covered by column j
where the matrix has an entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ENTRIES = 10_000_000  # of a matrix: 80 MB
BOUND_STEPS = 300
PATIENCE = 10  # steps of the bound without a gain until they become shorter
MARGIN = 1e-6  # relative: float64 sums of a bound are off by 1e-12


class Search:
    """Weighting-based local search for a cover.

    RWLS of Gao, Yao, Weise & Li 2015, without its tabu by configurations. Each uncovered row
    has a weight that grows by one with every move that leaves it uncovered. A move takes out the
    column that is missed least, the oldest of equals, and brings in, for an uncovered row drawn at
    random, the column that gains most. All scores are whole numbers.

    Args:
        matrix: rows x columns; every row has an entry.
        most: columns of a cover, at most.
        budget: rows that may stay uncovered.
        rng: draws the row of each move.

    Examples:
        >>> from scipy.sparse import csr_array
        >>> matrix = csr_array(np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1]]))
        >>> Search(matrix, 2, 0, np.random.default_rng(0)).run(np.array([0, 1]), 100).tolist()
        [0, 2]
    """

    def __init__(self, matrix: csr_array, most: int, budget: int, rng: np.random.Generator) -> None:
        self.most, self.budget, self.rng = most, budget, rng
        self._rows, self._columns = _Lists(matrix), _Lists(matrix.T.tocsr())
        rows, columns = matrix.shape
        self.times = np.zeros(rows, np.int64)  # covered by so many chosen columns,
        self.owner = np.zeros(rows, np.int64)  # the sum of whose numbers is this
        self.weights = np.ones(rows, np.int64)
        # What a column would gain, or minus what would be lost without it.
        self.scores = np.diff(matrix.T.tocsr().indptr).astype(np.int64)
        self.chosen = np.zeros(columns, bool)
        self.changed = np.zeros(columns, np.int64)  # in which move
        self.moves = 0

    def run(self, start: np.ndarray, moves: int) -> np.ndarray | None:
        """Columns of a cover, from the columns ``start``; None where no move found one."""
        for column in start[: self.most]:
            self._flip(int(column))
        size = int(self.chosen.sum())
        for _ in range(moves):
            open_ = np.flatnonzero(self.times == 0)
            if len(open_) <= self.budget:
                return np.flatnonzero(self.chosen)
            self.moves += 1
            if size == self.most:
                members = np.flatnonzero(self.chosen)
                fresh = self.changed[members] == self.moves - 1  # not at once out again
                self._flip(self._best(members[~fresh] if len(fresh) > fresh.sum() else members))
                open_ = np.flatnonzero(self.times == 0)
                size -= 1
            fits = self._rows[open_[self.rng.integers(len(open_))]]
            old = fits[self.changed[fits] < self.moves]
            self._flip(self._best(old if len(old) else fits))
            size += 1
            self._weigh()
        return None

    def _best(self, columns: np.ndarray) -> int:
        """The highest score; of equals the one that has not changed for longest, then the first."""
        scores = self.scores[columns]
        top = columns[scores == scores.max()]
        return int(top[self.changed[top].argmin()])

    def _flip(self, column: int) -> None:
        """Bring a column in, or take it out."""
        rows, sign = self._columns[column], -1 if self.chosen[column] else 1
        score = -self.scores[column]
        before = self.times[rows]
        self.times[rows] += sign
        self.owner[rows] += sign * column
        alone = rows[np.where(sign > 0, before == 0, before == 1)]  # covered by this one or none
        for row in alone:
            self.scores[self._rows[row]] -= sign * self.weights[row]
        shared = rows[np.where(sign > 0, before == 1, before == 2)]  # by one other
        others = self.owner[shared] - (column if sign > 0 else 0)
        np.add.at(self.scores, others, sign * self.weights[shared])
        self.scores[column] = score
        self.chosen[column] ^= True
        self.changed[column] = self.moves

    def _weigh(self) -> None:
        for row in np.flatnonzero(self.times == 0):
            self.weights[row] += 1
            self.scores[self._rows[row]] += 1


class _Lists:
    """The entries of each row of a matrix."""

    def __init__(self, matrix: csr_array) -> None:
        self._ends, self._entries = matrix.indptr.tolist(), matrix.indices

    def __getitem__(self, row: int) -> np.ndarray:
        return self._entries[self._ends[row] : self._ends[row + 1]]


def needs_more(matrix: csr_array, most: int, budget: int) -> bool:
    """Whether a proof was found that no ``most`` columns cover all rows but ``budget``.

    With a price y_i >= 0 for each row, any cover has at least sum_i y_i, less the ``budget``
    largest, less what columns are paid above 1, sum_j max(0, sum_i a_ij y_i - 1), columns: the
    Lagrangian bound, at best that of the linear relaxation. Prices rise by subgradient steps (Held,
    Wolfe & Crowder 1974).

    Examples:
        >>> from scipy.sparse import csr_array
        >>> matrix = csr_array(np.eye(3, dtype=int))
        >>> needs_more(matrix, 2, 0), needs_more(matrix, 3, 0), needs_more(matrix, 2, 1)
        (True, False, False)
    """
    rows = matrix.shape[0]
    if rows - budget <= most:
        return False
    matrix = matrix.astype(np.float64)
    turned = matrix.T.tocsr()
    sizes = np.diff(turned.indptr)
    prices = 1 / np.maximum.reduceat(sizes[matrix.indices], matrix.indptr[:-1])
    best, kept, length, since = -np.inf, prices, 1.0, 0
    goal = 1.02 * most + 1
    for _ in range(BOUND_STEPS):
        paid = turned @ prices
        spared = np.argpartition(prices, rows - budget)[rows - budget :] if budget else []
        bound = prices.sum() - prices[spared].sum() - np.maximum(paid - 1, 0).sum()
        if bound > most * (1 + MARGIN) + MARGIN:
            return True
        if bound > best + 1e-4 * most:
            best, kept, since = bound, prices, 0
        else:
            since += 1
        if since == PATIENCE:
            prices, length, since = kept, length / 2, 0
            if length < 1e-3:
                break
            continue
        slope = 1 - matrix @ (paid > 1).astype(np.float64)
        slope[spared] = np.minimum(slope[spared], 0) if budget else slope[spared]
        square = slope @ slope
        if square == 0:
            break
        prices = np.maximum(prices + length * (goal - bound) / square * slope, 0)
    return False


def distinct_columns(matrix: csr_array) -> tuple[csr_array, np.ndarray]:
    """Without columns whose rows another one covers too; and which are left.

    Of columns with the same rows the first stays. Dominated ones are looked for only where that is
    cheap.

    Examples:
        >>> from scipy.sparse import csr_array
        >>> matrix, kept = distinct_columns(csr_array(np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]])))
        >>> matrix.toarray().tolist(), kept.tolist()
        ([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]], [0, 1])
    """
    columns = matrix.astype(np.float64).tocsc()
    columns.sort_indices()
    covers: dict[bytes, int] = {}
    ends = columns.indptr
    for at in np.flatnonzero(np.diff(ends)).tolist():
        covers.setdefault(columns.indices[ends[at] : ends[at + 1]].tobytes(), at)
    kept = np.array(list(covers.values()), np.int64)
    columns = columns[:, kept]
    lengths = np.diff(columns.tocsr().indptr).astype(np.float64)
    if lengths @ lengths <= ENTRIES:
        shared = (columns.T @ columns).tocoo()
        sizes = np.diff(columns.indptr)
        inside = (shared.data >= sizes[shared.row]) & (sizes[shared.col] > sizes[shared.row])
        left = np.setdiff1d(np.arange(len(kept)), shared.row[inside])
        kept, columns = kept[left], columns[:, left]
    return columns.tocsr(), kept

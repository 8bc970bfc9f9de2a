"""Fisher information of a linear classifier's weights, and a set of it that grows and shrinks.

Weights are in the order of the classes: a matrix over them is (C D, C D), its block (c, d) of shape
(D, D). The information of an image with embedding x and probabilities p is
I(x) = (diag p - p p^T) (x) x x^T = V V^T, V = root (x) x of C columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stages.geometry.grid import blocks

BLOCK_CELLS = 4_000_000  # numbers held at a time for a block of candidates
FOLD = 32  # changes of the inverse that are kept apart before they are added up
TIES = 2.0**30  # gains apart by less than this part of the largest are equal


class Fisher(NamedTuple):
    """What BAIT selects from.

    Attributes:
        features: embeddings x of the pool (N, D).
        chances: its class probabilities p (N, C), or its confidences alone (N, 1).
        labeled_features, labeled_chances: the same of the labeled set.

    Examples:
        >>> labeled = np.ones((1, 2)), np.full((1, 3), 1 / 3)
        >>> [len(part) for part in Fisher(np.ones((4, 2)), np.full((4, 3), 1 / 3), *labeled)]
        [4, 4, 1, 1]
    """

    features: np.ndarray
    chances: np.ndarray
    labeled_features: np.ndarray
    labeled_chances: np.ndarray


def factors(chances: np.ndarray) -> np.ndarray:
    """S with S S^T = diag p - p p^T, shape (n, C, C); of one column c, sqrt(c (1 - c)), (n, 1, 1).

    Column y is sqrt(p_y) (e_y - p): the gradient of the loss at label y, as likely as y is.

    Examples:
        >>> factors(np.array([[0.25, 0.75]])).round(4).tolist()
        [[[0.375, -0.2165], [-0.375, 0.2165]]]
    """
    roots = np.sqrt(chances)
    if chances.shape[1] == 1:
        return (roots * np.sqrt(1 - chances))[:, :, None]
    result = -chances[:, :, None] * roots[:, None, :]
    at = np.arange(chances.shape[1])
    result[:, at, at] += roots
    return result


def mean_information(features: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """The mean of I(x), shape (C D, C D); weights are in the order of the classes.

    Examples:
        >>> mean_information(np.array([[2.0]]), np.array([[0.25, 0.75]])).tolist()
        [[0.75, -0.75], [-0.75, 0.75]]
    """
    (count, size), classes = features.shape, chances.shape[1]
    result = np.zeros((classes, size, classes, size))
    for one in range(classes):
        for other in range(one, classes):
            weights = -chances[:, one] * chances[:, other]
            if one == other:
                weights = weights + chances[:, one]
            block = features.T @ (weights[:, None] * features) / count
            result[one, :, other] = block
            result[other, :, one] = block.T
    return result.reshape(classes * size, classes * size)


def best(gains: np.ndarray, order: np.ndarray) -> int:
    """The position of the largest gain; of equals the first in ``order``.

    Examples:
        >>> best(np.array([1.0, 3.0, 3.0, -np.inf]), np.array([3, 2, 1, 0]))
        2
    """
    top = gains.max()
    scale = np.abs(gains[np.isfinite(gains)]).max()
    close = gains >= top - scale / TIES
    return int(order[np.argmax(close[order])])


class Change(NamedTuple):
    """A_new = A - sign U U^T and B_new = B - sign (U Z^T + Z U^T), both for B = A F A.

    Attributes:
        u, z: shape (C D, C).
        sign: +1 for a candidate added to M, -1 for one taken out.

    Examples:
        >>> change = Change(np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros((2, 2)), 1)
        >>> change.wide(2).tolist()
        [[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]]
    """

    u: np.ndarray
    z: np.ndarray
    sign: int

    def wide(self, classes: int) -> np.ndarray:
        """U and Z side by side for products with embeddings, shape (D, C, 2 C)."""
        both = np.concatenate([self.u, self.z], axis=1)
        return both.reshape(classes, -1, 2 * classes).transpose(1, 0, 2)


class State:
    """A = M^-1 and B = A F A, and K = V^T A V and H = V^T B V of some candidates.

    ``k`` and ``h`` are as of the change ``seen`` of ``changes``; :meth:`catch_up` renews some.

    Examples:
        >>> x, p = np.array([[1.0], [3.0]]), np.array([[0.5], [0.5]])  # confidences alone
        >>> state = State.of(x, p, Fisher(x, p, x[:1], p[:1]), 1.0)
        >>> gains, _ = state.gains(np.arange(2))
        >>> gains.round(4).tolist(), round(state.change(1, +1), 4)
        ([0.1222, 0.4714], 0.4714)
    """

    def __init__(
        self, features: np.ndarray, chances: np.ndarray, inverse: np.ndarray, product: np.ndarray
    ) -> None:
        self.features, self.chances = features, chances
        self._inverse, self._product = inverse, product  # of M before the last few changes
        everything = np.arange(len(features))
        self.k, self.h = (self._forms(matrix, everything) for matrix in (inverse, product))
        self.changes: list[Change | None] = []
        self.seen = np.zeros(len(features), np.int64)
        self._folded = 0
        # To follow more changes than this costs more than to begin anew with A and B.
        self._kept = max(FOLD, features.shape[1] // 2)

    @classmethod
    def of(
        cls, features: np.ndarray, chances: np.ndarray, scored: Fisher, regularisation: float
    ) -> State:
        """The state before the first pick: M is what the labeled set tells, regularised."""
        labeled = [np.asarray(part, np.float64) for part in scored[2:]]
        seen = mean_information(*labeled)
        share = len(labeled[0]) / (len(labeled[0]) + len(features))
        fisher = mean_information(features, chances)
        fisher *= 1 - share
        fisher += share * seen
        seen[np.diag_indices(len(seen))] += regularisation
        inverse = np.linalg.inv(seen)
        del seen
        inverse = (inverse + inverse.T) / 2
        product = inverse @ fisher @ inverse
        del fisher
        return cls(features, chances, inverse, product)

    def _forms(self, matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """V^T matrix V of these candidates, shape (n, C, C), of a symmetric matrix."""
        classes, size = self.chances.shape[1], self.features.shape[1]
        result = np.empty((len(rows), classes, classes))
        for part in blocks(len(rows), max(1, BLOCK_CELLS // (classes * size))):
            here = self.features[rows[part]]
            for one in range(classes):
                half = here @ matrix[one * size : (one + 1) * size, one * size :]
                half = half.reshape(len(here), classes - one, size)
                result[part, one, one:] = np.einsum("ncd,nd->nc", half, here)
                result[part, one:, one] = result[part, one, one:]
            roots = factors(self.chances[rows[part]])
            result[part] = roots.transpose(0, 2, 1) @ result[part] @ roots
        return result

    def gains(self, rows: np.ndarray, sign: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """How much the trace falls with each of these candidates, or rises without (-1), (n,).

        They must be up to date. Also (1 + sign K)^-1, shape (n, C, C).
        """
        result = np.empty((len(rows), *self.k.shape[1:]))
        unit = np.eye(self.k.shape[1])
        for part in blocks(len(rows), max(1, BLOCK_CELLS // unit.size)):
            result[part] = np.linalg.inv(unit + sign * self.k[rows[part]])
        return np.einsum("nij,nji->n", result, self.h[rows]), result

    def change(self, at: int, sign: int) -> float:
        """Add (+1) candidate ``at``, which is up to date, to M, or take it out (-1).

        Returns:
            tr Q, Q = U^T F U: how much the trace falls or rises.
        """
        classes = self.chances.shape[1]
        root = factors(self.chances[at : at + 1])[0]
        inner = np.linalg.inv(np.eye(classes) + sign * self.k[at])
        lower = np.linalg.cholesky((inner + inner.T) / 2)
        av, bv = self._times(self.features[at], root)
        u, w, q = av @ lower, bv @ lower, lower.T @ self.h[at] @ lower
        self.changes.append(Change(u, w - sign * (u @ q) / 2, sign))
        if len(self.changes) - self._folded == FOLD:
            self.fold()
        if len(self.changes) > self._kept:
            self.changes[-1 - self._kept] = None
        return float(np.trace(q))

    def _times(self, tall: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A V and B V of V = root (x) tall, each (C D, C)."""
        classes, size = self.chances.shape[1], self.features.shape[1]
        # A product with V needs no more than one with x.
        av, bv = (
            (matrix.reshape(-1, classes, size) @ tall) @ root
            for matrix in (self._inverse, self._product)
        )
        for u, z, sign in self.changes[self._folded :]:
            y = (tall @ u.reshape(classes, size, classes)).T @ root  # U^T V
            x = (tall @ z.reshape(classes, size, classes)).T @ root
            av -= sign * (u @ y)
            bv -= sign * (u @ x + z @ y)
        return av, bv

    def fold(self) -> None:
        """Add the last changes to A and B, all at once."""
        new = self.changes[self._folded :]
        if not new:
            return
        u = np.concatenate([change.u for change in new], axis=1)
        z = np.concatenate([change.z for change in new], axis=1)
        signs = np.repeat([float(change.sign) for change in new], new[0].u.shape[1])
        for part in blocks(len(u), max(1, BLOCK_CELLS // len(u))):
            self._inverse[part] -= (u[part] * signs) @ u.T
            self._product[part] -= (u[part] * signs) @ z.T
            self._product[part] -= (z[part] * signs) @ u.T
        self._folded = len(self.changes)

    def catch_up(self, rows: np.ndarray) -> None:
        """Let K and H of these candidates know all changes."""
        now = len(self.changes)
        late = rows[self.seen[rows] < now - self._kept]
        if len(late):
            self.fold()
            self.k[late] = self._forms(self._inverse, late)
            self.h[late] = self._forms(self._product, late)
            self.seen[late] = now
        behind = rows[self.seen[rows] < now]
        for since in np.unique(self.seen[behind]):
            group = behind[self.seen[behind] == since]
            for some in blocks(now - since, FOLD):
                some = slice(since + some.start, since + some.stop)
                self._update(group, self.changes[some])
        self.seen[behind] = now

    def _update(self, rows: np.ndarray, changes: list[Change]) -> None:
        classes, size = self.chances.shape[1], self.features.shape[1]
        count = len(changes)
        wide = np.stack([change.wide(classes) for change in changes], axis=2)
        wide = wide.reshape(size, -1)  # D x (C, changes, 2 C)
        signs = np.repeat([float(change.sign) for change in changes], classes)[:, None]
        for part in blocks(len(rows), max(1, BLOCK_CELLS // wide.shape[1])):
            some = rows[part]
            here = (self.features[some] @ wide).reshape(-1, classes, count * 2 * classes)
            here = here.transpose(0, 2, 1) @ factors(self.chances[some])
            here = here.reshape(-1, count, 2, classes, classes)
            y, z = (here[:, :, at].reshape(-1, count * classes, classes) for at in (0, 1))
            yt = (signs * y).transpose(0, 2, 1)
            cross = yt @ z
            self.k[some] -= yt @ y
            self.h[some] -= cross + cross.transpose(0, 2, 1)

    def only(self, rows: np.ndarray) -> State:
        """The same for these candidates alone, which may then be taken out again."""
        self.fold()
        return State(self.features[rows], self.chances[rows], self._inverse, self._product)

"""The batch that tells most about the classifier's weights, by its Fisher information."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from stages.errors import UserError
from stages.progress import progress

GIB = 2**30
BLOCK_CELLS = 4_000_000  # numbers held at a time for a block of candidates
TIES = 2.0**30  # gains apart by less than this part of the largest are equal


class Fisher(NamedTuple):
    """What BAIT selects from.

    Attributes:
        features: embeddings x of the pool (N, D).
        chances: its class probabilities p (N, C), or its confidences alone (N, 1).
        labeled_features, labeled_chances: the same of the labeled set.
    """

    features: np.ndarray
    chances: np.ndarray
    labeled_features: np.ndarray
    labeled_chances: np.ndarray


def forward_backward(
    scored: Fisher,
    b: int,
    rng: np.random.Generator,
    regularisation: float = 1.0,
    oversample: float = 2.0,
    memory: float = 4.0,
) -> np.ndarray:
    """Ash et al. 2021, Algorithm 1 (BAIT).

    The Fisher information of the classifier's weights at x is I(x) = (diag p - p p^T) (x) x x^T.
    With M_0 = regularisation 1 + the mean of I over the labeled set, oversample b candidates are
    added one by one, each the one with the smallest tr((M + I(x))^-1 F), then all but b are taken
    out again, each the one with the smallest tr((M - I(x))^-1 F). F is the mean of I over pool and
    labeled set. Of one column of confidences (c, 1), I(x) = c (1 - c) x x^T: the binary
    approximation of Huseljic et al. 2024.

    I(x) = V V^T has rank C, so by Woodbury's identity the trace falls by tr((1 + K)^-1 H) with
    K = V^T A V, H = V^T A F A V and A = M^-1. K and H are kept for every candidate and follow each
    rank-C change of A: a step costs N C^2 D, not N (C D)^2.

    Args:
        regularisation: lambda, above 0.
        oversample: how many times b the forward pass takes, 1 or more; never more than N.
        memory: GiB that the matrices may take.

    Raises:
        UserError: a number is not finite, b is larger than N, or more memory is needed.
    """
    features, chances = (np.asarray(part, np.float64) for part in scored[:2])
    count, (classes, size) = len(features), (chances.shape[1], features.shape[1])
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    if not all(np.isfinite(part).all() for part in scored):
        raise UserError("an embedding or a probability is not a finite number")
    check_memory(count, classes, size, memory)
    state = _State.of(features, chances, scored, regularisation)
    taken = np.zeros(count, bool)
    picks: list[int] = []
    order = rng.permutation(count)  # ties go to the first of a random order
    for _ in progress(range(min(count, max(b, round(oversample * b)))), "BAIT", "candidate"):
        gains = state.gains()
        gains[taken] = -np.inf
        pick = _best(gains, order)
        state.change(pick, +1)
        taken[pick] = True
        picks.append(pick)
    kept = state.only(np.array(picks))
    order = rng.permutation(len(picks))
    left = np.ones(len(picks), bool)
    for _ in range(len(picks) - b):
        losses = kept.losses()
        losses[~left] = np.inf
        out = _best(-losses, order)
        kept.change(out, -1)
        left[out] = False
    return np.array(picks, np.int64)[left]


def check_memory(count: int, classes: int, size: int, memory: float) -> None:
    """Raise unless two (C, C) matrices for each candidate and four (C D, C D) ones fit.

    Raises:
        UserError: they need more than ``memory`` GiB.
    """
    needed = 8 * (2 * count * classes**2 + 4 * (classes * size) ** 2) / GIB
    if needed > memory:
        raise UserError(
            f"bait needs {needed:.1f} GiB for {count} candidates, {classes} classes and embeddings "
            f"of {size}, but memory is {memory}; set fisher: binary, candidates, or memory"
        )


def factors(chances: np.ndarray) -> np.ndarray:
    """S with S S^T = diag p - p p^T, shape (n, C, C); of one column c, sqrt(c (1 - c)), (n, 1, 1).

    Column y is sqrt(p_y) (e_y - p): the gradient of the loss at label y, as likely as y is.
    """
    roots = np.sqrt(chances)
    if chances.shape[1] == 1:
        return (roots * np.sqrt(1 - chances))[:, :, None]
    result = -chances[:, :, None] * roots[:, None, :]
    at = np.arange(chances.shape[1])
    result[:, at, at] += roots
    return result


def mean_information(features: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """The mean of I(x), shape (C D, C D); weights are in the order of the classes."""
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


def slices(count: int, size: int) -> Iterator[slice]:
    """0 .. count in pieces of ``size``."""
    return (slice(start, start + size) for start in range(0, count, size))


class _State:
    """A = M^-1 and B = A F A, and K and H of some candidates (see :func:`forward_backward`)."""

    def __init__(
        self, features: np.ndarray, chances: np.ndarray, inverse: np.ndarray, product: np.ndarray
    ) -> None:
        self.features, self.chances = features, chances
        self.inverse, self.product = inverse, product
        self.k, self.h = self._forms(inverse), self._forms(product)

    @classmethod
    def of(
        cls, features: np.ndarray, chances: np.ndarray, scored: Fisher, regularisation: float
    ) -> _State:
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

    def _blocks(self) -> Iterator[slice]:
        cells = self.chances.shape[1] * max(self.features.shape[1], 2 * self.chances.shape[1])
        return slices(len(self.features), max(1, BLOCK_CELLS // cells))

    def _forms(self, matrix: np.ndarray) -> np.ndarray:
        """V^T matrix V of every candidate, shape (n, C, C)."""
        classes, size = self.chances.shape[1], self.features.shape[1]
        result = np.empty((len(self.features), classes, classes))
        for part in self._blocks():
            here = self.features[part]
            for one in range(classes):
                rows = here @ matrix[one * size : (one + 1) * size]
                rows = rows.reshape(len(here), classes, size)
                result[part, one] = np.einsum("ncd,nd->nc", rows, here)
            roots = factors(self.chances[part])
            result[part] = roots.transpose(0, 2, 1) @ result[part] @ roots
        return result

    def gains(self) -> np.ndarray:
        """How much the trace falls with each candidate, shape (n,)."""
        return self._traces(+1)

    def losses(self) -> np.ndarray:
        """How much it rises without each."""
        return self._traces(-1)

    def _traces(self, sign: int) -> np.ndarray:
        classes = self.chances.shape[1]
        result = np.empty(len(self.k))
        for part in slices(len(result), max(1, BLOCK_CELLS // classes**2)):
            solved = np.linalg.solve(np.eye(classes) + sign * self.k[part], self.h[part])
            result[part] = np.trace(solved, axis1=1, axis2=2)
        return result

    def change(self, at: int, sign: int) -> None:
        """Add (+1) candidate ``at`` to M, or take it out (-1)."""
        classes, size = self.chances.shape[1], self.features.shape[1]
        root = factors(self.chances[at : at + 1])[0]
        # V = root (x) x, so a product with V needs no more than one with x.
        tall = self.features[at]
        av, bv = (
            (matrix.reshape(-1, classes, size) @ tall) @ root
            for matrix in (self.inverse, self.product)
        )
        inner = np.linalg.inv(np.eye(classes) + sign * self.k[at])
        lower = np.linalg.cholesky((inner + inner.T) / 2)
        u, w, q = av @ lower, bv @ lower, lower.T @ self.h[at] @ lower
        self._update(u, w, q, sign)
        cross = u @ w.T
        self.inverse -= sign * (u @ u.T)
        self.product += u @ q @ u.T - sign * (cross + cross.T)

    def _update(self, u: np.ndarray, w: np.ndarray, q: np.ndarray, sign: int) -> None:
        """K and H after A - sign U U^T, with W = B V L and Q = U^T F U."""
        classes, size = self.chances.shape[1], self.features.shape[1]
        wide = np.concatenate([u, w], axis=1).reshape(classes, size, 2 * classes)
        wide = wide.transpose(1, 0, 2).reshape(size, -1)
        for part in self._blocks():
            here = (self.features[part] @ wide).reshape(-1, classes, 2 * classes)
            here = here.transpose(0, 2, 1) @ factors(self.chances[part])
            y, z = here[:, :classes], here[:, classes:]
            yt = y.transpose(0, 2, 1)
            cross = yt @ (z - sign * (q / 2 @ y))
            self.k[part] -= sign * (yt @ y)
            self.h[part] -= sign * (cross + cross.transpose(0, 2, 1))

    def only(self, rows: np.ndarray) -> _State:
        """The same for these candidates alone."""
        return _State(self.features[rows], self.chances[rows], self.inverse, self.product)


def _best(gains: np.ndarray, order: np.ndarray) -> int:
    top = gains.max()
    scale = np.abs(gains[np.isfinite(gains)]).max()
    close = gains >= top - scale / TIES
    return int(order[np.argmax(close[order])])

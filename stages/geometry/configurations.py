"""Joint predictions of a growing set of candidates: what BatchBALD adds entropies over.

A configuration is one label for each candidate taken so far. What matters of it is its weight and
the posterior over the T passes that it leaves: with P(s|k) its probability under pass k, the weight
is w_s = mean_k P(s|k) and the posterior r_s(k) = P(s|k) / sum_k P(s|k). The joint entropy with a
further candidate x is then H(taken) + sum_s w_s H[sum_k r_s(k) p_k(x)] (the chain rule), which
never multiplies small numbers.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

TINY = np.finfo(np.float64).tiny
ELEMENTS = 1 << 18  # of a block of mixtures: it stays in the cache


@dataclass(frozen=True)
class Configurations:
    """Weights and posteriors of configurations, every one of them or drawn ones.

    Attributes:
        weights: w, shape (S,), summing to 1.
        posteriors: r, shape (S, T), rows summing to 1.
        draws: None while every configuration of non-zero probability is here.

    Examples:
        >>> empty = Configurations.none_taken(4)
        >>> empty.weights.tolist(), empty.posteriors.tolist()
        ([1.0], [[0.25, 0.25, 0.25, 0.25]])
    """

    weights: np.ndarray
    posteriors: np.ndarray
    draws: Draws | None = None

    @classmethod
    def none_taken(cls, passes: int) -> Configurations:
        """The one empty configuration."""
        return cls(np.ones(1), np.full((1, passes), 1 / passes))


@dataclass(frozen=True)
class Draws:
    """Configurations drawn from the passes in turn.

    Attributes:
        passes: the pass that each is drawn from, int64, shape (m,).
        names: an integer for each different configuration, int64, shape (m,).
        log_chances: log P(s|k), shape (m, T).

    Examples:
        >>> chances = np.eye(3)[[0, 2]]  # two passes, each sure of one of three classes
        >>> rng = np.random.default_rng(0)
        >>> drawn = extend(Configurations.none_taken(2), [chances], 2, rng).draws
        >>> drawn.passes.tolist(), drawn.names.tolist()
        ([0, 1], [0, 1])
    """

    passes: np.ndarray
    names: np.ndarray
    log_chances: np.ndarray


def extend(
    now: Configurations, taken: list[np.ndarray], samples: int, rng: np.random.Generator
) -> Configurations:
    """The configurations with one more candidate.

    All of them while they are at most ``samples``, then ``samples`` drawn ones (Kirsch et al. 2019,
    on the efficient implementation): of each pass equally many, extended label by label.

    Args:
        taken: probabilities (T, C) of every candidate taken, the new one last.

    Examples:
        >>> chances = np.array([[0.75, 0.25], [0.25, 0.75]])  # two passes, two classes
        >>> now = extend(Configurations.none_taken(2), [chances], 10, np.random.default_rng(0))
        >>> now.weights.tolist(), now.posteriors.tolist()
        ([0.5, 0.5], [[0.75, 0.25], [0.25, 0.75]])
    """
    classes = taken[-1].shape[1]
    if now.draws is None and len(now.weights) * classes <= samples:
        return _all(now, taken[-1])
    draws, fresh = now.draws, taken[-1:]
    if draws is None:
        passes = taken[-1].shape[0]
        origins = np.arange(samples) % passes
        draws, fresh = Draws(origins, np.zeros(samples, int), np.zeros((samples, passes))), taken
    for chances in fresh:
        draws = _draw(draws, chances, rng)
    return _of(draws)


def _all(now: Configurations, chances: np.ndarray) -> Configurations:
    """Each configuration with each label of the new candidate, ``chances`` (T, C)."""
    joint = now.posteriors[:, None, :] * chances.T  # (S, C, T)
    evidence = joint.sum(2)
    weights = now.weights[:, None] * evidence
    kept = weights > 0
    return Configurations(weights[kept], joint[kept] / evidence[kept][:, None])


def _draw(draws: Draws, chances: np.ndarray, rng: np.random.Generator) -> Draws:
    """A label of the new candidate for each draw, from the pass that it belongs to."""
    cumulated = chances.cumsum(1)
    cumulated[:, -1] = np.inf  # the last class takes what rounding leaves
    # A class of probability 0 has an empty interval; the last one must not get the remainder.
    last = chances.shape[1] - 1 - np.argmax(chances[:, ::-1] > 0, axis=1)
    labels = (rng.random(len(draws.passes))[:, None] >= cumulated[draws.passes]).sum(1)
    labels = np.minimum(labels, last[draws.passes])
    logs = np.log(chances, where=chances > 0, out=np.full(chances.shape, -np.inf))
    names = draws.names * chances.shape[1] + labels
    names = np.unique(names, return_inverse=True)[1]
    return Draws(draws.passes, names, draws.log_chances + logs.T[labels])


def _of(draws: Draws) -> Configurations:
    """Equal draws are counted, not repeated; every pass weighs 1 / T in all."""
    per_pass = np.bincount(draws.passes)
    shares = 1 / (len(per_pass) * per_pass[draws.passes])
    _, first, names = np.unique(draws.names, return_index=True, return_inverse=True)
    logs = draws.log_chances[first]
    powers = np.exp(logs - logs.max(1, keepdims=True))
    weights = np.bincount(names, shares)
    return Configurations(weights, powers / powers.sum(1, keepdims=True), draws)


def mixture_entropy(weights: np.ndarray, posteriors: np.ndarray, p_T_n_C: np.ndarray) -> np.ndarray:
    """sum_s w_s H[sum_k r_s(k) p_k(x)] of each candidate x, nats, shape (n,).

    Args:
        weights: w, shape (S,).
        posteriors: r, shape (S, T).
        p_T_n_C: probabilities of the candidates.

    Examples:
        >>> sure, torn = [[0.9, 0.1], [0.9, 0.1]], [[1.0, 0.0], [0.0, 1.0]]  # by two passes
        >>> p_T_n_C = np.stack([sure, torn], axis=1)
        >>> mixture_entropy(np.ones(1), np.full((1, 2), 0.5), p_T_n_C).round(4).tolist()
        [0.3251, 0.6931]
    """
    passes, count, classes = p_T_n_C.shape
    result = np.empty(count)
    step = max(1, ELEMENTS // (len(weights) * classes))
    for start in range(0, count, step):
        part = slice(start, start + step)
        chances = np.ascontiguousarray(p_T_n_C[:, part]).reshape(passes, -1)
        mixture = posteriors @ chances
        logs = np.log(np.maximum(mixture, np.finfo(mixture.dtype).tiny))
        mixture *= logs
        result[part] = -(weights @ mixture).reshape(-1, classes).sum(1)
    return result


def grouped(now: Configurations, groups: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and mean posteriors of ever more groups of similar configurations, then of all.

    Entropy is concave, so that with the mean posterior of each group :func:`mixture_entropy` is an
    upper bound of what it is with all, whichever way they are grouped. The group that spreads
    widest is halved at its mean, again and again.

    Examples:
        >>> now = Configurations(np.full(4, 0.25), np.repeat(np.eye(2), 2, axis=0))
        >>> [(mass.tolist(), means.tolist()) for mass, means in grouped(now, (1, 2))[:2]]
        [([1.0], [[0.5, 0.5]]), ([0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]])]
    """
    count = len(now.weights)
    heap = [_Group.of(now, np.arange(count))]
    levels = []
    for size in groups:
        if 2 * size > count:
            break
        while len(heap) < size and heap[0].spread > 0:
            widest = heapq.heappop(heap)
            for half in widest.halves(now):
                heapq.heappush(heap, half)
        mass = np.array([now.weights[group.members].sum() for group in heap])
        levels.append((mass, np.stack([group.mean for group in heap])))
    return [*levels, (now.weights, now.posteriors)]


@dataclass(frozen=True)
class _Group:
    """Some configurations: their places, mean posterior, and weighted squares around it."""

    members: np.ndarray
    mean: np.ndarray
    spread: float
    axis: int

    @classmethod
    def of(cls, now: Configurations, members: np.ndarray) -> _Group:
        weights, points = now.weights[members], now.posteriors[members]
        mean = weights @ points / weights.sum()
        squares = weights @ (points - mean) ** 2
        axis = int(squares.argmax())
        below = points[:, axis] < mean[axis]
        apart = below.any() and not below.all()
        return cls(members, mean, float(squares.sum()) if apart else 0.0, axis)

    def halves(self, now: Configurations) -> tuple[_Group, _Group]:
        below = now.posteriors[self.members, self.axis] < self.mean[self.axis]
        return _Group.of(now, self.members[below]), _Group.of(now, self.members[~below])

    def __lt__(self, other: _Group) -> bool:
        return self.spread > other.spread

"""EXP4.P, a bandit over experts, with several draws between two rewards.

Its state goes from round to round, so its arithmetic is the same on every processor
(:mod:`stages.geometry.correct`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stages.geometry import correct


@dataclass(frozen=True)
class Bandit:
    """The state of ALBL between two rounds; K strategies, t queries so far, b in the last round.

    Attributes:
        log_weights: log w_k of EXP4.P, the largest 0, shape (K,).
        rows: the rows queried so far, int64, shape (t,).
        chances: q of each at its draw, shape (t,).
        shares: p_k of the last round, shape (K,).
        advice: psi_k of what was drawn in the last round, at its draw, shape (b, K).
        total: candidates at the start of the run.

    Examples:
        >>> bandit = Bandit.fresh(2, 10)
        >>> bandit.log_weights.tolist(), bandit.advice.shape, Bandit.of(bandit.arrays()).total
        ([0.0, 0.0], (0, 2), 10)
    """

    log_weights: np.ndarray
    rows: np.ndarray
    chances: np.ndarray
    shares: np.ndarray
    advice: np.ndarray
    total: int

    @classmethod
    def fresh(cls, strategies: int, total: int) -> Bandit:
        """Before the first query: all weights 1."""
        none = np.empty(0)
        start = np.zeros(strategies)
        return cls(start, none.astype(np.int64), none, none, np.empty((0, strategies)), total)

    def arrays(self) -> dict[str, np.ndarray]:
        """What the carry holds."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def of(cls, carry: Mapping[str, np.ndarray]) -> Bandit:
        """Back from the carry."""
        values = {name: carry[name] for name in cls.__dataclass_fields__}
        return cls(**{**values, "total": int(values["total"])})


def reward(bandit: Bandit, right: np.ndarray, horizon: int) -> float:
    """Importance-weighted accuracy (Hsu & Lin 2015): sum_t [right_t] / q_t / (n T).

    Args:
        right: whether the newest model is right about each of ``bandit.rows``, bool, shape (t,).

    Examples:
        >>> shares, advice = np.array([0.5, 0.5]), np.array([[1.0, 0.0], [0.5, 0.5]])
        >>> rows, chances = np.array([4, 7]), np.array([0.5, 0.25])
        >>> bandit = Bandit(np.zeros(2), rows, chances, shares, advice, 10)
        >>> reward(bandit, np.array([True, False]), 5)
        0.04
    """
    return math.fsum(right / bandit.chances) / (bandit.total * horizon)


def updated(bandit: Bandit, gained: float, horizon: int, delta: float) -> np.ndarray:
    """log w after the last round's queries were rewarded by ``gained``, the largest 0, shape (K,).

    EXP4.P (Beygelzimer et al. 2011) with the strategies as arms, as in Hsu & Lin 2015: each query
    i multiplies w_k by exp(p_min / 2 (r psi_k(i) / q(i) + sqrt(ln(K / delta) / (K T)) / p_k)).

    Examples:
        >>> shares, advice = np.array([0.5, 0.5]), np.array([[1.0, 0.0], [0.5, 0.5]])
        >>> rows, chances = np.array([4, 7]), np.array([0.5, 0.25])
        >>> bandit = Bandit(np.zeros(2), rows, chances, shares, advice, 10)
        >>> updated(bandit, 1.0, 5, 0.1).round(4).tolist()
        [0.0, -0.2633]
    """
    strategies, (queries, _) = len(bandit.shares), bandit.advice.shape
    last = bandit.chances[len(bandit.chances) - queries :]
    credit = gained * correct.sums((bandit.advice / last[:, None]).T)
    width = math.sqrt(correct.log(strategies / delta) / (strategies * horizon))
    log_weights = bandit.log_weights + least_share(strategies, horizon) / 2 * (
        credit + queries * width / bandit.shares
    )
    return log_weights - log_weights.max()


def least_share(strategies: int, horizon: int) -> float:
    """p_min = sqrt(ln K / (K T)), at most 1 / K.

    Examples:
        >>> round(least_share(2, 100), 4), least_share(2, 1)
        (0.0589, 0.5)
    """
    return min(1 / strategies, math.sqrt(correct.log(strategies) / (strategies * horizon)))


def shares_of(log_weights: np.ndarray, horizon: int) -> np.ndarray:
    """p_k = (1 - K p_min) w_k / sum w + p_min, shape (K,).

    Examples:
        >>> shares_of(np.array([0.0, -1.0]), 100).round(4).tolist()
        [0.7039, 0.2961]
    """
    weights = np.array([correct.exp(value) for value in log_weights])
    least = least_share(len(weights), horizon)
    return (1 - len(weights) * least) * weights / math.fsum(weights) + least

"""Wins, ties and losses of strategies over tasks."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import numpy as np
import pandas as pd

from stages.statistics.finite import finite_or_missing

UNIT = Decimal("0.0001")


def to_units(score: float) -> int | None:
    """A score as an integer number of 1e-4, the precision in which AUBC is published.

    Args:
        score: a float; digits after the ninth are float noise and dropped first.

    Returns:
        The nearest integer (halves to even), or None for NaN, a missing score.

    Raises:
        ValueError: for an infinity.

    Examples:
        >>> to_units(0.8051), to_units(float("nan"))
        (8051, None)
    """
    finite_or_missing(score, "score")
    if np.isnan(score):
        return None
    return int((Decimal(f"{score:.9f}") / UNIT).to_integral_value(ROUND_HALF_EVEN))


def compare(first: float, second: float, margin: float = 0.005) -> int:
    """1, 0 or -1: first wins, ties or loses against second.

    A win is a difference of more than the margin, decided in integers, since 0.8050 - 0.8000
    exceeds 0.0050 in floats. A missing score (NaN) loses to every available one and ties with
    another missing one (the reading that reproduces Table 9 of Zhan et al. 2022).

    Args:
        first, second: scores, higher being better.
        margin: in the unit of the scores, not negative.

    Raises:
        ValueError: for a margin that is negative or not finite, or an infinite score.

    Examples:
        >>> compare(0.8051, 0.8), compare(0.805, 0.8), compare(0.7, 0.8), compare(float("nan"), 0)
        (1, 0, -1, -1)
    """
    _check(margin)
    a, b = to_units(first), to_units(second)
    if a is None or b is None:
        return (a is not None) - (b is not None)
    bound = Decimal(str(margin)) / UNIT
    return int(a - b > bound) - int(b - a > bound)


def win_tie_loss(scores: pd.DataFrame, margin: float = 0.005) -> pd.DataFrame:
    """Counts of wins, ties and losses of each strategy against all others over all tasks.

    Args:
        scores: (tasks, strategies) DataFrame of mean scores, NaN for a missing cell.
        margin: smallest difference that is still a tie.

    Returns:
        DataFrame in the order of the columns of `scores`: strategy, wins, ties, losses,
        points = 2 * wins + ties, and rank by points (1 best; equal points share a rank).

    Raises:
        ValueError: for a margin that is negative or not finite, or an infinite score.

    Examples:
        >>> scores = pd.DataFrame({"a": [0.9, 0.8], "b": [0.8, 0.8], "c": [0.7, 0.9]})
        >>> win_tie_loss(scores).to_numpy().tolist()
        [['a', 2, 1, 1, 5, 1], ['b', 1, 1, 2, 3, 3], ['c', 2, 0, 2, 4, 2]]
    """
    _check(margin)
    units = [[to_units(float(score)) for score in scores[name]] for name in scores.columns]
    bound = Decimal(str(margin)) / UNIT
    # A margin between two units decides as the unit below it: differences are whole.
    whole = int(bound.to_integral_value(ROUND_FLOOR))
    missing = np.array([[unit is None for unit in column] for column in units], dtype=bool)
    values = np.array([[unit or 0 for unit in column] for column in units], dtype=np.int64)
    missing, values = (x.reshape(len(units), len(scores)) for x in (missing, values))
    both = ~missing[:, None] & ~missing[None, :]
    wins = both & (values[:, None] - values[None, :] > whole)
    wins |= ~missing[:, None] & missing[None, :]
    won, lost = wins.sum((1, 2)), wins.sum((0, 2))
    tied = len(scores) * (len(units) - 1) - won - lost
    rows = zip(
        scores.columns, *(x.tolist() for x in (won, tied, lost, 2 * won + tied)), strict=True
    )
    table = pd.DataFrame(rows, columns=["strategy", "wins", "ties", "losses", "points"])
    table["rank"] = table["points"].rank(method="min", ascending=False).astype("int64")
    return table


def _check(margin: float) -> None:
    if not 0 <= margin < float("inf"):
        raise ValueError("margin must be a finite number and not negative")


def win_tie_loss_spread(
    runs: Mapping[str, np.ndarray], margin: float = 0.005, *, draws: int = 2_000, seed: int = 0
) -> pd.DataFrame:
    """How far the ranks of :func:`win_tie_loss` depend on which seeds were run.

    The counts look at means alone. Here the seeds of every task are drawn anew with replacement,
    the same ones for all strategies, and the strategies counted and ranked again. The tasks stay
    as they are. With fewer than about ten seeds the spread is still too small.

    Args:
        runs: task -> (seeds, strategies) scores, the strategies in one order; seeds with a NaN are
            left out.
        margin: smallest difference that is still a tie.
        draws, seed: number of resamples and seed of their generator.

    Returns:
        DataFrame, a row for each strategy: rank_low and rank_high (between which its rank lies in
        95 % of the resamples) and first (share of them in which no strategy has more points); NaN
        where a task has fewer than two complete seeds.

    Raises:
        ValueError: for a margin that is negative or not finite, or an infinite score.

    Examples:
        >>> runs = {"t": np.array([[0.9, 0.8, 0.8], [0.9, 0.7, 0.8], [0.9, 0.9, 0.8]])}
        >>> win_tie_loss_spread(runs).round(2).to_numpy().tolist()
        [[1.0, 1.0, 1.0], [1.0, 3.0, 0.03], [2.0, 3.0, 0.0]]
    """
    _check(margin)
    whole = [finite_or_missing(values, f"scores of {task}") for task, values in runs.items()]
    whole = [values[~np.isnan(values).any(1)] for values in whole]
    k = whole[0].shape[1] if whole else 0
    columns = ["rank_low", "rank_high", "first"]
    if not whole or min(len(values) for values in whole) < 2:
        return pd.DataFrame(np.full((k, 3), np.nan), columns=columns)
    rng = np.random.default_rng(seed)
    bound = int((Decimal(str(margin)) / UNIT).to_integral_value(ROUND_FLOOR))
    points = np.zeros((draws, k), np.int64)
    for values in whole:
        chosen = rng.integers(0, len(values), (draws, len(values)))
        means = values[chosen].mean(1)
        units = np.rint(np.round(means, 9) / float(UNIT)).astype(np.int64)
        apart = units[:, :, None] - units[:, None, :]
        # Two points a win and one a tie, itself apart.
        points += (apart > bound).sum(2) + (apart >= -bound).sum(2) - 1
    ranks = 1 + (points[:, None, :] > points[:, :, None]).sum(2)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=0, method="inverted_cdf")
    first = (ranks == 1).mean(0)
    return pd.DataFrame(np.column_stack([low, high, first]), columns=columns)

"""Across tasks: interquartile mean, probability of improvement, performance profiles.

Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice", with
intervals by a bootstrap over seeds within each task, or over seeds and tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from stages.statistics.finite import finite, level

DRAWS = 2_000
BLOCK = 4_000_000  # numbers of resampled scores at a time
NAN = float("nan")
FEW = "fewer than two seeds on a task"


def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """Mean of the middle half of all runs of all tasks: a quarter is cut off at each end.

    Agarwal et al. 2021; sturdier than the mean against one odd task, and more efficient than the
    median. The scores of all tasks must have one scale.

    Args:
        scores: (..., seeds, tasks) floats.

    Returns:
        (...) floats.

    Examples:
        >>> float(interquartile_mean(np.array([[1.0, 2, 3, 4], [5, 6, 7, 100]])))
        4.5
    """
    flat = np.sort(finite(scores, "scores").reshape(*np.shape(scores)[:-2], -1), axis=-1)
    cut = int(0.25 * flat.shape[-1])
    return flat[..., cut : flat.shape[-1] - cut].mean(-1)


def probability_of_improvement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Chance that a run of the first is above a run of the second on a task drawn at random.

    Agarwal et al. 2021: on each task the Mann-Whitney U over the number of pairs of runs, ties by
    half; then the mean over tasks. It needs no scale that tasks share.

    Args:
        first, second: (..., seeds, tasks) floats, seeds of either.

    Returns:
        (...) floats in [0, 1].

    Examples:
        >>> float(probability_of_improvement([[3.0], [5.0]], [[1.0], [4.0]]))
        0.75
    """
    a, b = finite(first, "scores"), finite(second, "scores")
    a, b = a[..., :, None, :], b[..., None, :, :]
    return ((a > b) + 0.5 * (a == b)).mean((-3, -2)).mean(-1)


def performance_profile(scores: np.ndarray, levels) -> np.ndarray:
    """Share of the runs of all tasks whose score is above each level.

    Agarwal et al. 2021, the distribution of run scores.

    Args:
        scores: (..., seeds, tasks) floats; levels: (m,) floats.

    Returns:
        (..., m) floats in [0, 1], falling.

    Examples:
        >>> performance_profile(np.array([[0.1, 0.5], [0.3, 0.9]]), [0.2, 0.5]).tolist()
        [0.75, 0.25]
    """
    flat = finite(scores, "scores").reshape(*np.shape(scores)[:-2], -1)
    return np.stack([(flat > at).mean(-1) for at in finite(levels, "levels")], axis=-1)


def resampled(
    scores: np.ndarray, draws: int = DRAWS, *, tasks: bool = False, seed: int = 0
) -> np.ndarray:
    """Scores with seeds drawn anew within each task, and if asked for, tasks drawn anew.

    Over seeds alone it is about the same tasks with other seeds; over tasks too, about other tasks
    of which these are a sample. With fewer than about ten of either it is too narrow. All
    strategies get the same draws, so what runs of a seed share stays paired.

    Args:
        scores: (strategies, seeds, tasks) floats; draws: how many; seed: of the generator.

    Returns:
        (draws, strategies, seeds, tasks) floats.

    Examples:
        >>> scores = np.arange(12.0).reshape(2, 3, 2)  # two strategies, three seeds, two tasks
        >>> found = resampled(scores, draws=5)
        >>> found.shape, bool((found[:, 1] - found[:, 0] == 6).all())  # alike for both
        ((5, 2, 3, 2), True)
    """
    _, n, m = scores.shape
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, n, (draws, n, m))
    columns = rng.integers(0, m, (draws, 1, m)) if tasks else np.arange(m)[None, None]
    return np.moveaxis(scores[:, rows, np.broadcast_to(columns, rows.shape)], 0, 1)


def interval(
    statistic: Callable[[np.ndarray], np.ndarray], scores: np.ndarray, *, alpha: float = 0.05,
    draws: int = DRAWS, tasks: bool = False, seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Percentile interval of a statistic of all strategies, by :func:`resampled`.

    Args:
        statistic: from (draws, strategies, seeds, tasks) to (draws, ...).
        scores: (strategies, seeds, tasks) floats.
        alpha: one minus the level; draws, tasks, seed: as of `resampled`.

    Returns:
        (low, high) of the statistic's shape, NaN with fewer than two seeds.

    Examples:
        >>> scores = np.full((1, 4, 2), 0.5)
        >>> [x.tolist() for x in interval(lambda one: one.mean((-2, -1)), scores, draws=20)]
        [[0.5], [0.5]]
    """
    level(alpha)
    shape = statistic(scores[None])[0].shape
    if scores.shape[1] < 2:
        return np.full(shape, NAN), np.full(shape, NAN)
    step = max(1, BLOCK // scores.size)
    parts = []
    for at in range(0, draws, step):
        block = resampled(scores, min(step, draws - at), tasks=tasks, seed=seed + at)
        parts.append(statistic(block))
    low, high = np.quantile(np.concatenate(parts), [alpha / 2, 1 - alpha / 2], axis=0)
    return low, high


def gains(scores: np.ndarray, baseline: int) -> np.ndarray:
    """Scores less the baseline's mean on each task, which gives tasks one scale.

    Args:
        scores: (..., strategies, seeds, tasks) floats; baseline: number of a strategy.

    Examples:
        >>> gains(np.array([[[0.5], [0.7]], [[0.9], [0.8]]]), 0)[..., 0].round(6).tolist()
        [[-0.1, 0.1], [0.3, 0.2]]
    """
    return scores - scores[..., baseline : baseline + 1, :, :].mean(-2, keepdims=True)


def aggregate(
    scores: Mapping[str, np.ndarray], baseline: str, *, alpha: float = 0.05, draws: int = DRAWS
) -> pd.DataFrame:
    """Interquartile mean of every strategy's gain, and its chance to be above the baseline.

    Args:
        scores: strategy -> (seeds, tasks) floats without gaps; row s of all of them is one seed.
        baseline: one of them.
        alpha: one minus the level of the intervals; draws: of the bootstrap.

    Returns:
        DataFrame, a row for each strategy: strategy, iqm (of `gains`), iqm_low, iqm_high (seeds
        drawn anew, the baseline's too), iqm_tasks_low, iqm_tasks_high (tasks drawn anew besides;
        NaN with one task), improvement (the probability of improvement over the baseline),
        improvement_low, improvement_high (seeds drawn anew; NaN for the baseline), reason.

    Raises:
        ValueError: a score that is not finite, or a baseline that is none of them.

    Examples:
        >>> runs = {"random": np.zeros((3, 2)), "a": np.array([[1.0, 2], [2, 3], [0, 4]])}
        >>> table = aggregate(runs, "random", draws=200)
        >>> table[["strategy", "iqm"]].to_numpy().tolist(), round(float(table["improvement"][1]), 4)
        ([['random', 0.0], ['a', 2.0]], 0.9167)
    """
    names = list(scores)
    if baseline not in names:
        raise ValueError(f"baseline {baseline!r} is none of the strategies")
    values = np.stack([finite(scores[name], f"scores of {name}") for name in names])
    base = names.index(baseline)

    def middle(drawn: np.ndarray) -> np.ndarray:
        return interquartile_mean(gains(drawn, base))

    def better(drawn: np.ndarray) -> np.ndarray:
        return probability_of_improvement(drawn, drawn[:, base : base + 1])

    table = pd.DataFrame({"strategy": names, "iqm": middle(values[None])[0]})
    low, high = interval(middle, values, alpha=alpha, draws=draws)
    table["iqm_low"], table["iqm_high"] = low, high
    low, high = np.full((2, len(names)), NAN)
    if values.shape[2] > 1:
        low, high = interval(middle, values, alpha=alpha, draws=draws, tasks=True)
    table["iqm_tasks_low"], table["iqm_tasks_high"] = low, high
    table["improvement"] = better(values[None])[0]
    low, high = interval(better, values, alpha=alpha, draws=draws)
    table["improvement_low"], table["improvement_high"] = low, high
    table.loc[base, ["improvement", "improvement_low", "improvement_high"]] = NAN
    table["reason"] = "" if values.shape[1] > 1 else FEW
    return table

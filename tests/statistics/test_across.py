"""Measures over tasks against rliable, SciPy and worked numbers."""

from __future__ import annotations

import numpy as np
import pytest
from rliable import metrics
from scipy import stats

from stages.statistics import across
from stages.statistics.ranking import alike_runs, cliques


def scores(strategies=3, seeds=6, tasks=4, seed=0):
    """AUBC of strategies, each better by one than the one before it."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(strategies, seeds, tasks)) + 3 * rng.normal(size=tasks)
    return values + np.arange(strategies)[:, None, None]


@pytest.mark.parametrize("shape", [(6, 4), (3, 1), (5, 3), (1, 2)])
def test_measures_are_rliables(shape):
    x, y = scores(2, *shape)
    assert across.interquartile_mean(x) == pytest.approx(metrics.aggregate_iqm(x))
    assert across.probability_of_improvement(x, y) == pytest.approx(
        metrics.probability_of_improvement(x, y)
    )
    ties = np.round(x), np.round(y)
    assert across.probability_of_improvement(*ties) == pytest.approx(
        metrics.probability_of_improvement(*ties)
    )


def test_profiles_are_counted():
    x, levels = scores(1)[0], np.linspace(-6, 6, 9)
    counted = [np.mean([run > at for run in x.ravel()]) for at in levels]
    assert across.performance_profile(x, levels) == pytest.approx(counted)


def test_the_interval_of_one_task_is_scipys_bootstrap():
    x = np.random.default_rng(2).exponential(size=(25, 1))
    low, high = across.interval(across.interquartile_mean, x[None], draws=20_000)
    theirs = stats.bootstrap(
        (x[:, 0],), lambda x, axis: stats.trim_mean(x, 0.25, axis=axis), n_resamples=20_000,
        method="percentile", vectorized=True, rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    assert [low[0], high[0]] == pytest.approx(list(theirs), abs=0.02)


def test_resampled_means_have_the_deviation_of_strata():
    x = scores(1, 9, 3)
    means = across.resampled(x, 20_000)[:, 0].mean((1, 2))
    # Seeds of each task apart: the variances of the tasks' means add up.
    assert means.var() == pytest.approx((x[0].var(0) / 9).sum() / 9, rel=0.04)
    wide = across.resampled(x, 20_000, tasks=True)[:, 0].mean((1, 2))
    assert wide.var() > 2 * means.var()


def test_seeds_are_drawn_within_their_task_alike_for_all_strategies():
    values = np.arange(24.0).reshape(2, 3, 4)
    drawn = across.resampled(values, 50)
    assert drawn.shape == (50, 2, 3, 4)
    assert (drawn[:, 1] - drawn[:, 0] == 12).all()  # paired
    assert (drawn % 4 == np.arange(4)).all()  # a task keeps its column
    wide = across.resampled(values, 50, tasks=True)
    columns = wide[:, 0] % 4
    assert (columns == columns[:, :1]).all() and len(np.unique(columns[:, 0], axis=0)) > 20


def test_intervals_hold_over_new_seeds():
    held = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(1, 20, 3))
        low, high = across.interval(across.interquartile_mean, x, draws=200)
        held.append(low[0] < 0 < high[0])
    assert 0.87 <= np.mean(held) <= 0.99


def test_the_baselines_uncertainty_counts():
    runs = dict(zip("abc", scores(seeds=8, seed=3), strict=True))
    table = across.aggregate(runs, "a").set_index("strategy")
    gain = runs["b"] - runs["a"].mean(0)
    assert table.loc["b", "iqm"] == pytest.approx(stats.trim_mean(gain, 0.25, axis=None))
    low, high = across.interval(across.interquartile_mean, gain[None])
    width = table.loc["b", "iqm_high"] - table.loc["b", "iqm_low"]
    assert width > 1.1 * (high - low)[0]
    assert table.loc["a", "improvement":"improvement_high"].isna().all()
    assert 0.5 < table.loc["b", "improvement"] < table.loc["c", "improvement"] <= 1
    # What runs of a seed share takes no part.
    shared = {name: x + 50 * np.arange(4) for name, x in runs.items()}
    other = across.aggregate(shared, "a").set_index("strategy")
    np.testing.assert_allclose(
        other.drop(columns="reason").to_numpy(float), table.drop(columns="reason").to_numpy(float)
    )


def test_small_studies():
    one = {"a": np.zeros((1, 2)), "b": np.ones((1, 2))}
    table = across.aggregate(one, "a")
    assert set(table["reason"]) == {across.FEW} and table["iqm"].tolist() == [0, 1]
    assert table[["iqm_low", "iqm_tasks_high", "improvement_low"]].isna().all(axis=None)
    alone = across.aggregate({"a": np.zeros((3, 1)), "b": np.arange(3.0)[:, None]}, "a")
    assert alone["iqm_tasks_low"].isna().all() and alone["iqm_low"].notna().all()
    with pytest.raises(ValueError, match="baseline 'c' is none"):
        across.aggregate(one, "c")
    with pytest.raises(ValueError, match="scores of a: value 0 is nan"):
        across.aggregate({"a": [[float("nan")]]}, "a")


def test_groups_of_neighbours_are_those_of_the_critical_difference():
    ranks = {"a": 1.0, "b": 1.5, "c": 2.5, "d": 4.0}
    names = list(ranks)
    runs = alike_runs(4, lambda i, j: ranks[names[j]] - ranks[names[i]] < 1.2)
    assert [[names[at] for at in run] for run in runs] == cliques(ranks, 1.2)
    assert alike_runs(3, lambda i, j: False) == [] and alike_runs(1, lambda i, j: True) == []
    # A pair that differs in the middle splits a run whose ends do not.
    assert alike_runs(4, lambda i, j: (i, j) != (1, 2)) == [range(0, 2), range(2, 4)]

"""How far ranks by win-tie-loss depend on the seeds, against counts one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stages.statistics.wintieloss import win_tie_loss, win_tie_loss_spread


def test_resamples_are_counted_as_the_study_is():
    rng = np.random.default_rng(0)
    runs = {task: rng.normal(0.8, 0.01, (5, 3)) for task in "st"}
    found = win_tie_loss_spread(runs, 0.005, draws=200, seed=4)
    again, ranks = np.random.default_rng(4), []
    chosen = {task: again.integers(0, 5, (200, 5)) for task in runs}
    for at in range(200):
        means = pd.DataFrame([runs[task][chosen[task][at]].mean(0) for task in runs])
        ranks.append(win_tie_loss(means, 0.005)["rank"].to_numpy())
    ranks = np.array(ranks)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=0, method="inverted_cdf")
    assert found["rank_low"].tolist() == low.tolist()
    assert found["rank_high"].tolist() == high.tolist()
    assert found["first"].to_numpy() == pytest.approx((ranks == 1).mean(0))


def test_differences_within_the_margin_are_no_wins():
    runs = {"t": np.array([[0.8, 0.804]] * 4)}
    assert win_tie_loss_spread(runs, 0.005)["first"].tolist() == [1, 1]
    assert win_tie_loss_spread(runs, 0.003)["first"].tolist() == [0, 1]


def test_one_seed_has_no_spread():
    assert win_tie_loss_spread({"t": np.ones((1, 2))}).isna().all(axis=None)
    holes = {"t": np.array([[0.8, 0.9], [np.nan, 0.9], [0.8, 0.9]])}
    assert win_tie_loss_spread(holes)["first"].tolist() == [0, 1]

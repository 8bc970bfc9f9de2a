"""Labels saved by hand, Fieller's interval by its definition, and its coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from stages.statistics import saved

X = [10, 20, 30, 40]


def lines(rises) -> np.ndarray:
    """Curves 0.5 + rise * (labels - 10)."""
    return 0.5 + np.outer(rises, np.array(X) - 10)


def test_saved_labels_by_hand():
    own, base = lines([0.02, 0.025, 0.04]), lines([0.01, 0.0125, 0.016])
    row = saved.labels_saved(X, own, base, [0.7]).iloc[0]
    needs, others = 10 + 0.2 / np.array([0.02, 0.025, 0.04]), 10 + 0.2 / np.array(
        [0.01, 0.0125, 0.016]
    )  # fmt: skip
    test = stats.ttest_rel(others, needs).confidence_interval(0.95)
    assert (row.n, row.reached, row.baseline_reached, row.reason) == (3, 3, 3, "")
    assert row.labels == pytest.approx(needs.mean())
    assert row.saved == pytest.approx((others - needs).mean())
    assert (row.low, row.high) == pytest.approx(tuple(test))
    assert row.ratio == pytest.approx(needs.mean() / others.mean())
    assert row.ratio_low < row.ratio < row.ratio_high


def test_fieller_is_where_the_paired_test_stops_to_reject():
    rng = np.random.default_rng(0)
    below = rng.normal(20, 2, 8)
    above = 0.6 * below + rng.normal(0, 1, 8)
    low, high = saved.fieller(above, below)

    def excess(r):
        return stats.ttest_rel(above, r * below).pvalue - 0.05

    middle = above.mean() / below.mean()
    assert low == pytest.approx(optimize.brentq(excess, 0.01, middle))
    assert high == pytest.approx(optimize.brentq(excess, middle, 2))
    assert saved.fieller([1.0, 2.0], [-1.0, 1.5]) == (0.0, float("inf"))


def test_the_interval_of_a_ratio_holds():
    rng = np.random.default_rng(1)
    held = []
    for _ in range(2000):
        seeds = rng.normal(0, 2, 5)
        below, above = 20 + seeds + rng.normal(0, 2, 5), 12 + seeds + rng.normal(0, 1, 5)
        low, high = saved.fieller(above, below)
        held.append(low <= 0.6 <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_a_curve_that_does_not_get_there_gives_a_bound():
    own, base = lines([0.02, 0.02, 0.03]), lines([0.01, 0.005, 0.01])
    row = saved.labels_saved(X, own, base, [0.7]).iloc[0]
    assert (row.baseline_reached, row.reason) == (2, saved.AT_LEAST)
    assert row.saved == pytest.approx(np.mean([30 - 20, 40 - 20, 30 - (10 + 0.2 / 0.03)]))
    assert np.isnan([row.low, row.high, row.ratio, row.ratio_low]).all()
    turned = saved.labels_saved(X, base, own, [0.7]).iloc[0]
    assert turned.reason == saved.AT_MOST and turned.saved == pytest.approx(-row.saved)
    both = saved.labels_saved(X, lines([0.001, 0.02]), lines([0.02, 0.001]), [0.7]).iloc[0]
    assert both.reason == saved.OPEN and np.isnan(both.saved)
    never = saved.labels_saved(X, base, own, [1.9]).iloc[0]
    assert never.reason == saved.NEVER and never.reached == 0


def test_small_and_equal_studies():
    one = saved.labels_saved(X, lines([0.02]), lines([0.01]), [0.6]).iloc[0]
    assert (one.n, one.reason) == (1, saved.FEW) and one.labels == 15
    same = saved.labels_saved(X, lines([0.02, 0.02]), lines([0.01, 0.01]), [0.6]).iloc[0]
    assert (same.saved, same.ratio, same.reason) == (5, 0.75, saved.SAME)
    holes = lines([0.02, 0.03, 0.02])
    holes[1, 2] = np.nan
    assert saved.labels_saved(X, holes, lines([0.01] * 3), [0.6])["n"][0] == 2
    with pytest.raises(ValueError, match=r"the shape \(seeds, 4\)"):
        saved.labels_saved(X, lines([0.02]), lines([0.01, 0.02]), [0.6])

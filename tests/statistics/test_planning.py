"""Plans for the primary analysis: a stated power is the power that simulated studies have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from benchmarks import primary as simulation
from stages.statistics import planning, primary


@pytest.mark.parametrize("shift", [0.0, 1.3, 4.0])
@pytest.mark.parametrize("df", [1, 2, 9, 80])
def test_the_chance_is_the_noncentral_ts(df, shift):
    bound = stats.t.isf(0.01, df)
    expected = stats.nct.sf(bound, df, shift) + stats.nct.cdf(-bound, df, shift)
    assert planning.chance(shift, bound, df)[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("df", "spread_df"), [(2, 2), (4, 4), (10, 2), (30, 5)])
def test_the_chance_with_an_estimated_deviation_is_that_of_drawn_ones(df, spread_df):
    rng = np.random.default_rng(df)
    bound, shift, many = stats.t.isf(0.025, df), 4.0, 400_000
    before = np.sqrt(rng.chisquare(spread_df, many) / spread_df)
    after = np.sqrt(rng.chisquare(df, many) / df)
    drawn = (np.abs(rng.normal(size=many) + shift * before) > bound * after).mean()
    assert planning.chance(shift, bound, df, spread_df)[0] == pytest.approx(drawn, abs=0.003)


@pytest.mark.parametrize("method", ["paired", "blocked", "flips"])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 10])
def test_a_stated_four_in_five_is_four_in_five(n, method):
    share = simulation.planned(method, n, "seeds differ", 4000, n)
    if method == "flips" and n < planning.ENOUGH_FLIPS:
        assert np.isnan(share)
    else:
        assert share == pytest.approx(0.8, abs=0.025)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_seeds_needed_give_the_stated_power(n):
    rng = np.random.default_rng(n)
    m, difference, seen, planned = 5, 1.2, [], {}
    for spread in rng.chisquare(n - 1, 150):
        # An earlier study of n seeds estimates a deviation that is 1.
        needed, _ = planning.seeds_needed(
            difference, np.sqrt(spread / (n - 1)), n - 1, m, method="paired"
        )
        if needed not in planned:
            bound, df = planning.bound_of("paired", needed, m, 0.05)
            planned[needed] = planning.chance(difference * np.sqrt(needed), bound, df)[0]
        seen.append(planned[needed])
    # With few seeds plans err on the side of too many.
    assert 0.77 <= np.mean(seen) <= 0.9


def test_with_a_known_deviation_it_is_statsmodels_power():
    power = TTestPower()
    for difference in (0.4, 0.8, 1.5):
        n = power.solve_power(difference, alpha=0.05, power=0.8)
        found = planning.seeds_needed(difference, 1.0, 1e9, 1, method="paired")
        assert found == (int(np.ceil(n)), "")
    shift = planning.shift_needed(float(stats.t.isf(0.025, 11)), 11, float("inf"))
    assert shift / 12**0.5 == pytest.approx(power.solve_power(nobs=12, alpha=0.05, power=0.8), 1e-3)


@pytest.mark.parametrize("method", ["paired", "blocked", "flips", "Games-Howell"])
@pytest.mark.parametrize("n", [2, 3, 6])
def test_simulated_decisions_are_those_of_the_analysis(n, method):
    rng = np.random.default_rng(n)
    values = simulation.simulated("seeds differ", n, 12, rng) + [0, 0, 1, 2, 4, 8]
    called = simulation.called(method, values)
    names = list("rabcde")
    for study, found in zip(values, called, strict=True):
        if method == "Games-Howell":
            from stages.statistics.comparisons import games_howell

            runs = dict(zip(names, study.T, strict=True))
            expected = games_howell(runs, baseline="r", interval=False)["p"] < 0.05
        else:
            runs = pd.DataFrame(study, columns=names)
            table = primary.against_baseline(runs, "r", method=method)
            expected = table["verdict"].isin(["better", "worse"])
        assert found.tolist() == expected.tolist()


def test_more_uncertainty_asks_for_more_seeds():
    needed = [planning.seeds_needed(1.0, 1.0, df, 5)[0] for df in (2, 4, 9, 30, 1e9)]
    assert needed == sorted(needed, reverse=True) and needed[0] > needed[-1]
    family = [planning.seeds_needed(1.0, 1.0, 9, m)[0] for m in (1, 3, 10)]
    assert family == sorted(family) and family[0] < family[-1]


def test_few_seeds_by_the_blocked_analysis_may_do():
    needed, _ = planning.seeds_needed(20.0, 1.0, 10, 5)
    assert needed == 2 and planning.method_of(needed) == "blocked"
    assert planning.seeds_needed(20.0, 1.0, 10, 5, method="flips")[0] == planning.ENOUGH_FLIPS
    assert planning.seeds_needed(1e300, 1.0, 10, 5)[0] == 2


@pytest.mark.parametrize(
    ("difference", "deviation", "reason"),
    [
        (0.1, float("nan"), "no deviation from one run"),
        (0.0, 1.0, "there is no difference to see"),
        (1.0, 0.0, "the differences have no variance"),
        (1e-4, 1.0, "more than 10000"),
    ],
)
def test_what_cannot_be_planned_says_why(difference, deviation, reason):
    assert planning.seeds_needed(difference, deviation, 4, 3) == (None, reason)


def test_bad_input_is_named():
    for bad in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="power is"):
            planning.seeds_needed(1.0, 1.0, 4, 3, power=bad)
        with pytest.raises(ValueError, match="power is"):
            planning.difference_seen([1.0], 4, 5, 3, power=bad)
        with pytest.raises(ValueError, match="alpha is"):
            planning.seeds_needed(1.0, 1.0, 4, 3, alpha=bad)
    with pytest.raises(ValueError, match="deviation must not be negative"):
        planning.seeds_needed(1.0, -1.0, 4, 3)
    with pytest.raises(ValueError, match="difference: value 0 is inf"):
        planning.seeds_needed(float("inf"), 1.0, 4, 3)
    found = planning.difference_seen([0.0, float("nan"), 1.0], 4, 5, 3)
    assert np.isnan(found[:2]).all() and found[2] > 1

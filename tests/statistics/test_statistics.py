"""Statistics against hand-computed, published and independently computed values."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from stages.statistics.assumptions import brown_forsythe, shapiro_wilk
from stages.statistics.comparisons import (
    games_howell,
    games_howell_from_summary,
    kruskal_wallis,
    verdict,
    verdicts,
)
from stages.statistics.measures import aubc, describe, ranks
from stages.statistics.wintieloss import compare, to_units, win_tie_loss

pytestmark = pytest.mark.filterwarnings("error")


# --- measures ---------------------------------------------------------------------------------


def test_aubc_by_hand_on_unequal_batches():
    # 10 * 0.5 + 30 * 0.7 = 26 over a range of 40.
    assert aubc([10, 20, 50], [0.4, 0.6, 0.8]) == pytest.approx(26 / 40, abs=1e-15)


@pytest.mark.parametrize("labeled", [[5], [5, 6], [100, 350, 600, 610], [20, 40, 60, 80]])
def test_aubc_of_a_constant_curve_is_the_constant(labeled):
    assert aubc(labeled, [0.8] * len(labeled)) == pytest.approx(0.8, abs=1e-15)


@pytest.mark.parametrize(
    "labeled, accuracy",
    [
        ([], []),
        ([1, 2], [0.5]),
        ([2, 2], [0.5, 0.6]),
        ([3, 1], [0.5, 0.6]),
        ([[1, 2]], [[0.1, 0.2]]),
    ],
)
def test_aubc_rejects_what_is_no_curve(labeled, accuracy):
    with pytest.raises(ValueError):
        aubc(labeled, accuracy)


def test_describe_uses_the_sample_deviation():
    assert describe([1.0, 2.0, 4.0]) == pytest.approx((7 / 3, np.sqrt(7 / 3), 3))
    mean, std, n = describe([0.1, 0.1, 0.1])
    assert (mean, std, n) == (0.1, 0.0, 3)
    assert np.isnan(describe([0.5])[1])
    assert np.isnan(describe([])[0])


def test_ranks_share_ties_and_ignore_float_noise():
    found = ranks([0.7, 0.9, 0.7 + 1e-12, float("nan"), 0.1])
    assert found[[0, 1, 2, 4]].tolist() == [2, 1, 2, 4]
    assert found.isna().tolist() == [False, False, False, True, False]


# --- assumptions ------------------------------------------------------------------------------


def test_brown_forsythe_by_hand():
    # Distances to the medians 2 and 4 are (1, 0, 4) and (3, 0, 6), with means 5/3 and 3:
    # between 3 * 2 * (2/3)^2 = 8/3 with 1 df, within 26/3 + 18 = 80/3 with 4 df, so W = 0.4.
    w, p = brown_forsythe([[1, 2, 6], [1, 4, 10]])
    assert w == pytest.approx(0.4)
    assert p == pytest.approx(stats.f.sf(0.4, 1, 4))


@pytest.mark.parametrize(
    "groups", [[[1, 2, 3]], [[1, 2], [3, 5]], [[1, 1, 1], [2, 2, 2]], [[1, 1, 2, 2], [5, 5, 8, 8]]]
)
def test_brown_forsythe_says_when_it_cannot(groups):
    assert np.isnan(brown_forsythe(groups)).all()


def test_shapiro_wilk_on_the_example_of_its_paper():
    # Weights of 11 men from Shapiro and Wilk 1965: W = 0.79, p below 0.01.
    w, p = shapiro_wilk([148, 154, 158, 160, 161, 162, 166, 170, 182, 195, 236])
    assert w == pytest.approx(0.79, abs=0.005)
    assert p < 0.01
    assert np.isnan(shapiro_wilk([1, 2])).all()
    assert np.isnan(shapiro_wilk([0.3, 0.3, 0.3])).all()


# --- Kruskal-Wallis ---------------------------------------------------------------------------


def test_kruskal_wallis_by_hand_ranks():
    # Ranks (1, 2, 3), (4, 5, 6), (7, 8, 9): H = 12/90 * (36 + 225 + 576)/3 - 30 = 7.2.
    found = kruskal_wallis({"a": [1, 2, 3], "b": [10, 20, 30], "c": [40, 50, 60]})
    assert found["h"] == pytest.approx(7.2)
    assert found["df"] == 2
    # Nothing is larger than complete separation: 1 of 9!/(3! 3! 3! 3!) = 280 ways.
    assert found["p"] == pytest.approx(1 / 280) and found["p_by"] == "all permutations"
    assert found["n"] == [3, 3, 3]


def test_kruskal_wallis_refers_five_values_a_group_to_chi_square():
    found = kruskal_wallis({"a": range(5), "b": range(10, 15), "c": range(20, 25)})
    assert found["h"] == pytest.approx(12.5) and found["p_by"] == "chi-square"
    assert found["p"] == pytest.approx(np.exp(-6.25))


@pytest.mark.parametrize("sizes", [(2, 2, 2), (2, 3, 3), (4, 4), (2, 2, 3)])
def test_kruskal_wallis_tries_every_way_as_scipy_does(sizes):
    rng = np.random.default_rng(sum(sizes))
    groups = {str(at): np.round(rng.normal(size=n) + at / 2, 1) for at, n in enumerate(sizes)}
    theirs = stats.permutation_test(
        list(groups.values()),
        lambda *x: stats.kruskal(*x).statistic,
        permutation_type="independent",
        n_resamples=np.inf,
        alternative="greater",
    )
    ours = kruskal_wallis(groups)
    assert ours["p_by"] == "all permutations"
    assert ours["p"] == pytest.approx(theirs.pvalue)


def test_kruskal_wallis_draws_permutations_where_there_are_too_many():
    rng = np.random.default_rng(5)
    groups = {str(at): rng.normal(size=4) + at / 3 for at in range(6)}
    found = kruskal_wallis(groups)
    assert found["p_by"] == "permutations"
    theirs = stats.permutation_test(
        list(groups.values()),
        lambda *x: stats.kruskal(*x).statistic,
        permutation_type="independent",
        n_resamples=2000,
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    assert found["p"] == pytest.approx(theirs.pvalue, abs=0.03)


def test_kruskal_wallis_corrects_ties_by_hand():
    # Ranks (1.5, 1.5, 3) and (4.5, 4.5, 6): H = 12/42 * (36 + 225)/3 - 21 = 27/7, divided by
    # 1 - 2 * 6/210 = 33/35.
    found = kruskal_wallis({"a": [1, 1, 2], "b": [3, 3, 4]})
    assert found["h"] == pytest.approx(27 / 7 / (33 / 35))


@pytest.mark.parametrize(
    "groups",
    [
        {},
        {"a": [1, 2, 3]},
        {"a": [1], "b": [2]},
        {"a": [1, 2], "b": [2]},
        {"a": [1, 1], "b": [1, 1]},
    ],
)
def test_kruskal_wallis_says_when_it_cannot(groups):
    assert np.isnan(kruskal_wallis(groups)["p"])


# --- Games-Howell -----------------------------------------------------------------------------


def studentized_range_tail(q, k, df):
    """P(Q > q) by direct integration over the normal range and the scale chi/sqrt(df)."""

    def range_cdf(w):
        z = np.linspace(-8, 8, 1601)
        spread = special.ndtr(z + w) - special.ndtr(z)
        return integrate.simpson(k * stats.norm.pdf(z) * spread ** (k - 1), x=z)

    s = np.linspace(1e-9, 6, 1201)
    density = stats.chi.pdf(s * np.sqrt(df), df) * np.sqrt(df)
    return 1 - integrate.simpson(density * [range_cdf(q * x) for x in s], x=s)


GROUPS = {
    "a": [24.5, 23.5, 26.4, 27.1, 29.9],
    "b": [28.4, 34.2, 29.5, 32.2, 30.1, 41.0],
    "c": [26.1, 28.3, 24.3],
}


def test_games_howell_against_its_formulas_integrated_directly():
    table = games_howell(GROUPS).set_index(["first", "second"])
    for (first, second), row in table.iterrows():
        x, y = GROUPS[first], GROUPS[second]
        vx, vy = np.var(x, ddof=1) / len(x), np.var(y, ddof=1) / len(y)
        df = (vx + vy) ** 2 / (vx**2 / (len(x) - 1) + vy**2 / (len(y) - 1))
        difference = np.mean(x) - np.mean(y)
        assert row["difference"] == pytest.approx(difference)
        assert row["standard_error"] == pytest.approx(np.sqrt(vx + vy))
        assert row["df"] == pytest.approx(df)
        q = abs(row["t"]) * np.sqrt(2)
        assert row["p"] == pytest.approx(studentized_range_tail(q, 3, df), abs=1e-4)
        half = (row["high"] - row["low"]) / 2
        critical = half / row["standard_error"] * np.sqrt(2)
        assert studentized_range_tail(critical, 3, df) == pytest.approx(0.05, abs=1e-4)


def test_games_howell_agrees_with_scipy():
    table = games_howell(GROUPS, alpha=0.1)
    other = stats.tukey_hsd(*GROUPS.values(), equal_var=False)
    interval = other.confidence_interval(0.9)
    i, j = np.triu_indices(3, 1)
    np.testing.assert_allclose(table["p"], other.pvalue[i, j], atol=1e-10)
    np.testing.assert_allclose(table["low"], interval.low[i, j], rtol=1e-6)
    np.testing.assert_allclose(table["high"], interval.high[i, j], rtol=1e-6)


def test_two_groups_give_welch():
    table = games_howell({"a": GROUPS["a"], "b": GROUPS["b"]})
    welch = stats.ttest_ind(GROUPS["a"], GROUPS["b"], equal_var=False)
    assert table["p"].iloc[0] == pytest.approx(welch.pvalue, abs=1e-6)
    assert table["df"].iloc[0] == pytest.approx(welch.df)


def test_many_pairs_get_the_same_intervals_as_few():
    rng = np.random.default_rng(3)
    groups = {f"s{i}": rng.normal(0, 1 + i, 2 + i % 3) for i in range(8)}
    table = games_howell(groups)
    for row in table.iloc[[0, 13, 27]].itertuples():
        q = stats.studentized_range.ppf(0.95, 8, row.df)
        assert row.high - row.difference == pytest.approx(
            q * row.standard_error / np.sqrt(2), rel=1e-7
        )


# Munjal et al. 2022: accuracy in % over 5 initial sets x 5 runs, pooled from the set means and
# deviations of supplementary Tables 7-11 (CIFAR-10, 40% labeled) and 12-16 (CIFAR-100, 30%);
# verdicts against RSB of Table 1. UC at CIFAR-10 40% is printed "<RSB", against its own numbers.
MUNJAL = [
    (
        {
            "RSB": (83.0700, 0.9178),
            "Coreset": (83.2360, 1.3085),
            "DBAL": (84.6320, 1.2528),
            "BALD": (84.6860, 0.7129),
            "VAAL": (82.6240, 0.8471),
            "QBC": (85.1480, 0.8967),
            "UC": (85.0240, 0.7898),
        },
        {
            "Coreset": "undetermined",
            "DBAL": "better",
            "BALD": "better",
            "VAAL": "undetermined",
            "QBC": "better",
            "UC": "better",
        },
    ),
    (
        {
            "RSB": (51.6320, 1.3879),
            "Coreset": (52.3620, 1.6887),
            "DBAL": (50.7320, 1.5941),
            "BALD": (52.0820, 1.1421),
            "VAAL": (49.4240, 2.1120),
            "QBC": (53.2540, 0.6428),
            "UC": (52.5380, 1.4933),
        },
        {
            "Coreset": "undetermined",
            "DBAL": "undetermined",
            "BALD": "undetermined",
            "VAAL": "worse",
            "QBC": "better",
            "UC": "undetermined",
        },
    ),
]


@pytest.mark.parametrize("published, expected", MUNJAL)
def test_verdicts_of_munjal_table_1(published, expected):
    means, stds = zip(*published.values(), strict=True)
    table = games_howell_from_summary(
        list(published), means, stds, [25] * 7, baseline="RSB", interval=False
    )
    found = {
        row.first_: verdict(row.difference, row.standard_error, row.p, 0.05)
        for row in table.rename(columns={"first": "first_"}).itertuples()
    }
    assert found == expected


def test_zero_variance_in_one_group_or_in_both():
    table = games_howell(
        {"flat": [0.5] * 3, "same": [0.5] * 3, "other": [0.6] * 3, "noisy": [0.1, 0.2, 0.3]}
    )
    found = {(row["first"], row["second"]): row for _, row in table.iterrows()}
    one = found["flat", "noisy"]
    assert one["df"] == pytest.approx(2) and 0 < one["p"] < 1
    both = found["flat", "other"]
    assert both["standard_error"] == 0 and np.isnan([both["p"], both["t"], both["low"]]).all()
    words = verdicts({"flat": [0.5] * 3, "same": [0.5] * 3, "other": [0.6] * 3}, "flat")
    assert words["verdict"].tolist() == ["undetermined", "n/a"]


def test_single_runs_and_missing_baselines_are_not_available():
    single = games_howell({"a": [0.5], "b": [0.6]})
    assert np.isnan(single[["t", "df", "p", "low", "high"]].to_numpy(dtype=float)).all()
    assert single["difference"].iloc[0] == pytest.approx(-0.1)
    assert verdicts({"a": [0.5], "b": [0.6]}, "a")["verdict"].tolist() == ["n/a"]
    assert verdicts({"a": [1, 2], "b": [2, 3]}, "zzz")["verdict"].tolist() == ["n/a", "n/a"]
    assert games_howell({"a": [0.5, 0.6]}).empty
    partly = games_howell({"a": [1.0, 2.0], "b": [5.0, 6.0], "c": [9.0]})
    alone = games_howell({"a": [1.0, 2.0], "b": [5.0, 6.0]})
    assert partly["p"].iloc[0] == pytest.approx(alone["p"].iloc[0])
    assert np.isnan(partly["p"].iloc[1:]).all()


def test_games_howell_rejects_bad_input():
    with pytest.raises(ValueError, match="length"):
        games_howell_from_summary(["a", "b"], [1, 2], [1], [3, 3])
    with pytest.raises(ValueError, match="differ"):
        games_howell_from_summary(["a", "a"], [1, 2], [1, 1], [3, 3])
    with pytest.raises(ValueError, match="baseline"):
        games_howell_from_summary(["a", "b"], [1, 2], [1, 1], [3, 3], baseline="c")


SAMPLES = st.lists(
    st.lists(st.integers(0, 1000).map(lambda x: x / 1000), min_size=2, max_size=4),
    min_size=2,
    max_size=4,
)


@settings(max_examples=15, deadline=None)
@given(SAMPLES, st.randoms())
def test_comparisons_do_not_depend_on_the_order_of_strategies(samples, random):
    groups = {f"s{i}": values for i, values in enumerate(samples)}
    names = list(groups)
    random.shuffle(names)
    shuffled = {name: groups[name] for name in names}
    table = games_howell(groups, interval=False)
    other = {
        (row["first"], row["second"]): row
        for _, row in games_howell(shuffled, interval=False).iterrows()
    }
    for _, row in table.iterrows():
        key = (row["first"], row["second"])
        sign, twin = (1, other[key]) if key in other else (-1, other[key[::-1]])
        assert row["difference"] == pytest.approx(sign * twin["difference"], abs=1e-12)
        assert row["t"] == pytest.approx(sign * twin["t"], nan_ok=True)
        assert row["p"] == pytest.approx(twin["p"], abs=1e-8, nan_ok=True)
    assert kruskal_wallis(groups)["p"] == pytest.approx(kruskal_wallis(shuffled)["p"], nan_ok=True)
    assert brown_forsythe(samples)[1] == pytest.approx(
        brown_forsythe(list(shuffled.values()))[1], nan_ok=True
    )


# --- win, tie, loss ---------------------------------------------------------------------------


def test_margin_is_exact():
    assert 0.8050 - 0.8000 > 0.005
    assert compare(0.8050, 0.8000) == 0
    assert compare(0.8051, 0.8000) == 1
    assert compare(0.8000, 0.8051) == -1
    for units in range(0, 9950):
        assert compare((units + 50) / 1e4, units / 1e4) == 0
    assert compare(0.5, 0.5, margin=0.0) == 0
    assert compare(0.5001, 0.5, margin=0.00005) == 1
    with pytest.raises(ValueError):
        compare(0.1, 0.2, margin=-0.1)


def test_scores_are_rounded_to_units_without_float_noise():
    assert to_units(0.1 + 0.2) == 3000
    assert to_units(0.83335) == 8334
    assert to_units(0.83345) == 8334
    assert to_units(float("nan")) is None


def test_win_tie_loss_counts_and_missing_cells():
    scores = pd.DataFrame(
        {"a": [0.90, 0.80], "b": [0.895, np.nan], "c": [0.5, np.nan]}, index=["one", "two"]
    )
    table = win_tie_loss(scores).set_index("strategy")
    assert table.loc["a"].tolist() == [3, 1, 0, 7, 1]
    assert table.loc["b"].tolist() == [1, 2, 1, 4, 2]
    assert table.loc["c"].tolist() == [0, 1, 3, 1, 3]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.data())
def test_win_tie_loss_balances_and_ignores_order(tasks, strategies, data):
    cell = st.one_of(st.just(float("nan")), st.integers(0, 10000).map(lambda x: x / 1e4))
    scores = pd.DataFrame(
        {
            f"s{i}": data.draw(st.lists(cell, min_size=tasks, max_size=tasks))
            for i in range(strategies)
        }
    )
    table = win_tie_loss(scores).set_index("strategy")
    assert table["wins"].sum() == table["losses"].sum()
    assert table["ties"].sum() % 2 == 0
    assert (table[["wins", "ties", "losses"]].sum(axis=1) == tasks * (strategies - 1)).all()
    turned = win_tie_loss(scores[scores.columns[::-1]]).set_index("strategy")
    pd.testing.assert_frame_equal(table, turned.loc[table.index])


def test_nothing_warns_on_degenerate_input():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for values in ([], [1.0], [1.0, 1.0], [1.0, 1.0, 1.0]):
            groups = {"a": values, "b": values}
            shapiro_wilk(values)
            brown_forsythe(list(groups.values()))
            kruskal_wallis(groups)
            games_howell(groups)
            verdicts(groups, "a")

"""Tests, ranks, effects and resampling against scipy, pingouin, statsmodels and scikit-posthocs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest
import scikit_posthocs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.diagnostic import lilliefors
from statsmodels.stats.multitest import multipletests

from stages.statistics import studentized
from stages.statistics.assumptions import bartlett_from_summary, kolmogorov_smirnov
from stages.statistics.comparisons import games_howell
from stages.statistics.effects import hedges
from stages.statistics.measures import (
    class_balance,
    group_accuracies,
    improvement,
    jaccard,
    labels_needed,
)
from stages.statistics.omnibus import kruskal_wallis, welch_anova, welch_anova_from_summary
from stages.statistics.paired import holm, paired_t, paired_table, penalty_matrix, wilcoxon
from stages.statistics.ranking import (
    block_ranks,
    cliques,
    critical_difference,
    friedman,
    nemenyi,
)
from stages.statistics.resampling import bootstrap_mean
from stages.statistics.wintieloss import win_tie_loss

pytestmark = pytest.mark.filterwarnings("error")
RNG = np.random.default_rng(12)
GROUPS = {
    "a": RNG.normal(0.80, 0.01, 5),
    "b": RNG.normal(0.82, 0.03, 7),
    "c": RNG.normal(0.79, 0.02, 4),
    "d": RNG.normal(0.80, 0.02, 5),
}
NAN = float("nan")


def long(groups):
    return pd.DataFrame(
        [(name, value) for name, values in groups.items() for value in values],
        columns=["strategy", "value"],
    )


# --- measures ---------------------------------------------------------------------------------


def test_improvement_by_hand_counts_the_first_round():
    assert improvement([10, 20, 30], [0.5, 0.7, 0.9], [10, 20, 30], [0.5, 0.6, 0.7]) == (
        pytest.approx(0.1)
    )
    assert improvement([10, 25], [0.5, 0.7], [10, 20], [0.4, 0.6]) == pytest.approx(0.1)
    assert np.isnan(improvement([10], [0.5], [11], [0.5]))


@pytest.mark.parametrize(
    "target, needed",
    [(0.4, 10), (0.5, 10), (0.6, 15), (0.7, 20), (0.75, 35), (0.9, 40), (0.95, NAN)],
)
def test_labels_needed_by_hand(target, needed):
    # The dip at 30 does not count: 0.7 was reached before it.
    found = labels_needed([10, 20, 30, 40, 50], [0.5, 0.7, 0.6, 0.9, 0.8], target)
    assert found == pytest.approx(needed, nan_ok=True)


def test_class_balance_by_hand():
    assert class_balance([5, 5, 5, 5]) == (pytest.approx(1), 1)
    assert class_balance([8, 0]) == (0, float("inf"))
    entropy, ratio = class_balance([1, 3])
    assert entropy == pytest.approx(-(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75)))
    assert ratio == 3
    assert np.isnan(class_balance([0, 0])).all() and np.isnan(class_balance([4])).all()


def test_jaccard_and_groups_by_hand():
    assert jaccard([1, 2, 3], [3, 4]) == pytest.approx(1 / 4)
    assert np.isnan(jaccard([], []))
    found = group_accuracies(
        {
            "land on land": {"test": 10, "correct": 9},
            "land on water": {"test": 4, "correct": 2},
            "water on land": {"test": 2, "correct": 1, "mismatch": True},
            "water on water": {"test": 0, "correct": 0},
        }
    )
    assert found["worst group"] == 0.5 and found["mismatch"] == 0.5
    assert np.isnan(found["water on water"])


# --- studentized range ------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 7, 19])
@pytest.mark.parametrize("df", [2.0, 3.7, 8.0, 48.0, 200.0])
def test_studentized_range_agrees_with_scipy(k, df):
    q = np.array([0.0, 0.3, 2.0, 4.0, 9.0])
    np.testing.assert_allclose(
        studentized.tail(q, k, df), stats.studentized_range.sf(q, k, df), atol=2e-10
    )


def test_studentized_range_of_two_groups_is_student():
    # Also where scipy is rough: two groups with one to two degrees of freedom.
    for df in (1.0, 1.3, 2.0, 5.5):
        t = np.array([0.1, 1.0, 3.0, 30.0])
        np.testing.assert_allclose(
            studentized.tail(t * np.sqrt(2), 2, df), 2 * stats.t.sf(t, df), atol=1e-12
        )
    np.testing.assert_allclose(
        studentized.tail([2.0], 2, np.inf), 2 * stats.norm.sf(2 / np.sqrt(2)), atol=1e-12
    )


def test_critical_values_of_the_tables():
    # Upper 5 % points printed in every table of the studentized range.
    found = studentized.critical(0.05, 3, [5.0, 10.0, 20.0, np.inf])
    np.testing.assert_allclose(found, [4.60, 3.88, 3.58, 3.31], atol=0.006)


# --- pairs ------------------------------------------------------------------------------------


def test_games_howell_agrees_with_pingouin():
    ours = games_howell(GROUPS)
    theirs = pingouin.pairwise_gameshowell(long(GROUPS), dv="value", between="strategy")
    # The order of pairs is the same; pingouin rounds nothing.
    for mine, other in (("difference", "diff"), ("standard_error", "se"), ("t", "T"), ("df", "df")):
        np.testing.assert_allclose(ours[mine], theirs[other].astype(float), rtol=1e-9)
    np.testing.assert_allclose(
        ours["p"], theirs["pval" if "pval" in theirs else "p_tukey"], atol=1e-8
    )


def test_hedges_g_of_equal_sizes_agrees_with_pingouin():
    x, y = GROUPS["a"], GROUPS["d"]
    g, low, high = hedges(
        [x.mean(), y.mean()], [x.std(ddof=1), y.std(ddof=1)], [5, 5], np.array([0]), np.array([1])
    )
    assert g[0] == pytest.approx(pingouin.compute_effsize(x, y, eftype="hedges"), rel=1e-9)
    assert low[0] < g[0] < high[0]


@pytest.mark.parametrize("shift", [1, 6])
def test_interval_of_g_covers_as_often_as_it_says(shift):
    rng = np.random.default_rng(0)
    x, y = rng.normal(shift, 1, (4000, 12)), rng.normal(0, 2, (4000, 12))
    means = np.concatenate([x.mean(1), y.mean(1)])
    stds = np.concatenate([x.std(1, ddof=1), y.std(1, ddof=1)])
    i = np.arange(4000)
    _, low, high = hedges(means, stds, np.full(8000, 12), i, i + 4000)
    true = shift / np.sqrt((1 + 4) / 2)
    assert ((low < true) & (true < high)).mean() == pytest.approx(0.95, abs=0.02)


# --- omnibus and assumptions ------------------------------------------------------------------


def test_welch_anova_agrees_with_pingouin():
    ours = welch_anova(GROUPS)
    theirs = pingouin.welch_anova(long(GROUPS), dv="value", between="strategy").iloc[0]
    p = theirs["p_unc"] if "p_unc" in theirs else theirs["p-unc"]
    assert [ours["f"], ours["df1"], ours["df2"], ours["p"]] == pytest.approx(
        [theirs["F"], theirs["ddof1"], theirs["ddof2"], p]
    )
    two = {name: GROUPS[name] for name in "ab"}
    assert welch_anova(two)["p"] == pytest.approx(
        stats.ttest_ind(*two.values(), equal_var=False).pvalue
    )


def test_kruskal_wallis_agrees_with_pingouin():
    theirs = pingouin.kruskal(long(GROUPS), dv="value", between="strategy").iloc[0]
    ours = kruskal_wallis(GROUPS)
    assert ours["h"] == pytest.approx(theirs["H"])
    more = {name: [*values, *np.add(values, 0.001)] for name, values in GROUPS.items()}
    theirs = pingouin.kruskal(long(more), dv="value", between="strategy").iloc[0]
    ours = kruskal_wallis(more)
    assert ours["p_by"] == "chi-square"
    assert ours["p"] == pytest.approx(theirs["p_unc"] if "p_unc" in theirs else theirs["p-unc"])


@pytest.mark.parametrize("n", [5, 8, 20, 60, 150])
@pytest.mark.parametrize("shape", ["normal", "exponential"])
def test_lilliefors_agrees_with_statsmodels(n, shape):
    values = getattr(np.random.default_rng(n), shape)(size=n)
    d, p = kolmogorov_smirnov(values)
    other, p_approximate = lilliefors(values, dist="norm", pvalmethod="approx")
    assert d == pytest.approx(other)
    if p <= 0.1:
        assert p == pytest.approx(p_approximate, rel=1e-9)
    else:
        assert p == pytest.approx(lilliefors(values, dist="norm", pvalmethod="table")[1], abs=0.08)


def test_lilliefors_rejects_normal_samples_as_often_as_it_says():
    rng = np.random.default_rng(2)
    # The formula of Dallal and Wilkinson is cautious at the least n it allows.
    for n, level in ((5, 0.038), (25, 0.05)):
        p = np.array([kolmogorov_smirnov(x)[1] for x in rng.normal(size=(3000, n))])
        assert (p < 0.05).mean() == pytest.approx(level, abs=0.012)
        assert (p < 0.5).mean() == pytest.approx(0.5, abs=0.04)


def test_bartlett_agrees_with_scipy():
    samples = list(GROUPS.values())
    b, p = bartlett_from_summary([x.std(ddof=1) for x in samples], [len(x) for x in samples])
    other = stats.bartlett(*samples)
    assert (b, p) == pytest.approx((other.statistic, other.pvalue))
    assert np.isnan(bartlett_from_summary([1.0, 0.0], [3, 3])).all()


# --- paired -----------------------------------------------------------------------------------


def test_paired_t_agrees_with_scipy():
    x, y = RNG.normal(0.8, 0.1, 9), RNG.normal(0.75, 0.1, 9)
    ours, other = paired_t(x, y), stats.ttest_rel(x, y)
    interval = other.confidence_interval(0.95)
    assert [ours["t"], ours["p"], ours["low"], ours["high"]] == pytest.approx(
        [other.statistic, other.pvalue, interval.low, interval.high]
    )
    holes = x.copy()
    holes[3] = NAN
    keep = np.arange(9) != 3
    assert paired_t(holes, y)["p"] == pytest.approx(stats.ttest_rel(x[keep], y[keep]).pvalue)


@pytest.mark.parametrize("n", [2, 3, 5, 12, 30, 50])
def test_exact_wilcoxon_agrees_with_scipy(n):
    rng = np.random.default_rng(n)
    x, y = rng.normal(0.1, 1, n), rng.normal(0, 1, n)
    ours, other = wilcoxon(x, y), stats.wilcoxon(x, y, method="exact")
    assert (ours["w"], ours["p"]) == pytest.approx((other.statistic, other.pvalue))
    assert ours["p"] >= ours["smallest_p"] == 2.0 ** (1 - n)


def test_wilcoxon_with_ties_counts_all_signs():
    d = np.array([1.0, 1.0, -1.0, 2.0, 2.0, 3.0, 0.0])
    ours = wilcoxon(d, np.zeros(7))
    ranks = stats.rankdata(np.abs(d[d != 0]))
    sums = np.array(
        [
            sum(
                rank
                for rank, sign in zip(ranks, np.binary_repr(code, 6), strict=True)
                if sign == "1"
            )
            for code in range(64)
        ]
    )
    assert ours["w"] == 2 and ours["used"] == 6
    assert ours["p"] == pytest.approx(2 * (sums <= 2).mean())


def test_wilcoxon_of_many_pairs_is_the_normal_one():
    x = np.round(np.random.default_rng(1).normal(0.2, 1, 80), 1)
    other = stats.wilcoxon(x, zero_method="wilcox", correction=False, method="approx")
    ours = wilcoxon(x, np.zeros(80))
    assert (ours["w"], ours["p"]) == pytest.approx((other.statistic, other.pvalue))


def test_holm_agrees_with_statsmodels_and_skips_what_was_not_tested():
    p = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04]
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    found = holm([0.01, NAN, 0.04])
    np.testing.assert_allclose(found[[0, 2]], [0.02, 0.04])
    assert np.isnan(found[1]) and len(holm([])) == 0


def test_penalty_by_hand():
    better = np.array([[0.9, 0.8, 0.91], [0.8, 0.7, 0.8]])
    flat = np.array([[0.9, 0.8, 0.7], [0.8, 0.7, 0.6]])  # equal differences: no test
    missing = np.array([[0.9, NAN, NAN], [0.8, 0.7, 0.6]])
    unclear = np.array([[0.9, 0.5, 0.7], [0.6, 0.7, 0.8]])
    penalty, tested = penalty_matrix([better, flat, missing, unclear])
    assert penalty[0, 1] == 1 / 4 and penalty[1, 0] == 0 and tested[0, 1] == 2
    assert np.isnan(penalty[0, 0])
    assert penalty_matrix([])[0].shape == (0, 0)
    for cell in (better, unclear):
        p = stats.ttest_rel(cell[0], cell[1]).pvalue
        assert (penalty_matrix([cell])[0][0, 1] == 1) == (p < 0.05)


# --- ranks ------------------------------------------------------------------------------------


def scores(blocks=8, strategies=5, digits=2, seed=4):
    rng = np.random.default_rng(seed)
    values = np.round(
        rng.normal(0.7, 0.05, (blocks, strategies)) + np.arange(strategies) / 50, digits
    )
    return pd.DataFrame(values, columns=[f"s{i}" for i in range(strategies)])


def test_friedman_agrees_with_scipy_and_pingouin():
    table = scores()
    ours, other = friedman(table), stats.friedmanchisquare(*table.to_numpy().T)
    assert (ours["chi2"], ours["p"]) == pytest.approx((other.statistic, other.pvalue))
    assert ours["n"] == 8
    flat = table.reset_index().melt(id_vars="index")
    theirs = pingouin.friedman(flat, dv="value", within="variable", subject="index", method="f")
    p = theirs["p_unc"] if "p_unc" in theirs else theirs["p-unc"]
    k, n = 5, 8
    # pingouin's F goes with slightly smaller degrees of freedom.
    assert ours["f"] == pytest.approx(float(theirs["F"].iloc[0]))
    assert ours["f_p"] == pytest.approx(stats.f.sf(ours["f"], k - 1, (k - 1) * (n - 1)))
    assert ours["f_p"] == pytest.approx(float(p.iloc[0]), abs=0.02)


def test_nemenyi_agrees_with_scikit_posthocs():
    table = scores(digits=6)
    theirs = scikit_posthocs.posthoc_nemenyi_friedman(table)
    for row in nemenyi(table).itertuples():
        assert row.p == pytest.approx(theirs.loc[row[1], row.second], abs=1e-6)


def test_critical_difference_and_cliques_of_demsar():
    # Demsar 2006, section 3.2.2: k = 4, N = 14 gives 1.25 at 0.05 and 2.291 * sqrt(...) at 0.1.
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, 0.10) == pytest.approx(1.12, abs=0.005)
    ranks = {"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}
    assert cliques(ranks, 1.25) == [["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]]
    # At 0.1 both C4.5+m (3.143 - 2.000) and C4.5+m+cf are beyond 1.12 from C4.5.
    assert cliques(ranks, 1.12) == [["C4.5+m+cf", "C4.5+m", "C4.5+cf"], ["C4.5+cf", "C4.5"]]
    assert cliques({"a": 1.0, "b": 3.0}, 1.0) == []


def test_demsars_example_of_friedman():
    # Table 6 of Demsar 2006: chi2 = 9.28, F = 3.69 from the mean ranks of 14 data sets.
    table = pd.DataFrame(
        {
            "C4.5": [
                0.763,
                0.599,
                0.954,
                0.628,
                0.882,
                0.936,
                0.661,
                0.583,
                0.775,
                1.000,
                0.940,
                0.619,
                0.972,
                0.957,
            ],
            "C4.5+m": [
                0.768,
                0.591,
                0.971,
                0.661,
                0.888,
                0.931,
                0.668,
                0.583,
                0.838,
                1.000,
                0.962,
                0.666,
                0.981,
                0.978,
            ],
            "C4.5+cf": [
                0.771,
                0.590,
                0.968,
                0.654,
                0.886,
                0.916,
                0.609,
                0.563,
                0.866,
                1.000,
                0.965,
                0.614,
                0.9751,
                0.946,
            ],
            "C4.5+m+cf": [
                0.798,
                0.569,
                0.967,
                0.657,
                0.898,
                0.931,
                0.685,
                0.625,
                0.875,
                1.000,
                0.962,
                0.669,
                0.975,
                0.970,
            ],
        }
    )
    np.testing.assert_allclose(block_ranks(table).mean(), [3.143, 2.000, 2.893, 1.964], atol=2e-3)
    ours = friedman(table)
    ties = 12 * 14 / 20 * (block_ranks(table).mean() ** 2).sum() - 14 * 15
    assert ties == pytest.approx(9.28, abs=0.02)  # the paper leaves ties uncorrected
    assert ours["chi2"] > ties


# --- effects, planning, resampling ------------------------------------------------------------


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(8).exponential(1, 25)
    ours = bootstrap_mean(values, resamples=40_000)
    for method, keys in (("percentile", ("low", "high")), ("BCa", ("bca_low", "bca_high"))):
        theirs = stats.bootstrap(
            (values,), np.mean, method=method, n_resamples=40_000, rng=np.random.default_rng(3)
        ).confidence_interval
        assert [ours[key] for key in keys] == pytest.approx([theirs.low, theirs.high], abs=0.01)
    assert ours["bca_low"] > ours["low"] and ours["bca_high"] > ours["high"]  # skewed to the right


def test_bootstrap_is_the_same_in_any_order_and_says_when_it_cannot():
    values = [0.5, 0.7, 0.6, 0.9]
    assert bootstrap_mean(values) == bootstrap_mean(values[::-1])
    assert bootstrap_mean([0.5])["reason"] == "fewer than two runs"
    few = bootstrap_mean(values)
    assert few["reason"] == "fewer than 10 runs" and np.isnan(few["low"])
    assert few["t_low"] < 0.5 and few["t_high"] > 0.8
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert [few["t_low"], few["t_high"]] == pytest.approx(list(interval))
    flat = bootstrap_mean([0.1] * 3)
    assert flat["mean"] == 0.1 and flat["reason"] and np.isnan(flat["low"])


# --- properties -------------------------------------------------------------------------------

CELL = st.integers(0, 200).map(lambda x: x / 200)
RUNS = st.lists(st.lists(CELL, min_size=1, max_size=5), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(RUNS, st.randoms())
def test_omnibus_tests_never_crash_and_ignore_order(samples, random):
    groups = {f"s{i}": values for i, values in enumerate(samples)}
    names = list(groups)
    random.shuffle(names)
    for test in (kruskal_wallis, welch_anova):
        found, turned = test(groups), test({name: groups[name] for name in names})
        assert found["p"] == pytest.approx(turned["p"], nan_ok=True, rel=1e-6, abs=1e-12)
        assert np.isnan(found["p"]) == bool(found["reason"])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=0, max_size=9))
def test_paired_tests_are_antisymmetric_and_never_crash(pairs):
    x, y = np.array(pairs, dtype=float).reshape(-1, 2).T
    one, other = paired_t(x, y), paired_t(y, x)
    assert one["difference"] == pytest.approx(-other["difference"], nan_ok=True)
    assert one["t"] == pytest.approx(-other["t"], nan_ok=True)
    assert one["low"] == pytest.approx(-other["high"], nan_ok=True)
    assert one["p"] == pytest.approx(other["p"], nan_ok=True)
    ranked = wilcoxon(x, y)
    assert ranked["p"] == pytest.approx(wilcoxon(y, x)["p"], nan_ok=True)
    assert np.isnan(ranked["p"]) == bool(ranked["reason"])
    assert not ranked["p"] > 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_ranks_ignore_order_and_survive_missing_cells(blocks, strategies, data):
    cell = st.one_of(st.just(NAN), CELL)
    table = pd.DataFrame(
        {
            f"s{i}": data.draw(st.lists(cell, min_size=blocks, max_size=blocks))
            for i in range(strategies)
        }
    )
    found, turned = friedman(table), friedman(table[table.columns[::-1]])
    assert found["p"] == pytest.approx(turned["p"], nan_ok=True)
    assert found["n"] + found["left_out"] == blocks
    assert np.isnan(found["p"]) == bool(found["reason"])
    pairs = nemenyi(table).set_index(["first", "second"])
    other = nemenyi(table[table.columns[::-1]]).set_index(["second", "first"])
    for pair, row in pairs.iterrows():
        assert row["difference"] == pytest.approx(-other.loc[pair, "difference"], nan_ok=True)
        assert row["p"] == pytest.approx(other.loc[pair, "p"], nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.just(NAN), st.floats(0, 1)), max_size=12))
def test_holm_keeps_order_and_never_lowers(p):
    found = holm(p)
    known = np.isfinite(p)
    assert (np.isfinite(found) == known).all()
    assert (found[known] >= np.asarray(p)[known]).all() and (found[known] <= 1).all()
    order = np.argsort(np.asarray(p)[known], kind="stable")
    assert (np.diff(found[known][order]) >= 0).all()


def test_sixty_strategies_and_all_equal_data():
    names = [f"s{i:02}" for i in range(60)]
    rng = np.random.default_rng(0)
    groups = {name: rng.normal(0.8, 0.01, 5) for name in names}
    assert len(games_howell(groups)) == 1770
    table = pd.DataFrame(groups)
    assert friedman(table)["groups"] == 60 and len(nemenyi(table)) == 1770
    flat = {name: np.full(5, 0.5) for name in names}
    pairs = games_howell(flat)
    assert pairs[["p", "g", "low"]].isna().all().all() and (pairs["difference"] == 0).all()
    level = pd.DataFrame(flat)
    assert friedman(level)["reason"] == "all scores are equal"
    assert kruskal_wallis(flat)["reason"] == welch_anova(flat)["reason"] == "all values are equal"
    assert paired_table(level, [("s00", "s01")], 0.05)["reason"].item() == "all pairs are equal"
    penalty, tested = penalty_matrix([level.to_numpy().T])
    assert np.nansum(penalty) == 0 and tested.sum() == 0
    assert (win_tie_loss(level)["ties"] == 59 * 5).all()


def test_zero_variance_in_one_group():
    groups = GROUPS | {"flat": np.full(5, 0.8)}
    found = welch_anova(groups)
    assert found["reason"] == "a strategy has no variance" and np.isnan(found["p"])
    assert welch_anova_from_summary([1, 2], [0, 0], [3, 3])["reason"] == found["reason"]
    row = games_howell(groups).set_index(["first", "second"]).loc[("a", "flat")]
    assert np.isfinite(row[["p", "g", "g_low"]].astype(float)).all()

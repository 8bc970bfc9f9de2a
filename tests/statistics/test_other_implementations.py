"""Every statistic against another implementation."""

from __future__ import annotations

import warnings
from itertools import combinations

import baycomp
import numpy as np
import pandas as pd
import pingouin
import pytest
import scikit_posthocs
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.oneway import anova_oneway
from statsmodels.stats.weightstats import ttost_paired

from stages.statistics import primary
from stages.statistics.comparisons import games_howell
from stages.statistics.omnibus import kruskal_wallis, welch_anova
from stages.statistics.paired import holm, paired_t, wilcoxon
from stages.statistics.ranking import block_ranks, friedman, nemenyi

NAMES = ["a", "b", "c", "d"]


def runs(n=8, seed=0) -> pd.DataFrame:
    """Runs of four strategies whose seeds differ."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 4)) * [1, 2, 1, 3] + rng.normal(size=(n, 1))
    return pd.DataFrame(values + [0, 1, 0.2, 0.5], columns=NAMES)


def long(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each run."""
    return table.melt(var_name="strategy", value_name="score", ignore_index=False).reset_index()


@pytest.mark.parametrize("seed", range(3))
def test_games_howell_is_pingouins(seed):
    table = runs(seed=seed)
    ours = games_howell({name: table[name] for name in NAMES})
    theirs = pingouin.pairwise_gameshowell(long(table), dv="score", between="strategy")
    for one, other in zip(ours.itertuples(), theirs.itertuples(), strict=True):
        assert one.difference == pytest.approx(other.diff)
        assert (one.t, one.df) == pytest.approx((other[7], other.df))
        assert one.p == pytest.approx(other.pval, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_welch_anova_is_pingouins_and_statsmodels(seed):
    table = runs(seed=seed)
    ours = welch_anova({name: table[name] for name in NAMES})
    theirs = pingouin.welch_anova(long(table), dv="score", between="strategy").iloc[0]
    assert ours["f"] == pytest.approx(theirs["F"])
    other = anova_oneway([table[name] for name in NAMES], use_var="unequal")
    assert (ours["f"], ours["p"]) == pytest.approx((other.statistic, other.pvalue))


def test_kruskal_wallis_is_pingouins():
    table = runs()
    ours = kruskal_wallis({name: table[name] for name in NAMES})
    theirs = pingouin.kruskal(long(table), dv="score", between="strategy").iloc[0]
    assert ours["h"] == pytest.approx(theirs["H"])


@pytest.mark.parametrize("seed", range(3))
def test_friedman_and_nemenyi_are_posthocs(seed):
    table = runs(seed=seed)
    ours = friedman(table)
    theirs = stats.friedmanchisquare(*(table[name] for name in NAMES))
    assert (ours["chi2"], ours["p"]) == pytest.approx((theirs.statistic, theirs.pvalue))
    pairs = scikit_posthocs.posthoc_nemenyi_friedman(table)
    for row in nemenyi(table).itertuples(index=False):
        assert row[3] == pytest.approx(pairs.loc[row[0], row[1]], abs=1e-4)


def test_mean_ranks_and_verdicts_over_tasks_are_autoranks():
    autorank = pytest.importorskip("autorank")
    table = pd.DataFrame(
        np.random.default_rng(4).exponential(size=(15, 4)) + [0, 0.2, 1.5, 3], columns=NAMES
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = autorank.autorank(table, alpha=0.05, verbose=False, force_mode="nonparametric")
    ours = block_ranks(table).mean()
    assert theirs.rankdf["meanrank"].to_dict() == pytest.approx(ours.to_dict())
    assert theirs.omnibus == "friedman" and theirs.pvalue == pytest.approx(friedman(table)["p"])


@pytest.mark.parametrize("seed", range(3))
def test_paired_tests_and_holm_are_pingouins(seed):
    table = runs(seed=seed)
    found, other = [], []
    for first, second in combinations(NAMES, 2):
        ours = paired_t(table[first], table[second])
        theirs = pingouin.ttest(table[first], table[second], paired=True).iloc[0]
        assert ours["t"] == pytest.approx(theirs["T"])
        signed = pingouin.wilcoxon(table[first], table[second]).iloc[0]
        assert wilcoxon(table[first], table[second])["w"] == signed["W_val"]
        found.append(ours["p"])
        other.append(stats.ttest_rel(table[first], table[second]).pvalue)
    assert found == pytest.approx(other)
    assert holm(found) == pytest.approx(multipletests(other, method="holm")[1])


@pytest.mark.parametrize("margin", [0.2, 0.5, 1.5])
def test_equivalence_is_two_one_sided_tests_at_the_declared_margin(margin):
    table = runs(12, seed=5)
    ours = primary.against_baseline(table, "a", margin=margin).set_index("strategy")
    raw = [ttost_paired(table[name].to_numpy(), table["a"].to_numpy(), -margin, margin)[0]
           for name in NAMES[1:]]  # fmt: skip
    corrected = multipletests(raw, method="holm")[1]
    assert ours["p_equivalent"].to_numpy() == pytest.approx(corrected)
    assert (ours["verdict"] == "equivalent").tolist() == (corrected < 0.05).tolist()


@pytest.mark.parametrize("shift", [0.0, 0.004, 0.02, 0.2])
def test_verdicts_agree_with_a_bayesian_t_test(shift):
    """The posterior of a mean difference is the t of the paired test."""
    rng = np.random.default_rng(7)
    n, margin = 20, 0.01
    base = rng.normal(0.8, 0.02, n)
    table = pd.DataFrame({"a": base, "b": base + shift + rng.normal(0, 0.005, n)})
    row = primary.against_baseline(table, "a", margin=margin, method="paired").iloc[0]
    theirs = baycomp.CorrelatedTTest(table["b"].to_numpy(), table["a"].to_numpy(), rope=margin)
    # Made for folds of one data set that share training rows, it adds their correlation:
    # the variance is 1/n + 1/(n - 1) in place of 1/n.
    wide = stats.t(n - 1, row.difference, row.standard_error * np.sqrt(1 + n / (n - 1)))
    mine = [wide.sf(margin), wide.cdf(margin) - wide.cdf(-margin), wide.cdf(-margin)]
    assert list(theirs.probs()) == pytest.approx(mine, abs=1e-6)
    # Seeds are independent: two one-sided tests reject exactly where neither tail of the
    # posterior beyond the margin has alpha.
    plain = stats.t(n - 1, row.difference, row.standard_error)
    tails = plain.cdf(-margin), plain.sf(margin)
    assert row.p_equivalent == pytest.approx(max(tails), abs=1e-9)
    expected = {0.0: "equivalent", 0.004: "equivalent", 0.02: "better", 0.2: "better"}
    assert row.verdict == expected[shift]

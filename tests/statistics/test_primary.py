"""The primary analysis against other implementations, brute force and worked numbers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stages.statistics import primary
from stages.statistics.dunnett import dunnett_critical, dunnett_tail

NAMES = ["random", "a", "b", "c"]


def study(n: int, seed: int = 0, spread: float = 2.0) -> pd.DataFrame:
    """Runs of four strategies whose seeds differ; b is better than the others."""
    rng = np.random.default_rng(seed)
    values = spread * rng.normal(size=(n, 1)) + rng.normal(size=(n, 4))
    return pd.DataFrame(values + [0, 0, 2.0, 0.3], columns=NAMES)


@pytest.mark.parametrize("n", [2, 5, 12])
def test_paired_is_scipys_paired_t_test_with_holms_correction(n):
    runs = study(n)
    found = primary.against_baseline(runs, "random", method="paired")
    for row in found.itertuples():
        test = stats.ttest_rel(runs[row.strategy], runs["random"])
        interval = test.confidence_interval(1 - 0.05 / 3)
        assert (row.t, row.p) == pytest.approx((test.statistic, test.pvalue))
        assert (row.low, row.high) == pytest.approx(tuple(interval))
    order = np.argsort(found["p"].to_numpy())
    by_hand = np.maximum.accumulate(found["p"].to_numpy()[order] * [3, 2, 1]).clip(max=1)
    assert found["p_adjusted"].to_numpy()[order] == pytest.approx(by_hand)


def test_blocked_is_a_two_way_analysis_of_variance():
    runs = study(3)
    found = primary.against_baseline(runs, "random", method="blocked")
    # Least squares with a dummy for each seed and each strategy, written out.
    y = runs.to_numpy().ravel()
    seed, strategy = np.repeat(np.arange(3), 4), np.tile(np.arange(4), 3)
    x = np.column_stack([seed == s for s in range(3)] + [strategy == k for k in (1, 2, 3)])
    x = x.astype(float)
    coefficients, rest, *_ = np.linalg.lstsq(x, y, rcond=None)
    covariance = np.linalg.inv(x.T @ x) * rest[0] / 6
    errors = np.sqrt(np.diag(covariance))[3:]
    assert found["difference"].to_numpy() == pytest.approx(coefficients[3:])
    assert found["standard_error"].to_numpy() == pytest.approx(errors)
    assert set(found["df"]) == {6}
    t = np.sort(np.abs(coefficients[3:] / errors))[::-1]
    stepwise = np.maximum.accumulate([dunnett_tail(t[i], 3 - i, 6)[0] for i in range(3)])
    order = np.argsort(-np.abs(found["t"].to_numpy()))
    assert found["p_adjusted"].to_numpy()[order] == pytest.approx(stepwise)


def test_dunnetts_distribution_is_scipys():
    rng = np.random.default_rng(3)
    groups = [rng.normal(size=6) + shift for shift in (0, 1, 2, 0.5)]
    other = stats.dunnett(*groups[1:], control=groups[0], rng=np.random.default_rng(1))
    assert dunnett_tail(np.abs(other.statistic), 3, 20) == pytest.approx(other.pvalue, abs=2e-4)


@pytest.mark.parametrize("df", [1, 2, 7, 60])
def test_one_comparison_is_a_plain_t_test(df):
    t = np.array([0.0, 0.5, 2.0, 30.0])
    assert dunnett_tail(t, 1, df) == pytest.approx(2 * stats.t.sf(t, df), abs=1e-9)


@pytest.mark.parametrize(
    ("m", "df", "published"),
    # Dunnett 1964, "New tables for multiple comparisons with a control", two-sided 5 %
    [(2, 5, 3.03), (3, 10, 2.76), (5, 20, 2.73), (9, 60, 2.77), (1, 10, 2.23)],
)
def test_dunnetts_published_points(m, df, published):
    assert round(dunnett_critical(0.05, m, df), 2) == pytest.approx(published, abs=0.0101)


def test_flips_are_all_signs_by_brute_force():
    runs = study(7, seed=4)
    found = primary.against_baseline(runs, "random", method="flips")
    d = runs[NAMES[1:]].to_numpy() - runs[["random"]].to_numpy()
    seen = np.array(
        [
            np.abs(stats.ttest_1samp(np.array(signs)[:, None] * d, 0).statistic)
            for signs in product((1, -1), repeat=7)
        ]
    )
    own = np.abs(stats.ttest_1samp(d, 0).statistic)
    left, least, expected = [0, 1, 2], 0.0, np.empty(3)
    for at in np.argsort(-own):
        least = expected[at] = max(least, (seen[:, left].max(1) >= own[at] - 1e-9).mean())
        left.remove(at)
    assert found["p_adjusted"].to_numpy() == pytest.approx(expected)
    assert found["p_adjusted"].min() >= 2.0**-6


def test_many_seeds_are_flipped_by_a_fixed_sample():
    runs = study(30, seed=1)
    first, again = (primary.against_baseline(runs, "random", method="flips") for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    paired = primary.against_baseline(runs, "random", method="paired")
    assert first["p_adjusted"].to_numpy() == pytest.approx(paired["p_adjusted"], abs=0.05)


def test_equivalence_is_two_one_sided_tests_corrected_by_holm():
    runs = study(20, seed=2)
    runs["a"] = runs["random"] + 0.01 * np.cos(np.arange(20))
    found = primary.against_baseline(runs, "random", margin=1.0).set_index("strategy")
    p = []
    for name in NAMES[1:]:
        d = runs[name] - runs["random"]
        above = stats.ttest_1samp(d, -1.0, alternative="greater").pvalue
        below = stats.ttest_1samp(d, 1.0, alternative="less").pvalue
        p.append(max(above, below))
    order = np.argsort(p)
    holm = np.maximum.accumulate(np.array(p)[order] * [3, 2, 1]).clip(max=1)
    assert found["p_equivalent"].to_numpy()[order] == pytest.approx(holm)
    assert found["verdict"].to_dict() | {"c": ""} == {"a": "equivalent", "b": "better", "c": ""}


def test_a_difference_that_does_not_matter_is_no_difference():
    seeds = np.arange(10.0)
    runs = pd.DataFrame({"random": seeds, "a": seeds + 0.002 + 1e-4 * np.cos(seeds)})
    better = primary.against_baseline(runs, "random")
    assert better["verdict"].tolist() == ["better"]
    same = primary.against_baseline(runs, "random", margin=0.005)
    assert same["verdict"].tolist() == ["equivalent"] and same["p_adjusted"][0] < 1e-6


@pytest.mark.parametrize("method", primary.METHODS)
def test_seeds_effects_do_not_matter(method):
    runs = study(6)
    shifted = runs.add(1000 * np.arange(6), axis=0)
    first, other = (primary.against_baseline(x, "random", method=method) for x in (runs, shifted))
    assert first["verdict"].tolist() == other["verdict"].tolist()
    assert first["p_adjusted"].to_numpy() == pytest.approx(other["p_adjusted"], rel=1e-6)


@given(
    n=st.integers(2, 9),
    seed=st.integers(0, 50),
    order=st.permutations(range(3)),
    method=st.sampled_from(primary.METHODS),
)
def test_neither_order_nor_names_matter(n, seed, order, method):
    runs = study(n, seed)
    found = primary.against_baseline(runs, "random", method=method, margin=0.5)
    names = [NAMES[1:][at] for at in order]
    other = primary.against_baseline(
        runs[[names[0], "random", *names[1:]]].sample(frac=1, random_state=seed),
        "random",
        method=method,
        margin=0.5,
    )
    left = found.set_index("strategy").loc[names].drop(columns=["verdict", "reason"])
    right = other.set_index("strategy").drop(columns=["verdict", "reason"])
    np.testing.assert_allclose(left.to_numpy(float), right.to_numpy(float), rtol=1e-7, atol=1e-12)


def test_a_negative_copy_is_as_much_worse():
    runs = study(8, seed=5)
    found = primary.against_baseline(runs, "random")
    mirrored = primary.against_baseline(-runs, "random")
    assert mirrored["difference"].to_numpy() == pytest.approx(-found["difference"])
    assert mirrored["p_adjusted"].to_numpy() == pytest.approx(found["p_adjusted"])
    swap = {"better": "worse", "worse": "better"}
    assert mirrored["verdict"].tolist() == [swap.get(x, x) for x in found["verdict"]]


def test_seeds_that_one_strategy_lacks_are_left_out():
    runs = study(8)
    runs.loc[3, "a"] = np.nan
    found = primary.against_baseline(runs, "random")
    pd.testing.assert_frame_equal(found, primary.against_baseline(runs.drop(index=3), "random"))
    assert set(found["n"]) == {7}


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        (study(1), primary.FEW),
        (study(4)[["a", "b"]], primary.MISSING),
        (pd.DataFrame({"random": [1.0, 2, 3], "a": [2.0, 3, 4]}), primary.FLAT),
    ],
)
def test_what_cannot_be_tested_says_why(runs, reason):
    found = primary.against_baseline(runs, "random", method="paired", margin=0.1)
    assert set(found["verdict"]) == {"n/a"} and set(found["reason"]) == {reason}
    assert found[["p", "p_adjusted", "p_equivalent"]].isna().all(axis=None)


def test_the_number_of_seeds_chooses_the_analysis():
    assert [primary.method_of(n) for n in (2, 4, 5, 50)] == ["blocked"] * 2 + ["paired"] * 2
    assert primary.method_of(2, "flips") == "flips"
    with pytest.raises(ValueError, match="is 'welch', allowed: auto, paired, blocked, flips"):
        primary.against_baseline(study(3), "random", method="welch")
    with pytest.raises(ValueError, match="margin is -1"):
        primary.against_baseline(study(3), "random", margin=-1)

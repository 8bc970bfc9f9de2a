"""What a change of a study must and must not change in its statistics."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.statistics import across, along, primary
from stages.statistics.comparisons import games_howell
from stages.statistics.omnibus import kruskal_wallis, welch_anova
from stages.statistics.planning import seeds_needed
from stages.statistics.ranking import block_ranks, friedman
from stages.statistics.wintieloss import win_tie_loss, win_tie_loss_spread

NAMES = ["random", "a", "b", "c", "d"]
METHODS = st.sampled_from(primary.METHODS)
FEW = settings(max_examples=25, deadline=None)


def study(n: int, seed: int) -> pd.DataFrame:
    """AUBC of five strategies whose seeds differ."""
    rng = np.random.default_rng(seed)
    values = 0.02 * rng.normal(size=(n, 1)) + 0.01 * rng.normal(size=(n, 5))
    return pd.DataFrame(0.8 + values + [0, 0.03, 0.005, -0.02, 0.01], columns=NAMES)


def numbers(table: pd.DataFrame) -> np.ndarray:
    """Its numbers, by strategy."""
    return table.drop(columns=["verdict", "reason"]).set_index("strategy").to_numpy(float)


@FEW
@given(st.integers(2, 9), st.integers(0, 99), METHODS, st.permutations(NAMES[1:]))
def test_new_names_are_new_names(n, seed, method, names):
    runs = study(n, seed)
    renamed = runs.rename(columns=dict(zip(NAMES[1:], names, strict=True)))
    one, two = (primary.against_baseline(x, "random", method=method) for x in (runs, renamed))
    assert two["strategy"].tolist() == list(names)
    np.testing.assert_array_equal(numbers(one), numbers(two))
    assert one["verdict"].tolist() == two["verdict"].tolist()


@FEW
@given(st.integers(2, 9), st.integers(0, 99), METHODS, st.randoms())
def test_new_numbers_of_seeds_change_nothing(n, seed, method, random):
    runs = study(n, seed)
    order = list(range(n))
    random.shuffle(order)
    mixed = runs.iloc[order].set_index(pd.Index(random.sample(range(1000), n)))
    one, two = (primary.against_baseline(x, "random", method=method) for x in (runs, mixed))
    np.testing.assert_allclose(numbers(one), numbers(two), rtol=1e-6, atol=1e-9)
    counts = [friedman(x)["f_p"] for x in (runs, mixed)]
    assert counts[0] == pytest.approx(counts[1])


@FEW
@given(st.integers(2, 9), st.integers(0, 99), METHODS, st.floats(-0.5, 0.5))
def test_a_constant_added_to_all_changes_nothing(n, seed, method, constant):
    runs = study(n, seed)
    one, two = (
        primary.against_baseline(x, "random", method=method, margin=0.005)
        for x in (runs, runs + constant)
    )
    np.testing.assert_allclose(numbers(one), numbers(two), rtol=1e-6, atol=1e-9)
    groups, moved = ({x: y[x].to_numpy() for x in NAMES} for y in (runs, runs + constant))
    for test in (kruskal_wallis, welch_anova):
        assert test(groups)["p"] == pytest.approx(test(moved)["p"], rel=1e-6)
    one, two = (games_howell(x, interval=False)["p"] for x in (groups, moved))
    np.testing.assert_allclose(one, two, rtol=1e-6)


@FEW
@given(st.integers(3, 9), st.integers(0, 99), METHODS)
def test_a_copy_has_the_numbers_of_what_it_copies(n, seed, method):
    runs = study(n, seed)
    table = primary.against_baseline(runs.assign(twin=runs["a"]), "random", method=method)
    rows = table.set_index("strategy")
    for column in ("difference", "p", "p_adjusted", "verdict"):
        assert rows.loc["a", column] == rows.loc["twin", column]
    # The family is larger: no p of another strategy falls, but where a deviation is pooled.
    before = primary.against_baseline(runs, "random", method=method).set_index("strategy")
    if method != primary.BLOCKED:
        kept = rows.loc[NAMES[1:], "p_adjusted"] - before["p_adjusted"]
        assert (kept >= -1e-12).all()
    ranks = block_ranks(runs.assign(twin=runs["a"])).mean()
    assert ranks["a"] == ranks["twin"]
    copied = runs.assign(twin=runs["random"])
    twin = primary.against_baseline(copied, "random", method="paired").set_index("strategy")
    assert twin.loc["twin", "verdict"] == "n/a"


@FEW
@given(st.integers(5, 9), st.integers(0, 99), st.sampled_from(["paired", "flips"]))
def test_without_the_worst_the_others_are_seen_no_less(n, seed, method):
    runs = study(n, seed)
    before = primary.against_baseline(runs, "random", method=method).set_index("strategy")
    after = primary.against_baseline(runs.drop(columns="c"), "random", method=method).set_index(
        "strategy"
    )
    for name in after.index:
        assert after.loc[name, "difference"] == before.loc[name, "difference"]
        assert after.loc[name, "p_adjusted"] <= before.loc[name, "p_adjusted"] + 1e-12
    table = win_tie_loss(runs.iloc[:1].reset_index(drop=True))
    less = win_tie_loss(runs.iloc[:1].drop(columns="c").reset_index(drop=True))
    wins = table.set_index("strategy")["wins"] - less.set_index("strategy")["wins"]
    assert wins.dropna().between(0, 1).all()


@FEW
@given(st.integers(4, 10), st.integers(0, 99))
def test_two_halves_add_up_to_the_whole(n, seed):
    runs = study(2 * n, seed)
    whole, *halves = (
        primary.against_baseline(x, "random", method="paired").set_index("strategy")
        for x in (runs, runs.iloc[:n], runs.iloc[n:])
    )
    middle = (halves[0]["difference"] + halves[1]["difference"]) / 2
    assert middle.to_numpy() == pytest.approx(whole["difference"].to_numpy())
    # The variance of the whole is that within the halves and between them.
    squares = [(x["standard_error"] ** 2 * n * (n - 1)).to_numpy() for x in halves]
    between = n / 2 * (halves[0]["difference"] - halves[1]["difference"]).to_numpy() ** 2
    total = sum(squares) + between
    error = np.sqrt(total / (2 * n - 1) / (2 * n))
    assert whole["standard_error"].to_numpy() == pytest.approx(error)


@FEW
@given(st.integers(3, 12), st.integers(0, 99), st.floats(0.1, 9))
def test_the_unit_does_not_matter(n, seed, unit):
    runs = study(n, seed)
    one = primary.against_baseline(runs, "random", margin=0.01)
    two = primary.against_baseline(unit * runs, "random", margin=0.01 * unit)
    assert one["verdict"].tolist() == two["verdict"].tolist()
    np.testing.assert_allclose(one["seen"] * unit, two["seen"], rtol=1e-6)
    plans = [seeds_needed(0.01 * u, 0.02 * u, n - 1, 4) for u in (1.0, unit)]
    assert abs((plans[0][0] or 0) - (plans[1][0] or 0)) <= 1


@FEW
@given(st.integers(2, 12), st.integers(0, 99))
def test_along_the_budget_only_differences_count(n, seed):
    rng = np.random.default_rng(seed)
    base, own = rng.normal(size=(2, n, 4))
    shared = rng.normal(size=(n, 4))
    one = along.differences_along({"r": base, "a": own}, range(4), "r")
    two = along.differences_along({"r": base + shared, "a": own + shared}, range(4), "r")
    columns = ["difference", "standard_error", "p", "low", "band_high"]
    np.testing.assert_allclose(one[columns], two[columns], rtol=1e-6, atol=1e-9)
    mirrored = along.differences_along({"r": own, "a": base}, range(4), "r")
    np.testing.assert_allclose(mirrored["band_low"], -one["band_high"], rtol=1e-6, atol=1e-9)


@FEW
@given(st.integers(2, 8), st.integers(2, 4), st.integers(0, 99))
def test_a_task_twice_is_no_other_average(n, tasks, seed):
    values = np.random.default_rng(seed).normal(size=(3, n, tasks))
    double = np.concatenate([values, values], axis=2)
    one, two = (across.probability_of_improvement(x[1], x[0]) for x in (values, double))
    assert one == pytest.approx(two)
    runs = {f"t{at}": values[:, :, at].T for at in range(tasks)}
    spread = win_tie_loss_spread(runs, draws=50)
    assert (spread["rank_low"] <= spread["rank_high"]).all()
    assert spread["first"].sum() >= 1

"""Nothing that is not finite passes in silence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.statistics import comparisons, measures, omnibus, paired, ranking
from stages.statistics.assumptions import (
    bartlett_from_summary,
    brown_forsythe,
    kolmogorov_smirnov,
    shapiro_wilk,
)
from stages.statistics.effects import hedges
from stages.statistics.planning import difference_seen, seeds_needed
from stages.statistics.resampling import bootstrap_mean
from stages.statistics.studentized import critical, tail
from stages.statistics.wintieloss import compare, to_units, win_tie_loss

pytestmark = pytest.mark.filterwarnings("error")
NAN, INF = float("nan"), float("inf")


# --- what is not finite -----------------------------------------------------------------------

GOOD = [0.5, 0.6, 0.8, 0.7, 0.9]
TABLE = pd.DataFrame({"a": GOOD, "b": GOOD[::-1]})


def games(means=(1, 2), stds=(1, 1), counts=(3, 3), **more):
    return comparisons.games_howell_from_summary(["a", "b"], means, stds, counts, **more)


def effect(means=(1, 2), stds=(1, 1), counts=(3, 3), alpha=0.05):
    return hedges(means, stds, counts, np.array([0]), np.array([1]), alpha)


def with_bad(values, bad):
    return [bad, *values[1:]]


REFUSED = {
    "shapiro": lambda bad: shapiro_wilk(with_bad(GOOD, bad)),
    "lilliefors": lambda bad: kolmogorov_smirnov(with_bad(GOOD, bad)),
    "levene": lambda bad: brown_forsythe([GOOD, with_bad(GOOD, bad)]),
    "bartlett": lambda bad: bartlett_from_summary([1, bad], [3, 3]),
    "kruskal": lambda bad: omnibus.kruskal_wallis({"a": GOOD, "b": with_bad(GOOD, bad)}),
    "welch": lambda bad: omnibus.welch_anova({"a": GOOD, "b": with_bad(GOOD, bad)}),
    "welch mean": lambda bad: omnibus.welch_anova_from_summary([1, bad], [1, 1], [3, 3]),
    "welch std": lambda bad: omnibus.welch_anova_from_summary([1, 2], [1, bad], [3, 3]),
    "games": lambda bad: comparisons.games_howell({"a": GOOD, "b": with_bad(GOOD, bad)}),
    "games mean": lambda bad: games(means=(1, bad)),
    "games std": lambda bad: games(stds=(1, bad)),
    "games count": lambda bad: games(counts=(3, bad)),
    "games alpha": lambda bad: games(alpha=bad),
    "verdict difference": lambda bad: comparisons.verdict(bad, 1.0, 0.01, 0.05),
    "verdict error": lambda bad: comparisons.verdict(1.0, bad, 0.01, 0.05),
    "verdict alpha": lambda bad: comparisons.verdict(1.0, 1.0, 0.01, bad),
    "verdicts": lambda bad: comparisons.verdicts({"a": GOOD, "b": with_bad(GOOD, bad)}, "a"),
    "hedges mean": lambda bad: effect(means=(1, bad)),
    "hedges std": lambda bad: effect(stds=(1, bad)),
    "hedges alpha": lambda bad: effect(alpha=bad),
    "seeds": lambda bad: seeds_needed(bad, 1.0, 4, 3),
    "seeds power": lambda bad: seeds_needed(1.0, 1.0, 4, 3, power=bad),
    "seen power": lambda bad: difference_seen([1.0], 4, 5, 3, power=bad),
    "seen alpha": lambda bad: difference_seen([1.0], 4, 5, 3, alpha=bad),
    "aubc": lambda bad: measures.aubc([1, 2, 3], [0.1, bad, 0.3]),
    "aubc labeled": lambda bad: measures.aubc([1, 2, bad], [0.1, 0.2, 0.3]),
    "aubc one": lambda bad: measures.aubc([1], [bad]),
    "improvement": lambda bad: measures.improvement([1, 2], [0.1, bad], [1, 2], [0.1, 0.2]),
    "improvement base": lambda bad: measures.improvement([1, 2], [0.1, 0.2], [1, 2], [0.1, bad]),
    "labels": lambda bad: measures.labels_needed([1, 2], [bad, 0.2], 0.1),
    "labels target": lambda bad: measures.labels_needed([1, 2], [0.1, 0.2], bad),
    "classes": lambda bad: measures.class_balance([1, bad]),
    "describe": lambda bad: measures.describe([1.0, bad]),
    "bootstrap": lambda bad: bootstrap_mean(with_bad(GOOD, bad)),
    "bootstrap alpha": lambda bad: bootstrap_mean(GOOD, alpha=bad),
    "t alpha": lambda bad: paired.paired_t(GOOD, GOOD[::-1], alpha=bad),
    "penalty alpha": lambda bad: paired.penalty_matrix([TABLE.to_numpy().T], alpha=bad),
    "range q": lambda bad: tail([1.0, bad], 3, 5.0) if bad != INF else tail([-1.0], 3, 5.0),
    "range df": lambda bad: tail([1.0], 3, bad if bad != INF else 0.0),
    "range alpha": lambda bad: critical(bad, 3, [4.0]),
    "cd alpha": lambda bad: ranking.critical_difference(3, 9, bad),
    "cliques": lambda bad: ranking.cliques({"a": 1.0, "b": 2.0}, bad),
    "margin": lambda bad: compare(0.5, 0.6, bad),
    "margins": lambda bad: win_tie_loss(TABLE, bad),
}


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_finite_is_refused(name, bad):
    with pytest.raises(ValueError, match="finite|allowed|needs|increasing"):
        REFUSED[name](bad)


@pytest.mark.parametrize("bad", [INF, -INF])
def test_where_a_missing_value_is_allowed_an_infinity_is_not(bad):
    holes = with_bad(GOOD, bad)
    table = TABLE.assign(a=holes)
    for call in (
        lambda: paired.paired_t(holes, GOOD),
        lambda: paired.wilcoxon(holes, GOOD),
        lambda: paired.penalty_matrix([table.to_numpy().T]),
        lambda: ranking.friedman(table),
        lambda: ranking.nemenyi(table),
        lambda: win_tie_loss(table),
        lambda: to_units(bad),
        lambda: measures.ranks(holes),
        lambda: seeds_needed(0.1, bad, 4, 3),
        lambda: difference_seen([bad], 4, 5, 3),
    ):
        with pytest.raises(ValueError):
            call()


@pytest.mark.parametrize("p", [-0.1, 1.1, INF])
def test_a_p_value_outside_its_range_is_refused(p):
    with pytest.raises(ValueError):
        paired.holm([0.5, p])
    with pytest.raises(ValueError):
        comparisons.verdict(0.1, 0.1, p, 0.05)


def test_negative_deviations_and_counts_are_refused():
    for call in (
        lambda: games(stds=(1, -1)),
        lambda: effect(stds=(1, -1)),
        lambda: seeds_needed(1.0, -1.0, 4, 3),
        lambda: bartlett_from_summary([1, -1], [3, 3]),
        lambda: measures.class_balance([3, -1]),
    ):
        with pytest.raises(ValueError):
            call()


def test_a_single_run_is_undefined_and_says_so():
    """The one NaN that may come in: the deviation of one run."""
    row = games(stds=(1, NAN), counts=(3, 1)).iloc[0]
    assert row["reason"] == comparisons.FEW and row["difference"] == -1
    assert np.isnan(row[["t", "df", "p", "low", "high", "g", "standard_error"]].astype(float)).all()
    assert comparisons.verdict(-1.0, row["standard_error"], row["p"], 0.05) == "n/a"
    assert seeds_needed(0.1, NAN, 1, 3) == (None, "no deviation from one run")
    assert np.isnan(difference_seen([NAN], 4, 5, 3)).all()
    assert np.isnan(effect(stds=(1, NAN), counts=(3, 1))).all()
    assert np.isnan(measures.describe([0.5])[1])
    assert omnibus.welch_anova({"a": GOOD, "b": [0.5]})["reason"] == omnibus.FEW
    assert bootstrap_mean([0.5])["reason"] == "fewer than two runs"


def test_what_cannot_be_computed_is_an_error_and_no_verdict():
    for call in (
        lambda: games(means=(1e308, -1e308)),
        lambda: games(means=(0, 1e300), stds=(1e-300, 1e-300)),
        lambda: measures.describe([0.0, 1e-200]),
        lambda: measures.describe([-1e200, 1e200]),
        lambda: paired.paired_t([1e200, -1e200, 3e200], [0, 0, 0]),
        lambda: omnibus.welch_anova_from_summary([0, 1], [1e-200, 1e200], [3, 3]),
    ):
        with pytest.raises(FloatingPointError):
            call()
    # Squares that overflow or vanish are avoided: the tests have no unit.
    for unit in (1e-170, 1e170):
        row = games(means=(0, 5 * unit), stds=(unit, 2 * unit), counts=(4, 6)).iloc[0]
        plain = games(means=(0, 5), stds=(1, 2), counts=(4, 6)).iloc[0]
        for name in ("t", "df", "p", "g", "g_low", "g_high"):
            assert row[name] == pytest.approx(plain[name], rel=1e-9), name
        assert row["standard_error"] == pytest.approx(unit * plain["standard_error"])
        assert row["low"] == pytest.approx(unit * plain["low"])
        seen, of_one = (difference_seen([x], 3, 4, 2)[0] for x in (unit, 1.0))
        assert seen == pytest.approx(unit * of_one)
        assert bartlett_from_summary([unit, 3 * unit], [4, 5]) == pytest.approx(
            bartlett_from_summary([1, 3], [4, 5])
        )


def test_friedman_of_blocks_that_agree_throughout_is_no_certainty():
    """F is infinite there; two seeds of two strategies agree half the time by chance."""
    two = ranking.friedman(pd.DataFrame({"a": [0.5, 0.6], "b": [0.7, 0.8]}))
    assert two["f"] == INF and two["f_p"] == pytest.approx(0.5)
    three = pd.DataFrame({"a": [0.5] * 4, "b": [0.6] * 4, "c": [0.7] * 4})
    assert ranking.friedman(three)["f_p"] == pytest.approx(6.0**-3)
    tied = pd.DataFrame({"a": [0.5] * 3, "b": [0.5] * 3, "c": [0.7] * 3})
    assert ranking.friedman(tied)["f_p"] == pytest.approx(3.0**-2)


def test_friedman_of_blocks_that_agree_by_brute_force():
    table = pd.DataFrame({"a": [1, 1, 1], "b": [1, 1, 1], "c": [2, 2, 2], "d": [0, 0, 0]})
    rng, hits = np.random.default_rng(0), 0
    row = np.array([1, 1, 2, 0])
    for _ in range(20_000):
        draws = [rng.permutation(row) for _ in range(3)]
        hits += all((draw == draws[0]).all() for draw in draws)
    assert ranking.friedman(table)["f_p"] == pytest.approx(hits / 20_000, abs=0.003)


def test_bca_says_when_the_level_is_too_small_for_it():
    skewed = [0.0] * 30 + [1.0]
    found = bootstrap_mean(skewed, alpha=1e-15)
    assert "too skewed" in found["reason"] and np.isnan(found["bca_high"])
    assert np.isfinite([found["low"], found["high"]]).all()


# --- hostile tables ---------------------------------------------------------------------------

SCALE = st.sampled_from([1e-300, 1e-160, 1e-12, 1.0, 1e12, 1e160, 1e300])
VALUE = st.one_of(st.sampled_from([0.0, 1.0, 0.5, 0.5 + 1e-16]), st.floats(-1, 1))


@st.composite
def hostile(draw, least=1, most=5):
    """Strategies with constant, equal, huge and tiny values, one run or several."""
    unit, groups = draw(SCALE), {}
    for number in range(draw(st.integers(2, 4))):
        values = draw(st.lists(VALUE, min_size=least, max_size=most))
        if draw(st.booleans()):
            values = [values[0]] * len(values)
        groups[f"s{number}"] = [unit * value for value in values]
    return groups


def known(found):
    """Every number of a dictionary or row that is a p value, a statistic or a bound."""
    return np.array([value for value in found.values() if isinstance(value, float)])


@settings(max_examples=150, deadline=None)
@given(hostile())
def test_hostile_tables_get_an_answer_a_reason_or_an_error(groups):
    for test in (omnibus.kruskal_wallis, omnibus.welch_anova):
        try:
            found = test(groups)
        except FloatingPointError:
            continue
        assert np.isfinite(found["p"]) == (found["reason"] == "")
    try:
        pairs = comparisons.games_howell(groups)
        words = comparisons.verdicts(groups, "s0")
    except FloatingPointError:
        return
    shown = ["t", "df", "p", "low", "high", "g", "g_low", "g_high"]
    for row in pairs.to_dict("records"):
        numbers = np.array([row[name] for name in shown], float)
        assert np.isfinite(numbers).all() if row["reason"] == "" else np.isnan(numbers).all()
        if row["reason"] == comparisons.FEW:
            assert min(row["n_first"], row["n_second"]) < 2
        elif row["reason"] == comparisons.FLAT:
            assert all(len(set(groups[row[name]])) == 1 for name in ("first", "second"))
    for row in words.to_dict("records"):
        if row["verdict"] in ("better", "worse"):
            assert row["p"] < 0.05 and (row["difference"] > 0) == (row["verdict"] == "better")
        elif row["verdict"] == "n/a":
            assert row["reason"]


@settings(max_examples=100, deadline=None)
@given(hostile(least=3, most=3))
def test_hostile_blocks_and_pairs_get_an_answer_a_reason_or_an_error(groups):
    table = pd.DataFrame(groups)
    try:
        found = ranking.friedman(table)
    except FloatingPointError:
        return
    assert np.isfinite([found["p"], found["f_p"]]).all() == (found["reason"] == "")
    assert found["reason"] or 0 < found["f_p"] <= 1
    assert ranking.nemenyi(table)["p"].between(0, 1).all()
    try:
        rows = paired.paired_table(table, [("s0", "s1")], 0.05).to_dict("records")
    except FloatingPointError:
        return
    for row in rows:
        assert np.isfinite(row["p"]) == (row["reason"] == "")
        assert np.isfinite(row["p_holm"]) == (row["reason"] == "")


@settings(max_examples=60, deadline=None)
@given(hostile(least=1, most=14))
def test_hostile_samples_get_an_answer_or_an_error(groups):
    for values in groups.values():
        for test in (shapiro_wilk, kolmogorov_smirnov):
            try:
                found = test(values)
            except FloatingPointError:
                continue
            assert np.isfinite(found).all() or len(values) < 5 or len(set(values)) == 1
        try:
            interval = bootstrap_mean(values, resamples=200)
        except FloatingPointError:
            continue
        bounds = [interval[name] for name in ("low", "high", "bca_low", "bca_high")]
        assert np.isfinite(bounds).all() == (interval["reason"] == "")
        assert np.isfinite([interval["t_low"], interval["t_high"]]).all() == (
            len(values) > 1 and np.ptp(values) > 0
        )

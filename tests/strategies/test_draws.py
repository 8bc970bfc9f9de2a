"""Power acquisition and Falcun: how often what is drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pools import trained
from scipy import stats
from skactiveml.pool import Falcun
from skactiveml.pool._uncertainty_sampling import uncertainty_scores

from stages.machine.errors import UserError
from stages.strategies import dropout, falcun, stochastic, uncertainty


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def chances(count: int, classes: int = 4, seed: int = 0) -> np.ndarray:
    powers = np.exp(2 * rng(seed).normal(size=(count, classes)))
    return powers / powers.sum(1, keepdims=True)


def often(draw, count: int, times: int) -> np.ndarray:
    found = [tuple(draw(rng(seed)).tolist()) for seed in range(times)]
    assert all(len(set(one)) == len(one) for one in found)
    pairs = list(itertools.permutations(range(count), len(found[0])))
    return np.array([found.count(pair) for pair in pairs])


def in_turn(weights: np.ndarray, b: int) -> np.ndarray:
    """The chance of each ordered batch where one after another is drawn by weight."""
    result = []
    for some in itertools.permutations(range(len(weights)), b):
        left, chance = weights.sum(), 1.0
        for one in some:
            chance *= weights[one] / left
            left -= weights[one]
        result.append(chance)
    return np.array(result)


# power


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
def test_draws_are_in_proportion_to_a_power_of_the_score(beta):
    """Gumbel noise of scale 1 / beta on log s: s^beta, without replacement."""
    scores = np.array([0.1, 0.4, 0.7, 1.3])
    found = often(lambda r: stochastic.noisy(scores, 2, r, beta=beta), 4, 4000)
    wanted = in_turn(scores**beta, 2) * 4000
    assert stats.chisquare(found, wanted).pvalue > 1e-3


def test_softmax_and_softrank():
    scores = np.array([0.1, 1.1, 0.7])
    found = often(lambda r: stochastic.noisy(scores, 1, r, beta=2, form="softmax"), 3, 3000)
    assert stats.chisquare(found, in_turn(np.exp(2 * scores), 1) * 3000).pvalue > 1e-3
    found = often(lambda r: stochastic.noisy(scores, 1, r, beta=2, form="softrank"), 3, 3000)
    ranks = np.array([3.0, 1.0, 2.0])
    assert stats.chisquare(found, in_turn(ranks**-2, 1) * 3000).pvalue > 1e-3


def test_a_score_of_zero_comes_last_and_fairly():
    scores = np.array([0.0, 1e-30, 0.0, -0.0, 1e-29])
    found = [stochastic.noisy(scores, 4, rng(seed)).tolist() for seed in range(60)]
    assert all(set(some[:2]) == {1, 4} for some in found)
    assert {some[2] for some in found} == {0, 2, 3}
    assert sorted(stochastic.noisy(np.zeros(5), 5, rng()).tolist()) == list(range(5))


def test_with_a_large_beta_the_best_are_taken():
    scores = rng().random(50)
    best = np.argsort(-scores)[:6].tolist()
    for form in ("power", "softmax", "softrank"):
        assert stochastic.noisy(scores, 6, rng(1), beta=1e9, form=form).tolist() == best


def test_scores_that_have_no_power_are_refused():
    with pytest.raises(UserError, match=r"score of candidate 1 is -0.5; allowed: 0 or up"):
        stochastic.noisy(np.array([0.1, -0.5]), 1, rng())
    with pytest.raises(UserError, match="score of candidate 0 is nan"):
        stochastic.noisy(np.array([np.nan, 1]), 1, rng())
    with pytest.raises(UserError, match="cannot take 3 of 2 candidates"):
        stochastic.noisy(np.ones(2), 3, rng())
    with pytest.raises(UserError, match="form is 'log'; allowed: power, softmax, softrank"):
        stochastic.noisy(np.ones(2), 1, rng(), form="log")


def test_scores_are_those_of_bald_and_entropy():
    pool = trained()
    assert (stochastic.bald(pool, passes=4) == dropout.bald(pool, passes=4)).all()
    assert (stochastic.entropy(pool) == uncertainty.entropy(pool)).all()


# Falcun


def falcun_by_loop(p_N_C, b, generator, gamma):
    """The authors' procedure, written out; draws as ours are."""
    gap = np.sort(p_N_C, axis=1)
    unsure = 1 - (gap[:, -1] - gap[:, -2])
    apart, picks = unsure.copy(), []
    for _ in range(b):
        if picks:
            apart = np.minimum(apart, np.abs(p_N_C - p_N_C[picks[-1]]).sum(1))
        left = [at for at in range(len(p_N_C)) if at not in picks]
        low, high = apart[left].min(), apart[left].max()
        scaled = (apart[left] - low) / (high - low) if high > low else 0 * apart[left]
        weights = (scaled + unsure[left]) ** gamma
        if weights.sum() == 0:
            weights = np.ones(len(left))
        total = np.cumsum(weights)
        picks.append(left[int(np.searchsorted(total, generator.random() * total[-1]))])
    return picks


@given(st.integers(0, 10**6), st.sampled_from([0.0, 1.0, 10.0]), st.data())
def test_falcun_is_the_authors_procedure(seed, gamma, data):
    p_N_C = chances(25, data.draw(st.sampled_from([2, 5])), seed)
    b = data.draw(st.sampled_from([1, 6, 25]))
    ours = falcun.draw(p_N_C, b, rng(seed), gamma=gamma).tolist()
    assert ours == falcun_by_loop(p_N_C, b, rng(seed), gamma)


def test_falcun_draws_as_scikit_activeml_does(monkeypatch):
    """Where scaling changes nothing: some candidates certain, some of two classes, far apart."""
    from skactiveml.pool import _falcun

    eye = np.eye(6)
    halves = [(eye[a] + eye[b]) / 2 for a, b in [(0, 1), (2, 3), (4, 5), (0, 2), (1, 3)]]
    p_N_C = np.concatenate([eye, halves, 0.3 * chances(8, 6) + 0.7 * eye[rng(1).integers(0, 6, 8)]])

    class Model:
        missing_label = np.nan

        def predict_proba(self, _rows):
            return p_N_C

    monkeypatch.setattr(_falcun, "check_type", lambda *_, **__: None)
    query = Falcun(gamma=3, random_state=np.random.RandomState(0))
    labels = np.full(len(p_N_C), np.nan)
    picks, utilities = query.query(
        np.arange(len(p_N_C))[:, None], labels, Model(), False, batch_size=3, return_utilities=True
    )
    gap = np.sort(p_N_C, axis=1)
    unsure = 1 - (gap[:, -1] - gap[:, -2])
    np.testing.assert_allclose(unsure, uncertainty_scores(p_N_C, method="margin_sampling"))
    apart = unsure.copy()
    for at in range(3):
        left = np.setdiff1d(np.arange(len(p_N_C)), picks[:at])
        weights = falcun.weights_of(unsure[left], apart[left], 3, len(p_N_C))
        assert apart[left].min() == 0 and apart[left].max() == 1
        np.testing.assert_allclose(weights / weights.sum(), utilities[at][left], atol=1e-9)
        apart = np.minimum(apart, np.abs(p_N_C - p_N_C[picks[at]]).sum(1))


def test_falcun_draws_in_proportion():
    p_N_C = np.array([[0.5, 0.5, 0], [0.8, 0.2, 0], [0.1, 0.0, 0.9]])
    unsure = np.array([1.0, 0.4, 0.2])
    found = often(lambda r: falcun.draw(p_N_C, 1, r, gamma=2), 3, 3000)
    weights = (unsure + (unsure - 0.2) / 0.8) ** 2
    assert stats.chisquare(found, weights / weights.sum() * 3000).pvalue > 1e-3


def test_falcun_does_not_depend_on_blocks(monkeypatch):
    p_N_C = chances(90)
    one = falcun.draw(p_N_C, 40, rng())
    monkeypatch.setattr(falcun, "BLOCK", 7)
    assert (falcun.draw(p_N_C, 40, rng()) == one).all()


def test_falcun_where_all_is_certain_and_alike():
    p_N_C = np.tile([1.0, 0, 0], (12, 1))
    found = {falcun.draw(p_N_C, 3, rng(seed))[0] for seed in range(60)}
    assert found > set(range(6))
    assert sorted(falcun.draw(p_N_C, 12, rng()).tolist()) == list(range(12))
    assert sorted(falcun.draw(np.ones((5, 1)), 5, rng()).tolist()) == list(range(5))
    with pytest.raises(UserError, match="cannot take 13 of 12"):
        falcun.draw(p_N_C, 13, rng())
    with pytest.raises(UserError, match="a chance of a class is not a finite number"):
        falcun.draw(p_N_C * np.nan, 1, rng())


def test_falcun_takes_what_differs_from_what_it_has():
    """Two groups of equal uncertainty: one of each."""
    p_N_C = np.repeat([[0.6, 0.4, 0.0, 0.0], [0.0, 0.0, 0.6, 0.4]], 20, 0)
    found = [falcun.draw(p_N_C, 2, rng(seed)) // 20 for seed in range(40)]
    assert sum(set(pair.tolist()) == {0, 1} for pair in found) > 36

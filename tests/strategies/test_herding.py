"""MaxHerding and UHerding against brute force, ProbCover and all batches that there are."""

from __future__ import annotations

import itertools
import logging
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pools import trained
from skactiveml.pool import MaxHerding

from stages.geometry import herding as geometry
from stages.geometry.grid import unit_rows
from stages.geometry.herding import Herding, smallest_gap
from stages.geometry.kernels import gaussian
from stages.machine.errors import UserError
from stages.strategies import herding, probcover
from stages.strategies.handshake import Known
from stages.strategies.herding import Uncertain


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def unit(count: int, size: int = 4, seed: int = 0) -> np.ndarray:
    rows = rng(seed).normal(size=(count, size))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def kernel_of(rows: np.ndarray, others: np.ndarray, sigma: float) -> np.ndarray:
    return np.exp(-((rows[:, None] - others) ** 2).sum(2) / sigma**2)


def covered(kernel: np.ndarray, known: np.ndarray, weights: np.ndarray, some: list[int]) -> float:
    """sum_n w_n max(largest kernel with a labeled or taken one)."""
    return float(weights @ np.maximum(known, kernel[:, list(some)].max(1, initial=0)))


def plain(kernel: np.ndarray, known: np.ndarray, weights: np.ndarray, b: int) -> list[int]:
    """All gains anew for every pick; no two are equal."""
    picks: list[int] = []
    for _ in range(b):
        held = np.maximum(known, kernel[:, picks].max(1, initial=0))
        gains = weights @ np.maximum(kernel - held[:, None], 0)
        gains[picks] = -1
        picks.append(int(gains.argmax()))
    return picks


@given(st.integers(0, 10**6), st.floats(0.2, 3), st.integers(0, 4), st.booleans(), st.data())
def test_it_is_the_plain_algorithm(seed, sigma, labeled, weighted, data):
    pool, known = unit(30, seed=seed), unit(labeled, seed=seed + 1)
    weights = rng(seed).random(30) if weighted else np.ones(30)
    b = data.draw(st.sampled_from([1, 7, 29]))
    features = Uncertain(pool, known, weights) if weighted else Known(pool, known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "ROWS", data.draw(st.sampled_from([3, 512])))
        patch.setattr(geometry, "COLUMNS", data.draw(st.sampled_from([5, 2048])))
        picks = herding.greedy(features, b, rng(seed), sigma=sigma)
    kernel, reach = kernel_of(pool, pool, sigma), kernel_of(pool, known, sigma).max(1, initial=0)
    held = reach.copy()
    for pick, wanted in zip(picks, plain(kernel, reach, weights, b), strict=True):
        gains = weights @ np.maximum(kernel - held[:, None], 0)
        assert gains[pick] >= gains[wanted] - 1e-5  # coordinates are on grids of 2^-23
        held = np.maximum(held, kernel[:, pick])


@pytest.mark.parametrize("seed", range(8))
def test_a_greedy_batch_covers_most_of_what_the_best_one_does(seed):
    """1 - 1/e of the optimum (Nemhauser et al. 1978), which is looked for among all batches."""
    pool, weights, b = unit(12, 3, seed), rng(seed).random(12), 3
    kernel, none = kernel_of(pool, pool, 0.7), np.zeros(12)
    value = partial(covered, kernel, none, weights)
    picks = herding.greedy(Uncertain(pool, pool[:0], weights), b, rng(), sigma=0.7)
    best = max(value(list(some)) for some in itertools.combinations(range(12), b))
    assert best >= value(picks.tolist()) >= (1 - 1 / np.e) * best


@given(st.integers(0, 10**6))
def test_what_is_covered_is_submodular_and_the_gains_say_how_much(seed):
    """What a point adds never grows; gains are differences of what is covered."""
    pool, weights = unit(20, 3, seed), rng(seed).random(20)
    state = Herding(unit_rows(pool), unit_rows(pool[:0]), weights, gaussian(0.8))
    kernel, none = kernel_of(pool, pool, 0.8), np.zeros(20)
    scale, taken, before = state.weights.max() / weights.max(), [], np.full(20, np.inf)
    for _ in range(4):
        now = covered(kernel, none, weights, taken)
        wanted = [covered(kernel, none, weights, [*taken, x]) - now for x in range(20)]
        np.testing.assert_allclose(state.gains / scale, wanted, atol=1e-5)
        assert (state.gains <= before).all()
        before = state.gains.copy()
        taken.append(int(state.gains.argmax()))
        state._take(taken[-1])


def test_gains_that_follow_the_picks_are_those_counted_anew(monkeypatch):
    monkeypatch.setattr(geometry, "ROWS", 16)
    units = unit_rows(unit(120, 5))
    state = Herding(units, units[:3], rng(1).random(120), gaussian(0.5))
    state.run(40)
    followed = state.gains.copy()
    state.gains[:] = 0
    state._count()
    assert (state.gains == followed).all() and (followed > 0).any()


@pytest.mark.parametrize("delta", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_a_top_hat_is_probcover(seed, delta):
    pool, labeled = unit(90, 3, seed), unit(4, 3, seed + 9)
    ours = herding.greedy(Known(pool, labeled), 12, rng(seed), kernel="top_hat", sigma=delta)
    features = probcover.KnownAndClasses(pool, labeled, 3)
    # Both shuffle alike, and of equal gains take the first.
    assert ours.tolist() == probcover.covering(features, 12, rng(seed), delta=delta).tolist()


@pytest.mark.parametrize("labeled", [0, 6])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_scikit_activemls(seed, labeled):
    """Which counts what covers the candidates, unlabeled ones; gamma = 1 / sigma^2."""
    rows = unit(80, 5, seed)
    labels = np.full(80, np.nan)
    labels[:labeled] = 0
    query = MaxHerding(metric="rbf", metric_dict={"gamma": 1.0}, random_state=0)
    theirs, utilities = query.query(rows, labels, batch_size=15, return_utilities=True)
    ours = labeled + herding.greedy(Known(rows[labeled:], rows[:labeled]), 15, rng(seed))
    parted = int(np.argmax(np.append(ours != theirs, True)))
    assert parted > 8  # two that are each other's nearest may gain alike
    if parted < 15:
        assert utilities[parted][ours[parted]] == pytest.approx(utilities[parted][theirs[parted]])


def test_certain_points_need_no_cover():
    left, right = np.tile([1.0, 0], (30, 1)), np.tile([0, 1.0], (5, 1))
    pool = np.concatenate([left, right]) + 0.01 * rng().normal(size=(35, 2))
    unsure = np.repeat([0.0, 1.0], [30, 5])
    assert herding.greedy(Known(pool, pool[:0]), 1, rng(), sigma=0.1)[0] < 30
    assert herding.greedy(Uncertain(pool, pool[:0], unsure), 1, rng(), sigma=0.1)[0] >= 30
    nothing = herding.greedy(Uncertain(pool, pool[:0], np.zeros(35)), 1, rng(), sigma=0.1)
    assert nothing[0] < 30  # all alike


def test_the_smallest_distance_passes_copies_over():
    rows = unit_rows(np.array([[1, 0], [1, 0], [2, 0], [1, 1], [0, 1]], np.float64))
    wanted = 2 * np.sin(np.pi / 8)
    assert smallest_gap(rows) == pytest.approx(wanted, abs=1e-6)
    assert smallest_gap(rows[:3]) == 0 == smallest_gap(rows[:1]) == smallest_gap(rows[:0])
    almost = np.array([[1, 0], [1, 1e-7], [0, 1]])
    assert smallest_gap(unit_rows(almost)) == pytest.approx(2**0.5, abs=1e-6)


def test_the_smallest_distance_is_that_of_all_pairs(monkeypatch):
    monkeypatch.setattr(geometry, "ROWS", 4)
    monkeypatch.setattr(geometry, "COLUMNS", 3)
    for seed in range(20):
        rows = unit(11, 3, seed)
        apart = np.linalg.norm(rows[:, None] - rows, axis=2)[np.triu_indices(11, 1)]
        assert smallest_gap(unit_rows(rows)) == pytest.approx(apart.min(), abs=1e-6)


def test_uherding_takes_its_width_from_the_labeled_set(monkeypatch):
    seen: list[float] = []
    monkeypatch.setattr(herding, "gaussian", lambda sigma: seen.append(sigma) or gaussian(sigma))
    pool, labeled = unit(20), unit(5, seed=1)
    apart = np.linalg.norm(labeled[:, None] - labeled, axis=2)
    unsure = Uncertain(pool, labeled, np.ones(20))
    herding.greedy(unsure, 3, rng())
    herding.greedy(unsure._replace(labeled=labeled[:1]), 3, rng())
    herding.greedy(Known(pool, labeled), 3, rng())
    herding.greedy(unsure, 3, rng(), sigma=0.25)
    assert seen == [pytest.approx(apart[np.triu_indices(5, 1)].min(), abs=1e-6), 1.0, 1.0, 0.25]


def test_once_all_is_covered_the_rest_is_drawn():
    pool = np.repeat(np.eye(3), 10, 0)
    found = [herding.greedy(Known(pool, pool[:0]), 12, rng(seed)) for seed in range(40)]
    assert all(len(set(some.tolist())) == 12 for some in found)
    assert all(set((some[:3] // 10).tolist()) == {0, 1, 2} for some in found)
    assert len({tuple(some[3:]) for some in found}) == 40
    assert sorted(herding.greedy(Known(pool, pool), 30, rng()).tolist()) == list(range(30))


def test_the_order_of_the_pool_plays_no_part():
    pool, labeled, place = unit(60), unit(3, seed=1), rng(2).permutation(60)
    unsure = rng(3).random(60)
    one = herding.greedy(Uncertain(pool, labeled, unsure), 20, rng(4))
    other = herding.greedy(Uncertain(pool[place], labeled, unsure[place]), 20, rng(5))
    assert place[other].tolist() == one.tolist()


def test_what_is_asked_for_must_be_there():
    known = Known(unit(10), unit(2))
    with pytest.raises(UserError, match="cannot take 11 of 10 candidates"):
        herding.greedy(known, 11, rng())
    with pytest.raises(UserError, match="subset is 3, but 4 are to be taken; allowed: 0, or 4 or"):
        herding.greedy(known, 4, rng(), subset=3)
    with pytest.raises(UserError, match="kernel is 'box'; allowed: gaussian, top_hat"):
        herding.greedy(known, 4, rng(), kernel="box")
    with pytest.raises(UserError, match="an embedding is not a finite number"):
        herding.greedy(Known(np.full((3, 2), np.nan), unit(2, 2)), 1, rng())
    assert len(set(herding.greedy(known, 4, rng(), subset=4).tolist())) == 4


# the temperature


@pytest.mark.parametrize(("factor", "wanted"), [(3.0, 3.0), (0.4, 0.4), (1.0, 1.0)])
def test_the_temperature_undoes_overconfidence(factor, wanted):
    """Labels drawn from softmax(logits): logits times T are calibrated at T."""
    logits = 2 * rng().normal(size=(20_000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (rng(1).random((20_000, 1)) > chances.cumsum(1)).sum(1)
    assert herding.best_temperature(factor * logits, labels) == pytest.approx(wanted, rel=0.15)


def test_of_equally_calibrated_temperatures_the_mildest():
    assert herding.best_temperature(np.zeros((5, 2)), np.zeros(5, np.int64)) == 1.0
    assert herding.TEMPERATURES[[0, 24, 48]].tolist() == [0.1, 1.0, 10.0]


def test_the_model_for_the_temperature_does_not_see_what_is_held_out(monkeypatch, caplog):
    from stages.models import fit as training

    pool, seen = trained(), []
    plain_fit = training.fit
    monkeypatch.setattr(
        training,
        "fit",
        lambda network, round: (
            seen.append((round.labeled, round.labels, round.part)) or plain_fit(network, round)
        ),
    )
    with caplog.at_level(logging.INFO):
        found = herding.uncertain(pool, held_out=0.25)
    count = len(pool.labeled)
    ((rows, labels, part),) = seen
    kept = count - int(0.25 * count)
    assert rows.tolist() == pool.labeled[:kept].tolist() and part == 1
    assert labels.tolist() == pool.round.labels[:kept].tolist()
    assert f"by {count - kept} labels" in caplog.text
    assert found.uncertainty.shape == (len(pool.candidates),)
    assert ((found.uncertainty >= 0) & (found.uncertainty <= 1)).all()
    herding.uncertain(pool, held_out=0.0)
    assert len(seen) == 1
    margin = np.sort(pool.probabilities, axis=1)
    plain_found = herding.uncertain(pool, held_out=0.0).uncertainty
    np.testing.assert_allclose(plain_found, 1 - margin[:, -1] + margin[:, -2], atol=1e-7)

"""BatchBALD against enumeration, a published implementation's numbers, and a search of all."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from stages.geometry.configurations import Configurations, extend, grouped, mixture_entropy
from stages.geometry.measures import bald_of
from stages.machine.errors import UserError
from stages.strategies import batchbald
from stages.strategies.batchbald import greedy


def chances(passes: int, count: int, classes: int, seed: int = 0) -> np.ndarray:
    return scipy.special.softmax(
        3 * np.random.default_rng(seed).normal(size=(passes, count, classes)), -1
    )


def information(p: np.ndarray, batch: list[int]) -> float:
    """I(y_batch; weights) by the definition: a sum over all labels."""
    passes, _, classes = p.shape
    joint = 0.0
    for labels in itertools.product(range(classes), repeat=len(batch)):
        mean = 0.0
        for k in range(passes):
            mean += math.prod(p[k, x, y] for x, y in zip(batch, labels, strict=True)) / passes
        joint -= mean * math.log(mean) if mean > 0 else 0
    single = 0.0
    for k, x in itertools.product(range(passes), batch):
        single -= sum(q * math.log(q) for q in p[k, x] if q > 0) / passes
    return joint - single


def by_enumeration(p: np.ndarray, b: int) -> list[int]:
    batch: list[int] = []
    for _ in range(b):
        free = [x for x in range(p.shape[1]) if x not in batch]
        batch.append(max(free, key=lambda x: information(p, [*batch, x])))
    return batch


@pytest.mark.parametrize(("shape", "b"), [((4, 12, 3), 4), ((6, 8, 2), 6), ((3, 10, 4), 3)])
@pytest.mark.parametrize("seed", range(3))
def test_batches_are_those_of_enumeration(shape, b, seed):
    p = chances(*shape, seed)
    assert greedy(p, b, np.random.default_rng(0)).tolist() == by_enumeration(p, b)


# batchbald_redux 2.0.5, get_batchbald_batch, num_samples 100000, float64, on `chances` above.
REDUX = [
    ((6, 30, 3), 0, [26, 25, 3, 0], [0.7554916864, 1.3839176327, 1.6326608056, 1.7187102097]),
    ((10, 40, 4), 1, [27, 8, 4, 5], [1.0467004387, 1.7498943312, 2.1161454544, 2.229805084]),
    (
        (5, 25, 2),
        2,
        [18, 13, 15, 8, 11, 23],
        [0.5693453137, 1.0199763287, 1.394676645, 1.5263732932, 1.5776311241, 1.594367503],
    ),
]


@pytest.mark.parametrize(("shape", "seed", "picks", "scores"), REDUX)
def test_batches_and_information_are_those_of_batchbald_redux(shape, seed, picks, scores):
    p = chances(*shape, seed)
    assert greedy(p, len(picks), np.random.default_rng(0), samples=100_000).tolist() == picks
    now, taken, total = Configurations.none_taken(shape[0]), [], 0.0
    for pick, score in zip(picks, scores, strict=True):
        gain = mixture_entropy(now.weights, now.posteriors, p[:, [pick]])[0]
        logs = np.log(p[:, pick])
        total += gain + (p[:, pick] * logs).sum(1).mean()
        assert total == pytest.approx(score, abs=1e-9)
        taken.append(p[:, pick])
        now = extend(now, taken, 10**6, np.random.default_rng(0))


def test_the_first_pick_is_balds():
    p = chances(5, 200, 6)
    assert greedy(p, 1, np.random.default_rng(0))[0] == bald_of(p).argmax()


def search_all(p: np.ndarray, b: int, seed: int, samples: int) -> list[int]:
    """The same estimate of every candidate in every step, without bounds."""
    rng = np.random.default_rng(seed)
    rank = rng.permutation(p.shape[1])
    expected = -scipy.special.xlogy(p, p).sum(2).mean(0)
    now, taken, picks = Configurations.none_taken(len(p)), [], []
    for at in range(b):
        gain = np.round((mixture_entropy(now.weights, now.posteriors, p) - expected) / 1e-12)
        gain[picks] = -np.inf
        equal = np.flatnonzero(gain == gain.max())
        picks.append(int(equal[rank[equal].argmin()]))
        taken.append(p[:, picks[-1]])
        if at + 1 < b:
            now = extend(now, taken, samples, rng)
    return picks


@pytest.mark.parametrize("samples", [50, 700])
@pytest.mark.parametrize("seed", range(3))
def test_bounds_change_no_pick(samples, seed, monkeypatch):
    monkeypatch.setattr(batchbald, "TOGETHER", (2, 8, 16))
    p = chances(6, 120, 4, seed)
    found = greedy(p, 12, np.random.default_rng(seed), samples=samples)
    assert found.tolist() == search_all(p, 12, seed, samples)


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 5), st.integers(1, 5))
def test_groups_bound_from_above_and_all_is_exact(seed, passes, classes, taken):
    p = chances(passes, 20, classes, seed)
    rng = np.random.default_rng(seed)
    now, past = Configurations.none_taken(passes), []
    for x in range(taken):
        past.append(p[:, x])
        now = extend(now, past, 300, rng)
    assert now.weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(now.posteriors.sum(1), 1)
    bounds = [mixture_entropy(*level, p) for level in grouped(now, (2, 8, 32))]
    for wider, closer in itertools.pairwise(bounds):
        assert (wider >= closer - 1e-12).all()
    assert (bounds[-1] == mixture_entropy(now.weights, now.posteriors, p)).all()


def test_drawn_configurations_estimate_the_joint_entropy():
    p = chances(4, 6, 3)
    taken = [p[:, x] for x in range(5)]
    exact, rng = Configurations.none_taken(4), np.random.default_rng(0)
    for at in range(1, 5):
        exact = extend(exact, taken[:at], 3**4, rng)
    drawn = [extend(exact, taken, 3**5 - 1, rng) for _ in range(200)]
    exact = extend(exact, taken, 3**5, rng)
    assert exact.draws is None and len(exact.weights) == 3**5
    assert all(one.draws is not None and len(one.weights) < 3**5 for one in drawn)
    wanted = mixture_entropy(exact.weights, exact.posteriors, p)
    found = np.mean([mixture_entropy(one.weights, one.posteriors, p) for one in drawn], axis=0)
    np.testing.assert_allclose(found, wanted, atol=0.01)


def test_a_copy_of_what_was_taken_tells_little():
    p = chances(8, 30, 3)
    first = greedy(p, 1, np.random.default_rng(0))[0]
    p[:, :10] = p[:, [first]]
    picks = greedy(p, 3, np.random.default_rng(0))
    copies = set(range(10)) | {first}
    assert picks[0] in copies
    apart = information(p, picks.tolist())
    assert apart > information(p, [0, 1, 2])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("samples", [5, 10_000])
def test_certain_and_equal_candidates_are_drawn_at_random(samples):
    p = np.zeros((5, 40, 3))
    p[..., 1] = 1
    first = {tuple(greedy(p, 40, np.random.default_rng(s), samples=samples)) for s in range(4)}
    assert len(first) == 4
    assert all(sorted(picks) == list(range(40)) for picks in first)


@pytest.mark.filterwarnings("error")
def test_passes_that_exclude_each_other():
    p = np.eye(4)[np.random.default_rng(0).integers(0, 4, (6, 30))]
    for samples in (6, 100):
        picks = greedy(p, 30, np.random.default_rng(0), samples=samples)
        assert sorted(picks) == list(range(30))
    batch = greedy(p, 3, np.random.default_rng(0)).tolist()
    assert information(p, batch) == pytest.approx(information(p, by_enumeration(p, 3)))


def test_a_permuted_pool_gives_the_same_batch():
    p, order = chances(5, 60, 4), np.random.default_rng(3).permutation(60)
    plain = greedy(p, 5, np.random.default_rng(0))
    assert order[greedy(p[:, order], 5, np.random.default_rng(1))].tolist() == plain.tolist()


def test_the_callers_array_is_left_alone():
    p = chances(4, 30, 3)
    before = p.copy()
    greedy(p, 10, np.random.default_rng(0), samples=20)
    assert (p == before).all()


def test_bad_input_is_refused():
    p, rng = chances(4, 10, 3), np.random.default_rng(0)
    with pytest.raises(UserError, match="cannot take 11 of 10 candidates"):
        greedy(p, 11, rng)
    with pytest.raises(UserError, match=r"samples is 3; allowed: the number of passes \(4\)"):
        greedy(p, 2, rng, samples=3)
    p[1, 2, 0] = np.nan
    with pytest.raises(UserError, match="not a finite number"):
        greedy(p, 2, rng)

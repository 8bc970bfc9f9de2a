"""k-DPP against enumeration of all subsets."""

from __future__ import annotations

import itertools
import logging
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.geometry.distances import pieces
from stages.machine.errors import UserError
from stages.strategies import kdpp


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def enumerate_sets(kernel: np.ndarray, b: int) -> dict[tuple[int, ...], float]:
    """det(L_Y) of every set of b, normalised."""
    sets = itertools.combinations(range(len(kernel)), b)
    volumes = {some: max(float(np.linalg.det(kernel[np.ix_(some, some)])), 0.0) for some in sets}
    total = sum(volumes.values())
    return {some: volume / total for some, volume in volumes.items()}


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("b", [1, 2, 3])
def test_sets_come_up_as_often_as_their_determinants_say(kernel, b, monkeypatch):
    x, draws = rng(5).normal(size=(6, 3)) * [1.0, 2.0, 0.5], 4000
    if kernel == "linear":
        wanted = enumerate_sets(x @ x.T, b)
    else:  # the same random features in every draw, so that one kernel is what is drawn from
        rows = kdpp._fourier(x, 8, 0.3, rng(1))
        monkeypatch.setattr(kdpp, "_fourier", lambda *_: rows)
        wanted = enumerate_sets(rows(x) @ rows(x).T, b)
    generator = rng(2)
    counts = dict.fromkeys(wanted, 0)
    for _ in range(draws):
        picks = kdpp.sample(x, b, generator, kernel=kernel, rank=8, gamma=0.3)
        counts[tuple(sorted(picks.tolist()))] += 1
    for some, chance in wanted.items():
        error = math.sqrt(chance * (1 - chance) / draws)
        assert abs(counts[some] / draws - chance) < 4.5 * error + 1e-3


def test_candidates_come_up_as_often_as_the_marginals_say():
    """P(i in Y) from all sets; duplicates never come together."""
    x = rng(7).normal(size=(7, 4))
    x[6] = x[0]
    chances = enumerate_sets(x @ x.T, 3)
    wanted = np.zeros(7)
    for some, chance in chances.items():
        wanted[list(some)] += chance
    counts, generator = np.zeros(7), rng(3)
    for _ in range(4000):
        picks = kdpp.sample(x, 3, generator, kernel="linear")
        assert not {0, 6} <= set(picks.tolist())
        counts[picks] += 1
    np.testing.assert_allclose(counts / 4000, wanted, atol=0.035)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=7), st.integers(1, 7))
def test_elementary_symmetric_polynomials(values, k):
    table = kdpp.log_elementary_symmetric(np.log(values), k)
    for n in range(len(values) + 1):
        for size in range(k + 1):
            sets = itertools.combinations(values[:n], size)
            assert math.exp(table[n, size]) == pytest.approx(
                sum(math.prod(some) for some in sets), rel=1e-9
            )


def test_elementary_symmetric_polynomials_of_many_do_not_overflow():
    table = kdpp.log_elementary_symmetric(np.full(1000, math.log(1e5)), 500)
    wanted = math.lgamma(1001) - 2 * math.lgamma(501) + 500 * math.log(1e5)
    assert table[1000, 500] == pytest.approx(wanted)


def test_random_features_come_close_to_the_kernel():
    x = rng().normal(size=(40, 5))
    rows = kdpp._fourier(x, 20000, 0.2, rng(1))(x)
    squares = ((x[:, None] - x) ** 2).sum(2)
    np.testing.assert_allclose(rows @ rows.T, np.exp(-0.2 * squares), atol=0.05)
    np.testing.assert_allclose((rows**2).sum(1), 1)


def test_gamma_is_one_over_the_median_squared_distance():
    x = rng().normal(size=(200, 3))
    squares = ((x[:, None] - x) ** 2).sum(2)
    assert kdpp._median_gamma(x, rng()) == pytest.approx(1 / np.median(squares[squares > 0]))
    assert kdpp._median_gamma(np.ones((20, 3)), rng()) == 1


def test_it_is_more_diverse_than_chance():
    x = np.concatenate([rng().normal(size=(180, 2)) * 0.1, rng(1).normal(size=(20, 2)) + 5])
    far = [int((kdpp.sample(x, 8, rng(seed), rank=64) >= 180).sum()) for seed in range(40)]
    assert np.mean(far) > 1.3  # by chance 0.8, with an error of 0.13


def test_a_kernel_of_too_low_a_rank_is_refused():
    x = rng().normal(size=(30, 4))
    with pytest.raises(UserError, match="kernel linear of rank 4 has no set of 5; allowed"):
        kdpp.sample(x, 5, rng(), kernel="linear")
    with pytest.raises(UserError, match="kernel rbf of rank 4 has no set of 5; allowed"):
        kdpp.sample(x, 5, rng(), rank=4)
    with pytest.raises(UserError, match="rank is 7; allowed: an even number"):
        kdpp.sample(x, 5, rng(), rank=7)
    with pytest.raises(UserError, match="kernel is 'cosine'; allowed: rbf, linear"):
        kdpp.sample(x, 5, rng(), kernel="cosine")
    assert len(set(kdpp.sample(x, 4, rng(), kernel="linear").tolist())) == 4


def test_duplicates_beyond_the_rank_are_drawn_uniformly_and_said(caplog):
    x = np.repeat(rng().normal(size=(6, 3)), 5, axis=0)
    with caplog.at_level(logging.WARNING):
        picks = kdpp.sample(x, 15, rng())
    assert "the kernel has rank 6 < b = 15" in caplog.text
    assert len(set(picks.tolist())) == 15
    assert len(set((picks[:6] // 5).tolist())) == 6  # every distinct one before a copy


def test_blocks_change_nothing(monkeypatch):
    x = rng().normal(size=(200, 5))
    whole = kdpp.sample(x, 20, rng())
    monkeypatch.setattr("stages.geometry.distances.CELLS", 12500)
    assert len(list(pieces(200, 1024))) > 10
    assert (kdpp.sample(x, 20, rng()) == whole).all()


def test_gamma_says_how_near_is_alike():
    """Two pairs of neighbours: never both of a pair, or, where nothing is alike, one time in 3."""
    line = np.array([[0.0], [0.01], [5.0], [5.01]])
    for gamma, low, high in ((1.0, 0.0, 0.02), (1e6, 0.2, 0.5)):
        draws = [kdpp.sample(line, 2, rng(seed), rank=64, gamma=gamma) // 2 for seed in range(100)]
        assert low <= np.mean([one == other for one, other in draws]) <= high

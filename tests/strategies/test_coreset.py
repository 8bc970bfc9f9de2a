"""Robust k-center against every subset, and its limits."""

from __future__ import annotations

import itertools
import logging
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.geometry.cover import Cover, Limits
from stages.geometry.distances import Points
from stages.geometry.farthest import farthest_first
from stages.machine.errors import UserError
from stages.strategies.coreset import robust
from stages.strategies.handshake import Known


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def radius(pool: np.ndarray, labeled: np.ndarray, picks, outliers: int) -> float:
    """Distance within which all but ``outliers`` candidates have a centre."""
    centres = np.concatenate([labeled, pool[list(picks)]])
    nearest = np.sqrt(((pool[:, None] - centres) ** 2).sum(2)).min(1)
    return float(np.sort(nearest)[-1 - outliers])


@given(st.integers(0, 10**6), st.integers(5, 12), st.integers(1, 3), st.integers(0, 2))
def test_the_radius_is_the_best_of_all_subsets(seed, count, b, outliers):
    pool, labeled = rng(seed).normal(size=(count, 2)), rng(seed + 1).normal(size=(2, 2))
    best = min(
        radius(pool, labeled, some, outliers) for some in itertools.combinations(range(count), b)
    )
    share = (outliers + 0.5) / (count + 2)
    picks = robust(Known(pool, labeled), b, rng(), outliers=share, steps=40)
    assert radius(pool, labeled, picks, outliers) == pytest.approx(best, rel=1e-4)


def test_it_beats_the_greedy_start_somewhere():
    gains = []
    for seed in range(10):
        pool, labeled = rng(seed).normal(size=(60, 2)), rng(seed + 50).normal(size=(3, 2))
        greedy = farthest_first(pool, labeled, 5, rng())
        gains.append(
            radius(pool, labeled, greedy, 0)
            / radius(pool, labeled, robust(Known(pool, labeled), 5, rng(), outliers=0.0), 0)
        )
    assert min(gains) > 1 - 1e-6 and max(gains) > 1.1


@pytest.mark.parametrize("radius_squared", [0.02, 0.1, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("budget", [0, 2])
@pytest.mark.parametrize("moves", [0, 500])
def test_the_program_decides_as_enumeration_does(radius_squared, budget, moves):
    pool = rng(4).uniform(size=(12, 2))
    points = Points.of(pool)
    squares = ((pool[:, None] - pool) ** 2).sum(2)
    wanted = any(
        (squares[list(some)].min(0) > radius_squared).sum() <= budget
        for some in itertools.combinations(range(12), 2)
    )
    # Rows are added one by one from a single one.
    limits = Limits(1000, 10**6, 100, 60, moves)
    cover = Cover(points, np.full(12, np.inf), 2, budget, np.array([0]), limits, rng())
    found = cover.centres(radius_squared * points.frame.scale**2, np.arange(2))
    assert (found is not None) == wanted
    if wanted and len(found):
        assert (squares[found].min(0) > radius_squared).sum() <= budget


@pytest.mark.parametrize("limit", [{"nonzeros": 1, "moves": 0}, {"programs": 1}])
def test_an_undecided_radius_keeps_the_greedy_centres_and_says_so(limit, caplog):
    pool, labeled = rng().normal(size=(200, 4)), rng(1).normal(size=(3, 4))
    with caplog.at_level(logging.WARNING):
        picks = robust(Known(pool, labeled), 8, rng(3), outliers=0.0, **limit)
    assert "radii undecided within the limits" in caplog.text
    assert len(caplog.records) == 1
    greedy = radius(pool, labeled, farthest_first(pool, labeled, 8, rng(3)), 0)
    assert radius(pool, labeled, picks, 0) <= greedy * (1 + 1e-6)
    if "nonzeros" in limit:
        assert radius(pool, labeled, picks, 0) == pytest.approx(greedy)


def test_of_a_larger_pool_the_radius_is_proven_to_be_near_the_best(caplog):
    seed = 0
    centres = 3 * rng(seed).normal(size=(8, 20))
    pool = centres[rng(seed).integers(0, 8, 1500)] + rng(seed + 1).normal(size=(1500, 20))
    with caplog.at_level(logging.INFO):
        picks = robust(Known(pool, pool[:30]), 60, rng(3), outliers=0.0)
    greedy = radius(pool, pool[:30], farthest_first(pool, pool[:30], 60, rng(3)), 0)
    share = radius(pool, pool[:30], picks, 0) / greedy
    said = re.search(r", ([\d.]+) of the greedy one; none below ([\d.]+) of it", caplog.text)
    assert share == pytest.approx(float(said[1]), abs=1e-3)
    assert share < 0.995 and float(said[2]) > share - 0.005


def test_running_out_of_time_is_an_error():
    pool, labeled = rng().normal(size=(300, 6)), rng(1).normal(size=(3, 6))
    with pytest.raises(UserError, match="not done within time_limit 1e-06 s; raise it"):
        robust(Known(pool, labeled), 20, rng(), outliers=0.0, time_limit=1e-6)


def test_without_an_outlier_budget_a_far_point_is_a_centre():
    pool = np.concatenate([rng().normal(size=(40, 2)), [[100.0, 100.0]]])
    labeled = np.zeros((1, 2))
    assert 40 in robust(Known(pool, labeled), 3, rng(), outliers=0.0)
    assert 40 not in robust(Known(pool, labeled), 3, rng(), outliers=0.03)

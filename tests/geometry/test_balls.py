"""Balls in tiles, each pair once, against all exact squared distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.geometry import balls as module
from stages.geometry.balls import held, reaches, slack, strangers
from stages.geometry.distances import Points, squared
from stages.geometry.grid import unit_rows
from stages.strategies import probcover


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 7)
    monkeypatch.setattr(module, "COLUMNS", 16)


def points(seed: int, count: int, size: int) -> Points:
    """Some of them twice."""
    values = rng(seed).normal(size=(count, size))
    return Points.of(unit_rows(values[rng(seed + 1).integers(0, count, count)]))


CASES = (st.integers(0, 10**6), st.integers(2, 60), st.integers(2, 40))


@given(*CASES, st.integers(-1, 0))
def test_a_point_on_the_border_is_inside_and_one_step_further_outside(seed, count, size, step):
    """The radius is one of the distances: float32 alone could not tell."""
    some = points(seed, count, size)
    squares = squared(some, some)
    radius = float(rng(seed).choice(squares.ravel()))
    radius = float(np.nextafter(radius, -np.inf)) if step else radius
    assert (held(some, some, radius) == (squares <= radius)).all()


@given(*CASES, st.floats(0, 1))
def test_reaches_are_counts(seed, count, size, share):
    some, wanted = points(seed, count, size), int(share * count)
    squares = squared(some, some)
    radius = float(rng(seed).choice(squares.ravel()))
    found = reaches(some, wanted, radius)
    assert (found == (squares[:wanted] <= radius).sum(0)).all()


@given(*CASES)
def test_strangers_are_of_other_groups(seed, count, size):
    some = points(seed, count, size)
    labels = np.sort(rng(seed).integers(0, 4, count))
    squares = np.where(labels[:, None] == labels, np.inf, squared(some, some))
    found = strangers(some, np.searchsorted(labels, labels, side="right"))
    np.testing.assert_allclose(found, squares.min(1), rtol=0, atol=slack(some))


@given(st.integers(0, 10**6), st.floats(0.05, 1.4))
def test_lazy_picks_are_those_of_counting_all(seed, delta):
    values = rng(seed).normal(size=(70, 3))
    values = values[rng(seed + 1).integers(0, 70, 90)]
    some = Points.of(unit_rows(values))
    radius = (delta * some.frame.scale) ** 2
    near = squared(some, some) <= radius
    covered, taken, wanted = near[60:, :60].any(0), np.zeros(60, bool), []
    for _ in range(40):
        reach = np.where(taken, -1, (near[:60, :60] & ~covered).sum(1))
        wanted.append(int(reach.argmax()))
        covered |= near[wanted[-1], :60]
        taken[wanted[-1]] = True
    assert probcover._greedy(some, 60, radius, 40).tolist() == wanted

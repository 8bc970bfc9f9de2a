"""BAIT's bounds: never below a gain, and sparing most of the work."""

from __future__ import annotations

import numpy as np
import pytest

from stages.geometry import bait_lazy, fisher
from stages.geometry.bait_lazy import Forward
from stages.geometry.fisher import Fisher, State, best


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def scored(count: int, size: int, classes: int, sharpness: float, seed: int = 0) -> Fisher:
    """A mixture of Gaussians after a ReLU, under a linear classifier."""
    centres = rng(seed).normal(size=(classes, size))
    rows = rng(seed + 1).integers(0, classes, count + 30)
    x = np.maximum(centres[rows] + rng(seed + 2).normal(size=(count + 30, size)), 0)
    logits = sharpness * (x @ centres.T) / np.sqrt(size)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    if classes == 1:
        p = 1 / (1 + np.exp(-logits))
    return Fisher(x[:count], p[:count], x[count:], p[count:])


def fresh(some: Fisher) -> State:
    return State.of(some.features, some.chances, some, 1.0)


def full_search(some: Fisher, wanted: int, order: np.ndarray) -> list[int]:
    """Every gain anew in every step, from A and B themselves."""
    state, picks = fresh(some), []
    everything = np.arange(len(order))
    for _ in range(wanted):
        state.fold()
        state.k = state._forms(state._inverse, everything)
        state.h = state._forms(state._product, everything)
        state.seen[:] = len(state.changes)
        gains = state.gains(everything)[0]
        gains[picks] = -np.inf
        picks.append(best(gains, order))
        state.change(picks[-1], +1)
    return picks


@pytest.mark.parametrize(("size", "classes"), [(6, 4), (12, 3), (20, 1)])
@pytest.mark.parametrize("sharpness", [1.0, 4.0, 12.0])
def test_picks_are_those_of_a_full_search(size, classes, sharpness, monkeypatch):
    monkeypatch.setattr(bait_lazy, "FIRST", 8)
    monkeypatch.setattr(fisher, "FOLD", 5)
    some, order = scored(300, size, classes, sharpness), rng(3).permutation(300)
    search = Forward(fresh(some), order)
    assert [search.take() for _ in range(40)] == full_search(some, 40, order)


@pytest.mark.parametrize("sharpness", [1.0, 4.0, 12.0])
def test_no_bound_is_below_a_gain(sharpness, monkeypatch):
    monkeypatch.setattr(bait_lazy, "FIRST", 8)
    some = scored(200, 10, 4, sharpness)
    search, exact = Forward(fresh(some), rng(3).permutation(200)), fresh(some)
    everything = np.arange(200)
    for _ in range(30):
        exact.catch_up(everything)
        gains = exact.gains(everything)[0]
        assert (search._bounds() >= gains * (1 - 1e-9)).all()
        kept = [part.copy() for part in (search.state.k, search.state.h, search.state.seen)]
        assert (search._refresh(everything) >= gains * (1 - 1e-9)).all()
        search.state.k, search.state.h, search.state.seen = kept  # as lazy as before
        search._measure(everything)
        exact.change(search.take(), +1)


def test_what_knows_all_changes_is_what_a_new_beginning_gives():
    some = scored(40, 8, 3, 3.0)
    state, everything = fresh(some), np.arange(40)
    for at in range(12):
        state.catch_up(np.array([at]))
        state.change(at, +1)
    state.catch_up(everything[::2])
    for at in range(4):
        state.catch_up(np.array([at]))
        state.change(at, -1)
    state.catch_up(everything)
    again = state.only(everything)
    np.testing.assert_allclose(state.k, again.k, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(state.h, again.h, rtol=1e-9, atol=1e-12)


def test_most_candidates_are_left_alone():
    """Sure predictions, as trained networks make them."""
    some, seen = scored(2000, 8, 4, 12.0), []
    search = Forward(fresh(some), rng(3).permutation(2000))
    plain = search.state.catch_up
    search.state.catch_up = lambda rows: seen.append(len(rows)) or plain(rows)
    for _ in range(60):
        search.take()
    assert sum(seen) < 60 * 2000 / 2

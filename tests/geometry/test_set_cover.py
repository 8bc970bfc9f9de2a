"""The local search, the bound and the reduction of set covering, against enumeration and HiGHS."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_array

from stages.geometry.set_cover import Search, distinct_columns, needs_more


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def random(seed: int, rows: int, columns: int, share: float) -> np.ndarray:
    """0/1, with an entry in each row."""
    dense = (rng(seed).random((rows, columns)) < share).astype(np.int8)
    dense[np.arange(rows), rng(seed + 1).integers(0, columns, rows)] = 1
    return dense


def fewest(dense: np.ndarray, budget: int) -> int:
    """Columns that are needed to cover all rows but ``budget``."""
    for size in range(dense.shape[1] + 1):
        for some in itertools.combinations(range(dense.shape[1]), size):
            if (dense[:, list(some)].sum(1) == 0).sum() <= budget:
                return size
    raise AssertionError


def relaxed(dense: np.ndarray, budget: int) -> float:
    rows, columns = dense.shape
    cost = np.r_[np.ones(columns), np.zeros(rows)]
    limits = np.concatenate([-np.hstack([dense, np.eye(rows)]), [1 - cost]])
    return linprog(cost, limits, np.r_[-np.ones(rows), budget]).fun


SHAPES = (st.integers(0, 10**6), st.integers(1, 14), st.integers(1, 9), st.integers(0, 2))


@given(*SHAPES, st.floats(0.05, 0.5))
def test_what_the_search_finds_is_a_cover_and_it_finds_the_smallest(
    seed, rows, columns, budget, share
):
    dense = random(seed, rows, columns, share)
    least = fewest(dense, budget)
    found = Search(csr_array(dense), max(least, 1), budget, rng(seed)).run(np.zeros(0, int), 2000)
    assert len(found) <= max(least, 1)
    assert (dense[:, found].sum(1) == 0).sum() <= budget
    if least > 1:
        assert Search(csr_array(dense), least - 1, budget, rng()).run(found, 50) is None


@given(*SHAPES, st.integers(1, 30))
def test_scores_stay_what_they_mean(seed, rows, columns, budget, moves):
    dense = random(seed, rows, columns, 0.3)
    search = Search(csr_array(dense), 2, 0, rng(seed))
    search.run(np.arange(min(2, columns)), moves)
    times = dense[:, search.chosen].sum(1)
    assert (search.times == times).all()
    for column in range(columns):
        if search.chosen[column]:
            wanted = -search.weights[(times == 1) & (dense[:, column] > 0)].sum()
        else:
            wanted = search.weights[(times == 0) & (dense[:, column] > 0)].sum()
        assert search.scores[column] == wanted


@given(*SHAPES, st.floats(0.05, 0.5))
def test_the_bound_never_rules_a_cover_out_and_is_no_better_than_the_relaxation(
    seed, rows, columns, budget, share
):
    dense = random(seed, rows, columns, share)
    for most in range(1, columns):
        if needs_more(csr_array(dense), most, budget):
            assert fewest(dense, budget) > most
            assert relaxed(dense, budget) > most


@pytest.mark.parametrize("budget", [0, 3])
def test_the_bound_is_near_that_of_the_relaxation(budget):
    dense = random(5, 300, 400, 0.008)
    least = relaxed(dense, budget)
    assert needs_more(csr_array(dense), int(0.95 * least), budget)
    assert not needs_more(csr_array(dense), int(np.ceil(least)), budget)


@given(*SHAPES, st.floats(0.05, 0.5))
def test_columns_that_are_left_out_are_not_needed(seed, rows, columns, budget, share):
    dense = random(seed, rows, columns, share)
    matrix, kept = distinct_columns(csr_array(dense))
    assert (matrix.toarray() == dense[:, kept]).all()
    assert fewest(dense[:, kept], budget) == fewest(dense, budget)
    for one, other in itertools.permutations(range(len(kept)), 2):
        assert (dense[:, kept[one]] > dense[:, kept[other]]).any()


def test_a_planted_cover_is_found():
    sets = rng().permutation(600).reshape(30, 20)
    dense = (rng(1).random((600, 500)) < 0.01).astype(np.int8)
    for column, members in enumerate(sets):
        dense[members, 7 * column] = 1
    found = Search(csr_array(dense), 30, 0, rng(2)).run(np.zeros(0, int), 10_000)
    assert len(found) == 30 and dense[:, found].any(1).all()

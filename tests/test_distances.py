"""Distances and clusters that do not depend on the order of sums."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import UserError
from stages.selectors import distances
from stages.selectors.clusters import kmeans
from stages.selectors.distances import Points, unit_rows


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([1e-150, 1e-3, 1.0, 1e9]))
def test_squared_distances_are_exact_on_the_grid_and_close_to_the_truth(seed, size, scale):
    x = scale * rng(seed).normal(size=(9, size))
    points = Points(x)
    grid = points.coordinates
    assert (grid == np.rint(grid)).all()
    squares = points.squared(slice(0, 9))
    for i in range(9):
        for j in range(9):
            exact = sum(
                Fraction(a - b) ** 2
                for a, b in zip(grid[i].tolist(), grid[j].tolist(), strict=True)
            )
            assert Fraction(float(squares[i, j])) == exact
    true = np.sqrt((((x / scale)[:, None] - x / scale) ** 2).sum(2))
    np.testing.assert_allclose(np.sqrt(squares) * (points.unit / scale), true, atol=1e-4)


@pytest.mark.parametrize("size", [3, 100, 512])
def test_no_order_of_summation_changes_a_distance(size):
    x = rng().normal(size=(20, size))
    shuffled = rng(1).permutation(size)
    one, other = Points(x), Points(x[:, shuffled])
    assert (one.squared(slice(0, 20)) == other.squared(slice(0, 20))).all()


def test_float32_stays_float32():
    x = rng().normal(size=(30, 5)).astype(np.float32)
    squares = Points(x).squared(slice(0, 30))
    assert squares.dtype == np.float32
    unit = Points(x).unit
    np.testing.assert_allclose(
        squares * unit**2, ((x[:, None] - x) ** 2).sum(2), rtol=1e-3, atol=1e-4
    )


def test_blocks_change_nothing(monkeypatch):
    points = Points(rng().normal(size=(50, 4)))
    whole, labels = points.squared(slice(0, 50)), kmeans(points, 5, rng(), 20)
    monkeypatch.setattr(distances, "BLOCK_BYTES", 1000)
    parts = np.concatenate([points.squared(part) for part in points.blocks(np.arange(50))])
    assert len(list(points.blocks(np.arange(50)))) > 10
    assert (parts == whole).all()
    assert (kmeans(points, 5, rng(), 20) == labels).all()


def test_unit_rows():
    x = rng().normal(size=(20, 7))
    x[3] = 0
    lengths = np.linalg.norm(unit_rows(x), axis=1)
    np.testing.assert_allclose(np.delete(lengths, 3), 1, rtol=1e-6)
    assert lengths[3] == 0
    with pytest.raises(UserError, match="not a finite number"):
        unit_rows(np.array([[np.inf, 1.0]]))


@pytest.mark.parametrize("seed", range(4))
def test_kmeans_ends_where_lloyd_stands_still(seed):
    points = Points(rng(seed).normal(size=(80, 3)))
    labels = kmeans(points, 6, rng(seed), 200)
    x = points.coordinates
    centres = np.array([x[labels == c].mean(0) if (labels == c).any() else [1e9] * 3
                        for c in range(6)])  # fmt: skip
    squares = ((x[:, None] - centres) ** 2).sum(2)
    assert (squares.argmin(1) == labels).all()


def test_kmeans_finds_clear_clusters():
    truth = np.repeat(np.arange(4), 25)
    x = 50 * np.eye(4)[truth] + rng().normal(size=(100, 4))
    labels = kmeans(Points(x), 4, rng(1), 50)
    assert all(len(set(labels[truth == c])) == 1 for c in range(4)) and len(set(labels)) == 4


@pytest.mark.parametrize("k", [1, 3, 10, 30])
def test_kmeans_of_few_distinct_points(k):
    x = np.repeat(rng().normal(size=(3, 2)), 10, axis=0)
    labels = kmeans(Points(x), k, rng(), 20)
    assert labels.shape == (30,) and (labels >= 0).all() and (labels < k).all()
    if k >= 3:
        assert len(set(labels)) == 3

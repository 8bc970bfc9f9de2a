"""Grids and distances that do not depend on the order of sums, nor on what float32 is off by."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from points import adversary, apart, rng
from sklearn.metrics import pairwise

from stages.geometry import distances, grid
from stages.geometry.distances import Frame, Points, nearest, squared, within
from stages.geometry.grid import bits, cosines, on_grid, unit_rows
from stages.machine.errors import UserError


def dot(left: np.ndarray, right: np.ndarray) -> Fraction:
    return sum(
        Fraction(a) * Fraction(b) for a, b in zip(left.tolist(), right.tolist(), strict=True)
    )


# the grid


@given(st.integers(0, 10_000), st.integers(1, 600), st.integers(-300, 300))
def test_dot_products_on_the_grid_do_not_depend_on_the_order(seed, columns, power):
    rows, _ = on_grid(np.ldexp(rng(seed).normal(size=(4, columns)), power))
    shuffled = rng(seed + 1).permutation(columns)
    assert (rows @ rows.T == rows[:, shuffled] @ rows[:, shuffled].T).all()
    exact = [[sum(map(int_of, a * 2.0**24, b * 2.0**24)) for b in rows] for a in rows]
    assert (rows @ rows.T * 2.0**48 == np.array(exact, np.float64)).all()


def int_of(a: float, b: float) -> int:
    return int(a) * int(b)


@given(st.integers(0, 10_000), st.integers(1, 600))
def test_the_grid_is_near_and_fits_into_float32(seed, columns):
    given_rows = rng(seed).normal(size=(5, columns))
    rows, exponents = on_grid(given_rows.copy())
    assert (rows == rows.astype(np.float32)).all() and np.abs(rows).max() <= 1
    error = np.abs(np.ldexp(rows, exponents[:, None]) - given_rows).max(1)
    assert (error <= 2.0 ** -bits(columns) * np.abs(given_rows).max(1)).all()


def test_unit_rows():
    x = rng().normal(size=(20, 7))
    x[3] = 0
    units = unit_rows(x)
    lengths = np.linalg.norm(units, axis=1)
    np.testing.assert_allclose(np.delete(lengths, 3), 1, rtol=1e-6)
    assert lengths[3] == 0
    assert (unit_rows(x[:5], x[5:], dtype=np.float32) == units).all()
    with pytest.raises(UserError, match="not a finite number"):
        unit_rows(np.array([[np.inf, 1.0]]))


@given(st.integers(1, 30), st.integers(0, 10**6), st.sampled_from([1e-150, 1.0, 1e150]))
def test_cosines_of_unit_rows(size, seed, scale):
    x = rng(seed).normal(size=(9, size))
    x[3] = 0
    units = unit_rows(scale * x)
    found = cosines(units, units)
    np.testing.assert_allclose(found, pairwise.cosine_similarity(x), atol=1e-4 / size)
    assert (found == cosines(units, units[::-1])[:, ::-1]).all()
    assert Fraction(float(found[0, 1])) == dot(units[0], units[1])


# distances


@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([1e-150, 1e-3, 1.0, 1e9]))
def test_squared_distances_are_exact_on_the_grid_and_close_to_the_truth(seed, size, scale):
    x = scale * rng(seed).normal(size=(9, size))
    points = Points.of(x)
    found = squared(points, points)
    for i in range(9):
        assert Fraction(float(points.norms[i])) == dot(points.rows[i], points.rows[i])
        for j in range(9):
            overlap = dot(points.rows[i], points.rows[j])
            assert Fraction(float(overlap)) == overlap
            assert found[i, j] == max(points.norms[i] + points.norms[j] - 2 * float(overlap), 0)
    assert (found.diagonal() == 0).all() and (found == found.T).all()
    true = np.sqrt((((x / scale)[:, None] - x / scale) ** 2).sum(2))
    np.testing.assert_allclose(np.sqrt(found) / (points.frame.scale * scale), true, atol=1e-4)


@pytest.mark.parametrize("size", [3, 100, 512])
def test_no_order_of_summation_changes_a_distance(size):
    x = rng().normal(size=(20, size))
    shuffled = rng(1).permutation(size)
    one, other = Points.of(x), Points.of(x[:, shuffled])
    assert (squared(one, one) == squared(other, other)).all()


def test_float32_stays_float32():
    x = rng().normal(size=(30, 5)).astype(np.float32)
    points = Points.of(x)
    assert points.rows.dtype == points.rough(points).dtype == np.float32
    np.testing.assert_allclose(
        squared(points, points) / points.frame.scale**2,
        ((x[:, None] - x) ** 2).sum(2),
        rtol=1e-3,
        atol=1e-4,
    )


@given(st.integers(0, 10_000), st.sampled_from([1, 3, 32, 512]), st.sampled_from([0.0, 50.0, 1e6]))
def test_slack_covers_what_float32_is_off_by(seed, columns, offset):
    pool = offset + rng(seed).normal(size=(40, columns)) * rng(seed + 1).exponential(size=(40, 1))
    frame = Frame(pool)
    exact, norms = frame.exactly(pool)
    rough = frame.roughly(pool)
    single = (rough**2).sum(1)[:, None] + norms.astype(np.float32) - 2 * rough @ exact.T.astype("f")
    noise = frame.slack * (norms[:, None] + norms)
    assert (np.abs(single - apart(exact, exact)) <= noise).all()
    points = Points.of(pool)
    values, off = points.rough(points), points.off()
    squares = squared(points, points)
    assert (values + (norms - off)[:, None] <= squares).all()
    assert (squares <= values + (norms + off)[:, None] + 2 * off).all()


@given(st.integers(0, 10**6), st.sampled_from([2, 4, 1000]), st.sampled_from([1.0, 1e4]))
def test_what_float32_is_off_by_changes_no_decision(seed, values, outlier):
    """Ties, near ties and an outlier; against distances in float64."""
    x = rng(seed).integers(0, values, (60, 3)) + 1e-7 * rng(seed).integers(0, 3, (60, 3))
    x[5] *= outlier
    points, others = (Points.of(part, Frame(x)) for part in (x[:40], x[20:]))
    squares = squared(points, others)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Points, "rough", adversary(seed))
        patch.setattr(distances, "MANY", rng(seed).choice([0.0, 0.1, 1.0]))
        own, least = nearest(points, others)
        known = rng(seed).choice(squares.ravel(), len(points))
        capped = nearest(points, others, known)
        for limit in (*squares.ravel()[:50], 0.0, np.median(squares)):
            assert (within(points, others, limit) == (squares <= limit)).all()
    assert (own == squares.argmin(1)).all() and (least == squares.min(1)).all()
    assert (np.minimum(capped[1], known) == np.minimum(least, known)).all()
    assert (capped[0] == own)[least <= known].all()
    assert ((capped[0] == own) | (capped[0] == -1)).all()


def test_blocks_change_nothing(monkeypatch):
    points = Points.of(rng().normal(size=(50, 4)))
    whole, found = squared(points, points), nearest(points[:20], points[20:])
    monkeypatch.setattr(grid, "BLOCK", 7)
    monkeypatch.setattr(distances, "BLOCK", 7)
    monkeypatch.setattr(distances, "PAIRS", 3)
    monkeypatch.setattr(distances, "CELLS", 120)
    assert len(list(distances.pieces(50, 50))) > 10
    assert (squared(points, points) == whole).all()
    again = nearest(points[:20], points[20:])
    assert (again[0] == found[0]).all() and (again[1] == found[1]).all()


def test_nothing_is_near_where_there_is_nothing():
    points = Points.of(rng().normal(size=(5, 2)))
    own, least = nearest(points, points[:0])
    assert (own == -1).all() and (least == np.inf).all()
    assert not within(points, points[:0], 1.0).size

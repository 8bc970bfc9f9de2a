"""k-means with bounds is plain k-means, to the last bit, whatever is skipped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from points import adversary, rng
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from stages.geometry import distances, lloyd
from stages.geometry.distances import Points, squared
from stages.geometry.grid import ground, squares
from stages.geometry.lloyd import kmeans
from stages.machine.threads import in_threads


def plain(points: Points, centres: Points, iterations: int, weights: np.ndarray) -> Points:
    """All distances, exactly, in each iteration; on the same grids."""
    for _ in range(iterations):
        own = squared(points, centres).argmin(1)
        rows, norms = centres.rows.copy(), centres.norms.copy()
        for at in range(len(centres)):
            there = own == at
            if weights[there].sum() > 0:
                total = weights[there] @ points.rows[there].astype(np.float64)
                mean = ground(total[None] / weights[there].sum())
                rows[at], norms[at] = mean[0], squares(mean)[0]
        centres = Points(points.frame, rows, norms)
    return centres


def mixture(seed: int, count: int, columns: int, groups: int) -> np.ndarray:
    means = 3 * rng(seed).normal(size=(groups, columns))
    noise = rng(seed + 1).normal(size=(count, columns))
    return np.maximum(means[rng(seed + 2).integers(0, groups, count)] + noise, 0)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 300),
    st.sampled_from([1, 2, 8, 40]),
    st.sampled_from([1, 5]),
    st.sampled_from([2, 5, 0]),
    st.booleans(),
    st.data(),
)
def test_centres_are_plain_whatever_is_skipped(seed, count, columns, groups, values, weigh, data):
    """With ties, copies, an outlier, weights, groups and blocks of all sizes."""
    x = mixture(seed, count, columns, groups)
    x = np.rint(x * values) if values else x
    x[0] *= data.draw(st.sampled_from([1.0, 1e4]))
    weights = np.rint(3 * rng(seed).random(count)) if weigh else np.ones(count)
    points = Points.of(x)
    start = np.sort(rng(seed).choice(count, data.draw(st.integers(1, count)), replace=False))
    wanted = plain(points, points[start], 8, weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lloyd, "GROUP", data.draw(st.sampled_from([1, 3, 12])))
        patch.setattr(lloyd, "DENSE", data.draw(st.sampled_from([0.0, 0.5, 2.0])))
        patch.setattr(lloyd, "BLOCK", data.draw(st.sampled_from([7, 64, 2048])))
        patch.setattr(lloyd, "SPAN", data.draw(st.sampled_from([11, 8192])))
        if data.draw(st.booleans()):
            patch.setattr(Points, "rough", adversary(seed))
        state = lloyd.Lloyd(points, points[start], weights)
        state.run(8)
        state.assign()
    np.testing.assert_allclose(state.centres.rows, wanted.rows, atol=1e-6)
    assert (state.own == squared(points, state.centres).argmin(1)).all()


@pytest.mark.parametrize("groups", [1, 10])
def test_bounds_do_not_change_what_lloyd_finds(groups, monkeypatch):
    """With and without skipping, down to the last bit."""
    points, seeds = Points.of(mixture(0, 2000, 20, groups)), np.arange(0, 2000, 40)
    lazy = lloyd.centres_from(points, seeds, 15)
    wanted = plain(points, points[seeds], 15, np.ones(2000))
    monkeypatch.setattr(lloyd, "MARGIN", 2.0)  # nothing is ever skipped
    full = lloyd.centres_from(points, seeds, 15)
    assert (lazy.rows == full.rows).all() and (lazy.rows == wanted.rows).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(5))
def test_exact_centres_are_plain(seed, kind, monkeypatch):
    monkeypatch.setattr(lloyd, "BLOCK", 32)
    monkeypatch.setattr(lloyd, "SPAN", 50)
    rows = np.concatenate([rng(seed).normal(size=(60, 9)) + 3 * at for at in range(5)]).astype(kind)
    seeds = np.sort(rng(seed).choice(300, 25, replace=False))
    points = Points.of(rows)
    got = lloyd.centres_from(points, seeds, 12)
    found = got.rows / points.frame.scale + points.frame.shift
    wanted = rows[seeds].astype(np.float64)
    for _ in range(12):
        own = ((rows[:, None] - wanted) ** 2).sum(2).argmin(1)
        wanted = np.array(
            [
                rows[own == at].mean(0, dtype=np.float64) if (own == at).any() else old
                for at, old in enumerate(wanted)
            ]
        )
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_lloyd_skips_distances(monkeypatch):
    compared, rough = [], Points.rough

    def counted(self, others):
        compared.append(len(self) * len(others))
        return rough(self, others)

    monkeypatch.setattr(Points, "rough", counted)
    rows = np.concatenate([rng(at).normal(size=(100, 9)) + 9 * at for at in range(5)])
    lloyd.centres_from(Points.of(rows), np.arange(0, 500, 10), 20)
    assert sum(compared) < 500 * 50 * 20 / 3


# from k-means++


def test_kmeans_in_blocks_is_the_same(monkeypatch):
    points = Points.of(rng().normal(size=(50, 4)))
    _, labels = kmeans(points, 5, rng(), 20)
    monkeypatch.setattr(distances, "CELLS", 50)
    monkeypatch.setattr(distances, "BLOCK", 7)
    monkeypatch.setattr(lloyd, "BLOCK", 11)
    assert (kmeans(points, 5, rng(), 20)[1] == labels).all()


@pytest.mark.parametrize("seed", range(4))
def test_kmeans_ends_where_lloyd_stands_still(seed):
    points = Points.of(rng(seed).normal(size=(80, 3)))
    _, labels = kmeans(points, 6, rng(seed), 200)
    x = points.rows.astype(np.float64)
    centres = np.array([x[labels == c].mean(0) if (labels == c).any() else [1e9] * 3
                        for c in range(6)])  # fmt: skip
    squares = ((x[:, None] - centres) ** 2).sum(2)
    assert (squares.argmin(1) == labels).all()


def test_kmeans_finds_clear_clusters():
    truth = np.repeat(np.arange(4), 25)
    x = 50 * np.eye(4)[truth] + rng().normal(size=(100, 4))
    _, labels = kmeans(Points.of(x), 4, rng(1), 50)
    assert all(len(set(labels[truth == c])) == 1 for c in range(4)) and len(set(labels)) == 4


@pytest.mark.parametrize("k", [1, 3, 10, 30])
def test_kmeans_of_few_distinct_points(k):
    x = np.repeat(rng().normal(size=(3, 2)), 10, axis=0)
    _, labels = kmeans(Points.of(x), k, rng(), 20)
    assert labels.shape == (30,) and (labels >= 0).all() and (labels < k).all()
    if k >= 3:
        assert len(set(labels)) == 3


def test_weighted_kmeans_is_scikit_learns():
    points, weights = Points.of(rng().normal(size=(300, 4))), rng(1).random(300)
    centres, labels = kmeans(points, 6, rng(2), 200, weights)
    seeds = lloyd.plus_plus(points, 6, rng(2), lloyd.whole_numbers(weights))
    x = points.rows.astype(np.float64)
    other = KMeans(6, init=x[seeds], n_init=1, max_iter=200, tol=0).fit(x, sample_weight=weights)
    np.testing.assert_allclose(centres.rows, other.cluster_centers_, atol=1e-4 * np.abs(x).max())
    assert (labels == other.labels_).all()


def test_seeds_follow_weight_times_squared_distance():
    points = Points.of(np.array([[0.0], [0.0], [10.0], [1.0]]))
    weights = np.array([1.0, 0.0, 1.0, 50.0])
    draws = [lloyd.plus_plus(points, 2, rng(seed), weights).tolist() for seed in range(3000)]
    assert all(pick != 1 for draw in draws for pick in draw)
    firsts = np.bincount([draw[0] for draw in draws], minlength=4) / 3000
    np.testing.assert_allclose(firsts, weights / weights.sum(), atol=0.02)
    after = np.bincount([draw[1] for draw in draws if draw[0] == 3], minlength=4)
    np.testing.assert_allclose(after / after.sum(), [1 / 82, 0, 81 / 82, 0], atol=0.02)


def test_a_centre_is_the_weighted_mean():
    points = Points.of(np.array([[0.0], [8.0], [1000.0], [1010.0]]))
    centres, labels = kmeans(points, 2, rng(0), 10, np.array([3.0, 1.0, 1.0, 1.0]))
    found = centres.rows / points.frame.scale + points.frame.shift
    assert sorted(found[:, 0].round(2).tolist()) == [2, 1005]
    assert labels[0] == labels[1] != labels[2] == labels[3]


def test_the_number_of_threads_changes_nothing(monkeypatch):
    monkeypatch.setattr(lloyd, "SPAN", 100)
    points, found = Points.of(mixture(0, 2000, 20, 10)), []
    for threads in (1, 3):
        with threadpool_limits(threads, "blas"):
            found.append(kmeans(points, 60, rng(), 20))
    assert (found[0][0].rows == found[1][0].rows).all() and (found[0][1] == found[1][1]).all()


def test_what_a_thread_raises_is_raised():
    def fail(part: int) -> None:
        raise ValueError(f"part {part}")

    with threadpool_limits(3, "blas"), pytest.raises(ValueError, match="part 0"):
        in_threads(fail, range(5))

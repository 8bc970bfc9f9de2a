"""Selectors against naive versions, and on the inputs that break naive versions."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from sklearn.decomposition import PCA

from stages.geometry import axes, farthest, lloyd
from stages.geometry.distances import Points
from stages.machine.errors import UserError
from stages.strategies import badge, kcenter, kmeans
from stages.strategies.handshake import Known
from stages.strategies.top import round_to_ties, top


def by_kmeans(x, b, rng, iterations, backend):
    return kmeans.nearest_to_centres(x, b, rng, iterations=iterations, backend=backend)


SELECTORS = {
    "top": lambda x, b, rng: top(x[:, 0], b, rng),
    "kcenter": lambda x, b, rng: kcenter.greedy(Known(x, x[:3] + 0.5), b, rng),
    "kcenter_pca": lambda x, b, rng: kcenter.greedy(Known(x, x[:3] + 0.5), b, rng, pca=2),
    "kcenter_nothing_labeled": lambda x, b, rng: kcenter.greedy(Known(x, x[:0]), b, rng),
    "badge": lambda x, b, rng: badge.kmeans_plus_plus((x[:, :3], x), b, rng),
    "kmeans_exact": lambda x, b, rng: by_kmeans(x, b, rng, 5, "exact"),
    "kmeans_scipy": lambda x, b, rng: by_kmeans(x, b, rng, 5, "scipy"),
    "kmeans_faiss": lambda x, b, rng: by_kmeans(x, b, rng, 5, "faiss"),
    "kmeans_sklearn": lambda x, b, rng: by_kmeans(x, b, rng, 5, "sklearn"),
}

BACKENDS = [name for name in kmeans.BACKENDS if name != "auto"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def points(count: int, size: int = 5, seed: int = 0) -> np.ndarray:
    return rng(seed).normal(size=(count, size))


def assert_valid(picks: np.ndarray, b: int, count: int) -> None:
    assert picks.shape == (b,) and np.issubdtype(picks.dtype, np.integer)
    assert len(set(picks.tolist())) == b
    assert ((picks >= 0) & (picks < count)).all()


# what holds for all


@pytest.mark.parametrize("name", SELECTORS)
@pytest.mark.parametrize("b", [1, 2, 7, 29, 30])
@pytest.mark.parametrize("kind", ["distinct", "duplicates", "few", "equal", "zero", "huge", "tiny"])
def test_picks_are_different_positions(name, b, kind):
    x = {
        "distinct": points(30),
        "duplicates": np.repeat(points(10), 3, axis=0),
        "few": points(2)[rng(1).integers(0, 2, 30)],
        "equal": np.ones((30, 5)),
        "zero": np.zeros((30, 5)),
        "huge": 1e15 + points(30),
        "tiny": 1e-150 * points(30),
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert_valid(SELECTORS[name](x, b, rng()), b, 30)


@pytest.mark.parametrize("name", SELECTORS)
def test_the_same_generator_gives_the_same_picks(name):
    x = points(40)
    assert (SELECTORS[name](x, 9, rng(3)) == SELECTORS[name](x, 9, rng(3))).all()


@pytest.mark.parametrize("name", SELECTORS)
def test_equal_candidates_are_taken_by_chance_not_by_position(name):
    firsts = {int(SELECTORS[name](np.ones((50, 5)), 1, rng(seed))[0]) for seed in range(30)}
    assert len(firsts) > 10


@pytest.mark.parametrize("name", SELECTORS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(name, bad):
    x = points(20)
    x[7, 0] = bad
    with pytest.raises(UserError, match="not a finite number"):
        SELECTORS[name](x, 3, rng())


@pytest.mark.parametrize("name", SELECTORS)
def test_more_than_there_is_is_refused(name):
    with pytest.raises(UserError, match="cannot take 6 of 5 candidates"):
        SELECTORS[name](points(5), 6, rng())


@pytest.mark.parametrize("name", SELECTORS)
def test_inputs_are_left_alone(name):
    x = points(25)
    before = x.copy()
    SELECTORS[name](x, 5, rng())
    assert (x == before).all()


@pytest.mark.parametrize("name", SELECTORS)
def test_single_precision_is_welcome(name):
    assert_valid(SELECTORS[name](points(25).astype(np.float32), 5, rng()), 5, 25)


# top


@given(st.integers(1, 60), st.data())
def test_top_is_the_sorted_scores(count, data):
    b = data.draw(st.integers(1, count))
    scores = rng(data.draw(st.integers(0, 1000))).permutation(count) / 7 - 3
    assert top(scores, b, rng()).tolist() == np.argsort(-scores)[:b].tolist()


def test_top_takes_the_highest_first():
    assert top(np.array([0.1, 5.0, -2.0, 3.0]), 3, rng()).tolist() == [1, 3, 0]


def test_ties_are_uniform():
    scores = np.array([1.0, 2.0, 1.0, 1.0, 0.0, 1.0])
    counts = np.zeros(6)
    for seed in range(2000):
        picks = top(scores, 3, rng(seed))
        assert picks[0] == 1
        counts[picks[1:]] += 1
    assert counts[4] == 0
    assert (np.abs(counts[[0, 2, 3, 5]] / 2000 - 0.5) < 0.06).all()


def test_scores_apart_by_rounding_noise_are_ties():
    base = np.full(50, 0.3)
    noisy = base + 1e-15 * rng().normal(size=50)
    assert (top(base, 10, rng(4)) == top(noisy, 10, rng(4))).all()


def test_scores_apart_by_more_are_not():
    scores = 0.3 + 1e-9 * rng().permutation(50)
    assert top(scores, 50, rng(4)).tolist() == np.argsort(-scores).tolist()


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_rounding_to_ties_keeps_the_order(values):
    values = np.sort(np.array(values))
    assert (np.diff(round_to_ties(values)) >= 0).all()


# k-center


def kcenter_by_loop(pool: np.ndarray, labeled: np.ndarray, b: int) -> list[int]:
    picks: list[int] = []
    for _ in range(b):
        best, farthest = -1, -1.0
        for at in range(len(pool)):
            if at in picks:
                continue
            centres = [*labeled, *(pool[pick] for pick in picks)]
            distance = min(float(np.sum((pool[at] - centre) ** 2)) for centre in centres)
            if distance > farthest:
                best, farthest = at, distance
        picks.append(best)
    return picks


@pytest.mark.parametrize("seed", range(5))
def test_kcenter_is_the_loop(seed):
    pool, labeled = points(30, 4, seed), points(6, 4, seed + 100)
    assert kcenter.greedy(Known(pool, labeled), 12, rng()).tolist() == kcenter_by_loop(
        pool, labeled, 12
    )


def test_kcenter_in_blocks_is_the_loop(monkeypatch):
    monkeypatch.setattr(farthest, "BLOCK", 4)
    pool, labeled = points(30, 4), points(11, 4, 1)
    assert kcenter.greedy(Known(pool, labeled), 9, rng()).tolist() == kcenter_by_loop(
        pool, labeled, 9
    )


def test_kcenter_goes_for_what_is_far_from_the_labeled():
    pool = np.array([[0.0], [1.0], [10.0], [-4.0]])
    assert kcenter.greedy(Known(pool, np.array([[0.0]])), 3, rng()).tolist() == [2, 3, 1]


def test_kcenter_without_labels_starts_anywhere_and_goes_on_as_the_loop():
    pool = points(20, 3)
    firsts = set()
    for seed in range(15):
        picks = kcenter.greedy(Known(pool, pool[:0]), 6, rng(seed)).tolist()
        firsts.add(picks[0])
        assert picks[1:] == after(pool, picks[0], 5)
    assert len(firsts) > 5


def after(pool: np.ndarray, first: int, b: int) -> list[int]:
    """What the loop picks when one candidate has been taken."""
    rest = [at for at in range(len(pool)) if at != first]
    return [rest[pick] for pick in kcenter_by_loop(pool[rest], pool[[first]], b)]


def test_kcenter_takes_every_distinct_point_before_a_copy():
    pool = np.repeat(points(8), 4, axis=0)
    picks = kcenter.greedy(Known(pool, points(2, seed=5)), 20, rng())
    assert len(set(picks[:8] // 4)) == 8


def test_kcenter_draws_by_chance_once_all_is_covered():
    pool = points(30)
    seconds = {tuple(kcenter.greedy(Known(pool, pool), 3, rng(seed))) for seed in range(10)}
    assert len(seconds) == 10


def test_kcenter_is_not_misled_by_a_large_offset():
    pool, labeled = points(30, 4), points(5, 4, 1)
    moved = kcenter.greedy(Known(pool + 1e5, labeled + 1e5), 5, rng())
    assert moved.tolist() == kcenter_by_loop(pool, labeled, 5)


def test_principal_components_are_scikit_learns():
    pool, labeled = points(40, 8) * np.arange(1, 9), points(10, 8, 1) * np.arange(1, 9)
    got = np.concatenate(axes.principal_components(pool, labeled, 3))
    wanted = PCA(3, svd_solver="full").fit_transform(np.concatenate([pool, labeled]))
    np.testing.assert_allclose(np.abs(got), np.abs(wanted), rtol=1e-8, atol=1e-10)
    picks = kcenter.greedy(Known(pool, labeled), 7, rng(), pca=3)
    assert picks.tolist() == kcenter_by_loop(got[:40], got[40:], 7)


@pytest.mark.parametrize("pca", [0, 5, 50])
def test_kcenter_keeps_all_components_where_there_are_no_more(pca):
    pool, labeled = points(30, 5), points(4, 5, 1)
    assert kcenter.greedy(Known(pool, labeled), 6, rng(), pca=pca).tolist() == (
        kcenter_by_loop(pool, labeled, 6)
    )


# BADGE


def test_badge_draws_in_proportion_to_squared_distance():
    errors, embeddings = np.ones((4, 1)), np.array([[10.0], [9.0], [7.0], [6.0]])
    counts = np.zeros(4)
    for seed in range(4000):
        picks = badge.kmeans_plus_plus((errors, embeddings), 2, rng(seed))
        assert picks[0] == 0
        counts[picks[1]] += 1
    np.testing.assert_allclose(counts / 4000, np.array([0, 1, 9, 16]) / 26, atol=0.03)


def test_badge_takes_every_distinct_gradient_before_a_copy():
    errors, embeddings = np.repeat(points(6, 3), 5, axis=0), np.repeat(points(6, 4, 1), 5, axis=0)
    picks = badge.kmeans_plus_plus((errors, embeddings), 18, rng())
    assert len(set(picks[:6] // 5)) == 6


def test_badge_on_a_network_that_is_sure_of_everything():
    picks = badge.kmeans_plus_plus((np.zeros((30, 3)), points(30)), 10, rng())
    assert_valid(picks, 10, 30)


def test_badge_never_writes_gradients_out():
    errors, embeddings = points(2000, 100), points(2000, 512)
    tracemalloc.start()
    badge.kmeans_plus_plus((errors, embeddings), 5, rng())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * (errors.nbytes + embeddings.nbytes)  # dense gradients: 80 times that


# k-means


@pytest.mark.parametrize("backend", BACKENDS)
def test_kmeans_takes_one_of_each_clear_cluster(backend):
    centres = 1000 * np.eye(20)
    x = np.concatenate([centre + points(10, 20, at) for at, centre in enumerate(centres)])
    for seed in range(25):  # of b rows drawn uniformly, some seven clusters would hold none
        picks = by_kmeans(x, 20, rng(seed), 20, backend)
        assert sorted(picks // 10) == list(range(20))
    for pick in picks:
        members = x[pick // 10 * 10 : pick // 10 * 10 + 10]
        distances = ((members - members.mean(0)) ** 2).sum(1)
        assert pick % 10 == distances.argmin()


def test_kmeans_starts_from_k_means_plus_plus():
    """Of three points on a line two are drawn by the chances of Arthur and Vassilvitskii."""
    line, seen = np.array([[0.0], [1.0], [3.0]]), np.zeros((3, 3))
    draws = 4000
    for seed in range(draws):
        first, second = lloyd.plus_plus(Points.of(line), 2, rng(seed))
        seen[first, second] += 1
    squares = (line - line.T) ** 2
    wanted = squares / squares.sum(1, keepdims=True) / 3
    assert chisquare(seen[wanted > 0], draws * wanted[wanted > 0]).pvalue > 0.001
    assert (seen[wanted == 0] == 0).all()


def lloyd_by_loop(x: np.ndarray, centres: np.ndarray, iterations: int) -> np.ndarray:
    for _ in range(iterations):
        own = [
            min(range(len(centres)), key=lambda c: ((point - centres[c]) ** 2).sum()) for point in x
        ]
        centres = np.array(
            [
                x[[at for at, mine in enumerate(own) if mine == c]].mean(0) if c in own else centre
                for c, centre in enumerate(centres)
            ]
        )
    return centres


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(3))
def test_kmeans_is_lloyd_and_then_the_nearest_free(backend, seed):
    x = points(60, 3, seed)
    seeds = x[lloyd.plus_plus(Points.of(x), 5, rng(seed))]
    centres = lloyd_by_loop(x, seeds, 4)
    wanted: list[int] = []
    for centre in centres:
        order = np.argsort(((x - centre) ** 2).sum(1))
        wanted.append(next(int(at) for at in order if at not in wanted))
    picks = by_kmeans(x, 5, rng(seed), 4, backend)
    assert picks.tolist() == wanted


def test_a_candidate_nearest_to_two_centres_is_taken_once():
    points = Points.of(np.array([[0.0], [1.0], [5.0]]))
    centres = Points.of(np.array([[0.1], [0.2]]), points.frame)
    assert kmeans.nearest_free(points, centres, np.arange(3)).tolist() == [0, 1]


@pytest.mark.parametrize("gpus", [0, 1])
def test_auto_takes_a_gpu_for_single_precision_alone(gpus, monkeypatch):
    used = []
    exact = lloyd.centres_from
    monkeypatch.setattr(
        lloyd, "centres_from", lambda p, s, i: used.append("exact") or exact(p, s, i)
    )
    monkeypatch.setattr(kmeans, "_faiss_centres", lambda x, s, i: used.append("faiss") or s)
    monkeypatch.setattr(kmeans, "_gpus", lambda: gpus)
    kmeans.nearest_to_centres(points(9), 2, rng())
    kmeans.nearest_to_centres(points(9).astype(np.float32), 2, rng())
    assert used == ["exact", "faiss" if gpus else "exact"]


def test_an_unknown_backend_is_refused():
    with pytest.raises(
        UserError, match="backend is 'cuml'; allowed: auto, exact, faiss, scipy, sklearn"
    ):
        kmeans.nearest_to_centres(points(9), 2, rng(), backend="cuml")

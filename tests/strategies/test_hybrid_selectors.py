"""The hybrid selectors against brute force, other libraries, and the inputs that break them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score, pairwise

from stages.geometry import agglomerative, fisher
from stages.geometry.distances import Frame
from stages.machine.errors import UserError
from stages.strategies import bait, cluster_margin, exploitation
from stages.strategies import diverse_minibatch as diverse


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def points(count: int, size: int = 5, seed: int = 0) -> np.ndarray:
    return rng(seed).normal(size=(count, size))


def chances(count: int, classes: int, seed: int = 0) -> np.ndarray:
    return rng(seed).dirichlet(np.ones(classes), count)


def clustered(x: np.ndarray, certain: np.ndarray) -> cluster_margin.ClusteredMargins:
    rows = 3 * np.arange(len(x))
    return cluster_margin.ClusteredMargins(-certain, rows, rows, None, x)


def of_first_column(x: np.ndarray) -> np.ndarray:
    """A confidence in [0, 1) for each row; equal for equal rows."""
    return np.abs(x[:, 0]) / (1 + np.abs(x[:, 0]))


def run_bait(x: np.ndarray, b: int, seed: np.random.Generator, binary: bool = False) -> np.ndarray:
    p = of_first_column(x)
    p = p[:, None] if binary else np.stack([p, (1 - p) / 2, (1 - p) / 2], 1)
    return bait.forward_backward(bait.Fisher(x, p, x[:3], p[:3]), b, seed)


SELECTORS = {
    "diverse": lambda x, b, r: diverse.weighted_kmeans(
        diverse.Informative(x, of_first_column(x)), b, r, beta=3.0, iterations=5
    ),
    "cluster_margin": lambda x, b, r: (
        cluster_margin.select(
            clustered(x, of_first_column(x)), b, r, margin_factor=2.0, cluster_size=4.0, part=8
        ).positions
    ),
    "exploitation": lambda x, b, r: exploitation.exploit_then_explore(
        exploitation.Exploration(x, of_first_column(x), x[:4] + 0.5, 0.6), b, r
    ),
    "bait": run_bait,
    "bait_binary": lambda x, b, r: run_bait(x, b, r, binary=True),
}


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
        "huge": 1e2 + points(30) if "bait" in name else 1e15 + points(30),
        "tiny": (1e-20 if "bait" in name else 1e-150) * points(30),
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        picks = SELECTORS[name](x, b, rng())
    assert picks.shape == (b,) and np.issubdtype(picks.dtype, np.integer)
    assert len(set(picks.tolist())) == b and ((picks >= 0) & (picks < 30)).all()


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
    x[7, 1] = bad
    with pytest.raises(UserError, match="not a finite number"):
        SELECTORS[name](x, 8, rng())


@pytest.mark.parametrize("name", SELECTORS)
def test_more_than_there_is_is_refused(name):
    with pytest.raises(UserError, match="cannot take 6 of 5 candidates"):
        SELECTORS[name](points(5), 6, rng())


@pytest.mark.parametrize("name", SELECTORS)
def test_inputs_are_left_alone_and_single_precision_is_welcome(name):
    x = points(25).astype(np.float32)
    before = x.copy()
    assert len(set(SELECTORS[name](x, 5, rng()).tolist())) == 5
    assert (x == before).all()


@pytest.mark.parametrize("name", ["diverse", "cluster_margin", "exploitation"])
def test_the_order_of_the_candidates_makes_no_difference(name):
    """No two scores are equal here, so only the generator's own shuffles could matter."""
    x, b = points(30, seed=4), 30
    assert set(SELECTORS[name](x, b, rng()).tolist()) == set(range(30))


# diverse mini-batch


def test_diverse_minibatch_keeps_the_informative_and_takes_one_of_each_cluster():
    far = np.array([[0.0, 0], [100, 0], [0, 100], [100, 100]])
    x = np.concatenate([np.repeat(far, 5, axis=0) + rng().normal(size=(20, 2)), [[50, 50]] * 20])
    informative = np.concatenate([0.9 + 0.01 * rng(1).random(20), np.full(20, 0.1)])
    picks = diverse.weighted_kmeans(
        diverse.Informative(x, informative), 4, rng(2), beta=5.0, iterations=20
    )
    assert sorted((picks // 5).tolist()) == [0, 1, 2, 3]
    for at in picks:
        group = np.arange(20) // 5 == at // 5
        centre = np.average(x[:20][group], axis=0, weights=informative[:20][group])
        distances = ((x[:20] - centre) ** 2).sum(1)
        assert distances[at] == pytest.approx(distances.min(), rel=1e-3)


# average linkage and Cluster-Margin


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cluster_size", [2.0, 5.0, 30.0])
def test_average_linkage_is_scikit_learns(seed, cluster_size):
    x = points(90, 6, seed)
    found = agglomerative.average_linkage(x, cluster_size, 0, rng())
    count = int(np.ceil(90 / cluster_size))
    wanted = AgglomerativeClustering(count, linkage="average").fit_predict(x)
    assert adjusted_rand_score(found, wanted) == 1
    assert set(found.tolist()) == set(range(count))


def test_one_threshold_cuts_all_parts():
    """Four groups far apart, of which two are much wider: parts are groups, clusters as overall."""
    x = np.concatenate([points(40, 3, k) * (1 + 9 * (k % 2)) + 1000 * k for k in range(4)])
    found = agglomerative.average_linkage(x, 4.0, 50, rng())
    wanted = AgglomerativeClustering(40, linkage="average").fit_predict(x)
    assert adjusted_rand_score(found, wanted) == 1


@given(st.integers(2, 120), st.integers(2, 20), st.integers(1, 12), st.integers(0, 10**6))
def test_parts_partition_and_clusters_stay_within(count, part, distinct, seed):
    x = points(distinct, 3, seed)[rng(seed).integers(0, distinct, count)]
    parts = agglomerative.split(x, Frame(x), part, rng(seed))
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))
    assert max(map(len, parts)) <= part
    found = agglomerative.average_linkage(x, 3.0, part, rng(seed))
    assert set(found.tolist()) == set(range(found.max() + 1))
    of_part = np.empty(count, int)
    for at, rows in enumerate(parts):
        of_part[rows] = at
    for cluster in range(found.max() + 1):
        assert len(set(of_part[found == cluster].tolist())) == 1


def test_clusters_of_one_and_of_all():
    x = points(20)
    assert len(set(agglomerative.average_linkage(x, 1.0, 7, rng()).tolist())) == 20
    assert set(agglomerative.average_linkage(x, 20.0, 0, rng()).tolist()) == {0}
    assert agglomerative.average_linkage(x[:1], 5.0, 2, rng()).tolist() == [0]


def test_a_part_of_one_is_refused():
    with pytest.raises(UserError, match="part is 1; allowed: 0"):
        agglomerative.average_linkage(points(5), 2.0, 1, rng())


def naive_round_robin(clusters: np.ndarray, b: int) -> list[int]:
    """Which cluster each pick is from, by the paper's Algorithm 1, for distinct sizes."""
    left = {c: int((clusters == c).sum()) for c in set(clusters.tolist())}
    turns, taken = sorted(left, key=left.get), []
    while len(taken) < b:
        for cluster in turns:
            if left[cluster] and len(taken) < b:
                left[cluster] -= 1
                taken.append(cluster)
    return taken


def test_round_robin_by_hand():
    clusters = np.array([7, 7, 7, 7, 2, 5, 5])  # sizes 4, 1, 2
    picks = cluster_margin.round_robin(clusters, 6, rng())
    assert clusters[picks].tolist() == [2, 5, 7, 5, 7, 7]
    assert len(set(picks.tolist())) == 6


@given(st.lists(st.integers(1, 15), min_size=1, max_size=6, unique=True), st.data())
def test_round_robin_is_the_papers(sizes, data):
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    clusters = rng(data.draw(st.integers(0, 99))).permutation(clusters)
    b = data.draw(st.integers(1, len(clusters)))
    picks = cluster_margin.round_robin(clusters, b, rng(data.draw(st.integers(0, 99))))
    assert clusters[picks].tolist() == naive_round_robin(clusters, b)
    assert len(set(picks.tolist())) == b


def test_members_and_clusters_of_one_size_are_drawn_at_random():
    clusters = np.repeat([0, 1, 2], 4)
    firsts = np.bincount(
        [cluster_margin.round_robin(clusters, 1, rng(seed))[0] for seed in range(2400)]
    )
    assert len(firsts) == 12 and (np.abs(firsts - 200) < 60).all()


def test_cluster_margin_takes_the_uncertain_and_hands_its_clusters_on():
    x = np.repeat([[0.0], [100.0], [200.0]], [6, 12, 2], axis=0) + rng().random((20, 1))
    certain = np.full(20, 0.9)
    certain[[0, 1, 6, 7, 8, 9]] = 0.1  # two of the first cluster, four of the second
    first = cluster_margin.select(
        clustered(x, certain), 3, rng(), margin_factor=2.0, cluster_size=7.0, part=0
    )
    assert [position // 6 for position in first.positions] == [0, 1, 0]
    clusters = first.carry["clusters"]
    assert adjusted_rand_score(clusters, np.repeat([0, 1, 2], [6, 12, 2])) == 1
    # In a later round some rows are gone, and clusters are those of the carry whatever else.
    rows = first.carry["rows"]
    left = np.array([2, 8, 18, 19])
    later = cluster_margin.ClusteredMargins(np.zeros(4), rows[left], rows, clusters, None)
    again = cluster_margin.select(later, 4, rng())
    assert sorted(again.positions.tolist()) == [0, 1, 2, 3]
    assert set(again.positions[-1:].tolist()) <= {2, 3}  # the only cluster with two of them
    assert (again.carry["clusters"] == clusters).all()


def test_a_row_without_cluster_is_an_error():
    known = np.array([1, 5])
    scored = cluster_margin.ClusteredMargins(np.zeros(2), np.array([1, 9]), known, known, None)
    with pytest.raises(UserError, match="do not cover the pool"):
        cluster_margin.select(scored, 1, rng())


# exploitation and exploration


def naive_exploitation(x, entropies, labeled, share, b, redundancy):
    cosines = pairwise.cosine_similarity(x)
    to_labeled, picks = pairwise.cosine_similarity(x, labeled), []
    for at in range(b):
        if at < round(share * b):
            overlap = cosines[:, picks].sum(1) / max(at, 1)
            scores = entropies - redundancy * overlap
        else:
            scores = -np.concatenate([to_labeled, cosines[:, picks]], 1).max(1)
        scores[picks] = -np.inf
        picks.append(int(scores.argmax()))
    return picks


@pytest.mark.parametrize("share", [0.0, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("redundancy", [0.0, 1.0, 3.0])
def test_exploitation_and_exploration_are_the_naive_ones(share, redundancy):
    x, entropies, labeled = points(60, 8), rng(1).random(60), points(7, 8, 2)
    scored = exploitation.Exploration(x, entropies, labeled, share)
    picks = exploitation.exploit_then_explore(scored, 20, rng(), redundancy=redundancy)
    assert picks.tolist() == naive_exploitation(x, entropies, labeled, share, 20, redundancy)


def test_redundancy_keeps_twins_apart():
    x = np.array([[1.0, 0], [1.0, 0.01], [0, 1.0]])
    scored = exploitation.Exploration(x, np.array([1.0, 0.99, 0.5]), x[2:], 1.0)
    assert exploitation.exploit_then_explore(scored, 2, rng(), redundancy=1.0).tolist() == [0, 2]
    assert exploitation.exploit_then_explore(scored, 2, rng(), redundancy=0.0).tolist() == [0, 1]


# BAIT


def information(x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The Fisher information from the definition: the expected outer product of the gradient."""
    if len(p) == 1:
        return p[0] * (1 - p[0]) * np.outer(x, x)
    gradients = [np.outer(p - np.eye(len(p))[y], x).ravel() for y in range(len(p))]
    return sum(p[y] * np.outer(g, g) for y, g in enumerate(gradients))


def naive_bait(scored: bait.Fisher, b: int, regularisation: float, oversample: float) -> list[int]:
    each = [information(x, p) for x, p in zip(scored.features, scored.chances, strict=True)]
    labeled = [
        information(x, p)
        for x, p in zip(scored.labeled_features, scored.labeled_chances, strict=True)
    ]
    fisher = np.mean(each + labeled, axis=0)
    m = regularisation * np.eye(len(fisher)) + np.mean(labeled, axis=0)

    def trace(matrix):
        return np.trace(np.linalg.inv(matrix) @ fisher)

    picks: list[int] = []
    for _ in range(min(len(each), round(oversample * b))):
        free = [at for at in range(len(each)) if at not in picks]
        picks.append(min(free, key=lambda at: trace(m + each[at])))
        m = m + each[picks[-1]]
    while len(picks) > b:
        out = min(picks, key=lambda at: trace(m - each[at]))
        m = m - each[out]
        picks.remove(out)
    return picks


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize(("regularisation", "oversample"), [(1.0, 2.0), (0.01, 2.0), (0.1, 3.0)])
def test_bait_is_the_brute_force(classes, regularisation, oversample):
    p, q = (
        chances(40, classes, 1) if classes > 1 else rng(1).random((40, 1)),
        chances(9, classes, 2) if classes > 1 else rng(2).random((9, 1)),
    )
    scored = bait.Fisher(3 * points(40, 4), p, 3 * points(9, 4, 3), q)
    picks = bait.forward_backward(
        scored, 7, rng(), regularisation=regularisation, oversample=oversample
    )
    assert picks.tolist() == naive_bait(scored, 7, regularisation, oversample)


def by_elimination(matrix: np.ndarray) -> np.ndarray:
    """The inverse by Gauss-Jordan elimination, in the precision of the matrix."""
    size = len(matrix)
    both = np.concatenate([matrix, np.eye(size, dtype=matrix.dtype)], axis=1)
    for at in range(size):
        pivot = at + int(np.abs(both[at:, at]).argmax())
        both[[at, pivot]] = both[[pivot, at]]
        both[at] /= both[at, at]
        others = np.arange(size) != at
        both[others] -= both[others, at, None] * both[at]
    return both[:, size:]


def faint(seed: int, size: int, classes: int, labeled: int) -> tuple[bait.Fisher, float]:
    """A pool beside so few labels that most directions have none, and its largest tr I(x)."""
    p, q = chances(18, max(classes, 2), seed), chances(labeled, max(classes, 2), seed + 1)
    p, q = (p, q) if classes > 1 else (p[:, :1], q[:, :1])
    some = bait.Fisher(points(18, size, seed), p, points(labeled, size, seed + 2), q)
    traces = [np.trace(information(x, one)) for x, one in zip(some[0], some[1], strict=True)]
    traces += [np.trace(information(x, one)) for x, one in zip(some[2], some[3], strict=True)]
    return some, max(traces)


@pytest.mark.parametrize(("size", "classes", "labeled"), [(12, 1, 2), (4, 3, 1), (5, 2, 12)])
@pytest.mark.parametrize("seed", range(4))
def test_bait_holds_as_far_as_it_says(size, classes, labeled, seed):
    some, largest = faint(seed, size, classes, labeled)
    wide = bait.Fisher(*(part.astype(np.longdouble) for part in some))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np.linalg, "inv", by_elimination)
        wanted = naive_bait(wide, 4, largest / bait.LARGEST * 1.001, 2.0)
    found = bait.forward_backward(some, 4, rng(), regularisation=largest / bait.LARGEST * 1.001)
    assert found.tolist() == wanted


@pytest.mark.parametrize("times", [1.001, 1e3, 1e6, 1e40])
@pytest.mark.parametrize("seed", range(2))
def test_bait_refuses_what_it_cannot_hold(times, seed):
    some, largest = faint(seed, 6, 3, 2)
    least = largest / bait.LARGEST
    with pytest.raises(UserError, match=f"a regularisation from {least:.3g} to "):
        bait.forward_backward(some, 4, rng(), regularisation=least / times)
    enlarged = bait.Fisher(
        some.features * np.sqrt(times),
        some.chances,
        some.labeled_features * np.sqrt(times),
        some.labeled_chances,
    )
    with pytest.raises(UserError, match="times regularisation"):
        bait.forward_backward(enlarged, 4, rng(), regularisation=least)
    with pytest.raises(UserError, match="times regularisation"):
        bait.forward_backward(some, 4, rng(), regularisation=largest * 1e61)


def test_information_matrices_are_from_the_definition():
    x, p = points(12, 3), chances(12, 4)
    each = np.array([information(one, other) for one, other in zip(x, p, strict=True)])
    np.testing.assert_allclose(fisher.mean_information(x, p), each.mean(0), atol=1e-14)
    for at, root in enumerate(fisher.factors(p)):
        v = np.kron(root, x[at][:, None])
        np.testing.assert_allclose(v @ v.T, each[at], atol=1e-14)


def test_bait_in_blocks_is_the_same(monkeypatch):
    p = chances(50, 3)
    scored = bait.Fisher(points(50, 4), p, points(5, 4, 1), p[:5])
    whole = bait.forward_backward(scored, 6, rng())
    monkeypatch.setattr(fisher, "BLOCK_CELLS", 100)
    assert (bait.forward_backward(scored, 6, rng()) == whole).all()


def test_certain_candidates_tell_nothing():
    p = np.eye(3)[rng().integers(0, 3, 20)]
    p[[4, 11]] = [0.5, 0.3, 0.2]
    scored = bait.Fisher(points(20, 4), p, points(5, 4, 1), p[:5])
    assert set(bait.forward_backward(scored, 2, rng()).tolist()) == {4, 11}


def test_too_much_memory_is_said_before_computing():
    with pytest.raises(UserError, match="bait needs 120.0 GiB for 100000 .* set fisher: binary"):
        bait.check_memory(100_000, 100, 512, 4.0)
    bait.check_memory(100_000, 1, 512, 4.0)
    bait.check_memory(59_000, 10, 84, 4.0)


def test_diverse_minibatch_weighs_by_informativeness():
    """Of points on a line the one nearest to their mean, once each counts as much as it tells."""
    line = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]])  # alike, their mean is 3.2
    for weights, wanted in (([1, 1, 1, 1, 1], 3), ([0.01, 0.01, 0.01, 0.01, 1], 4)):
        scored = diverse.Informative(line, np.array(weights, float))
        picks = diverse.weighted_kmeans(scored, 1, rng(), beta=10.0, iterations=20)
        assert picks.tolist() == [wanted]

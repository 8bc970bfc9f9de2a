"""Lazy selectors are the plain algorithms: the same picks, whatever the blocks and lists."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from points import adversary, apart, rng
from scipy import stats

from stages.geometry import farthest, nearest_free, seeding
from stages.geometry.distances import Points
from stages.strategies import badge, kcenter
from stages.strategies.handshake import Known


def whole_numbers(seed: int, count: int, columns: int, values: int) -> np.ndarray:
    """Points with many copies and ties, exact in every precision."""
    return rng(seed).integers(0, values, (count, columns)).astype(np.float64)


# k-center


def plain_kcenter(pool, labeled, b: int, generator: np.random.Generator) -> list[int]:
    """All distances again for every pick; ties and covered pools by one random order."""
    rank = np.argsort(generator.permutation(len(pool)))
    picks: list[int] = []
    for _ in range(b):
        centres = np.concatenate([labeled, pool[picks]])
        reach = apart(pool, centres).min(1) if len(centres) else np.ones(len(pool))
        free = [at for at in range(len(pool)) if at not in picks]
        picks.append(min(free, key=lambda at: (-reach[at], rank[at])))
    return picks


@settings(max_examples=300)
@given(
    st.integers(0, 10_000),
    st.integers(1, 40),
    st.integers(1, 6),
    st.sampled_from([1, 2, 3, 50]),
    st.integers(0, 9),
    st.sampled_from([np.float32, np.float64]),
    st.data(),
)
def test_kcenter_is_plain(seed, count, columns, values, known, kind, data):
    """With short lists and small blocks, so that every branch is taken."""
    b = data.draw(st.sampled_from(sorted({1, count // 2 or 1, count})))
    pool = whole_numbers(seed, count, columns, values)
    labeled = whole_numbers(seed + 1, known, columns, values)
    wanted = plain_kcenter(pool, labeled, b, rng(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(farthest, "SHORTLIST", data.draw(st.sampled_from([1, 3, 8, 2048])))
        patch.setattr(farthest, "BLOCK", data.draw(st.sampled_from([2, 5, 1024])))
        got = kcenter.greedy(Known(pool.astype(kind), labeled.astype(kind)), b, rng(seed))
    assert got.tolist() == wanted


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("known", [0, 1, 30])
def test_kcenter_is_plain_on_a_longer_run(kind, known, monkeypatch):
    monkeypatch.setattr(farthest, "SHORTLIST", 20)
    pool = np.maximum(rng().normal(size=(400, 16)), 0).astype(kind)
    labeled = np.maximum(rng(1).normal(size=(known, 16)), 0).astype(kind)
    wanted = plain_kcenter(pool, labeled, 120, rng(2))
    assert kcenter.greedy(Known(pool, labeled), 120, rng(2)).tolist() == wanted


@pytest.mark.parametrize("pca", [0, 4])
def test_kcenter_does_not_depend_on_blocks_and_lists(pca, monkeypatch):
    pool, labeled = rng().normal(size=(300, 12)), rng(1).normal(size=(25, 12))
    found = set()
    for block, size in itertools.product((7, 64, 1024), (5, 50, 2048)):
        monkeypatch.setattr(farthest, "BLOCK", block)
        monkeypatch.setattr(farthest, "SHORTLIST", size)
        found.add(tuple(kcenter.greedy(Known(pool, labeled), 60, rng(3), pca=pca)))
    assert len(found) == 1


def test_an_outlier_does_not_make_the_rest_one_point():
    pool = rng().normal(size=(60, 8))
    pool[17] *= 1e9
    picks = kcenter.greedy(Known(pool, pool[:1]), 20, rng())
    assert picks.tolist() == plain_kcenter(pool, pool[:1], 20, rng())


def test_kcenter_is_scikit_activemls():
    core_set = pytest.importorskip("skactiveml.pool._core_set")
    rows = rng(4).normal(size=(120, 10))
    known = np.full(120, np.nan)
    known[:15] = 0
    theirs, _ = core_set.k_greedy_center(rows, known, batch_size=40, random_state=0)
    ours = kcenter.greedy(Known(rows[15:], rows[:15]), 40, rng())
    assert (ours + 15).tolist() == theirs.tolist()


# BADGE


def dense(errors: np.ndarray, features: np.ndarray) -> np.ndarray:
    pairs = zip(errors.astype(np.float64), features.astype(np.float64), strict=True)
    return np.array([np.outer(a, x).ravel() for a, x in pairs])


def plain_badge(errors, features, b: int, generator: np.random.Generator) -> list[int]:
    """The same draws, on written-out gradients, all distances again for every proposal."""
    gradients = dense(errors, features)
    lengths = (gradients**2).sum(1)
    longest = np.flatnonzero(np.isclose(lengths, lengths.max(), rtol=1e-12, atol=0))
    picks = [int(generator.choice(longest))]

    def weights() -> np.ndarray:
        nearest = apart(gradients, gradients[picks]).min(1)
        return np.where(nearest > 1e-12 * lengths, nearest, 0)

    while len(picks) < b:
        before = weights()
        if before.sum() == 0:
            rest = generator.permutation([at for at in range(len(lengths)) if at not in picks])
            return picks + rest[: b - len(picks)].tolist()
        draws = generator.random((2, max(seeding.FEWEST, len(picks))))
        for where, bar in draws.T:
            at = int(np.searchsorted(np.cumsum(before), where * before.sum(), side="right"))
            if len(picks) < b and bar * before[at] < weights()[at]:
                picks.append(at)
    return picks


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("fewest", [1, 4, 16])
@pytest.mark.parametrize("copies", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_badge_is_plain(seed, copies, fewest, kind, monkeypatch):
    monkeypatch.setattr(seeding, "FEWEST", fewest)
    monkeypatch.setattr(badge, "BLOCK", 7)
    errors = np.repeat(rng(seed).normal(size=(12, 4)), copies, axis=0)
    features = np.repeat(rng(seed + 50).normal(size=(12, 6)), copies, axis=0).astype(kind)
    features[3] = 0
    for b in (1, 9, 12 * copies):
        wanted = plain_badge(errors, features, b, rng(seed))
        assert badge.kmeans_plus_plus((errors, features), b, rng(seed)).tolist() == wanted


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("fewest", [2, 16])
def test_badge_draws_as_one_pick_at_a_time_does(kind, fewest, monkeypatch):
    """Chi-square of the ordered picks against their probabilities by enumeration."""
    monkeypatch.setattr(seeding, "FEWEST", fewest)
    errors = np.array([[1.0, -1.0], [0.5, -0.2], [-0.6, 0.9], [0.8, 0.1], [0.3, 0.3]])
    features = np.array([[2.0, 1], [1, 1], [0.5, 1.5], [1, 0], [0, 0]], kind)
    gradients = dense(errors, features)
    chances = ordered_picks(gradients, 4)
    tries = 6000
    seen = dict.fromkeys(chances, 0)
    for seed in range(tries):
        seen[tuple(badge.kmeans_plus_plus((errors, features), 4, rng(seed)).tolist())] += 1
    expected = np.array([tries * chances[key] for key in seen])
    common = expected > 5
    observed = np.array(list(seen.values()))
    table = [[*part[common], part[~common].sum()] for part in (observed, expected)]
    if table[1][-1] == 0:
        table = [row[:-1] for row in table]
    assert len(table[0]) > 10
    assert stats.chisquare(*table).pvalue > 0.01


def ordered_picks(gradients: np.ndarray, b: int) -> dict[tuple[int, ...], float]:
    """Probability of each sequence of picks under k-means++ from the longest."""
    found = {(int((gradients**2).sum(1).argmax()),): 1.0}
    for _ in range(b - 1):
        longer = {}
        for picks, chance in found.items():
            weights = apart(gradients, gradients[list(picks)]).min(1)
            for at in np.flatnonzero(weights > 1e-12):
                longer[(*picks, int(at))] = chance * weights[at] / weights.sum()
        found = longer
    return found


def test_badge_in_float64_does_not_depend_on_blocks(monkeypatch):
    errors, features = rng().normal(size=(500, 7)), rng(1).normal(size=(500, 33))
    found = set()
    for block in (5, 64, 1000):
        monkeypatch.setattr(badge, "BLOCK", block)
        found.add(tuple(badge.kmeans_plus_plus((errors, features), 100, rng(2))))
    assert len(found) == 1


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_badge_on_gradients_of_very_different_lengths(kind):
    """A sure candidate's gradient is 1e-12 of an unsure one's: still drawn by its distance."""
    errors = np.array([[1.0, -1.0], [1e-6, -1e-6], [1e-12, -1e-12], [0.0, 0.0]])
    features = np.ones((4, 3), kind)
    for seed in range(20):
        picks = badge.kmeans_plus_plus((errors, features), 4, rng(seed))
        assert picks[0] == 0 and len(set(picks.tolist())) == 4


# k-means


@settings(max_examples=100)
@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from([2, 4, 100]), st.data())
def test_the_nearest_free_is_plain(seed, count, values, data):
    b = data.draw(st.integers(1, count))
    rows = whole_numbers(seed, count, 3, values)
    points = Points.of(rows)
    centres = Points.of(whole_numbers(seed + 1, b, 3, values), points.frame)
    rank = np.argsort(rng(seed).permutation(count))
    wanted: list[int] = []
    grid = points.rows.astype(np.float64)
    for centre in centres.rows:
        distances = apart(grid, centre[None])[:, 0]
        free = [at for at in range(count) if at not in wanted]
        wanted.append(min(free, key=lambda at, d=distances: (d[at], rank[at])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_free, "GROUP", data.draw(st.sampled_from([1, 4, 64])))
        if data.draw(st.booleans()):
            patch.setattr(Points, "rough", adversary(seed))
        order = rng(seed).permutation(count)
        assert nearest_free.nearest_free(points, centres, order).tolist() == wanted

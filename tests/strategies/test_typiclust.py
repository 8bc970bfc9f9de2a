"""TypiClust and ProbCover against naive versions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.geometry.distances import Points, squared
from stages.geometry.grid import unit_rows
from stages.geometry.lloyd import kmeans
from stages.machine.errors import UserError
from stages.strategies import probcover, typiclust


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def gaussians(sizes: list[int], seed: int = 0, spread: float = 0.05) -> np.ndarray:
    """Tight groups of these sizes around orthogonal directions."""
    centres = np.eye(len(sizes))
    return np.concatenate(
        [
            centre + spread * rng(seed + at).normal(size=(size, len(sizes)))
            for at, (centre, size) in enumerate(zip(centres, sizes, strict=True))
        ]
    )


# TypiClust


def typiclust_by_loop(pool, labeled, clusters_of_all, b, neighbours, order):
    """Algorithm 1 with the authors' order of clusters, given the clustering; ties by ``order``."""
    unit = unit_rows(np.concatenate([pool, labeled]))
    own, count = clusters_of_all, len(pool)
    sizes = {c: int((own == c).sum()) for c in set(own.tolist())}
    known = {c: int((own[count:] == c).sum()) for c in sizes}
    turn = sorted(sizes, key=lambda c: (known[c], -sizes[c], c))
    large = [c for c in turn if sizes[c] > 5]
    small = [c for c in turn if sizes[c] <= 5]
    picks: list[int] = []
    for group in (large, small):
        while len(picks) < b:
            before = len(picks)
            for c in group:
                free = [i for i in order if own[i] == c and i not in picks]
                if not free or len(picks) == b:
                    continue
                near = min(neighbours, len(free) // 2)
                distances = [
                    sorted(float(np.linalg.norm(unit[i] - unit[j])) for j in free if j != i)[:near]
                    for i in free
                ]
                typicality = [1 / np.mean(d) if d else 1.0 for d in distances]
                picks.append(free[int(np.argmax(typicality))])
            if len(picks) == before:
                break
    return picks


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("b", [4, 30])
def test_typiclust_is_the_algorithm(seed, b, monkeypatch):
    pool, labeled = rng(seed).normal(size=(60, 4)), rng(seed + 9).normal(size=(3, 4))
    # The selector shuffles nothing before it clusters, so the clustering can be fixed.
    found = kmeans(Points.of(unit_rows(pool, labeled)), 7, rng(seed), 20)
    monkeypatch.setattr(typiclust, "kmeans", lambda *_: found)
    _, own = found
    picks = typiclust.typical((pool, labeled), b, rng(), neighbours=5)
    order = rng().permutation(60).tolist()
    assert picks.tolist() == typiclust_by_loop(pool, labeled, own, b, 5, order)


def test_typiclust_takes_one_of_each_group_without_a_label_large_ones_first():
    pool = gaussians([12, 30, 20, 8])
    labeled = pool[[2, 5]]  # both in the first group
    own = np.repeat([0, 1, 2, 3, 0], [12, 30, 20, 8, 2])
    hits = 0
    for seed in range(10):
        picks = typiclust.typical((pool, labeled), 3, rng(seed), clusters=4)
        hits += own[picks].tolist() == [1, 2, 3]
    assert hits >= 7  # unless the seeds of k-means split a group


def test_typiclust_takes_the_densest():
    dense = 0.01 * rng().normal(size=(30, 2)) + [1, 0]
    sparse = 0.4 * rng(1).normal(size=(30, 2)) + [1, 0]
    pool = np.concatenate([sparse, dense])
    picks = typiclust.typical((pool, pool[:0]), 1, rng())
    assert picks[0] >= 30


def test_typiclust_caps_the_clusters(monkeypatch):
    asked = []
    monkeypatch.setattr(
        typiclust,
        "kmeans",
        lambda points, k, *_: asked.append(k) or kmeans(points, k, rng(), 5),
    )
    pool = rng().normal(size=(90, 3))
    typiclust.typical((pool, pool[:10]), 20, rng())
    typiclust.typical((pool, pool[:10]), 20, rng(), clusters=12)
    assert asked == [30, 12]


# ProbCover


@given(st.integers(0, 10**6), st.floats(0.2, 1.5))
def test_probcover_is_greedy_coverage(seed, delta):
    """On a stored graph each pick reaches as many uncovered points as any other candidate."""
    pool, labeled = rng(seed).normal(size=(40, 3)), rng(seed + 1).normal(size=(3, 3))
    picks = probcover.covering((pool, labeled, 3), 12, rng(), delta=delta)
    unit = unit_rows(np.concatenate([pool, labeled]))
    near = (np.linalg.norm(unit[:, None] - unit, axis=2) < delta)[:, :40]
    covered, taken = near[40:].any(0), np.zeros(40, bool)
    for pick in picks:
        reach = np.where(taken, -1, (near[:40] & ~covered).sum(1))
        assert reach[pick] == reach.max() >= 0
        covered |= near[pick]
        taken[pick] = True


@given(st.integers(0, 10**6), st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_the_radius_is_the_largest_that_leaves_enough_balls_pure(seed, purity):
    points = Points.of(rng(seed).normal(size=(100, 2)))
    labels = rng(seed + 1).integers(0, 3, 100)
    radius = probcover.purest_radius(points, labels, purity)
    squares = squared(points, points)

    def pure(limit: float) -> float:
        inside = squares < limit
        return float(
            np.mean([(labels[row] == own).all() for row, own in zip(inside, labels, strict=True)])
        )

    assert pure(radius) >= purity - 1e-9
    assert pure(np.nextafter(radius, np.inf)) < purity


def test_probcover_with_one_cluster_covers_all_and_then_draws():
    pool = rng().normal(size=(30, 2))
    picks = [probcover.covering((pool, pool[:2], 1), 10, rng(seed)) for seed in range(3)]
    assert all(len(set(some.tolist())) == 10 for some in picks)
    assert picks[0].tolist() != picks[1].tolist()


def test_probcover_takes_the_larger_group_first():
    pool = gaussians([5, 40, 15])
    assert [
        int(np.searchsorted([5, 45], pick, side="right"))
        for pick in probcover.covering((pool, pool[:1], 3), 2, rng(), delta=0.5)
    ] == [1, 2]


def test_probcover_on_a_subset():
    pool = rng().normal(size=(50, 3))
    picks = probcover.covering((pool, pool[:2], 3), 9, rng(), subset=10)
    assert len(set(picks.tolist())) == 9
    with pytest.raises(UserError, match="subset is 5, but 9 are to be taken"):
        probcover.covering((pool, pool[:2], 3), 9, rng(), subset=5)


@pytest.mark.parametrize("purity", [0.3, 0.7, 0.95, 1.0])
def test_probcover_takes_its_radius_at_the_purity_that_is_given(purity):
    pool, labeled = rng(1).normal(size=(60, 4)), rng(2).normal(size=(5, 4))
    order = rng(4)
    points = Points.of(unit_rows(pool[order.permutation(60)], labeled, dtype=np.float32))
    _, labels = kmeans(points, 3, order, 20)
    found = {}
    for one in (0.3, 0.7, 0.95, 1.0):
        radius = np.sqrt(probcover.purest_radius(points, labels, one)) / points.frame.scale
        by_radius = probcover.covering((pool, labeled, 3), 9, rng(4), delta=radius * (1 - 1e-9))
        found[one] = by_radius.tolist()
    assert len({tuple(picks) for picks in found.values()}) > 2
    picks = probcover.covering((pool, labeled, 3), 9, rng(4), purity=purity)
    assert picks.tolist() == found[purity]

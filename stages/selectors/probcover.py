"""ProbCover: balls of one radius around candidates; those that cover the most first."""

from __future__ import annotations

import numpy as np

from stages.errors import UserError
from stages.selectors.clusters import kmeans
from stages.selectors.distances import Points, blocks, check_finite, unit_rows

ITERATIONS = 20


def covering(
    features: tuple[np.ndarray, np.ndarray, int],
    b: int,
    rng: np.random.Generator,
    delta: float = 0.0,
    purity: float = 0.95,
    subset: int = 0,
) -> np.ndarray:
    """Yehuda et al. 2022 (ProbCover): greedy maximum coverage by balls of radius ``delta``.

    A ball around x covers every point at a distance below ``delta``. Points that a labeled one
    covers are covered from the start; then the candidate that covers the most uncovered points is
    taken, b times, ties by chance. Once all is covered the rest is drawn uniformly. As in the
    authors' code, rows are divided by their length first.

    The graph is never stored: how many uncovered points each candidate reaches is counted once in
    blocks, and what a pick newly covers is subtracted, so memory is N D and a few blocks however
    dense the graph, and all picks together cost no more than one further pass over all pairs.

    Args:
        features: embeddings of the pool (N, D) and of the labeled set (L, D), number of classes.
        delta: radius, between unit vectors (0 to 2); 0: the largest with which a share ``purity``
            of the balls is pure, see :func:`purest_radius`.
        purity: alpha.
        subset: draw this many candidates and leave the others out; 0: all.

    Raises:
        UserError: a feature is not finite, b is larger than N, or ``subset`` is below b.
    """
    pool, labeled, classes = features
    if b > len(pool):
        raise UserError(f"cannot take {b} of {len(pool)} candidates")
    if 0 < subset < b:
        raise UserError(f"subset is {subset}, but {b} are to be taken; allowed: 0, or {b} or more")
    check_finite(labeled)
    order = rng.permutation(len(pool))[: subset or None]  # ties go to the first of a random order
    points = Points(unit_rows(np.concatenate([pool[order], labeled])))
    if delta > 0:
        radius = (delta / points.unit) ** 2
    else:
        radius = purest_radius(points, kmeans(points, classes, rng, ITERATIONS), purity)
    return order[_greedy(points, len(order), radius, b)]


def purest_radius(points: Points, labels: np.ndarray, purity: float) -> float:
    """The squared radius, in units of ``points``, at which Yehuda et al. 2022 cover.

    A ball is pure if all it covers has the (pseudo-)label of its centre: as long as the radius is
    at most the distance to the nearest point with another label. The largest radius that leaves a
    share ``purity`` of all balls pure is therefore one of these distances.
    """
    order = np.argsort(labels, kind="stable")
    points, labels = points.among(order), labels[order]
    nearest = np.full(len(points), np.inf)
    for label in np.unique(labels):
        start, end = np.searchsorted(labels, [label, label + 1])
        for part in points.blocks(np.arange(start, end)):
            for others in (slice(0, start), slice(end, len(points))):
                squares = points.squared_to(points.coordinates[part], others)
                closest = squares.min(1, initial=np.inf)
                nearest[part] = np.minimum(nearest[part], closest)
    impure = int((1 - purity) * len(nearest) + 1e-9)  # (1 - 0.95) * 20 must be 1
    return float(np.sort(nearest)[min(impure, len(nearest) - 1)])


def _greedy(points: Points, candidates: int, radius: float, b: int) -> np.ndarray:
    """Positions among the first ``candidates`` points; the others are labeled."""
    free = points.among(np.arange(candidates))
    covered = np.zeros(candidates, bool)
    for part in blocks(np.arange(candidates, len(points)), candidates):
        covered |= (free.squared_to(points.coordinates[part]) < radius).any(0)
    reach = _reach(free, np.flatnonzero(~covered), radius)
    taken = np.zeros(candidates, bool)
    picks = np.empty(b, np.int64)
    for at in range(b):
        pick = int(np.argmax(np.where(taken, -1, reach)))
        picks[at], taken[pick] = pick, True
        if reach[pick]:
            new = (free.squared(pick)[0] < radius) & ~covered
            covered |= new
            reach -= _reach(free, np.flatnonzero(new), radius)
    return picks


def _reach(points: Points, rows: np.ndarray, radius: float) -> np.ndarray:
    """How many of ``rows`` the ball around each point covers, int64, shape (N,)."""
    counts = np.zeros(len(points), np.int64)
    for part in points.blocks(rows):
        counts += (points.squared(part) < radius).sum(0)
    return counts

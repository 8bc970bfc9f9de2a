"""ProbCover: balls of one radius around candidates; those that cover the most first."""

from __future__ import annotations

import numpy as np

from stages.errors import UserError
from stages.selectors.distances import Points, nearest, pieces, within
from stages.selectors.grid import unit_rows
from stages.selectors.lloyd import kmeans

ITERATIONS = 20


def covering(
    features: tuple[np.ndarray, np.ndarray, int],
    b: int,
    rng: np.random.Generator,
    delta: float = 0.0,
    purity: float = 0.95,
    subset: int = 0,
) -> np.ndarray:
    """Yehuda et al. 2022, Algorithm 1: greedy maximum coverage by balls of radius ``delta``.

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
    order = rng.permutation(len(pool))[: subset or None]  # ties go to the first of a random order
    points = Points.of(unit_rows(pool[order], labeled, dtype=np.float32))
    if delta > 0:
        radius = (delta * points.frame.scale) ** 2
    else:
        _, labels = kmeans(points, min(classes, len(points)), rng, ITERATIONS)
        radius = purest_radius(points, labels, purity)
    return order[_greedy(points, len(order), float(np.nextafter(radius, -np.inf)), b)]


def purest_radius(points: Points, labels: np.ndarray, purity: float) -> float:
    """The squared radius, in the frame of ``points``, of Yehuda et al. 2022, section 3.3.

    A ball is pure if all it covers has the (pseudo-)label of its centre: as long as the radius is
    at most the distance to the nearest point with another label. The largest radius that leaves a
    share ``purity`` of all balls pure is therefore one of these distances.
    """
    order = np.argsort(labels, kind="stable")
    points, labels = points[order], labels[order]
    closest = np.full(len(points), np.inf)
    for label in np.unique(labels):
        start, end = np.searchsorted(labels, [label, label + 1])
        for others in (points[:start], points[end:]):
            _, squares = nearest(points[start:end], others)
            np.minimum(closest[start:end], squares, out=closest[start:end])
    impure = int((1 - purity) * len(closest) + 1e-9)  # (1 - 0.95) * 20 must be 1
    return float(np.sort(closest)[min(impure, len(closest) - 1)])


def _greedy(points: Points, candidates: int, radius: float, b: int) -> np.ndarray:
    """Positions among the first ``candidates`` points; the others are labeled.

    A ball covers what is at a squared distance of at most ``radius``.
    """
    free, labeled = points[:candidates], points[candidates:]
    covered = np.zeros(candidates, bool)
    for part in pieces(len(labeled), candidates):
        covered |= within(labeled[part], free, radius).any(0)
    reach = _reach(free, np.flatnonzero(~covered), radius)
    taken = np.zeros(candidates, bool)
    picks = np.empty(b, np.int64)
    for at in range(b):
        pick = int(np.argmax(np.where(taken, -1, reach)))
        picks[at], taken[pick] = pick, True
        if reach[pick]:
            new = within(free[[pick]], free, radius)[0] & ~covered
            covered |= new
            reach -= _reach(free, np.flatnonzero(new), radius)
    return picks


def _reach(points: Points, rows: np.ndarray, radius: float) -> np.ndarray:
    """How many of ``rows`` the ball around each point covers, int64, shape (N,)."""
    counts = np.zeros(len(points), np.int64)
    for part in pieces(len(rows), len(points)):
        counts += np.count_nonzero(within(points[rows[part]], points, radius), axis=0)
    return counts

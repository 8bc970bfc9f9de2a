"""ProbCover: balls of one radius around candidates; those that cover the most first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Drawn
from stages.catalogue.strategy import Strategy
from stages.geometry.balls import held, reaches, slack, strangers
from stages.geometry.distances import Points, pieces, squared, within
from stages.geometry.grid import unit_rows
from stages.geometry.lloyd import kmeans
from stages.machine.errors import UserError

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "probcover": Strategy(
        scorer="stages.strategies.probcover:score",
        selector="stages.strategies.probcover:covering",
        source="Yehuda et al. 2022 (ProbCover), on the round's embeddings",
        family="diversity",
        cost="N^2 D",
        formula="argmax_x of the number of points within delta of x that no labeled or taken one "
        "covers, b times",
    ),
}
ITERATIONS = 20
TOGETHER = 32  # candidates that are counted again at once
STALE = 0.3  # share of covered points that are carried along


class KnownAndClasses(NamedTuple):
    """Embeddings of candidates (N, D) and of the labeled set (L, D), and the number of classes."""

    candidates: np.ndarray
    labeled: np.ndarray
    classes: int


def score(pool: Pool) -> KnownAndClasses:
    """What ProbCover works on."""
    return KnownAndClasses(pool.embeddings, pool.labeled_embeddings, pool.classes)


def covering(
    features: KnownAndClasses,
    b: int,
    rng: np.random.Generator,
    *,
    delta: Annotated[float, Field(ge=0, le=2)] = 0.0,  # unit vectors are at most 2 apart
    purity: Annotated[float, Field(gt=0, le=1)] = 0.95,
    subset: Drawn = 0,
) -> np.ndarray:
    """Yehuda et al. 2022, Algorithm 1: greedy maximum coverage by balls of radius ``delta``.

    A ball around x covers every point at a distance below ``delta``. Points that a labeled one
    covers are covered from the start; then the candidate that covers the most uncovered points is
    taken, b times, ties by chance. Once all is covered the rest is drawn uniformly. As in the
    authors' code, rows are divided by their length first.

    The graph is never stored: how many uncovered points each candidate reaches is counted once in
    blocks, each pair once, and again only where that may change a pick, so memory is N D and a few
    blocks however dense the graph.

    Args:
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
    starts, ends = (np.searchsorted(labels, labels, side=side) for side in ("left", "right"))
    rough, off = strangers(points, ends), slack(points)
    impure = min(int((1 - purity) * len(rough) + 1e-9), len(rough) - 1)  # (1 - 0.95) * 20 must be 1
    # Distances of few points can be the one of this rank: only theirs must be exact.
    middle = np.partition(rough, impure)[impure]
    if np.isinf(middle):
        return float(middle)
    close = np.flatnonzero(np.abs(rough - middle) <= 2 * off)
    nearest = np.empty(len(close))
    for part in pieces(len(close), len(points)):
        squares = squared(points[close[part]], points)
        for row, at in zip(squares, close[part], strict=True):
            row[starts[at] : ends[at]] = np.inf
        nearest[part] = squares.min(1)
    below = int((rough < middle - 2 * off).sum())
    return float(np.sort(nearest)[impure - below])


def _greedy(points: Points, candidates: int, radius: float, b: int) -> np.ndarray:
    """Positions among the first ``candidates`` points; the others are labeled.

    A ball covers what is at a squared distance of at most ``radius``. Lazy (Minoux 1978): what a
    ball newly covers never grows, so an old count is an upper bound, and only candidates whose
    bound is the largest are counted again.
    """
    free, labeled = points[:candidates], points[candidates:]
    covered = np.zeros(candidates, bool)
    for part in pieces(len(labeled), candidates):
        covered |= within(labeled[part], free, radius).any(0)
    left = np.flatnonzero(~covered)  # what is, or was not long ago, uncovered
    order = np.concatenate([left, np.flatnonzero(covered)])
    bound = np.empty(candidates, np.int64)
    bound[order] = reaches(free[order], len(left), radius)
    others, counted = free[left], np.zeros(candidates, np.int64)
    picks = np.empty(b, np.int64)
    for at in range(b):
        pick = int(bound.argmax())
        while bound[pick] and counted[pick] < at:
            some = np.argpartition(-bound, min(TOGETHER, candidates - 1))[:TOGETHER]
            some = np.union1d(some[(counted[some] < at) & (bound[some] > 0)], pick)
            bound[some] = held(free[some], others, radius)[:, ~covered[left]].sum(1)
            counted[some] = at
            pick = int(bound.argmax())
        picks[at] = pick
        if bound[pick]:
            covered[left[held(free[[pick]], others, radius)[0]]] = True
            if covered[left].sum() > STALE * len(left):
                left = left[~covered[left]]
                others = free[left]
        bound[pick] = -1
    return picks

"""Core-Set: robust k-center, improved from the greedy start by a mixed-integer program."""

from __future__ import annotations

import logging
import math
from typing import Annotated

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Count, Rate, Whole
from stages.catalogue.strategy import Strategy
from stages.geometry.axes import principal_components
from stages.geometry.cover import Cover, Limits, Undecided
from stages.geometry.distances import Frame, Points, nearest
from stages.geometry.farthest import farthest_first
from stages.geometry.grid import check_finite
from stages.machine.errors import UserError
from stages.strategies.handshake import Known

log = logging.getLogger(__name__)

Seconds = Annotated[float, Field(gt=0, le=10**7)]  # four months

ENTRIES = {
    "coreset": Strategy(
        scorer="stages.strategies.features:embedding_and_labeled",
        selector="stages.strategies.coreset:robust",
        source="Sener & Savarese 2018, Algorithm 2 (robust k-center)",
        family="diversity",
        cost="N (L + b) D + steps (searches, mixed-integer programs)",
        formula="the b centres of the smallest radius d for which Feasible(b, labeled, d, "
        "outliers) holds: all points but a share outliers are within d of a centre or a labeled "
        "one",
    ),
}


def robust(
    features: Known,
    b: int,
    rng: np.random.Generator,
    *,
    pca: Whole = 0,
    outliers: Rate = 1e-4,
    steps: Whole = 10,
    moves: Whole = 10_000,
    nodes: Count = 100,
    nonzeros: Count = 10_000,
    programs: Count = 50,
    time_limit: Seconds = 3600.0,
) -> np.ndarray:
    """Sener & Savarese 2018, Algorithm 2: the smallest radius at which b balls are enough.

    The greedy start (Algorithm 1) gives a radius that b centres do for, and half of a distance of
    its sequence one that none do for; between them ``steps`` bisections ask the program of eq. (5),
    see :class:`stages.geometry.cover.Cover`. Up to ``outliers`` of all points may stay open.

    A radius for which neither centres nor a proof that there are none is found within ``moves``,
    ``nodes``, ``nonzeros`` and ``programs`` counts as one that does not do: the best centres so
    far, at worst the greedy ones, are kept, and one line of the log says so, with the radius below
    which there are provably none. These limits do not depend on the machine. ``time_limit`` does,
    and is an error when it runs out.

    Args:
        features: embeddings of the pool (N, D) and of the labeled set (L, D).
        pca: principal components to keep, as in k-center greedy; 0: all.
        outliers: share of all points, Xi / n (the paper: 1e-4).
        steps: bisections at most; each halves what is left between the two radii.
        moves, nodes, nonzeros, programs: see :class:`stages.geometry.cover.Limits`.
        time_limit: seconds for all radii together.

    Returns:
        Positions, int64, shape (b,), in the order in which k-center greedy would take them.

    Raises:
        UserError: a feature is not finite, b is larger than N, or out of time.
    """
    pool, labeled = features
    count = len(pool)
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    check_finite(pool, labeled)
    if 0 < pca < pool.shape[1]:
        pool, labeled = principal_components(
            np.asarray(pool, np.float64), np.asarray(labeled, np.float64), pca
        )
    order = rng.permutation(count)  # the solver's choice among equals must not follow positions
    frame = Frame(pool, labeled)
    points, known = Points.of(pool[order], frame), Points.of(labeled, frame)
    budget = min(int(outliers * (count + len(known))), count)
    sequence = farthest_first(points.rows, known.rows, min(b + budget + 1, count), rng)
    _, to_labeled = nearest(points, known)
    limits = Limits(nodes, nonzeros, programs, time_limit, moves)
    cover = Cover(points, to_labeled, b, budget, sequence, limits, rng.spawn(1)[0])
    centres = _bisect(cover, sequence, b, steps)
    filled = _fill(points.rows, known.rows, centres, b, rng)
    return order[filled]


def _bisect(cover: Cover, sequence: np.ndarray, b: int, steps: int) -> np.ndarray:
    """The centres of the smallest radius found, b or fewer."""
    centres = sequence[:b]
    cover.kept_to = _radius(cover, centres)
    greedy = high = math.sqrt(cover.kept_to)
    low = proven = _too_small(cover, sequence)
    undecided = 0
    for _ in range(steps):
        if not low < high:
            break
        middle = (low + high) / 2
        try:
            found = cover.centres(middle * middle, centres)
        except Undecided:
            low, undecided = middle, undecided + 1
            continue
        if found is None:
            low = proven = middle
        else:
            centres, high = found, math.sqrt(_radius(cover, found))
    if undecided:
        proven = _raise(cover, proven, high, steps)
    tell = log.warning if undecided else log.info
    tell(
        "core-set: radius %.4g, %.4f of the greedy one; none below %.4f of it; %d radii undecided "
        "within the limits",
        high / cover.points.frame.scale,
        high / (greedy or 1.0),
        proven / (greedy or 1.0),
        undecided,
    )
    return centres


def _raise(cover: Cover, proven: float, high: float, steps: int) -> float:
    """A larger radius that provably does not do, by all rows that were found to matter."""
    low, up = proven, high
    for _ in range(steps):
        middle = (low + up) / 2
        if cover.rules_out(middle * middle):
            low = middle
        else:
            up = middle
    return low


def _radius(cover: Cover, centres: np.ndarray) -> float:
    """The squared radius that leaves no more points open than the budget."""
    nearest = np.sort(cover.reach(centres))
    return float(nearest[-1 - cover.budget]) if cover.budget < len(nearest) else 0.0


def _too_small(cover: Cover, sequence: np.ndarray) -> float:
    """No radius below this does.

    b + Xi + 1 points that are farther apart than twice the radius, and from the labeled set than
    the radius, need more than b centres. Those of the greedy sequence are.
    """
    if len(sequence) < cover.b + cover.budget + 1:
        return 0.0
    return math.sqrt(cover.reach(sequence[:-1])[sequence[-1]]) / 2


def _fill(
    pool: np.ndarray, labeled: np.ndarray, centres: np.ndarray, b: int, rng: np.random.Generator
) -> np.ndarray:
    """The centres, farthest first, then the farthest candidates if they are fewer than b."""
    picks = np.zeros(0, np.int64)
    if len(centres):
        picks = centres[farthest_first(pool[centres], labeled, len(centres), rng)]
    if len(picks) < b:
        rest = np.setdiff1d(np.arange(len(pool)), picks)
        known = np.concatenate([labeled, pool[picks]])
        picks = np.concatenate(
            [picks, rest[farthest_first(pool[rest], known, b - len(picks), rng)]]
        )
    return picks

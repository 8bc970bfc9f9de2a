"""DCoM: balls of a radius for each labeled point, and margins the more the balls cover."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Positive, Share
from stages.catalogue.strategy import Strategy
from stages.geometry.balls import held, reaches
from stages.geometry.correct import exp
from stages.geometry.distances import Points, pieces, squared
from stages.geometry.grid import unit_rows
from stages.geometry.lloyd import kmeans
from stages.geometry.measures import margin_of
from stages.machine.errors import UserError
from stages.strategies.handshake import Selection
from stages.strategies.probcover import ITERATIONS, purest_radius

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "dcom": Strategy(
        scorer="stages.strategies.dcom:score",
        selector="stages.strategies.dcom:mix",
        source="Mishal & Weinshall 2024 (DCoM), on the round's embeddings",
        family="hybrid",
        cost="N (N + L) D",
        formula="argmax_x S m(x) + (1 - S) n(x), b times: m = 1 - (p_(1) - p_(2)), n the number of "
        "uncovered points within the mean delta_i of x, both scaled to [0, 1]; S = (1 + "
        "e^(-k (1 - a))) / (1 + e^(-k (P - a))), P the share of points within delta_i of a labeled "
        "x_i",
    ),
}
HALVINGS = 7  # of the largest radius; the authors' radii have two decimals
PURE, PURER = 0.4, 0.2  # the purity that a ball needs is 0.4 + 0.2 coverage
DECIMALS = 3  # of the competence, as in the authors' code
GRID = 2.0**-24  # of margins: exp of a library differs in its last bits

Radius = Annotated[float, Field(ge=0, le=2)]  # unit vectors are at most 2 apart


class Labeled(NamedTuple):
    """What DCoM selects from.

    Attributes:
        candidates, labeled: embeddings, shapes (N, D) and (L, D).
        chances: of each class, candidates first, shape (N + L, C).
        labels: of the labeled rows, int64, shape (L,).
        coverage: share of points that were covered in the last round; 0 in the first.
    """

    candidates: np.ndarray
    labeled: np.ndarray
    chances: np.ndarray
    labels: np.ndarray
    coverage: float


def score(pool: Pool) -> Labeled:
    """Embeddings and predictions of candidates and labeled rows, and the labels of the latter."""
    from stages.geometry.probabilities import softmax
    from stages.models.batches import classify

    embeddings, chances = pool.outputs
    known = softmax(classify(pool.network, pool.labeled_embeddings, pool.batches.compute))
    coverage = float(pool.carry.get("selector", {}).get("coverage", 0.0))
    both = np.concatenate([chances, known])
    return Labeled(embeddings, pool.labeled_embeddings, both, pool.labels, coverage)


def mix(
    features: Labeled,
    b: int,
    rng: np.random.Generator,
    *,
    delta: Radius = 0.0,
    purity: Annotated[float, Field(gt=0, le=1)] = 0.95,
    centre: Share = 0.9,
    steepness: Positive = 30.0,
) -> Selection:
    """Mishal & Weinshall 2024 (DCoM), on the embeddings of the round's network.

    Each labeled point has a ball: a radius is halved ``HALVINGS`` times between 0 and the largest,
    up where the share of points in the ball whose predicted class is the label of its centre is at
    least 0.4 + 0.2 coverage. P is the share of points within these balls; the competence S(P)
    weighs margins against the number of uncovered points within the mean radius, both scaled to
    [0, 1] over candidates and labeled points. A pick covers what is within the mean radius of it.
    Ties are broken by chance; rows are divided by their length first.

    The paper's embeddings stay the same from round to round, and so does a radius once it is found.
    A round's own do not, so all radii are found anew; the coverage that decides how pure balls must
    be is that of the last round, as there.

    Args:
        delta: the largest radius; 0: ProbCover's (:func:`stages.strategies.probcover.covering`).
        purity: alpha of that.
        centre: a, the coverage around which margins take over.
        steepness: k.

    Returns:
        Positions, int64, (b,), in order of selection; and ``coverage`` for the next round.

    Raises:
        UserError: a feature or a chance is not finite, or b is larger than N.
    """
    count, size = len(features.candidates), len(features.candidates) + len(features.labeled)
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    if not np.isfinite(features.chances).all():
        raise UserError("a chance of a class is not a finite number")
    order = rng.permutation(count)  # ties go to the first of a random order
    moved = np.concatenate([order, np.arange(count, size)])
    points = Points.of(unit_rows(features.candidates[order], features.labeled, dtype=np.float32))
    chances = features.chances[moved]
    largest = delta or _largest(points, chances.shape[1], purity, rng)
    radii, covered = balls(points, count, chances.argmax(1), features, largest)
    coverage = float(covered.mean())
    weight = competence(coverage, centre, steepness)
    mean = math.fsum(radii) / len(radii)
    squares = np.nextafter((mean * points.frame.scale) ** 2, -np.inf)
    found = _greedy(points[:count], ~covered[:count], margins(chances, count), weight, squares, b)
    return Selection(order[found], {"coverage": np.array(coverage)})


def _largest(points: Points, classes: int, purity: float, rng: np.random.Generator) -> float:
    _, labels = kmeans(points, min(classes, len(points)), rng, ITERATIONS)
    return min(2.0, float(np.sqrt(purest_radius(points, labels, purity))) / points.frame.scale)


def balls(
    points: Points, count: int, predicted: np.ndarray, features: Labeled, largest: float
) -> tuple[np.ndarray, np.ndarray]:
    """A radius for each labeled point, shape (L,), and which points the balls cover, (N + L,).

    Args:
        points: candidates, then the labeled ones.
        predicted: classes of all points.
    """
    wanted = PURE + PURER * features.coverage
    radii, covered = np.empty(len(features.labels)), np.zeros(len(points), bool)
    for part in pieces(len(radii), len(points)):
        centres = points[count + part.start : count + part.stop]
        distances = np.sqrt(squared(centres, points)) / points.frame.scale
        for at, (own, label) in enumerate(zip(distances, features.labels[part], strict=True)):
            radius = radius_of(own, predicted == label, largest, wanted)
            radii[part.start + at] = radius
            covered |= own < radius
    return radii, covered


def radius_of(distances: np.ndarray, right: np.ndarray, largest: float, wanted: float) -> float:
    """The radius of a ball, by bisection of 0 to ``largest``.

    Args:
        distances: of all points to its centre, shape (N,).
        right: whether the prediction of a point is the label of the centre, shape (N,).
        wanted: share of right ones within the ball.
    """
    low, high = 0.0, largest
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        inside = distances < middle
        if right[inside].sum() >= wanted * inside.sum():
            low = middle
        else:
            high = middle
    return (low + high) / 2


def competence(coverage: float, centre: float, steepness: float) -> float:
    """S(P) = (1 + e^(-k (1 - a))) / (1 + e^(-k (P - a))): 1 at P = 1."""
    top, here = (1 + exp(-steepness * (share - centre)) for share in (1.0, coverage))
    return round(top / here, DECIMALS)


def margins(chances: np.ndarray, count: int) -> np.ndarray:
    """-(p_(1) - p_(2)), scaled to [0, 1] over all points; of the first ``count``."""
    raw = np.rint(margin_of(chances) / GRID) * GRID
    return (raw[:count] - raw.min()) / ((raw.max() - raw.min()) or 1.0)


def _greedy(
    points: Points, uncovered: np.ndarray, unsure: np.ndarray, weight: float, radius: float, b: int
) -> np.ndarray:
    """Positions of ``b`` candidates; ``radius`` is squared, in the frame of the points."""
    left = np.flatnonzero(uncovered)
    order = np.concatenate([left, np.flatnonzero(~uncovered)])
    counts = np.empty(len(points), np.int64)
    counts[order] = reaches(points[order], len(left), radius)
    free, unsure = np.ones(len(points), bool), unsure.copy()
    picks = np.empty(b, np.int64)
    for at in range(b):
        scores = weight * (unsure / (unsure.max() or 1.0))
        scores += (1 - weight) * (counts / (counts.max() or 1))
        picks[at] = pick = int(np.where(free, scores, -1.0).argmax())
        free[pick], unsure[pick] = False, 0.0
        new = held(points[[pick]], points[left], radius)[0]
        for part in pieces(len(points) if new.any() else 0, int(new.sum())):
            counts[part] -= held(points[part], points[left[new]], radius).sum(1)
        left = left[~new]
    return picks

"""CLUE: k-means on embeddings, each weighted by its uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stages.catalogue.kinds import Positive, Steps
from stages.catalogue.strategy import Strategy
from stages.geometry.distances import Points
from stages.geometry.grid import blocks
from stages.geometry.lloyd import kmeans
from stages.geometry.nearest_free import nearest_free
from stages.geometry.probabilities import entropy, softmax
from stages.machine.errors import UserError

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "clue": Strategy(
        scorer="stages.strategies.clue:entropies",
        selector="stages.strategies.clue:weighted_centres",
        source="Prabhu et al. 2021 (CLUE)",
        family="hybrid",
        cost="iterations N b D",
        formula="the candidate nearest to each of the centres m_1, ..., m_b that minimise "
        "sum_i H(p_i) min_j |x_i - m_j|^2, p of logits / temperature",
    ),
}
BLOCK = 4096


class Uncertainties(NamedTuple):
    """What CLUE selects from.

    Attributes:
        embeddings: of the candidates, shape (N, D).
        weights: 0 or more, shape (N,).
    """

    embeddings: np.ndarray
    weights: np.ndarray


def entropies(pool: Pool, *, temperature: Positive = 1.0) -> Uncertainties:
    """Embeddings, and the entropy of softmax(logits / ``temperature``) in nats.

    Args:
        temperature: 1 for digits, 0.1 for larger images in the paper.
    """
    from stages.models.batches import classify

    found = np.empty(len(pool.candidates))
    for part in blocks(len(found), BLOCK):
        logits = classify(pool.network, pool.embeddings[part], pool.batches.compute)
        found[part] = entropy(softmax(logits / temperature))
    return Uncertainties(pool.embeddings, found)


def weighted_centres(
    features: Uncertainties, b: int, rng: np.random.Generator, *, iterations: Steps = 20
) -> np.ndarray:
    """Prabhu et al. 2021: of b clusters, weighted by uncertainty, those nearest to the centres.

    Lloyd's algorithm from k-means++ seeds (:func:`stages.geometry.lloyd.kmeans`); a candidate that
    is the nearest to two centres is taken once, for the other centre the next one. Where no weight
    is above 0, all are equal.

    Args:
        iterations: of Lloyd's algorithm at most.

    Returns:
        Positions, int64, shape (b,).

    Raises:
        UserError: a number is not finite, or b is larger than N.
    """
    embeddings, weights = features
    if b > len(embeddings):
        raise UserError(f"cannot take {b} of {len(embeddings)} candidates")
    if not np.isfinite(weights).all():
        raise UserError("an uncertainty is not a finite number")
    points = Points.of(embeddings)
    centres, _ = kmeans(points, b, rng, iterations, weights)
    return nearest_free(points, centres, rng.permutation(len(points)))

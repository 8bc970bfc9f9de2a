"""DropQuery: candidates whose predicted class does not survive dropout of features, clustered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Steps
from stages.catalogue.strategy import Strategy
from stages.geometry.grid import blocks
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.strategies.kmeans import nearest_to_centres
from stages.strategies.top import top

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "dropquery": Strategy(
        scorer="stages.strategies.dropquery:flips",
        selector="stages.strategies.dropquery:unsteady",
        source="Gupte et al. 2024 (DropQuery)",
        family="hybrid",
        cost="masks N D C, and iterations M b D, M of them unsteady",
        formula="of the candidates whose predicted class changes under more than half of the masks "
        "on their features, the one nearest to each of the centres of b clusters",
    ),
}
BLOCK = 4096

Masks = Annotated[int, Field(ge=1, le=10_000)]
Dropped = Annotated[float, Field(gt=0, lt=1)]


class Unsteady(NamedTuple):
    """What DropQuery selects from.

    Attributes:
        embeddings: of the candidates, shape (N, D).
        share: of the masks under which the predicted class changes, shape (N,).
    """

    embeddings: np.ndarray
    share: np.ndarray


def flips(pool: Pool, *, masks: Masks = 3, rate: Dropped = 0.75) -> Unsteady:
    """Embeddings, and how often dropout of their numbers changes the predicted class.

    The masks are on the features that the classifier sees, whatever dropout the model has.

    Args:
        masks: of each candidate; 3 in the paper.
        rate: share of the features that is dropped; 0.75 in the paper.
    """
    from stages.models.batches import classify

    rng, compute = pool.generator(Purpose.SCORER), pool.batches.compute
    embeddings = pool.embeddings
    changed = np.zeros(len(embeddings), np.int64)
    for part in blocks(len(embeddings), BLOCK):
        rows = embeddings[part]
        predicted = classify(pool.network, rows, compute).argmax(1)
        for _ in range(masks):
            kept = rng.random(rows.shape, np.float32) >= rate
            dropped = np.where(kept, rows / rows.dtype.type(1 - rate), rows.dtype.type(0))
            changed[part] += classify(pool.network, dropped, compute).argmax(1) != predicted
    return Unsteady(embeddings, changed / masks)


def unsteady(
    features: Unsteady, b: int, rng: np.random.Generator, *, iterations: Steps = 100
) -> np.ndarray:
    """Gupte et al. 2024: k-means on what changes under more than half of the masks.

    Where fewer than b do, the b that change most often are taken, ties by chance; the paper does
    not say.

    Args:
        iterations: of Lloyd's algorithm at most; 100 in the authors' code.

    Returns:
        Positions, int64, shape (b,).

    Raises:
        UserError: a feature is not finite, or b is larger than N.
    """
    embeddings, share = features
    if b > len(embeddings):
        raise UserError(f"cannot take {b} of {len(embeddings)} candidates")
    kept = np.flatnonzero(share > 0.5)
    if len(kept) < b:
        return top(share, b, rng)
    return kept[nearest_to_centres(embeddings[kept], b, rng, iterations=iterations)]

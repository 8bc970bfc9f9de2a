"""What selectors of both uncertainty and diversity work on."""

from __future__ import annotations

import numpy as np

from stages.geometry.probabilities import softmax
from stages.machine.errors import UserError
from stages.models.batches import classify, embed
from stages.rounds.pool import Pool
from stages.scorers.uncertainty import entropy_of, margin_of
from stages.selectors.bait import Fisher
from stages.selectors.cluster_margin import ClusteredMargins
from stages.selectors.exploitation import Exploration


def fisher_factors(pool: Pool, fisher: str) -> Fisher:
    """Embeddings and chances of pool and labeled set.

    Args:
        fisher: ``full``: all class probabilities; ``binary``: the largest one alone.
    """
    labeled = softmax(classify(pool.network, pool.labeled_embeddings, pool.batches.compute))
    embeddings, chances = pool.outputs
    if fisher == "binary":
        chances, labeled = chances.max(1, keepdims=True), labeled.max(1, keepdims=True)
    return Fisher(embeddings, chances, pool.labeled_embeddings, labeled)


def embedding_and_margin(pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (N, D), and 1 - (p_(1) - p_(2)), in [0, 1], of the pool, shape (N,)."""
    embeddings, chances = pool.outputs
    return embeddings, 1 + margin_of(chances)


def clustered_margins(pool: Pool) -> ClusteredMargins:
    """Margins of the pool, with the clusters of the first round (Citovsky et al. 2021).

    In the first round all unlabeled rows are embedded, even those that ``candidates`` leaves out:
    a later round may draw them.
    """
    if "cluster_margin_rows" in pool.carry:
        known = pool.carry["cluster_margin_rows"], pool.carry["cluster_margin_clusters"]
        return ClusteredMargins(margin_of(pool.probabilities), pool.rows, *known, None)
    everything = pool.unlabeled
    whole = len(everything) == len(pool.rows)
    features = pool.embeddings if whole else embed(pool.network, pool.batches, everything)
    return ClusteredMargins(margin_of(pool.probabilities), pool.rows, everything, None, features)


def exploration(pool: Pool, first_share: float, growth: float, most: float) -> Exploration:
    """Embeddings and entropies; exploitation has ``first_share`` of the batch in the first round,
    ``growth`` more in each round after it, up to ``most``.

    Raises:
        UserError: ``most`` is below ``first_share`` or above 1.
    """
    if not first_share <= most <= 1:
        raise UserError(
            f"first_share is {first_share} and most is {most}; "
            f"allowed: 0 <= first_share <= most <= 1"
        )
    share = min(most, first_share + growth * pool.round_n)
    embeddings, chances = pool.outputs
    return Exploration(embeddings, entropy_of(chances), pool.labeled_embeddings, share)

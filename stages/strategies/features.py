"""What geometric selectors work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.strategies.handshake import Embeddings, Known

if TYPE_CHECKING:
    from stages.rounds.context import Pool


def embedding(pool: Pool) -> Embeddings:
    """Embeddings of the pool, shape (N, D)."""
    return pool.embeddings


def embedding_and_labeled(pool: Pool) -> Known:
    """Embeddings of the pool (N, D) and of the labeled set (L, D)."""
    return Known(pool.embeddings, pool.labeled_embeddings)

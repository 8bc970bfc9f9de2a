"""What geometric selectors work on."""

from __future__ import annotations

import numpy as np

from stages.rounds.pool import Pool


def embedding(pool: Pool) -> np.ndarray:
    """Embeddings of the pool, shape (N, D)."""
    return pool.embeddings


def embedding_and_labeled(pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of the pool (N, D) and of the labeled set (L, D)."""
    return pool.embeddings, pool.labeled_embeddings


def embedding_labeled_and_classes(pool: Pool) -> tuple[np.ndarray, np.ndarray, int]:
    """Embeddings of the pool (N, D) and of the labeled set (L, D), and the number of classes."""
    return pool.embeddings, pool.labeled_embeddings, pool.classes


def gradient_factors(pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """The gradient embedding of BADGE in two factors: p - onehot(argmax p), (N, C), and z, (N, D).

    The gradient of the cross-entropy against the predicted class with respect to the classifier's
    weights is their outer product (Ash et al. 2020); it is never written out.
    """
    embeddings, chances = pool.outputs
    errors = chances.copy()
    errors[np.arange(len(errors)), errors.argmax(1)] -= 1
    return errors, embeddings

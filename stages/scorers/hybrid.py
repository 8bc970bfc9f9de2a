"""An uncertainty and a diversity of each candidate, both in [0, 1] (Li et al. 2022, hybrid)."""

from __future__ import annotations

import numpy as np

from stages.geometry.diversity import minimum_distance, posterior_variance
from stages.machine.randomness import Purpose
from stages.models.batches import classify
from stages.models.discriminator import Training, discriminator_score
from stages.rounds.pool import Pool
from stages.scorers.uncertainty import (
    bald_of,
    entropy_of,
    of_mean,
    over_blocks,
    variation_ratio_of,
)
from stages.selectors.hybrid import Criteria


def criteria(
    pool: Pool,
    uncertainty: str,
    diversity: str,
    combination: str,
    passes: int = 100,
    space: str = "logits",
    jitter: float = 1e-8,
    discriminator_epochs: int = 50,
    discriminator_batch_size: int = 128,
    discriminator_learning_rate: float = 0.001,
    discriminator_dropout: float = 0.25,
) -> Criteria:
    """Both criteria of each candidate (Li et al. 2022, sections 3.2 and 4.1.1).

    Args:
        uncertainty: ``entropy``, ``bald`` or ``variation_ratio``, over dropout passes.
        diversity: ``discriminator``, ``posterior_variance`` or ``minimum_distance``.
        combination: ``uncertainty`` or ``diversity`` alone leaves the other one out.
        space: where distances are taken: ``logits`` (the paper's) or ``embedding``.
        jitter: of :func:`posterior_variance`.

    Raises:
        UserError: an embedding is not finite.
    """
    training = Training(
        discriminator_epochs,
        discriminator_batch_size,
        discriminator_learning_rate,
        discriminator_dropout,
    )
    # Diversity first: it keeps the embeddings, and the dropout passes go on from them.
    far = unsure = None
    if combination != "uncertainty":
        far = diverse(pool, diversity, space, jitter, training)
    if combination != "diversity":
        unsure = uncertain(pool, uncertainty, passes)
    return Criteria(unsure, far, pool.round_n + 1)


def uncertain(pool: Pool, name: str, passes: int) -> np.ndarray:
    """Entropy and BALD over log C, variation ratio over 1 - 1/C; shape (N,)."""
    function, largest = {
        "entropy": (of_mean(entropy_of), np.log(pool.classes)),
        "bald": (bald_of, np.log(pool.classes)),
        "variation_ratio": (variation_ratio_of, 1 - 1 / pool.classes),
    }[name]
    values = over_blocks(function, pool.dropout_blocks(passes))
    return values / largest if largest > 0 else values  # of one class nothing is uncertain


def diverse(pool: Pool, name: str, space: str, jitter: float, training: Training) -> np.ndarray:
    """Discriminator score, posterior variance or minimum distance; shape (N,)."""
    own, labeled = pool.embeddings, pool.labeled_embeddings
    if space == "logits":
        compute = pool.batches.compute
        own, labeled = (classify(pool.network, part, compute) for part in (own, labeled))
    if name == "discriminator":
        rng = pool.generator(Purpose.HYBRID_DISCRIMINATOR)
        return discriminator_score(own, labeled, training, pool.batches.compute, rng)
    if name == "posterior_variance":
        return posterior_variance(own, labeled, jitter)
    return minimum_distance(own, labeled)

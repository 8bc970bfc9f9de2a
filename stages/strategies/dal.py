"""Discriminative active learning: which candidates look least like what is labeled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Count, LearningRate, Steps, Whole
from stages.catalogue.strategy import Strategy
from stages.machine.errors import UserError
from stages.machine.progress import progress
from stages.machine.randomness import Purpose
from stages.strategies.handshake import Scores
from stages.strategies.top import top

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "dal": Strategy(
        scorer="stages.strategies.dal:score",
        source="Gissin & Shalev-Shwartz 2019 (DAL on the learned representation)",
        family="diversity",
        cost="mini_queries e ratio (L + b)",
        formula="P(unlabeled | x), by a classifier of labeled against unlabeled embeddings that is "
        "trained anew in each mini-query",
    ),
}
NOT_SEEN = -1.0


def score(
    pool: Pool,
    *,
    mini_queries: Annotated[int, Field(ge=1, le=10_000)] = 10,
    ratio: Whole = 10,
    epochs: Steps = 500,
    batch_size: Count = 1024,
    learning_rate: LearningRate = 0.0002,
    accuracy: Annotated[float, Field(gt=0, le=1)] = 0.98,
) -> Scores:
    """Gissin & Shalev-Shwartz 2019: the chance of being unlabeled, by a new classifier.

    b is taken in mini-queries. In each, a multilayer perceptron (three hidden layers of 256, ReLU,
    no regularisation, Adam, classes weighted to balance) learns to tell the embeddings of labeled
    images, and of those taken before, from ``ratio`` times as many unlabeled ones drawn at random;
    it stops once its accuracy over an epoch, unweighted, exceeds ``accuracy``. Of the drawn ones
    those most surely unlabeled are taken.

    Args:
        mini_queries: how many; each takes its share of b.
        ratio: unlabeled ones drawn for each labeled one (at least the share); 0: all.
        epochs: at most.
        batch_size: of the classifier's training.
        learning_rate: of Adam.
        accuracy: where training stops.

    Returns:
        Shape (N,), for the b highest to be selected: of candidates taken in mini-query q of Q
        (from 0), Q - q + p(unlabeled); of the others the last p(unlabeled), or -1 if never drawn.

    Raises:
        UserError: training diverged, or b is larger than N.
    """
    from stages.models import perceptron
    from stages.models.logistic import sigmoid

    count, b = len(pool.candidates), pool.query_size
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    if not np.isfinite(pool.embeddings).all():
        raise UserError("an embedding is not a finite number")
    compute = pool.batches.compute
    initial, batches, subset = (
        pool.generator(purpose)
        for purpose in (
            Purpose.DISCRIMINATOR,
            Purpose.DISCRIMINATOR_BATCHES,
            Purpose.DISCRIMINATOR_SUBSET,
        )
    )
    scores, taken = np.full(count, NOT_SEEN), np.zeros(0, np.int64)
    shares = [len(part) for part in np.array_split(np.arange(b), min(mini_queries, b))]
    for at, share in enumerate(progress(shares, "discriminate", "mini-query")):
        free = np.setdiff1d(np.arange(count), taken)
        known = len(pool.labeled) + len(taken)
        drawn = min(len(free), max(ratio * known, share)) if ratio else len(free)
        free = np.sort(subset.choice(free, drawn, replace=False))
        inputs = np.empty((known + drawn, pool.embeddings.shape[1]), pool.embeddings.dtype)
        inputs[: len(pool.labeled)] = pool.labeled_embeddings
        wanted = np.concatenate([taken, free])
        # Clipping changes no valid position; without it NumPy would gather into a copy first.
        np.take(pool.embeddings, wanted, 0, out=inputs[len(pool.labeled) :], mode="clip")
        model = perceptron.fresh(inputs.shape[1], initial, compute)
        unlabeled = np.arange(len(inputs)) >= known
        perceptron.train(
            model, inputs, unlabeled, batches, compute, epochs, batch_size, learning_rate, accuracy
        )
        margins = perceptron.margins_of(model, inputs[known:], compute)
        chances = sigmoid(margins).cpu().numpy().astype(np.float64)
        best = top(margins.double().cpu().numpy(), share, subset)
        scores[free] = chances
        scores[free[best]] += len(shares) - at
        taken = np.concatenate([taken, free[best]])
    return scores

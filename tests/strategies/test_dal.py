"""Discriminative active learning: mini-queries, and a classifier that is the usual one."""

from __future__ import annotations

import types

import numpy as np
import pytest
import torch
from torch import nn

from stages.machine.errors import UserError
from stages.machine.randomness import generator
from stages.models import initialise, perceptron
from stages.models.compute import Compute
from stages.strategies import dal
from stages.strategies.top import top

CPU = torch.device("cpu")
EXACT, PLAIN = Compute(CPU, True, False), Compute(CPU, False, False)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pool_of(candidates: np.ndarray, labeled: np.ndarray, b: int, compute: Compute = EXACT):
    """What the scorer reads of a pool."""
    kind = np.float64 if compute.exact else np.float32
    return types.SimpleNamespace(
        candidates=np.arange(len(candidates)),
        labeled=np.arange(len(labeled)),
        embeddings=candidates.astype(kind),
        labeled_embeddings=labeled.astype(kind),
        query_size=b,
        batches=types.SimpleNamespace(compute=compute),
        generator=lambda purpose: generator(0, purpose),
    )


def groups(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """60 candidates where the 20 labeled ones lie, 15 and 5 elsewhere."""
    near, labeled = rng(seed).normal(size=(60, 2)), rng(seed + 1).normal(size=(20, 2))
    one, other = rng(seed + 2).normal(size=(15, 2)), rng(seed + 3).normal(size=(5, 2))
    return np.concatenate([near, one + [8, 0], other + [0, 8]]), labeled


@pytest.mark.parametrize("compute", [EXACT, PLAIN], ids=["exact", "plain"])
def test_it_takes_what_lies_where_nothing_is_labeled(compute):
    found = []
    for seed in range(0, 20, 5):
        pool = pool_of(*groups(seed), 6, compute)
        scores = dal.score(pool, mini_queries=3, epochs=60, learning_rate=0.005)
        found.append((top(scores, 6, rng()) >= 60).sum())
    assert np.mean(found) > 2.5  # of 6; by chance 1.5


def test_scores_tell_mini_queries_apart():
    candidates, labeled = groups()
    scores = dal.score(pool_of(candidates, labeled, 7), mini_queries=3, epochs=5)
    picks = top(scores, 7, rng())
    assert (scores >= 1).sum() == 7 and scores.shape == (80,)
    assert np.clip(np.floor(scores[picks]), 1, 3).tolist() == [3, 3, 3, 2, 2, 1, 1]
    assert (scores[scores < 1] >= 0).all()  # all were drawn: 10 times 20 is more than 80


def test_a_mini_query_learns_from_those_before(monkeypatch):
    sizes = []

    def spy(model, inputs, unlabeled, *rest):
        sizes.append((int((~unlabeled).sum()), int(unlabeled.sum())))

    monkeypatch.setattr(perceptron, "train", spy)
    pool = pool_of(rng().normal(size=(100, 3)), rng(1).normal(size=(4, 3)), 6)
    scores = dal.score(pool, mini_queries=3, ratio=5)
    assert sizes == [(4, 20), (6, 30), (8, 40)]
    assert (scores == dal.NOT_SEEN).any()
    sizes.clear()
    dal.score(pool, mini_queries=2, ratio=0)
    assert sizes == [(4, 100), (7, 97)]
    sizes.clear()
    dal.score(pool, mini_queries=50, ratio=1)
    assert len(sizes) == 6  # never more mini-queries than picks


def by_torch(inputs, unlabeled, epochs: int, rate: float) -> torch.Tensor:
    """The same training with torch's loss and optimizer, in one batch an epoch."""
    model = nn.Sequential(
        *(
            layer
            for size in (inputs.shape[1], 256, 256)
            for layer in (nn.Linear(size, 256), nn.ReLU())
        ),
        nn.Linear(256, 2),
    ).double()
    initialise(model, rng(3))
    x, y = torch.from_numpy(inputs), torch.from_numpy(unlabeled).long()
    weights = len(inputs) / (2 * torch.bincount(y, minlength=2).double())
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(epochs):
        loss = (nn.functional.cross_entropy(model(x), y, reduction="none") * weights[y]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return model(x).softmax(1)[:, 1]


def test_training_is_balanced_cross_entropy_with_adam():
    candidates, labeled = groups()
    inputs = np.concatenate([labeled, candidates])
    unlabeled = np.arange(100) >= 20
    for compute, epochs, off in ((PLAIN, 20, 1e-3), (EXACT, 3, 1e-3)):
        model = perceptron.fresh(2, rng(3), compute)
        perceptron.train(model, inputs, unlabeled, rng(), compute, epochs, 1024, 0.002, 1.0)
        ours = torch.sigmoid(perceptron.margins_of(model, inputs, compute)).double()
        wanted = by_torch(inputs, unlabeled, epochs, 0.002).double()
        torch.testing.assert_close(ours, wanted, atol=off, rtol=0)


def test_training_stops_once_it_is_accurate(monkeypatch):
    steps = []
    original = perceptron.Trainer.step
    monkeypatch.setattr(
        perceptron.Trainer, "step", lambda self, loss: steps.append(1) or original(self, loss)
    )
    inputs = np.concatenate([np.full((10, 2), -5.0), np.full((10, 2), 5.0)])
    model = perceptron.fresh(2, rng(), EXACT)
    perceptron.train(model, inputs, np.arange(20) >= 10, rng(), EXACT, 400, 1024, 0.01, 0.98)
    assert 1 <= len(steps) < 50


def test_ordinary_inputs():
    constant = np.ones((10, 3))
    assert np.isfinite(dal.score(pool_of(constant, constant[:1], 1), epochs=2)).all()
    scores = dal.score(pool_of(constant, constant[:1], 10), epochs=2)
    assert (scores >= 1).all()  # b is the pool
    with pytest.raises(UserError, match="cannot take 11 of 10 candidates"):
        dal.score(pool_of(constant, constant[:1], 11))
    constant[4, 0] = np.nan
    with pytest.raises(UserError, match="not a finite number"):
        dal.score(pool_of(constant, constant[:1], 2))


def test_one_thread_or_two_give_the_same_bits():
    before, found = torch.get_num_threads(), []
    x = rng().normal(size=(300, 8))
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(dal.score(pool_of(x, x[:30], 20), mini_queries=2, epochs=1))
    finally:
        torch.set_num_threads(before)
    assert (found[0] == found[1]).all()

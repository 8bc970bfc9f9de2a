"""What a pool computes in blocks: the same numbers, little memory, one pass over images."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pools import pool_of as pool_for
from torch import nn

from stages import catalogue
from stages.geometry import measures
from stages.geometry.probabilities import softmax
from stages.machine.randomness import Purpose, generator
from stages.models import batches as inference
from stages.models import initialise
from stages.models.batches import Batches, classify, masks_of_pass
from stages.models.compute import configure
from stages.models.networks import Network
from stages.rounds import context
from stages.rounds.context import Learned, Pool
from stages.strategies import committee, dropout, gradient_norm, uncertainty

SIZE = 5  # odd: passes then start in the middle of a 64-bit draw


def network(seed: int, size: int, classes: int) -> Network:
    result = Network(
        nn.Sequential(nn.Flatten(), nn.Linear(16, size), nn.ReLU()), size, classes, 0.5
    )
    initialise(result, np.random.default_rng(seed))
    return result


def pool_of(count: int, how: str = "portable", size: int = SIZE, classes: int = 4) -> Pool:
    compute = configure(how, "cpu", 1)
    images = np.random.default_rng(0).integers(0, 256, (count + 9, 1, 4, 4)).astype(np.uint8)
    members = tuple(compute.place(network(k, size, classes)) for k in (1, 2, 3))
    return pool_for(
        compute.place(network(0, size, classes)),
        Batches(images, [0.5], [0.3], compute),
        np.arange(9, count + 9),
        np.arange(9),
        np.arange(9) % classes,
        classes,
        query_size=5,
        parts={"members": members},
    )


@pytest.fixture
def small_blocks(monkeypatch):
    for module in (inference, context):
        monkeypatch.setattr(module, "CLASSIFIED", 8)


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(0, 5))
def test_a_pass_can_be_drawn_without_those_before(seed, values, at):
    drawn, source = np.random.default_rng(seed), np.random.default_rng(seed)
    for _ in range(at):
        drawn.random(values, dtype=np.float32)
    jumped = masks_of_pass(at, values, source)
    assert (jumped.random(values, dtype=np.float32) == drawn.random(values, dtype=np.float32)).all()
    assert source.random() == np.random.default_rng(seed).random()


@pytest.mark.parametrize("how", ["portable", "machine"])
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.usefixtures("small_blocks")
def test_passes_are_those_drawn_one_after_the_other(how, kept):
    pool, rng = pool_of(21, how), generator(0, Purpose.MC_DROPOUT, 0)
    embeddings = pool_of(21, how).embeddings
    wanted = np.stack(
        [softmax(classify(pool.network, embeddings, pool.batches.compute, rng)) for _ in range(3)]
    )
    if kept:
        assert (pool.embeddings == embeddings).all()
    assert (pool.dropout_probabilities(3) == wanted).all()
    plain = softmax(classify(pool.network, embeddings, pool.batches.compute))
    assert (pool.probabilities == plain).all()
    for over_pool, pure in (
        (dropout.bald, measures.bald_of),
        (dropout.mean_std, measures.mean_std_of),
        (dropout.variation_ratio, measures.variation_ratio_of),
        (dropout.entropy, lambda p: measures.entropy_of(p.mean(0))),
    ):
        assert (over_pool(pool, passes=3) == pure(wanted)).all()
    assert (uncertainty.entropy(pool) == measures.entropy_of(plain)).all()
    norms = gradient_norm.gradient_norm_of(plain, embeddings)
    assert (gradient_norm.score(pool) == norms).all()


@pytest.mark.usefixtures("small_blocks")
def test_members_are_classified_block_by_block():
    pool = pool_of(21)
    found = np.concatenate(list(pool.committee_blocks()), axis=1)
    for at, member in enumerate(pool.part("members")):
        lone = pool_of(21)
        lone.learned = Learned(member)
        assert (lone.probabilities == found[at]).all()


MANY = [
    *((dropout, name) for name in ("bald", "mean_std", "variation_ratio", "entropy", "margin")),
    *((committee, name) for name in ("bald", "entropy")),
]


@pytest.mark.parametrize(("module", "name"), MANY)
def test_the_passes_of_all_candidates_are_never_held(module, name, monkeypatch):
    for place in (inference, context):
        monkeypatch.setattr(place, "CLASSIFIED", 100)
    monkeypatch.setattr(inference, "INFERENCE_BATCH", 100)
    pool = pool_of(3000, "machine", classes=30)
    passes = 10 if module is dropout else len(pool.part("members"))
    settings = {"passes": passes} if module is dropout else {}
    tracemalloc.start()
    try:
        scores = getattr(module, name)(pool, **settings)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert scores.shape == (3000,)
    assert peak < passes * 3000 * 30 * 8 / 4


# These ask it, or one like it, again and again; those of learners read more than the network.
OFTEN = tuple(
    f"stages.{room}"
    for room in ("strategies.adversarial", "strategies.noise", "strategies.consistency",
                 "strategies.diff2aug", "learners")
)  # fmt: skip
ALL = {
    name: entry
    for name, entry in catalogue.STRATEGIES.items()
    if not entry.scorer.startswith(OFTEN)
}


@pytest.mark.parametrize("name", ALL)
def test_a_candidate_goes_through_the_network_once(name, monkeypatch):
    """Asking for probabilities first and embeddings later would embed everything twice."""
    entry, pool, seen = ALL[name], pool_of(60), []
    plain = pool.network.embed
    monkeypatch.setattr(
        pool.network, "embed", lambda images: seen.append(len(images)) or plain(images)
    )
    settings = {
        **entry.settings,
        "candidates": 0,
        "epochs": 1,
        "passes": 3,
        "features": "embedding",
        "held_out": 0.0,
    }
    settings |= {"discriminator_epochs": 1, "mini_queries": 1}
    catalogue.bind(entry.scorer, settings)(pool)
    assert sum(seen) <= 60 + 9

"""Every score against a loop that follows its formula, and what a scorer may look at."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from pools import pool_of

from stages.geometry import measures, probabilities
from stages.machine.randomness import Purpose, generator
from stages.models import build, initialise
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Pool
from stages.strategies import badge, dropout, features, random, uncertainty
from stages.study.settings import Model

SURE = np.array([[1.0, 0.0, 0.0]])
UNSURE = np.full((1, 3), 1 / 3)
SINGLE = {
    "least_confidence": measures.least_confidence_of,
    "margin": measures.margin_of,
    "entropy": measures.entropy_of,
}
PASSES = {
    "bald": measures.bald_of,
    "mean_std": measures.mean_std_of,
    "variation_ratio": measures.variation_ratio_of,
}


def chances(*shape: int, seed: int = 0, sharpness: float = 3) -> np.ndarray:
    logits = sharpness * np.random.default_rng(seed).normal(size=shape)
    return scipy.special.softmax(logits, axis=-1)


def entropy_by_loop(p: np.ndarray) -> float:
    return -sum(value * math.log(value) for value in p if value > 0)


def by_loop(name: str, p: np.ndarray) -> float:
    """The score of one candidate: ``p`` is (C,) or (T, C)."""
    if name == "least_confidence":
        return 1 - max(p)
    if name == "margin":
        first, second = sorted(p, reverse=True)[:2]
        return -(first - second)
    if name == "entropy":
        return entropy_by_loop(p)
    if name == "bald":
        mean = [sum(row[c] for row in p) / len(p) for c in range(len(p[0]))]
        return entropy_by_loop(mean) - sum(entropy_by_loop(row) for row in p) / len(p)
    if name == "mean_std":
        spreads = []
        for c in range(len(p[0])):
            column = [row[c] for row in p]
            mean = sum(column) / len(column)
            spreads.append(math.sqrt(sum((value - mean) ** 2 for value in column) / len(column)))
        return sum(spreads) / len(spreads)
    assert name == "variation_ratio"
    votes = Counter(max(range(len(row)), key=lambda c: row[c]) for row in p)
    return 1 - max(votes.values()) / len(p)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_score_of_one_prediction_is_its_formula(name, classes):
    p = chances(50, classes)
    wanted = [by_loop(name, row) for row in p]
    np.testing.assert_allclose(SINGLE[name](p), wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("passes", [1, 2, 7])
def test_a_score_of_many_passes_is_its_formula(name, passes):
    p = chances(passes, 50, 4)
    wanted = [by_loop(name, p[:, at]) for at in range(50)]
    np.testing.assert_allclose(PASSES[name](p), wanted, rtol=1e-10, atol=1e-14)


def test_entropy_is_scipys():
    p = chances(50, 6)
    np.testing.assert_allclose(measures.entropy_of(p), scipy.stats.entropy(p, axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", SINGLE)
def test_the_less_sure_candidate_scores_higher(name):
    between = np.array([[0.6, 0.3, 0.1]])
    score = SINGLE[name]
    assert score(SURE) < score(between) < score(UNSURE)


@pytest.mark.parametrize("name", PASSES)
def test_the_candidate_whose_passes_disagree_scores_higher(name):
    agree = np.stack([np.array([[0.8, 0.1, 0.1]])] * 4)
    disagree = agree.copy()
    disagree[2:] = [[0.1, 0.8, 0.1]]
    assert PASSES[name](agree) < PASSES[name](disagree)


def test_certainty_and_ignorance_are_exact():
    for p, least, margin, entropy in ((SURE, 0, -1, 0), (UNSURE, 2 / 3, 0, math.log(3))):
        assert measures.least_confidence_of(p)[0] == pytest.approx(least)
        assert measures.margin_of(p)[0] == pytest.approx(margin)
        assert measures.entropy_of(p)[0] == pytest.approx(entropy)


@pytest.mark.filterwarnings("error")
def test_chances_of_exactly_zero_and_one_give_finite_scores():
    corners = np.eye(3)[np.array([[0, 1, 2], [0, 2, 2]])]
    for score in PASSES.values():
        assert np.isfinite(score(corners)).all()
    for score in SINGLE.values():
        assert np.isfinite(score(corners[0])).all()
    assert measures.bald_of(corners).tolist() == pytest.approx([0, math.log(2), 0])


@given(st.integers(1, 6), st.integers(2, 8), st.integers(0, 10**6), st.floats(0, 300))
def test_bald_is_never_negative_nor_above_the_entropy_of_the_mean(passes, classes, seed, sharpness):
    p = chances(passes, 20, classes, seed=seed, sharpness=sharpness)
    score = measures.bald_of(p)
    assert (score >= 0).all()
    assert (score <= measures.entropy_of(p.mean(0)) + 1e-12).all()


def test_equal_passes_have_no_disagreement():
    p = np.stack([chances(20, 5)] * 6)
    assert np.abs(measures.bald_of(p)).max() < 1e-14
    assert np.abs(measures.mean_std_of(p)).max() < 1e-14
    assert measures.variation_ratio_of(p).tolist() == [0] * 20


def test_variation_ratio_is_a_count_of_votes_not_a_confidence():
    p = np.array([[[0.9, 0.1]], [[0.8, 0.2]], [[0.4, 0.6]], [[0.7, 0.3]]])
    assert measures.variation_ratio_of(p).tolist() == [0.25]
    assert measures.least_confidence_of(p.mean(0)) == pytest.approx([0.3])


def test_variation_ratio_does_not_depend_on_the_size_of_the_pool():
    p = chances(5, 40, 3)
    assert (measures.variation_ratio_of(p)[:4] == measures.variation_ratio_of(p[:, :4])).all()


def test_one_class_has_no_margin():
    assert measures.margin_of(np.ones((3, 1))).tolist() == [0, 0, 0]


@pytest.mark.parametrize("score", [*SINGLE.values(), *PASSES.values()])
def test_the_callers_array_is_left_alone(score):
    p = chances(4, 10, 3) if score in PASSES.values() else chances(10, 3)
    p[..., 0, :] = [1, 0, 0]
    before = p.copy()
    score(p)
    assert (p == before).all()


@pytest.mark.filterwarnings("error")
def test_softmax_is_scipys_and_survives_extremes():
    logits = 5 * np.random.default_rng(0).normal(size=(30, 6))
    np.testing.assert_allclose(
        probabilities.softmax(logits), scipy.special.softmax(logits, 1), rtol=1e-12
    )
    np.testing.assert_allclose(
        probabilities.log_softmax(logits), scipy.special.log_softmax(logits, 1), rtol=1e-11
    )
    extreme = np.array([[1e4, 0.0], [-1e300, 1e300], [0.0, 0.0]])
    assert np.isfinite(probabilities.log_softmax(extreme)).all()
    assert probabilities.softmax(extreme).tolist() == [[1, 0], [0, 1], [0.5, 0.5]]


# over a pool


@pytest.fixture(scope="module")
def pool() -> Pool:
    compute = configure("portable", "cpu", 1)
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8)).astype(np.uint8)
    network = build(Model(name="small_cnn", dropout=0.5), (1, 8, 8), 4)
    initialise(network, generator(0, Purpose.INITIALISATION))
    batches = Batches(images, [0.5], [0.3], compute)
    return pool_of(
        compute.place(network),
        batches,
        np.arange(10, 40),
        np.arange(10),
        np.arange(10) % 4,
        4,
        query_size=5,
    )


def test_probabilities_of_a_pool_are_the_networks(pool):
    images = pool.batches.normalise(pool.batches.raw(pool.candidates))
    with torch.no_grad():
        wanted = pool.network(images).softmax(1).numpy()
    assert pool.probabilities.shape == (30, 4)
    np.testing.assert_allclose(pool.probabilities, wanted, rtol=1e-9)


def test_dropout_passes_differ_and_come_again(pool):
    passes = pool.dropout_probabilities(5)
    assert passes.shape == (5, 30, 4)
    assert len(np.unique(passes[:, 0, 0])) == 5
    assert (passes == pool.dropout_probabilities(5)).all()
    assert (passes[:3] == pool.dropout_probabilities(3)).all()
    np.testing.assert_allclose(passes.sum(2), 1)


def test_disagreement_over_a_pool_is_not_zero(pool):
    for score in (dropout.bald, dropout.mean_std):
        assert (score(pool, passes=5) > 0).all()


@pytest.mark.parametrize(
    ("over_pool", "pure"),
    [
        (uncertainty.least_confidence, measures.least_confidence_of),
        (uncertainty.margin, measures.margin_of),
        (uncertainty.entropy, measures.entropy_of),
    ],
)
def test_single_scores_over_a_pool(pool, over_pool, pure):
    assert (over_pool(pool) == pure(pool.probabilities)).all()


@pytest.mark.parametrize(
    ("over_pool", "pure"),
    [
        (dropout.least_confidence, lambda p: measures.least_confidence_of(p.mean(0))),
        (dropout.margin, lambda p: measures.margin_of(p.mean(0))),
        (dropout.entropy, lambda p: measures.entropy_of(p.mean(0))),
        (dropout.bald, measures.bald_of),
        (dropout.mean_std, measures.mean_std_of),
        (dropout.variation_ratio, measures.variation_ratio_of),
    ],
)
def test_scores_of_passes_over_a_pool(pool, over_pool, pure):
    assert (over_pool(pool, passes=6) == pure(pool.dropout_probabilities(6))).all()


def test_random_scores_are_all_alike(pool):
    assert random.constant(pool).tolist() == [0] * 30


def test_features_are_embeddings(pool):
    images = pool.batches.normalise(pool.batches.raw(np.arange(40)))
    with torch.no_grad():
        wanted = pool.network.embed(images).numpy()
    np.testing.assert_allclose(features.embedding(pool), wanted[10:], rtol=1e-9, atol=1e-12)
    known = features.embedding_and_labeled(pool)
    np.testing.assert_allclose(known.candidates, wanted[10:], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(known.labeled, wanted[:10], rtol=1e-9, atol=1e-12)


def test_gradient_factors_are_the_gradient_of_the_last_layer(pool):
    errors, embeddings = badge.gradient_factors(pool)
    for at in range(5):
        inputs = torch.from_numpy(embeddings[at : at + 1])
        weight = pool.network.classifier.weight.detach().clone().requires_grad_()
        logits = inputs @ weight.T + pool.network.classifier.bias.detach()
        (wanted,) = torch.autograd.grad(F.cross_entropy(logits, logits.argmax(1)), weight)
        # The network rounds what it multiplies to 16 bits or more.
        np.testing.assert_allclose(
            np.outer(errors[at], embeddings[at]),
            wanted.numpy(),
            atol=1e-3 * wanted.abs().max().item(),
        )


def test_gradient_factors_leave_the_probabilities_alone(pool):
    before = pool.probabilities.copy()
    badge.gradient_factors(pool)
    assert (pool.probabilities == before).all()

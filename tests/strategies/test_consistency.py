"""Queries by how predictions for augmented images differ, alone and with any learner."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from halves import problem
from hypothesis import given as over
from hypothesis import strategies as st
from scipy.special import softmax

from stages import catalogue
from stages.learners import supervised
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.models import batches as inference
from stages.models import mixing
from stages.models.augmentation import Augmentation
from stages.models.views import draws_of
from stages.rounds.context import Pool
from stages.rounds.selection import choose, pool_of, score
from stages.strategies import consistency, diff2aug

PASSES = 4


@pytest.fixture(scope="module")
def pool() -> Pool:
    given = problem(rows=20, how="machine", padding=2, query_size=7)
    return pool_of(given, supervised.train(given), {})


# consistency


def test_two_opposite_certainties_have_a_variance_of_one_half():
    opposite = np.array([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]])
    assert consistency.variance_of(opposite).tolist() == [0.5]


def test_the_variance_is_the_populations_and_summed_over_classes():
    chances = np.random.default_rng(0).dirichlet(np.ones(3), (5, 8))
    wanted = ((chances - chances.mean(0)) ** 2).mean(0).sum(1)
    np.testing.assert_allclose(consistency.variance_of(chances), wanted, rtol=1e-12)


def test_an_augmentation_that_changes_nothing_leaves_zeros(pool, monkeypatch):
    monkeypatch.setattr(mixing, "weak", lambda *_: Augmentation())
    assert not consistency.variance(pool).any()
    assert not consistency.squared_difference(pool).any()


def chances_of_views(pool: Pool, passes: int) -> np.ndarray:
    """By a network in evaluation mode on crops of the whole pool."""
    view, rows = Augmentation("crop", 2), pool.candidates
    raw = pool.batches.raw(rows)
    draws = [draws_of(pool.round, Purpose.SCORER, rows, at) for at in range(passes)]
    with torch.no_grad():
        network = pool.network.eval()
        images = [pool.batches.normalise(view(raw, one)) for one in draws]
        return softmax(torch.stack([network(one) for one in images]).double().numpy(), 2)


def test_scores_are_those_of_the_formulas(pool):
    chances = chances_of_views(pool, PASSES)
    found = consistency.variance(pool, draws=PASSES)
    np.testing.assert_allclose(found, chances.var(0).sum(1), rtol=1e-5, atol=1e-9)
    assert found.max() > 1e-4
    chances = chances_of_views(pool, 2)
    wanted = ((chances[0] - chances[1]) ** 2).sum(1) / 2
    np.testing.assert_allclose(consistency.squared_difference(pool), wanted, rtol=1e-5, atol=1e-9)


def test_a_score_follows_the_image_whatever_stands_beside_it(pool, monkeypatch):
    whole = consistency.variance(pool, draws=3)
    some = pool.among(np.arange(0, 40, 3))
    np.testing.assert_allclose(consistency.variance(some, draws=3), whole[::3], rtol=1e-5)
    monkeypatch.setattr(inference, "INFERENCE_BATCH", 7)
    np.testing.assert_allclose(consistency.variance(pool, draws=3), whole, rtol=1e-5)


def test_batch_norm_is_in_evaluation_mode_when_images_are_scored(pool):
    seen = []
    pool.network.train()
    hook = pool.network.register_forward_hook(lambda module, *_: seen.append(module.training))
    consistency.variance(pool, draws=2)
    hook.remove()
    assert seen == [False, False]


# diff2aug


def test_the_margin_is_that_of_the_mean_of_an_image_and_its_augmented_one(pool):
    whole = pool.probabilities
    wanted = np.abs(np.diff((whole + chances_of_views(pool, 1)[0]) / 2, axis=1))[:, 0]
    np.testing.assert_allclose(diff2aug.score(pool), -wanted, rtol=1e-4, atol=1e-7)


def test_the_margin_of_worked_numbers(monkeypatch):
    """(.9, .1) and (.5, .5) have the mean (.7, .3); (.6, .4) and (.2, .8) have (.4, .6)."""
    other = np.array([[[0.5, 0.5], [0.2, 0.8]]])
    monkeypatch.setattr(diff2aug, "augmented", lambda *_: [other])
    given = SimpleNamespace(probabilities=np.array([[0.9, 0.1], [0.6, 0.4]]))
    assert diff2aug.score(given).tolist() == pytest.approx([-0.4, -0.2])


@over(st.data())
def test_quotas_sum_to_b_and_each_cluster_has_its_own(data):
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    clusters = np.random.default_rng(0).permutation(clusters)
    b = data.draw(st.integers(1, len(clusters)))
    picks = diff2aug.in_turn(clusters, b, np.random.default_rng(1))
    assert len(set(picks.tolist())) == b
    for cluster, size in enumerate(sizes):
        own = np.flatnonzero(clusters == cluster)
        taken = np.intersect1d(own, picks)
        quota = b * size // len(clusters)
        assert len(taken) >= quota
        assert taken.tolist() == own[: len(taken)].tolist()  # the best of them
        left = [size - quota for size in sizes]
    rest = b - sum(b * size // len(clusters) for size in sizes)
    more = [int((clusters[picks] == c).sum()) - b * s // len(clusters) for c, s in enumerate(sizes)]
    assert sum(more) == rest
    for one, room in zip(more, left, strict=True):  # in turn: nobody is two ahead of who has more
        assert one >= max(more) - 1 or one == room


def test_the_rest_goes_round_the_clusters_in_a_random_order():
    clusters = np.tile(np.arange(4), 5)
    firsts = {
        int(clusters[diff2aug.in_turn(clusters, 1, np.random.default_rng(seed))[0]])
        for seed in range(40)
    }
    assert firsts == {0, 1, 2, 3}


def test_the_most_uncertain_of_every_cluster_are_taken():
    rng = np.random.default_rng(0)
    embeddings = np.repeat([[0.0, 0.0], [100.0, 0.0]], [30, 10], axis=0)
    embeddings = embeddings + rng.normal(size=(40, 2))
    scores = np.arange(40.0)  # all of the second cluster are more uncertain
    placed = diff2aug.Placed(scores, embeddings)
    picks = diff2aug.of_each_cluster(placed, 8, np.random.default_rng(0), clusters=2)
    assert sorted(picks.tolist()) == [*range(24, 30), 38, 39]
    assert set(diff2aug.of_each_cluster(placed, 40, rng, clusters=100).tolist()) == set(range(40))


def test_more_than_there_are_cannot_be_taken():
    placed = diff2aug.Placed(np.zeros(3), np.zeros((3, 2)))
    with pytest.raises(UserError, match="cannot take 4 of 3 candidates"):
        diff2aug.of_each_cluster(placed, 4, np.random.default_rng(0))


# as strategies

SSL = [name for name in catalogue.STRATEGIES if name.startswith("ssl_")]
LEARNERS = ("supervised", "ceal", "mixmatch", "fixmatch", "committee")
SETTINGS = {"steps": 3, "draws": 3, "members": 2, "clusters": 3}


def test_the_methods_of_the_studies_are_there_and_train_by_mixmatch():
    wanted = {"random", "consistency", "inconsistency", "diff2aug_direct", "diff2aug_kmeans"}
    assert {f"ssl_{name}" for name in wanted} == set(SSL)
    assert {catalogue.STRATEGIES[name].learner for name in SSL} == {consistency.MIXMATCH}


@pytest.mark.parametrize("name", SSL)
@pytest.mark.parametrize("learner", LEARNERS)
def test_every_query_goes_with_every_learner(name, learner):
    given = problem(rows=20, how="machine", epochs=1, padding=2, query_size=7)
    entry, options = catalogue.composed("mine", {"use": name, "learner": learner})
    known = {key.rpartition(".")[2]: key for key in entry.kinds}
    options |= {known[key]: value for key, value in SETTINGS.items() if key in known}
    options = catalogue.complete("mine", entry, options)
    learned = catalogue.bind(entry.learner, options, "learner")(given)
    pool = pool_of(given, learned, options)
    rows = choose("mine", score(pool, entry, options), pool, entry, options).rows
    assert len(set(rows.tolist())) == 7
    assert not set(rows.tolist()) & set(given.labeled.tolist())


@pytest.mark.parametrize("learner", ["mixmatch", "fixmatch"])
@pytest.mark.parametrize(
    ("scorer", "selector"), [("entropy", "top"), ("badge", "badge"), ("kcenter", "kcenter")]
)
def test_every_learner_goes_with_other_queries(learner, scorer, selector):
    given = problem(rows=20, how="machine", epochs=1, padding=2, query_size=7)
    written = {"learner": learner, "scorer": scorer, "selector": selector}
    entry, options = catalogue.composed("mine", written)
    options = catalogue.complete("mine", entry, options)
    learned = catalogue.bind(entry.learner, options, "learner")(given)
    pool = pool_of(given, learned, options)
    assert len(choose("mine", score(pool, entry, options), pool, entry, options).rows) == 7


def test_a_query_is_by_the_network_that_is_evaluated():
    """After MixMatch that is the average: other weights, other scores."""
    given = problem(rows=20, how="machine", padding=2)
    learned = catalogue.bind(consistency.MIXMATCH, {"ema": 0.9})(given)
    raw = catalogue.bind(consistency.MIXMATCH, {"ema": 0.0})(given)
    scores = [consistency.variance(pool_of(given, one, {})) for one in (learned, raw)]
    assert not np.allclose(*scores)
    again = dataclasses.replace(learned, parts={})
    np.testing.assert_array_equal(consistency.variance(pool_of(given, again, {})), scores[0])

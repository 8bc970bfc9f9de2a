"""Committees: paired with the other strategies, independent among themselves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_scorers import by_loop, chances

from stages import catalogue
from stages.geometry import measures
from stages.learners import committee, supervised
from stages.machine.errors import UserError
from stages.machine.randomness import generator
from stages.models import state
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Pool, Round
from stages.strategies import badge, gradient_norm
from stages.strategies import committee as scorers
from stages.study.settings import Task

NAMES = [name for name in catalogue.STRATEGIES if name.endswith("_ensemble")]


@pytest.fixture(scope="module")
def known() -> Round:
    compute = configure("portable", "cpu", 1)
    rng = np.random.default_rng(0)
    task = Task(
        dataset={"name": "digits"},
        split={"initial": 1},
        query_size=1,
        model={"name": "small_cnn", "dropout": 0.3},
        epochs=2,
        batch_size=8,
        optimizer="adam",
        learning_rate=0.01,
        augmentation="crop",
        padding=1,
    )
    images = rng.integers(0, 256, (60, 1, 8, 8)).astype(np.uint8)
    return Round(
        batches=Batches(images, [0.5], [0.3], compute),
        labeled=np.arange(20),
        labels=rng.integers(0, 4, 20),
        unlabeled=np.arange(20, 60),
        classes=4,
        shape=(1, 8, 8),
        task=task,
        seed=0,
        n=1,
        compute=compute,
    )


@pytest.fixture(scope="module")
def learned(known):
    return committee.train(known, members=3)


def pool_of(known: Round, learned) -> Pool:
    return Pool(round=known, learned=learned, candidates=known.unlabeled)


def test_the_model_that_is_evaluated_is_the_supervised_one(known, learned):
    alone = state(supervised.train(known).network)
    both = state(learned.network)
    assert all((alone[name] == both[name]).all() for name in alone)


def test_members_are_different_networks_and_come_again(known, learned):
    states = [state(network) for network in (learned.network, *learned.parts["members"])]
    assert len(states) == 4
    for name in states[0]:
        if "weight" in name:
            assert len({one[name].tobytes() for one in states}) == 4
    again = committee.train(known, members=2)  # a larger committee only adds
    for one, other in zip(again.parts["members"], learned.parts["members"], strict=False):
        assert all((state(one)[name] == state(other)[name]).all() for name in state(one))


def test_probabilities_of_a_committee_are_those_of_its_members(known, learned):
    found = np.concatenate(list(pool_of(known, learned).committee_blocks()), axis=1)
    assert found.shape == (3, 40, 4)
    for at, member in enumerate(learned.parts["members"]):
        lone = pool_of(known, dataclasses.replace(learned, network=member))
        assert (lone.probabilities == found[at]).all()


def test_a_scorer_of_committees_wants_one(known, learned):
    lone = pool_of(known, dataclasses.replace(learned, parts={}))
    with pytest.raises(UserError, match="needs 'members', which the learner does not make"):
        scorers.bald(lone)


@pytest.mark.parametrize("name", NAMES)
def test_a_score_of_a_committee_is_its_formula(name, known, learned):
    pool = pool_of(known, learned)
    found = catalogue.load(catalogue.STRATEGIES[name].scorer)(pool)
    p = np.concatenate(list(pool.committee_blocks()), axis=1)
    measure = name.removesuffix("_ensemble")
    mean = measure in ("least_confidence", "margin", "entropy")
    wanted = [by_loop(measure, p[:, at].mean(0) if mean else p[:, at]) for at in range(40)]
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-14)


def test_there_is_an_ensemble_of_each_measure():
    assert len(NAMES) == 6
    assert {catalogue.STRATEGIES[name].settings["members"] for name in NAMES} == {5}


def test_a_committee_of_one_is_refused():
    entry = catalogue.STRATEGIES["bald_ensemble"]
    with pytest.raises(UserError, match="members is 1; allowed: a whole number from 2 to"):
        catalogue.complete("bald_ensemble", entry, {"members": 1})


MANY = (measures.bald_of, measures.mean_std_of, measures.variation_ratio_of)


@pytest.mark.parametrize("measure", MANY)
def test_blocks_change_no_score(measure):
    p = chances(3, 40, 4)
    blocks = [p[:, :7], p[:, 7:8], p[:, 8:]]
    assert (measures.over_blocks(measure, blocks) == measure(p)).all()


# length of the gradient for the predicted class


def test_gradient_norm_is_the_length_of_badges_embedding(known, learned):
    pool = pool_of(known, learned)
    errors, embeddings = badge.gradient_factors(pool)
    wanted = [
        np.linalg.norm(np.outer(one, other)) for one, other in zip(errors, embeddings, strict=True)
    ]
    np.testing.assert_allclose(gradient_norm.score(pool), wanted, rtol=1e-12)


@pytest.mark.filterwarnings("error")
def test_gradient_norm_of_sure_predictions():
    p = np.array([[1.0, 0, 0], [1 - 1e-18, 1e-18, 0], [0.5, 0.5, 0]])
    x = np.full((3, 4), 2.0)
    found = gradient_norm.gradient_norm_of(p, x)
    np.testing.assert_allclose(found, [0, np.sqrt(2) * 1e-18 * 4, np.sqrt(0.5) * 4], rtol=1e-12)
    assert p[2].tolist() == [0.5, 0.5, 0]


def test_gradient_norm_is_not_more_than_that_under_any_label():
    p = chances(30, 5)
    x = np.random.default_rng(1).normal(size=(30, 3))
    found = gradient_norm.gradient_norm_of(p, x)
    for label in range(5):
        true = np.linalg.norm(p - np.eye(5)[label], axis=1) * np.linalg.norm(x, axis=1)
        assert (found <= true + 1e-12).all()


def test_generators_of_members_differ():
    draws = {generator(0, 2, 0, part).integers(0, 10**9) for part in range(6)}
    assert len(draws) == 6

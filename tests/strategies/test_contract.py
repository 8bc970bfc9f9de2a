"""Every strategy of the catalogue on pools as real data brings them.

The learner, scorer and selector of each entry, called as a round calls them, on 8x8 digits.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from study import REPO

from stages import catalogue
from stages.datasets.sources import load
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Learned, Pool, Round
from stages.rounds.selection import choose as choose_in_a_round
from stages.rounds.selection import pool_of, score
from stages.study.settings import Dataset, Task

NAMES = list(catalogue.STRATEGIES)
QUICK = {
    "dal": {"epochs": 3, "mini_queries": 2},
    "uncertain_gcn": {"epochs": 20},
    "core_gcn": {"epochs": 20},
    "deepfool": {"iterations": 5},
    "adversarial_bim": {"iterations": 5},
    "advbim": {"iterations": 5},
    "hybrid": {"discriminator_epochs": 3, "diversity": "discriminator"},
    "learning_loss": {"width": 8},
    "vaal": {"width": 4, "latent": 4},
    "active_ft": {"iterations": 10},
    "bgadl": {"width": 4, "latent": 4},
}
LABELED, CANDIDATES, B = 16, 40, 6

# What these give a candidate follows from the images alone; in the others chance is drawn for
# positions (dropout masks, samples, first centres).
SCORES_WITHOUT_ORDER = [
    *("random", "least_confidence", "margin", "entropy", "gradient_norm"),
    *("adversarial_bim", "advbim", "deepfool", "learning_loss"),
    *(name for name in NAMES if name.endswith("_ensemble")),
]
# Not coreset: its program has several solutions of one radius, and the solver takes any.
PICKS_WITHOUT_ORDER = [
    *("kcenter", "exploitation_exploration", "mcadl", "bait"),
    *("max_herding", "uherding"),
]


@cache
def digits() -> tuple[np.ndarray, np.ndarray, dict]:
    whole = load(Dataset(name="digits"))
    manifest = whole.manifest()
    return whole.train_images, whole.train_labels, manifest


def options_of(name: str) -> tuple[catalogue.Strategy, dict]:
    entry = catalogue.STRATEGIES[name]
    return entry, catalogue.complete(name, entry, {**entry.settings, **QUICK.get(name, {})})


def a_round(
    labeled: np.ndarray, unlabeled: np.ndarray, images: np.ndarray | None = None, **task: Any
) -> Round:
    """Rows of digits to train on and to choose from; ``images`` in place of theirs."""
    own, labels, manifest = digits()
    settings = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))["task"]["digits"]
    settings |= {"epochs": 3, "batch_size": 8, "query_size": B, "milestones": []} | task
    settings["model"] = {"name": "small_cnn", "dropout": 0.3}
    batches = Batches(
        own if images is None else images,
        manifest["mean"],
        manifest["std"],
        configure("portable", "cpu", 1),
    )
    return Round(
        batches=batches,
        labeled=labeled,
        labels=labels[labeled],
        unlabeled=unlabeled,
        classes=10,
        shape=(1, 8, 8),
        task=Task(**settings),
        seed=3,
        n=0,
        compute=batches.compute,
    )


def learned_by(name: str, given: Round) -> Learned:
    entry, options = options_of(name)
    return catalogue.bind(entry.learner, options, "learner")(given)


def whole(name: str, given: Round, learned: Learned | None) -> Pool:
    """The pool of all candidates."""
    return pool_of(given, learned or learned_by(name, given), {})


def choose(name: str, given: Round, learned: Learned | None = None) -> np.ndarray:
    """Rows that the strategy takes, in its order; the round's own checks of them have passed."""
    entry, options = options_of(name)
    pool = whole(name, given, learned)
    return choose_in_a_round(name, score(pool, entry, options), pool, entry, options).rows


def scores(name: str, given: Round, learned: Learned | None = None) -> Any:
    """What the strategy's scorer gives its selector."""
    return score(whole(name, given, learned), *options_of(name)).value


def first(labeled: int = LABELED, candidates: int = CANDIDATES, **task) -> Round:
    return a_round(np.arange(labeled), np.arange(labeled, labeled + candidates), **task)


@pytest.mark.parametrize("b", [1, CANDIDATES])
@pytest.mark.parametrize("name", NAMES)
def test_one_candidate_and_all_of_them(name, b):
    given = first(query_size=b)
    picks = choose(name, given)
    assert len(set(picks.tolist())) == b
    assert np.isin(picks, given.unlabeled).all()


@pytest.mark.parametrize("name", NAMES)
def test_fewer_distinct_images_than_are_wanted(name):
    """Three images, again and again; two of them are in the labeled set, too."""
    images = digits()[0].copy()
    images[LABELED : LABELED + CANDIDATES] = images[np.arange(CANDIDATES) % 3 + LABELED - 2]
    given = a_round(
        np.arange(LABELED), np.arange(LABELED, LABELED + CANDIDATES), images, query_size=12
    )
    assert len(set(choose(name, given).tolist())) == 12


@pytest.mark.parametrize("name", NAMES)
def test_a_class_without_a_label(name):
    labels = digits()[1]
    without = np.flatnonzero(labels != 7)[:LABELED]
    pool = np.setdiff1d(np.arange(80), without)
    assert (labels[pool] == 7).any()
    assert len(choose(name, a_round(without, pool))) == B


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_one_class_only(name):
    ones = np.flatnonzero(digits()[1] == 1)[:5]
    assert len(choose(name, a_round(ones, np.setdiff1d(np.arange(60), ones)))) == B


@pytest.mark.parametrize("name", NAMES)
def test_chances_of_exactly_zero_and_one(name):
    """A network that is sure of everything."""
    given = first()
    learned = learned_by(name, given)
    with torch.no_grad():
        for network in (learned.network, *learned.parts.get("members", ())):
            network.classifier.weight.mul_(1e9)
    assert set(np.unique(whole(name, given, learned).probabilities)) == {0.0, 1.0}
    picks = choose(name, given, learned)
    assert len(set(picks.tolist())) == B


@pytest.fixture
def reordered() -> tuple[Round, Round, np.ndarray]:
    """A round, the same with all images in another order, and where each row went."""
    given, images = first(), digits()[0]
    place = np.random.default_rng(4).permutation(len(images))
    shuffled = np.empty_like(images)
    shuffled[place] = images
    moved = a_round(place[given.labeled], np.sort(place[given.unlabeled]), shuffled)
    return given, replace(moved, labels=given.labels), place


@pytest.mark.parametrize("name", SCORES_WITHOUT_ORDER)
def test_scores_do_not_depend_on_the_order_of_the_pool(name, reordered):
    given, moved, place = reordered
    there = np.searchsorted(moved.unlabeled, place[given.unlabeled])
    assert (scores(name, moved)[there] == scores(name, given)).all()


@pytest.mark.parametrize("name", PICKS_WITHOUT_ORDER)
def test_choices_do_not_depend_on_the_order_of_the_pool(name, reordered):
    given, moved, place = reordered
    assert set(choose(name, moved).tolist()) == set(place[choose(name, given)].tolist())

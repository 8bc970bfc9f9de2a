"""FixMatch: a step against one in plain torch; without sure guesses it is plain training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from halves import problem, same, weights

from stages.learners import fixmatch, supervised
from stages.machine.randomness import Purpose
from stages.models import mixing, state
from stages.models.augmentation import Augmentation
from stages.models.fit import fresh

ONE_STEP = {"epochs": 1, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.1}
BARE = {"augmentation": "none", "ema": 0.0}


@pytest.fixture
def bare(monkeypatch):
    """Strong images are the images as they are."""
    monkeypatch.setattr(mixing, "strong", lambda *_: Augmentation())


def by_hand(given, threshold: float, weight: float, ratio: int) -> tuple[dict, float]:
    """Weights after a step on one batch of 8, in plain torch, and the share of sure guesses."""
    network = fresh(given)
    rows = given.generator(Purpose.BATCHES).permutation(8)
    others = given.generator(Purpose.UNLABELED_BATCHES).permutation(given.unlabeled)[: 8 * ratio]
    images = [given.batches.normalise(given.batches.raw(one)) for one in (rows, others)]
    guesses = F.softmax(network(images[1]).detach(), 1)
    mask = (guesses.max(1).values >= threshold).to(guesses.dtype)
    labels = torch.from_numpy(given.labels[rows])
    each = F.cross_entropy(network(images[1]), guesses.argmax(1), reduction="none")
    loss = F.cross_entropy(network(images[0]), labels) + weight * (each * mask).sum() / len(mask)
    loss.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 0.1 * parameter.grad
    return state(network), mask.mean().item()


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("how", ["portable", "machine"])
@pytest.mark.parametrize(("threshold", "weight", "ratio"), [(0.0, 1.0, 2), (0.51, 3.0, 5)])
def test_a_step_is_that_of_the_formula(how, threshold, weight, ratio):
    given = problem(rows=8, how=how, **ONE_STEP)
    settings = {"threshold": threshold, "unlabeled_weight": weight, "ratio": ratio}
    learned = fixmatch.train(given, **settings, **BARE)
    wanted, share = by_hand(given, threshold, weight, ratio)
    assert share > 0.2 and (share < 0.99 or not threshold)
    assert learned.parts["signature"]["share_used"] == pytest.approx(share, abs=1e-6)
    for name, value in weights(learned).items():
        np.testing.assert_allclose(value, wanted[name], rtol=0, atol=2e-5)
    assert not np.allclose(value, state(fresh(given))[name], rtol=0, atol=2e-4)


def test_where_nothing_reaches_the_threshold_it_is_supervised_training():
    """The unlabeled loss is 0 exactly, and the gradient that of the labeled images alone."""
    given = problem(rows=20, how="machine", learning_rate=1e-3)
    learned = fixmatch.train(given, threshold=1.0, **BARE)
    assert learned.parts["signature"]["share_used"] == 0
    assert learned.parts["pseudo_labeled"]["rows"].tolist() == []
    plain = weights(supervised.train(given))
    for name, value in weights(learned).items():
        np.testing.assert_allclose(value, plain[name], rtol=0, atol=1e-5)
    believing = weights(fixmatch.train(given, threshold=0.0, **BARE))
    assert not np.allclose(believing["classifier.weight"], plain["classifier.weight"], atol=1e-4)


def test_every_labeled_image_comes_with_seven_others_weak_and_strong(monkeypatch):
    seen, original = [], fixmatch.passed

    def noted(batch, network):
        views = [batch.unlabeled.view(name) for name in ("weak", "strong")]
        seen.append((len(batch.labeled.rows), *map(len, views)))
        assert not torch.equal(*views)
        assert np.isin(batch.unlabeled.rows, given.unlabeled).all()
        return original(batch, network)

    monkeypatch.setattr(fixmatch, "passed", noted)
    given = problem(rows=20, how="machine", epochs=1, padding=2)
    fixmatch.train(given)
    assert seen == [(8, 56, 56), (8, 56, 56), (4, 28, 28)]


def test_guesses_are_for_the_weak_images_and_have_no_gradient():
    given = problem(rows=8, how="machine", **ONE_STEP)
    network, found, wanted = fresh(given), [], []

    def loss(batch, network):
        found.extend(fixmatch.passed(batch, network))
        with torch.no_grad():
            wanted.extend(network(batch.unlabeled.view(name)) for name in ("weak", "strong"))
        return found[0].sum()

    from stages.models.fit import fit

    views = {"weak": Augmentation("crop", 1), "strong": Augmentation("crop", 2)}
    fit(network, given, loss, unlabeled_per_labeled=2, views=views)
    labeled, guesses, strong = found
    assert labeled.requires_grad and strong.requires_grad and not guesses.requires_grad
    assert (len(labeled), len(guesses), len(strong)) == (8, 16, 16)
    torch.testing.assert_close(guesses, F.softmax(wanted[0], 1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(strong.detach(), wanted[1], rtol=1e-4, atol=1e-6)
    assert not torch.allclose(wanted[0], wanted[1])


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_when_the_whole_pool_is_labeled_it_is_supervised_training(how):
    given = problem(rows=20, how=how, epochs=1)
    done = dataclasses.replace(given, unlabeled=given.unlabeled[:0])
    learned = fixmatch.train(done, **BARE)
    assert same(weights(learned), weights(supervised.train(done)))
    assert learned.parts["signature"]["share_used"] == 0


def test_it_learns_from_four_labels_what_the_halves_are(monkeypatch):
    monkeypatch.setattr(mixing, "strong", lambda *_: Augmentation("crop", 2))  # no flips
    given = problem(rows=4, how="machine", padding=1)
    found = fixmatch.train(given, steps=60).parts
    assert found["signature"]["share_used"] > 0.9
    rows, labels = found["pseudo_labeled"]["rows"], found["pseudo_labeled"]["labels"]
    assert len(rows) > 50 and (labels == rows % 2).mean() > 0.95


def test_portable_does_not_depend_on_how_the_library_adds_up():
    given = problem(padding=1, epochs=2)
    first = weights(fixmatch.train(given, threshold=0.5, ratio=2))
    torch.set_num_threads(2)
    with torch.backends.mkldnn.flags(enabled=False):
        again = weights(fixmatch.train(given, threshold=0.5, ratio=2))
    torch.set_num_threads(1)
    assert same(first, again)


def test_what_is_evaluated_is_the_average():
    given = problem(rows=20, how="machine")
    plain, averaged = (weights(fixmatch.train(given, ema=ema)) for ema in (0.0, 0.9))
    assert not same(plain, averaged)

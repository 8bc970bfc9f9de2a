"""MixMatch: a step against one in plain torch, and what each setting does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from halves import problem, same, weights
from torch import nn

from stages.learners import mixmatch
from stages.learners.guesses import believed
from stages.machine.randomness import Purpose
from stages.models import Network, fit, initialise, state
from stages.models.fit import fresh

ONE_STEP = {"epochs": 1, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.1}
BARE = {"augmentation": "none", "ema": 0.0, "ramp": 0}  # images as they are, weights of the step


def normal(given, rows: np.ndarray) -> torch.Tensor:
    return given.batches.normalise(given.batches.raw(rows))


def by_hand(given, temperature: float, alpha: float, weight: float) -> dict[str, np.ndarray]:
    """Weights after a step on one batch of 8, in plain torch, two guesses of an image as it is."""
    network = fresh(given)
    rows = given.generator(Purpose.BATCHES).permutation(8)
    others = given.generator(Purpose.UNLABELED_BATCHES).permutation(given.unlabeled)[:8]
    images, unlabeled = normal(given, rows), normal(given, others)
    with torch.no_grad():
        guess = F.softmax(network(unlabeled), 1) ** (1 / temperature)
        guess = guess / guess.sum(1, keepdim=True)
    labels = F.one_hot(torch.from_numpy(given.labels[rows]), 2).to(images.dtype)
    images = torch.cat([images, unlabeled, unlabeled])
    targets = torch.cat([labels, guess, guess])
    rng = given.generator(Purpose.MIXING)
    partner, share = rng.permutation(24), rng.beta(alpha, alpha, 24)
    share = np.round(np.maximum(share, 1 - share) * 65536) / 65536
    share = torch.from_numpy(share).to(images.dtype)[:, None]
    targets = share * targets + (1 - share) * targets[partner]
    share = share[..., None, None]
    logits = network(share * images + (1 - share) * images[partner])
    entropy = -(targets[:8] * F.log_softmax(logits[:8], 1)).sum() / 8
    error = ((F.softmax(logits[8:], 1) - targets[8:]) ** 2).sum() / (16 * 2)
    (entropy + weight * error).backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 0.1 * parameter.grad
    return state(network)


@pytest.mark.parametrize("how", ["portable", "machine"])
@pytest.mark.parametrize(
    ("temperature", "alpha", "weight"), [(0.5, 0.75, 0.0), (0.5, 0.75, 5.0), (0.8, 0.2, 5.0)]
)
def test_a_step_is_that_of_the_formulas(how, temperature, alpha, weight):
    given = problem(rows=8, how=how, **ONE_STEP)
    settings = {"temperature": temperature, "alpha": alpha, "unlabeled_weight": weight}
    found = weights(mixmatch.train(given, **settings, **BARE))
    wanted = by_hand(given, temperature, alpha, weight)
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], rtol=0, atol=2e-5)
    assert not np.allclose(value, state(fresh(given))[name], rtol=0, atol=2e-4)


def test_the_weight_of_the_unlabeled_grows_over_the_first_steps_alone():
    assert [mixmatch.ramped(step, 4) for step in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert mixmatch.ramped(0, 0) == 1
    given = problem(rows=8, **ONE_STEP)
    bare = {**BARE, "ramp": 1}  # at the beginning of the first step the weight is 0
    without = weights(mixmatch.train(given, **{**bare, "unlabeled_weight": 0.0}))
    assert same(weights(mixmatch.train(given, **bare)), without)
    assert not same(weights(mixmatch.train(given, **BARE)), without)


@pytest.mark.parametrize(
    ("steps", "epochs", "wanted"),
    [(0, 3, 3), (0, 5, 5), (1, 3, 1), (9, 1, 3), (10, 1, 4)],
)
def test_labeled_batches_come_again_until_there_are_steps_enough(steps, epochs, wanted):
    given = problem(rows=20, epochs=epochs)  # batches of 8, 8 and 4
    assert mixmatch.length(given, steps) == wanted


def test_steps_are_made_and_the_ramp_is_counted_in_them(monkeypatch):
    seen = []
    monkeypatch.setattr(mixmatch, "ramped", lambda step, over: seen.append((step, over)) or 1.0)
    mixmatch.train(problem(rows=20, how="machine"), steps=10, ramp=3)
    assert seen == [(step, 3) for step in range(12)]


def normed(given) -> Network:
    """A small network with batch norm."""
    body = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    network = Network(body, 3, 2, 0.0)
    initialise(network, np.random.default_rng(0))
    return given.compute.place(network)


def test_batch_norm_sees_labeled_and_unlabeled_images_together_and_moves_once_a_step(monkeypatch):
    given, seen = problem(rows=16, how="machine", epochs=2), []
    network = normed(given)
    network.body[1].register_forward_hook(lambda *passed: seen.append(len(passed[1][0])))
    monkeypatch.setattr(fit, "fresh", lambda round: network)
    learned = mixmatch.train(given)
    assert seen[: 4 * 5] == [8] * 4 * 5  # two guesses and three groups in each of four steps
    assert network.body[1].num_batches_tracked == 4
    assert learned.network.body[1].num_batches_tracked == 4


def test_guesses_are_means_over_views_that_are_drawn_apart(monkeypatch):
    given, seen = problem(rows=8, padding=2, **ONE_STEP), []
    original = mixmatch.mixed_up
    monkeypatch.setattr(mixmatch, "mixed_up", lambda *all: seen.append(all[:2]) or original(*all))
    mixmatch.train(given, augmentations=3)
    images, targets = seen[0]
    assert len(images) == len(targets) == 32
    parts = images.split(8)
    for at in range(1, 4):
        assert not torch.equal(parts[at], parts[at - 1])
        assert torch.equal(targets[8 * at : 8 * at + 8], targets[8:16])
    assert set(targets[:8].unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(targets.sum(1), torch.ones(32, dtype=targets.dtype))


def test_what_is_evaluated_is_the_average():
    given = problem(rows=20, how="machine")
    plain, averaged = (weights(mixmatch.train(given, ema=ema)) for ema in (0.0, 0.9))
    assert not same(plain, averaged)


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_when_the_whole_pool_is_labeled_the_labeled_are_mixed(how):
    given = problem(rows=20, how=how, epochs=1)
    done = dataclasses.replace(given, unlabeled=given.unlabeled[:0])
    learned = mixmatch.train(done)
    assert all(np.isfinite(value).all() for value in weights(learned).values())
    assert learned.parts["pseudo_labeled"]["rows"].tolist() == []
    assert learned.parts["signature"] == {"share_believed": 0.0, "confidence": 0.0}


def test_a_labeled_set_of_one_trains():
    learned = mixmatch.train(problem(rows=1, epochs=1))
    assert all(np.isfinite(value).all() for value in weights(learned).values())


def test_it_learns_from_four_labels_what_the_halves_are():
    given = problem(rows=4, how="machine", padding=1)
    found = mixmatch.train(given, steps=60).parts["pseudo_labeled"]
    assert found["rows"].tolist() == given.unlabeled.tolist()
    assert (found["labels"] == found["rows"] % 2).mean() > 0.95


def test_it_is_the_same_twice_and_other_in_another_round_and_seed():
    first = weights(mixmatch.train(problem(padding=1)))
    assert same(first, weights(mixmatch.train(problem(padding=1))))
    assert not same(first, weights(mixmatch.train(problem(padding=1, seed=1))))
    assert not same(first, weights(mixmatch.train(problem(padding=1, round_n=1))))


def test_portable_does_not_depend_on_how_the_library_adds_up():
    """Without oneDNN and with two threads torch sums in another order."""
    given = problem(padding=1, epochs=1)
    settings = {"temperature": 0.7, "ramp": 0}
    first = weights(mixmatch.train(given, **settings))
    torch.set_num_threads(2)
    with torch.backends.mkldnn.flags(enabled=False):
        again = weights(mixmatch.train(given, **settings))
    torch.set_num_threads(1)
    assert same(first, again)


def test_believed_are_those_that_reach_the_threshold():
    given = problem(rows=20, epochs=6)
    network = mixmatch.train(given).network
    with torch.no_grad():
        chances = F.softmax(network.eval()(normal(given, given.unlabeled)), 1).numpy()
    surest = np.sort(chances.max(1))[10:30]
    widest = int(np.diff(surest).argmax())  # far from any, whatever the last digits are
    threshold = float(surest[widest : widest + 2].mean())
    found = believed(network, given, threshold)
    assert found["pseudo_labeled"]["rows"].dtype == np.int64
    sure = chances.max(1) >= threshold
    assert found["pseudo_labeled"]["rows"].tolist() == given.unlabeled[sure].tolist()
    assert found["pseudo_labeled"]["labels"].tolist() == chances.argmax(1)[sure].tolist()
    assert found["signature"]["share_believed"] == pytest.approx(sure.mean(), abs=1e-6)
    assert found["signature"]["confidence"] == pytest.approx(chances.max(1).mean(), abs=1e-4)


def test_decay_is_of_kernels_alone():
    """With the authors' optimizer: biases, norms and the buffers of batch norm stay as they are."""
    given = problem(optimizer="adamw", weight_decay=0.02, weight_decay_on="kernels")
    network = normed(given)
    network.body[1].running_mean.fill_(3.0)
    network.body[1].bias.data.fill_(2.0)
    before = {name: value.copy() for name, value in state(network).items()}
    nothing = [torch.zeros_like(parameter) for parameter in network.parameters()]
    fit.optimizer_of(given, [network]).step(nothing, 0.5)
    kernels = {"body.0.weight", "classifier.weight"}
    for name, value in state(network).items():
        factor = 1 - 0.5 * 0.02 if name in kernels else 1.0
        np.testing.assert_allclose(value, before[name] * factor, rtol=1e-12)

"""BGADL: what is made, by which steps, and what the classifier is trained on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from halves import problem, same, weights

from stages.learners import bgadl
from stages.learners.supervised import train as plain_train
from stages.models import initialise, state
from stages.models.fit import fit, fresh
from stages.models.generative import (
    GenerativeTrainer,
    GenerativeTraining,
    Made,
    Networks,
    one_hot,
    reconstruction_error,
    shares_right,
    statistics_kept,
)
from stages.rounds.context import Pool
from stages.rounds.evaluation import evaluate
from stages.strategies.dropout import bald

SMALL = {"latent": 3, "width": 4}


def trainer_of(given, latent: int = 3, width: int = 4, **how) -> GenerativeTrainer:
    networks = Networks(given.shape, latent, width, given.classes, given.batches)
    initialise(networks, np.random.default_rng(0))
    networks = given.compute.place(networks)
    options = GenerativeTraining(**how)
    return GenerativeTrainer(networks, options, np.random.default_rng(1), given.batches)


def images_of(given, rows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, labels, and these as chances."""
    images = given.batches.normalise(given.batches.raw(rows))
    labels = torch.from_numpy(rows % 2)
    return images, labels, one_hot(labels, 2, images)


# what is made


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (1, 5, 9)])
@pytest.mark.parametrize("how", ["portable", "machine"])
def test_images_of_any_size_are_made_with_pixels_in_0_to_1(shape, how):
    given = problem(rows=4, how=how)
    networks = Networks(shape, 3, 4, 2, given.batches)
    initialise(networks, np.random.default_rng(0))
    networks = given.compute.place(networks)
    like = next(networks.parameters())
    made = networks.generator(10 * torch.ones(4, 3).to(like), torch.eye(2).repeat(2, 1).to(like))
    pixels = made * given.batches.std + given.batches.mean
    assert made.shape == (4, *shape) and pixels.min() > -1e-6 and pixels.max() < 1 + 1e-6
    assert networks.odds(made).shape == (4,) and networks.encode(made).mean.shape == (4, 3)
    assert not torch.equal(made[0], made[1])  # another class


@pytest.fixture(scope="module")
def learned():
    changes = {"epochs": 30, "batch_size": 20, "model": {"name": "small_cnn", "dropout": 0.3}}
    given = problem(rows=40, how="machine", **changes)
    return given, bgadl.train(given, latent=3, width=16, rate=0.005, reconstruction=100.0)


def test_an_image_is_restored_after_itself_and_noise_gives_its_class(learned):
    given, found = learned
    networks = found.parts["generator"].eval()
    images, _, chances = images_of(given, np.arange(40, 60))
    with torch.no_grad():
        restored = networks.generator(networks.encode(images).mean, chances)
    apart = torch.cdist(restored.flatten(1), images.flatten(1))
    same_class = chances @ chances.T > 0
    assert apart[same_class].mean() < 0.5 * apart[~same_class].mean()
    assert found.parts["signature"]["generated_right"] > 0.9
    assert found.parts["signature"]["generated_like"] > 0.9


def test_a_classifier_that_is_led_along_says_nothing_of_the_images():
    """The nearest labeled image does: a generator that has learned nothing is right by chance."""
    given = problem(rows=40, how="machine")
    trainer = trainer_of(given)

    class Led(torch.nn.Module):
        """Takes every image for what it is meant to be."""

        def forward(self, images):
            return F.one_hot(torch.arange(len(images)) % 2)

    real, labels, _ = images_of(given, given.labeled)
    seen, draw = [], trainer.networks.generator.forward
    trainer.networks.generator.forward = lambda *ways: seen.append(draw(*ways)) or seen[-1]
    right, like = shares_right(trainer.networks, Led(), trainer, 2, real, given.labels)
    nearest = torch.cdist(seen[0].flatten(1), real.flatten(1)).argmin(1).numpy()
    assert right == 1.0 and like == (given.labels[nearest] == np.arange(1000) % 2).mean()
    assert 0.4 < like < 0.6


def test_the_signature_is_the_error_of_a_pixel(learned):
    given, found = learned
    networks, labels = found.parts["generator"].eval(), np.arange(60) % 2
    images, _, chances = images_of(given, np.arange(60))
    with torch.no_grad():
        made = networks.generator(networks.encode(images).mean, chances)
    wanted = ((0.3 * (made - images)) ** 2).mean().item()
    got = found.parts["signature"]["squared_error"](given.batches, labels)
    assert got == pytest.approx(wanted, rel=1e-4) and got < 0.03
    assert got == reconstruction_error(networks, given.batches, labels, 2)
    assert 0 < found.parts["signature"]["discriminator_loss"] < 10


# the steps


@pytest.mark.parametrize("model", ["small_cnn", "resnet18"])
def test_each_step_moves_its_own_network_and_none_the_classifier(model):
    given = problem(rows=4, how="machine", model={"name": model})
    network, trainer = fresh(given), trainer_of(given)
    images, labels, chances = images_of(given, np.arange(4))
    kept = {name: value.copy() for name, value in state(network).items()}
    parts = [getattr(trainer.networks, name) for name in ("encoder", "generator", "discriminator")]
    update, moved = trainer._update, []

    def watched(which, loss):
        held = [[one.detach().clone() for one in part.parameters()] for part in parts]
        update(which, loss)
        moved.append(
            [
                any(not torch.equal(a, b) for a, b in zip(old, part.parameters(), strict=True))
                for old, part in zip(held, parts, strict=True)
            ]
        )

    def pulled(made):
        network.eval()
        return F.cross_entropy(network(made), labels)

    trainer._update = watched
    made = trainer.step(images, chances, pulled)
    assert moved == [[True, False, False], [False, True, False], [False, False, True]]
    assert same(kept, state(network))
    assert not made.generated.requires_grad and not made.restored.requires_grad


def test_the_losses_are_the_papers(monkeypatch):
    """With D's log-odds, C's loss and the noise given, each loss can be computed by hand."""
    given = problem(rows=8)
    trainer = trainer_of(given, beta=0.5, reconstruction=0.75)
    networks = trainer.networks
    images, _, chances = images_of(given, np.arange(8))
    ends = iter([0.3, -0.2, 0.1, 0.4])  # D of G(z, y); of the real, generated, restored ones
    monkeypatch.setattr(
        networks, "odds", lambda made: made.sum((1, 2, 3)) * 0 + torch.full((8,), next(ends))
    )
    monkeypatch.setattr(trainer, "_noise", lambda made: torch.zeros(8, 3, dtype=made.dtype))
    losses = []
    monkeypatch.setattr(trainer, "_update", lambda which, loss: losses.append(loss.item()))
    trainer.step(images, chances, lambda made: made.sum() * 0 + 5.0)
    mean, log_variance = networks.encode(images)
    restored = networks.generator(mean, chances)
    error = (0.3 * (restored - images)).square().flatten(1).sum(1).mean()
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()

    def bce(odds: float, real: int) -> float:
        chance = 1 / (1 + np.exp(-odds))
        return -np.log(chance if real else 1 - chance)

    assert losses == pytest.approx(
        [
            (error + 0.5 * kl).item(),
            bce(0.3, 1) + 5 + 0.75 * error.item() / 64,
            bce(-0.2, 1) + bce(0.1, 0) + bce(0.4, 0),
        ],
        rel=1e-6,
    )
    assert trainer.discriminator_loss == pytest.approx(losses[2])


# the classifier


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_without_weight_it_is_plain_training(how):
    given = problem(rows=13, how=how, epochs=2, model={"name": "small_cnn", "dropout": 0.3})
    learned = bgadl.train(given, generated=0.0, restored=0.0, **SMALL)
    assert same(weights(plain_train(given)), weights(learned))


def test_it_is_trained_on_real_generated_and_restored_images(monkeypatch):
    given, seen = problem(rows=8, epochs=1, batch_size=8), {}
    trainer = trainer_of(given)
    made = [torch.full((8, 1, 8, 8), value, dtype=torch.float64) for value in (0.5, -0.5)]
    monkeypatch.setattr(trainer, "step", lambda *_: Made(*made))

    def loss(batch, network):
        found = bgadl.joint_loss(batch, network, trainer, 2, 2.0, 3.0)
        shown = (batch.labeled.view(), *made)
        parts = [F.cross_entropy(network(one), batch.targets) for one in shown]
        seen["got"], seen["wanted"] = found.item(), (parts[0] + 2 * parts[1] + 3 * parts[2]).item()
        return found

    fit(fresh(given), given, loss)
    assert seen["got"] == pytest.approx(seen["wanted"], rel=1e-6)


def test_made_images_leave_the_statistics_of_real_ones_alone():
    given = problem(rows=4, how="machine", model={"name": "resnet18"})
    network = fresh(given).train()
    kept = {name: value.copy() for name, value in state(network).items()}
    images = torch.rand(4, 1, 8, 8)
    with statistics_kept(network):
        network(images)
    names = [name for name in kept if "running" in name]
    assert names and all(np.array_equal(kept[name], state(network)[name]) for name in names)
    network(images)
    assert any(not np.array_equal(kept[name], state(network)[name]) for name in names)


def test_the_classifiers_statistics_are_those_of_real_images(monkeypatch):
    given, found = problem(rows=4, how="machine", epochs=1, model={"name": "resnet18"}), []
    for weight in (0.0, 1.0):
        network, trainer = fresh(given), trainer_of(given)
        monkeypatch.setattr(trainer, "step", lambda *_: Made(*2 * [torch.rand(4, 1, 8, 8)]))
        fit(
            network,
            given,
            lambda batch, network: bgadl.joint_loss(batch, network, trainer, 2, weight, weight),  # noqa: B023
        )
        found.append({name: value for name, value in state(network).items() if "running" in name})
    assert same(*found)


def test_images_made_perfectly_are_labeled_images(monkeypatch):
    """With real images in place of what is made, a step is one of plain training, enlarged."""
    changes = {"epochs": 2, "optimizer": "sgd", "momentum": 0.0, "how": "portable"}
    plain = plain_train(problem(**changes, learning_rate=0.05 * 3.5))
    given = problem(**changes, learning_rate=0.05)
    monkeypatch.setattr(
        GenerativeTrainer, "step", lambda _self, images, *_: Made(images.clone(), images.clone())
    )
    found = bgadl.train(given, generated=2.0, restored=0.5, **SMALL)
    for name, value in weights(plain).items():
        np.testing.assert_allclose(weights(found)[name], value, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_any_number_of_rows_trains(rows):
    learned = bgadl.train(problem(rows=rows, how="machine", epochs=1), **SMALL)
    assert all(np.isfinite(value).all() for value in weights(learned).values())


def test_chances_in_place_of_labels():
    """Labels that another learner has mixed."""
    given = problem(rows=8, how="machine", epochs=1, batch_size=8)
    trainer, chances = trainer_of(given), np.full((8, 2), 0.5)
    fit(
        fresh(given),
        given,
        lambda batch, network: bgadl.joint_loss(batch, network, trainer, 2, 1.0, 1.0),
        targets=chances,
    )


# the query


def test_passes_follow_the_image(learned):
    """Each pass is of the same images in the same order, so clear images are no disagreement."""
    given, found = learned
    pool = Pool(round=given, learned=found, candidates=given.unlabeled)
    passes = pool.dropout_probabilities(10)
    labels = given.unlabeled % 2
    assert (passes.argmax(2) == labels).mean() > 0.95
    assert bald(pool, passes=10).max() < 0.3  # of images in another order each time: about ln 2


def test_a_curve_may_go_down(learned):
    """What is recorded is a round's own model: after wrong labels it is worse than before."""
    given, found = learned
    labels = np.arange(60) % 2
    wrong = dataclasses.replace(given, labels=1 - given.labels, n=1)
    worse = bgadl.train(wrong, generated=0.0, restored=0.0, **SMALL)
    before, after = (evaluate(one.network, given.batches, labels, 2) for one in (found, worse))
    assert after["accuracy"] < 0.2 < 0.9 < before["accuracy"]

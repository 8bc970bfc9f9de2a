"""The loop with a loss of one's own: what a loss is given, and that its draws are nobody else's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from halves import problem, same
from torch import nn

from stages.machine.randomness import Purpose
from stages.models import state
from stages.models.augmentation import Augmentation
from stages.models.averaging import EMA, Mean
from stages.models.fit import cross_entropy, entropy_against, fit, fresh


def trained(given, *args, **changes) -> dict[str, np.ndarray]:
    network = fresh(given)
    fit(network, given, *args, **changes)
    return {name: value.copy() for name, value in state(network).items()}


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_labels_as_chances_of_one_are_the_labels(how):
    given = problem(how=how, augmentation="crop", padding=1)
    one_hot = np.eye(2)[given.labels]
    plain, soft = trained(given), trained(given, targets=one_hot)
    for name, value in plain.items():
        np.testing.assert_allclose(
            soft[name], value, rtol=0, atol=1e-12 if how == "portable" else 1e-5
        )


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_targets_take_the_place_of_the_labels(how):
    given = problem(how=how)
    others = 1 - given.labels
    found = trained(given, targets=others)
    assert same(found, trained(dataclasses.replace(given, labels=others)))
    assert not same(found, trained(given))
    unsure = trained(given, targets=np.full((len(others), 2), 0.5))
    assert not same(unsure, found) and not same(unsure, trained(given))


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_soft_labels_have_torchs_gradient(how):
    given = problem(how=how)
    dtype = given.compute.dtype
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(7, 4))).to(dtype).requires_grad_()
    targets = torch.from_numpy(rng.dirichlet(np.ones(4), 7)).to(dtype)
    wanted = torch.autograd.grad(F.cross_entropy(logits, targets), logits)[0]
    loss = entropy_against(logits, targets, given.compute.exact)
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], wanted, rtol=1e-5, atol=1e-7)
    assert loss.item() == pytest.approx(F.cross_entropy(logits, targets).item(), rel=1e-6)


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_half_of_a_loss_has_half_its_gradient(how):
    given = problem(how=how, optimizer="sgd", learning_rate=0.1)
    slower = problem(how=how, optimizer="sgd", learning_rate=0.05)
    found = trained(given, lambda batch, network: cross_entropy(batch, network) / 2)
    assert same(found, trained(slower)) and not same(found, trained(given))


def test_what_a_loss_adds_changes_no_draw_of_the_labeled_images():
    """Unlabeled images, further views, hooks: the labeled batches are those of plain training."""
    given = problem(
        augmentation="crop_flip", padding=2, model={"name": "small_cnn", "dropout": 0.3}
    )
    plain = trained(given)

    def loss(batch, network):
        assert len(batch.unlabeled.rows) == 3 * len(batch.labeled.rows)
        assert np.isin(batch.unlabeled.rows, given.unlabeled).all()
        batch.unlabeled.view("strong"), batch.unlabeled.view(), batch.labeled.view("strong")
        return cross_entropy(batch, network)

    views = {"strong": Augmentation("crop_flip", 3)}
    found = trained(given, loss, unlabeled_per_labeled=3, views=views, hooks=[EMA(fresh(given))])
    assert same(plain, found)


def test_two_views_show_the_same_rows_differently_and_stay_within_a_batch():
    given, seen = problem(augmentation="none"), []

    def loss(batch, network):
        weak, strong = batch.labeled.view("weak"), batch.labeled.view("strong")
        assert batch.labeled.view("weak") is weak
        seen.append((batch.labeled.rows, batch.labeled.view(), weak, strong))
        return cross_entropy(batch, network)

    views = {"weak": Augmentation(), "strong": Augmentation("crop", 2)}
    trained(given, loss, views=views)
    for rows, plain, weak, strong in seen:
        assert torch.equal(plain, given.batches.normalise(given.batches.raw(rows)))
        assert torch.equal(weak, plain) and weak.shape == strong.shape
    assert any(not torch.equal(weak, strong) for *_, weak, strong in seen)


def test_every_view_has_draws_of_its_own():
    given, seen = problem(augmentation="crop", padding=2), []

    def loss(batch, network):
        for images in (batch.labeled, batch.unlabeled):
            seen.append([images.view(name) for name in ("train", "one", "other")])
        return cross_entropy(batch, network)

    views = {"one": Augmentation("crop", 2), "other": Augmentation("crop", 2)}
    trained(given, loss, unlabeled_per_labeled=1, views=views)
    for train, one, other in seen:
        assert not torch.equal(train, one)
        assert not torch.equal(train, other)
        assert not torch.equal(one, other)


def test_unlabeled_images_come_all_once_before_any_comes_again():
    given, seen = problem(rows=20, epochs=3), []

    def loss(batch, network):
        seen.extend(batch.unlabeled.rows.tolist())
        return cross_entropy(batch, network)

    trained(given, loss, unlabeled_per_labeled=1)
    order = given.generator(Purpose.UNLABELED_BATCHES).permutation(given.unlabeled)
    assert seen[:40] == order.tolist() and sorted(seen[:40]) == given.unlabeled.tolist()
    assert len(seen) == 60 and set(seen[40:]) < set(given.unlabeled.tolist())


def test_without_unlabeled_rows_a_batch_has_none():
    given, seen = problem(), []
    empty = dataclasses.replace(given, unlabeled=given.unlabeled[:0])
    trained(
        empty,
        lambda batch, network: seen.append(batch.unlabeled) or cross_entropy(batch, network),
        unlabeled_per_labeled=2,
    )
    assert set(seen) == {None}


def test_a_module_beside_the_network_is_trained_and_the_network_goes_on_as_the_loss_says():
    given = problem(how="machine", optimizer="sgd", learning_rate=0.1, weight_decay=0.0)
    head = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        head.weight.fill_(1.0)

    def loss(batch, network):
        return cross_entropy(batch, network) + head.weight.sum()

    plain, found = trained(given), trained(given, loss, beside=[head])
    steps = 3 * 3  # epochs of three batches; the slope of the sum is 1
    assert head.weight.item() == pytest.approx(1 - 0.1 * steps, abs=1e-5)
    assert same(plain, found)


def test_steps_and_epochs_are_counted_and_hooks_called():
    given, seen, calls = problem(epochs=2), [], []

    class Hook:
        def after_step(self, network):
            calls.append("step")

        def after_epoch(self, network, epoch):
            calls.append(epoch)

    def loss(batch, network):
        seen.append((batch.epoch, batch.step))
        return cross_entropy(batch, network)

    trained(given, loss, hooks=[Hook()])
    assert seen == [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4), (1, 5)]
    assert calls == ["step"] * 3 + [0] + ["step"] * 3 + [1]


def test_epochs_optimizer_and_schedule_take_the_tasks_place(monkeypatch):
    given, rates = problem(epochs=9), []

    class Still:
        def step(self, gradients, rate):
            rates.append(rate)

    begin = state(fresh(given))
    found = trained(given, epochs=2, optimizer=Still(), schedule=lambda epoch: 5.0 + epoch)
    assert rates == [5.0] * 3 + [6.0] * 3
    assert same(found, begin)


def test_a_moving_average_follows_its_formula():
    given, weights = problem(), []
    network = fresh(given)
    ema = EMA(network, decay=0.9)

    class Noted:
        def after_step(self, network):
            weights.append(network.classifier.weight.detach().clone())

        def after_epoch(self, network, epoch):
            pass

    expected = network.classifier.weight.detach().clone()
    fit(network, given, hooks=[Noted(), ema])
    for value in weights:
        expected = 0.9 * expected + (1 - 0.9) * value
    torch.testing.assert_close(ema.network.classifier.weight.detach(), expected, rtol=1e-12, atol=0)
    assert not torch.equal(ema.network.classifier.weight, network.classifier.weight)
    assert all(not parameter.requires_grad for parameter in ema.network.parameters())


@pytest.mark.parametrize("kind", [EMA, Mean])
def test_statistics_of_batch_norm_are_those_of_the_network_that_is_followed(kind):
    network = nn.Sequential(nn.BatchNorm2d(2))
    average = kind(network)
    network(torch.arange(24.0).reshape(3, 2, 2, 2))
    average.after_step(network)
    average.after_epoch(network, 0)
    followed = dict(network.named_buffers())
    assert followed["0.running_mean"].abs().min() > 0
    for name, value in average.network.named_buffers():
        assert torch.equal(value, followed[name])


def test_a_moving_average_of_a_constant_is_the_constant():
    network = fresh(problem())
    ema = EMA(network, decay=0.99)
    for _ in range(5):
        ema.after_step(network)
    for one, other in zip(ema.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-15, atol=0)


def test_a_mean_of_epochs_is_the_mean_from_its_start_on():
    given, weights = problem(epochs=5), []
    network = fresh(given)
    mean = Mean(network, start=2)

    class Noted:
        def after_step(self, network):
            pass

        def after_epoch(self, network, epoch):
            weights.append(network.classifier.weight.detach().clone())

    fit(network, given, hooks=[Noted(), mean])
    wanted = torch.stack(weights[2:]).mean(0)
    torch.testing.assert_close(
        mean.network.classifier.weight.detach(), wanted, rtol=1e-12, atol=1e-15
    )

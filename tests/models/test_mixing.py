"""Guesses, mixtures and losses of MixMatch and FixMatch, against numbers, NumPy and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from halves import problem, task
from scipy import stats
from torch import nn

from stages.models import mixing
from stages.models.fit import fresh

BOTH = pytest.mark.parametrize("exact", [True, False])


def some_chances(rows: int = 50, classes: int = 7, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.dirichlet(np.full(classes, 0.3), rows))


# guesses


@BOTH
def test_sharpening_gives_the_number_of_the_formula(exact):
    found = mixing.sharpen(torch.tensor([[0.6, 0.4]], dtype=torch.float64), 0.5, exact)
    assert found[0].tolist() == pytest.approx([0.36 / 0.52, 0.16 / 0.52], abs=1e-15)
    assert np.round(found[0].numpy(), 4).tolist() == [0.6923, 0.3077]


@BOTH
@pytest.mark.parametrize("temperature", [0.1, 0.5, 0.7, 1.0, 3.0])
def test_sharpening_is_a_power_that_is_normalised(exact, temperature):
    given = some_chances()
    wanted = given.numpy() ** (1 / temperature)
    wanted /= wanted.sum(1, keepdims=True)
    found = mixing.sharpen(given, temperature, exact).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)


@BOTH
def test_a_temperature_near_zero_leaves_one_class_and_a_class_without_a_chance_stays_without(exact):
    given = torch.tensor([[0.4, 0.35, 0.25], [0.0, 1.0, 0.0]], dtype=torch.float64)
    found = mixing.sharpen(given, 1e-4, exact)
    np.testing.assert_allclose(found, [[1, 0, 0], [0, 1, 0]], rtol=0, atol=1e-300)


def test_logarithms_and_powers_are_numpys_to_the_last_digits():
    rng = np.random.default_rng(0)
    given = np.concatenate([rng.random(5000), rng.random(500) * 1e-250, [1.0, 0.5, 2.0, 1e9]])
    found = mixing.log(torch.from_numpy(given)).numpy()
    np.testing.assert_allclose(found, np.log(given), rtol=3e-15, atol=3e-16)
    given = rng.random(5000)
    for exponent in (0.5, 1.3, 2.0, 10.0):
        found = mixing.power(torch.from_numpy(given), exponent, True).numpy()
        np.testing.assert_allclose(found, given**exponent, rtol=1e-13, atol=1e-300)
    assert mixing.power(torch.zeros(2, dtype=torch.float64), 1.5, True).tolist() == [0, 0]


def test_a_task_without_augmentation_has_crops_and_any_other_its_own():
    none, flips = task(padding=2), task(augmentation="crop_flip", padding=3)
    assert mixing.weak(none, "task") == mixing.weak(task(padding=2), "crop")
    assert mixing.weak(none, "none").setting == "none"
    assert mixing.weak(flips, "task") == mixing.weak(task(padding=3), "crop_flip")


def test_a_strong_image_is_a_weak_one_that_goes_through_randaugment_and_has_a_square():
    from stages.catalogue.augmentation import steps

    for name, before in (("none", []), ("task", ["crop"]), ("crop_flip", ["crop", "flip"])):
        found = mixing.strong(task(padding=2), name)
        ran = steps(found.setting, 2)
        assert [step for step, _ in ran] == [*before, "randaugment", "cutout"]
        assert all(given["padding"] == 2 for step, given in ran if step == "crop")
    assert ran[-2][1] == {"operations": 2, "magnitude": None, "variant": "fixmatch"}
    assert ran[-1][1] == {"size": 0.5, "fill": 127, "chance": 1.0}


# mixtures


@pytest.mark.parametrize("alpha", [0.2, 0.75, 2.0])
def test_shares_are_the_larger_part_of_a_beta_number_for_each_sample(alpha):
    found = mixing.shares(alpha, 20_000, np.random.default_rng(0))
    assert found.min() >= 0.5 and found.max() <= 1
    assert len(np.unique(found)) > 5000  # not one of a batch
    assert (found * 2**16 == np.round(found * 2**16)).all()
    wanted = stats.beta(alpha, alpha)
    for at in (0.6, 0.75, 0.9):
        below = wanted.cdf(at) - wanted.cdf(1 - at)
        assert (found <= at).mean() == pytest.approx(below, abs=0.015)


def test_a_mixture_is_nearer_to_its_own_sample():
    one, other = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    found = mixing.mixed(one, other, torch.tensor([0.75, 1.0]))
    assert found[0].unique().tolist() == [0.25] and found[1].unique().tolist() == [0]


@pytest.mark.parametrize("groups", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [2, 3, 7, 64])
def test_interleaving_twice_changes_nothing_and_every_group_has_labeled_samples(groups, size):
    order = mixing.interleaved(groups, size)
    assert order[order].tolist() == list(range(groups * size))
    labeled = (order.reshape(groups, size) < size).sum(1)
    assert labeled.sum() == size and labeled.max() - labeled.min() <= 1


# losses


@BOTH
def test_the_squared_error_is_a_mean_over_samples_and_classes(exact):
    logits = torch.tensor([[900.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    targets = torch.tensor([[0.0, 1.0], [0.5, 0.5]], dtype=torch.float64)
    assert mixing.squared_error(logits, targets, exact).item() == pytest.approx(0.5, abs=1e-7)


@BOTH
def test_the_squared_error_has_torchs_gradient(exact):
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(6, 5))).requires_grad_()
    targets = some_chances(6, 5)
    wanted = ((torch.softmax(logits, 1) - targets) ** 2).sum() / 30
    slope = torch.autograd.grad(wanted, logits)[0]
    found = mixing.squared_error(logits, targets, exact)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    torch.testing.assert_close(
        torch.autograd.grad(3 * found, logits)[0], 3 * slope, rtol=1e-4, atol=1e-8
    )


def test_the_exact_squared_error_does_not_depend_on_the_order_of_the_classes():
    rng = np.random.default_rng(0)
    values, order = torch.from_numpy(rng.normal(size=(40, 30))), rng.permutation(30)
    targets, slopes = some_chances(40, 30), []
    for columns in (np.arange(30), order):
        logits = values[:, columns].clone().requires_grad_()
        loss = mixing.squared_error(logits, targets[:, columns], True)
        slopes.append((loss.item(), torch.autograd.grad(loss, logits)[0]))
    assert slopes[0][0] == slopes[1][0]
    assert torch.equal(slopes[0][1][:, order], slopes[1][1])


@BOTH
def test_where_nothing_is_sure_the_loss_is_zero_and_has_no_gradient(exact):
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    guesses = torch.full((4, 3), 1 / 3, dtype=torch.float64)
    found = mixing.sure_entropy(logits, guesses, 0.95, exact)
    assert found.item() == 0 and not found.requires_grad


@BOTH
def test_the_loss_of_the_sure_is_a_mean_over_all(exact):
    """As torch with a mask: those below the threshold count as 0, one at it counts."""
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(5, 2))).requires_grad_()
    sure = [0.99, 0.95, 0.9499, 0.6, 1.0]
    guesses = torch.tensor([[p, 1 - p] for p in sure], dtype=torch.float64)
    guesses[1] = guesses[1].flip(0)
    mask = torch.tensor([1.0, 1, 0, 0, 1], dtype=torch.float64)
    every = F.cross_entropy(logits, torch.tensor([0, 1, 0, 0, 0]), reduction="none")
    wanted = (every * mask).sum() / 5
    found = mixing.sure_entropy(logits, guesses, 0.95, exact)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    slopes = [torch.autograd.grad(one, logits)[0] for one in (found, wanted)]
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-7)


# batch norm


def test_statistics_stay_while_a_batch_is_normalised_by_its_own():
    layer, images = nn.BatchNorm2d(2), torch.arange(48.0).reshape(6, 2, 2, 2)
    with mixing.statistics_kept([layer]):
        inside = layer(images)
    before = {name: value.clone() for name, value in layer.named_buffers()}
    assert before["running_mean"].tolist() == [0, 0] and before["num_batches_tracked"] == 0
    first = layer(images)
    with mixing.statistics_kept([layer]):
        other = layer(images + 100)
    assert torch.equal(first, inside) and layer.num_batches_tracked == 1
    assert layer.running_mean.tolist() == pytest.approx([0.1 * 21.5, 0.1 * 25.5])
    (first.square().sum() + other.square().sum()).backward()  # buffers are still those of before


def test_statistics_are_put_back_after_an_error():
    layer = nn.BatchNorm2d(1)
    buffer = layer.running_mean
    with pytest.raises(KeyError), mixing.statistics_kept([layer]):
        layer(torch.ones(2, 1, 2, 2))
        raise KeyError
    assert layer.running_mean is buffer and buffer.item() == 0


# the average


def test_a_warm_average_of_a_constant_is_the_constant():
    network = fresh(problem())
    average = mixing.WarmEMA(network, 0.99)
    for _ in range(5):
        average.after_step(network)
    for one, other in zip(average.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=0)


def test_a_warm_average_begins_short_and_ends_as_a_plain_one():
    network = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.0)
    average, wanted = mixing.WarmEMA(network, 0.5), 0.0
    for step in range(1, 12):
        with torch.no_grad():
            network.weight.fill_(float(step))
        average.after_step(network)
        decay = min(0.5, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * step
        assert average.network.weight.item() == pytest.approx(wanted, rel=1e-6)
    assert average.decay == 0.5

"""Optimizers, schedules and losses against torch's own, and against worked numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from stages.models import schedules
from stages.models.losses import balanced, entropy_against
from stages.models.optimizers import SGD, Adam, RMSprop, clipped, kernels
from stages.models.schedules import Cosine, FixMatch, OneCycle, Steps, cos_pi

PAIRS = {
    "sgd": (SGD, torch.optim.SGD, {}),
    "sgd, decay": (SGD, torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    "nesterov": (SGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "adam": (Adam, torch.optim.Adam, {"weight_decay": 0.1}),
    "betas": (Adam, torch.optim.Adam, {"betas": (0.5, 0.99)}),
    "adamw": (Adam, torch.optim.AdamW, {"weight_decay": 0.1}),
    "rmsprop": (RMSprop, torch.optim.RMSprop, {"weight_decay": 0.1}),
}


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    body = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(12, 2))
    return body.double()


def stepped(body: nn.Module, step, rates=(0.1, 0.1, 0.05, 0.2)) -> list[torch.Tensor]:
    """The weights after a step at each rate."""
    images = torch.randn(
        6, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    for rate in rates:
        loss = F.cross_entropy(body(images), torch.tensor([0, 1, 0, 1, 1, 1]))
        step(torch.autograd.grad(loss, list(body.parameters())), rate)
    return [parameter.detach() for parameter in body.parameters()]


def by_torch(body: nn.Module, kind, **settings) -> list[torch.Tensor]:
    parameters = list(body.parameters())
    theirs = kind(parameters, lr=1.0, **settings)

    def step(gradients, rate):
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        for group in theirs.param_groups:
            group["lr"] = rate
        theirs.step()

    return stepped(body, step)


@pytest.mark.parametrize("name", PAIRS)
def test_an_optimizer_is_torchs(name):
    ours, theirs, settings = PAIRS[name]
    body = layers()
    mine = ours(body.parameters(), **settings, **({"decoupled": True} if name == "adamw" else {}))
    for found, wanted in zip(
        stepped(body, mine.step), by_torch(layers(), theirs, **settings), strict=True
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("decoupled", [False, True])
def test_decay_of_the_kernels_alone_is_torchs_with_two_groups(decoupled):
    body, other = layers(), layers()
    mine = Adam(body.parameters(), 0.3, decoupled=decoupled, decayed=kernels([body]))
    found = stepped(body, mine.step)
    parameters = list(other.parameters())
    chosen = [other[1].weight, other[3].weight]
    rest = [one for one in parameters if all(one is not kernel for kernel in chosen)]
    theirs = (torch.optim.AdamW if decoupled else torch.optim.Adam)(
        [{"params": chosen, "weight_decay": 0.3}, {"params": rest, "weight_decay": 0.0}]
    )

    def step(gradients, rate):
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        for group in theirs.param_groups:
            group["lr"] = rate
        theirs.step()

    for one, wanted in zip(found, stepped(other, step), strict=True):
        torch.testing.assert_close(one, wanted, rtol=1e-12, atol=1e-14)


def test_decoupled_decay_without_gradients_is_mixmatchs():
    """w *= 1 - 0.02 lr at each step, for kernels; norms, biases and buffers stay."""
    body = layers()
    before = {name: value.clone() for name, value in body.state_dict().items()}
    mine = Adam(body.parameters(), 0.02, decoupled=True, decayed=kernels([body]))
    for _ in range(3):
        mine.step([torch.zeros_like(one) for one in body.parameters()], 0.002)
    for name, value in body.state_dict().items():
        share = (1 - 0.02 * 0.002) ** 3 if name in ("1.weight", "3.weight") else 1
        torch.testing.assert_close(value, before[name] * share, rtol=1e-14, atol=0)


def test_a_restarted_optimizer_is_a_new_one():
    for kind in (lambda p: SGD(p, 0.9), Adam, RMSprop):
        body, other = layers(), layers()
        used = kind(body.parameters())
        stepped(body, used.step)
        with torch.no_grad():
            for one, value in zip(body.parameters(), other.parameters(), strict=True):
                one.copy_(value)
        used.restart()
        again = stepped(body, used.step)
        anew = stepped(other, kind(other.parameters()).step)
        assert all(torch.equal(a, b) for a, b in zip(again, anew, strict=True))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("most", [0.01, 1.0, 100.0])
def test_a_gradient_is_clipped_as_torch_does(exact, most):
    rng = np.random.default_rng(0)
    gradients = [torch.from_numpy(rng.normal(size=shape)) for shape in ((3, 4), (5,), (2, 2, 2))]
    parameters = [nn.Parameter(torch.zeros_like(one)) for one in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    nn.utils.clip_grad_norm_(parameters, most)
    for found, parameter in zip(clipped(gradients, most, exact), parameters, strict=True):
        torch.testing.assert_close(found, parameter.grad, rtol=1e-10, atol=0)


# schedules


def rates_by_torch(scheduler, total: int, rate: float = 0.1, **settings) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    theirs = scheduler(optimizer, **settings)
    found = []
    for at in range(total):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if at < total - 1:
            theirs.step()
    return found


@pytest.mark.parametrize("total", [2, 3, 7, 50])
def test_schedules_are_torchs(total):
    theirs = torch.optim.lr_scheduler
    for schedule, wanted in (
        (Cosine(0.1, total), rates_by_torch(theirs.CosineAnnealingLR, total, T_max=total)),
        (
            OneCycle(0.1, total),
            rates_by_torch(theirs.OneCycleLR, total, max_lr=0.1, total_steps=total),
        ),
        (
            Steps(0.1, (1, 4), 0.5),
            rates_by_torch(theirs.MultiStepLR, total, milestones=[1, 4], gamma=0.5),
        ),
    ):
        found = [schedule(at) for at in range(total)]
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-14)


def test_fixmatchs_rate_in_numbers():
    schedule = FixMatch(0.03, 1000)
    assert schedule.by_step and schedule(0) == 0.03
    assert schedule(500) == pytest.approx(0.03 * math.cos(7 * math.pi / 32), rel=1e-14)
    assert schedule(1000) == pytest.approx(0.03 * 0.19509032201612825, rel=1e-14)


def test_a_cosine_is_one_and_has_its_bits():
    """From +, -, * and / alone: libraries' own differ in the last bit."""
    for at in range(1001):
        assert cos_pi(at / 1000) == pytest.approx(math.cos(math.pi * at / 1000), abs=5e-16)
    assert (cos_pi(0.0), cos_pi(0.5), cos_pi(1.0)) == (1.0, 0.0, -1.0)
    assert [cos_pi(at / 7).hex() for at in (1, 2, 3)] == COSINES
    assert schedules._between(0.2, 0.6, 0.0) == 0.2 and schedules._between(0.2, 0.6, 1.0) == 0.6


COSINES = ["0x1.cd4bca9cb5c71p-1", "0x1.3f3a0e28bedd1p-1", "0x1.c7b90e3024585p-3"]


# losses


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_a_loss_and_its_gradient_are_torchs(exact, smoothing, weighted, soft):
    rng = np.random.default_rng(0)
    dtype = torch.float64 if exact else torch.float32
    logits = torch.from_numpy(rng.normal(size=(7, 4))).to(dtype).requires_grad_()
    weights = torch.tensor([0.5, 1.0, 2.0, 3.0], dtype=dtype) if weighted else None
    targets = torch.tensor([0, 1, 2, 3, 3, 0, 1])
    if soft:
        targets = torch.from_numpy(rng.dirichlet(np.ones(4), 7)).to(dtype)
    wanted = F.cross_entropy(logits, targets, weights, label_smoothing=smoothing)
    found = entropy_against(logits, targets, exact, smoothing, weights)
    tolerance = {"rtol": 1e-9, "atol": 1e-12} if exact else {"rtol": 1e-6, "atol": 1e-7}
    torch.testing.assert_close(found, wanted, **tolerance)
    slopes = [torch.autograd.grad(one, logits, retain_graph=True)[0] for one in (found, wanted)]
    torch.testing.assert_close(*slopes, **tolerance)


def test_balanced_weights_are_scikit_learns():
    labels = np.array([0, 0, 0, 1, 3, 3])
    wanted = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    found = balanced(labels, 5)
    np.testing.assert_array_equal(found[[0, 1, 3]], wanted)
    assert found[[2, 4]].tolist() == [1, 1] and found[labels].mean() == pytest.approx(1)

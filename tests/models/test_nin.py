"""Network in Network: its layers, and dropout inside the body by masks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pools import pool_of

from stages.learners.supervised import train
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose, generator
from stages.models import build, initialise, state
from stages.models.batches import Batches, classify, embed, logits_in_training, passes_of
from stages.models.compute import configure
from stages.models.dropout import Dropout, draw_mask
from stages.rounds.context import Round
from stages.study.settings import Model, Task

CPU = {name: configure(name, "cpu", 1) for name in ("portable", "machine")}
SHAPES = {"nin": (1, 28, 28), "nin_10": (3, 32, 32)}


def network(name: str, rate: float = 0.25, how: str = "portable", shape=None, classes: int = 7):
    net = build(Model(name=name, dropout=rate), shape or SHAPES[name], classes)
    initialise(net, generator(0, Purpose.INITIALISATION))
    return CPU[how].place(net)


def batches(name: str, rows: int = 12, how: str = "portable") -> Batches:
    images = np.random.default_rng(0).integers(0, 256, (rows, *SHAPES[name])).astype(np.uint8)
    channels = SHAPES[name][0]
    return Batches(images, [0.4] * channels, [0.2] * channels, CPU[how])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def all_passes(*arguments) -> np.ndarray:
    return np.concatenate(list(passes_of(*arguments)), 1)


def tensor(part: Batches) -> torch.Tensor:
    return part.normalise(part.raw(np.arange(len(part))))


def by_hand(net, images: torch.Tensor, name: str) -> torch.Tensor:
    """Logits in evaluation mode, from torch's own functions."""
    arrays = {key: torch.from_numpy(value) for key, value in state(net).items()}

    def block(x, at, padding):
        x = F.conv2d(x, arrays[f"body.{at}.weight"], arrays[f"body.{at}.bias"], padding=padding)
        norm = [arrays[f"body.{at + 1}.{k}"] for k in ("running_mean", "running_var")]
        x = F.batch_norm(x, *norm, arrays[f"body.{at + 1}.weight"], arrays[f"body.{at + 1}.bias"])
        return F.relu(x)

    if name == "nin":
        x = F.max_pool2d(block(images, 0, 3), 4)
        x = F.max_pool2d(block(x, 5, 1), 4)
        weight = arrays["classifier.weight"].view(7, 128, 2, 2)
        return F.conv2d(x, weight, arrays["classifier.bias"]).flatten(1)
    for at in range(0, 25, 5):
        images = F.max_pool2d(block(images, at, 1), 2)
    return images.flatten(1)


@pytest.mark.parametrize("name", SHAPES)
def test_the_layers_are_the_papers(name):
    net = network(name).eval()
    images = tensor(batches(name))
    logits = net(images)
    assert logits.shape == (12, 7)
    torch.testing.assert_close(logits, by_hand(net, images, name), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("name", "size"), [("nin", 512), ("nin_10", 7)])
def test_the_embedding_is_what_the_classifier_is_given(name, size):
    net = network(name)
    embeddings = embed(net, batches(name), np.arange(12))
    assert embeddings.shape == (12, size) == (12, net.embedding_size)
    logits = classify(net, embeddings, CPU["portable"])
    if name == "nin_10":
        assert (logits == embeddings).all() and (logits >= 0).all()
    else:
        assert net.classifier.weight.shape == (7, 512)


@pytest.mark.parametrize(
    ("name", "shape", "sizes"),
    [
        ("nin", (1, 27, 28), "28 to 43 pixels a side; these have 27x28"),
        ("nin", (1, 28, 44), "28 to 43 pixels a side; these have 28x44"),
        ("nin_10", (3, 28, 28), "32 to 63 pixels a side; these have 28x28"),
        ("nin_10", (3, 64, 64), "32 to 63 pixels a side; these have 64x64"),
    ],
)
def test_images_of_another_size_are_refused(name, shape, sizes):
    with pytest.raises(UserError, match=f"model {name} needs images of {sizes}"):
        network(name, shape=shape)


@pytest.mark.parametrize(
    ("name", "side"), [("nin", 28), ("nin", 43), ("nin_10", 32), ("nin_10", 63)]
)
def test_images_of_allowed_sizes_are_not(name, side):
    net = network(name, shape=(2, side, side)).eval()
    assert net(torch.zeros((2, 2, side, side), dtype=torch.float64)).shape == (2, 7)


# dropout


def test_a_mask_drops_at_its_rate_and_keeps_the_mean():
    ones = torch.ones(200, 333, dtype=torch.float64)
    for rate in (0.1, 0.25, 0.5):
        mask = draw_mask(ones, rate, rng())
        assert mask.shape == ones.shape and mask.dtype == ones.dtype
        assert sorted(mask.unique().tolist()) == [0, 1 / (1 - rate)]
        assert (mask == 0).double().mean().item() == pytest.approx(rate, abs=0.01)
        assert torch.equal(mask, draw_mask(ones, rate, rng()))
    columns = draw_mask(ones, 0.25, rng()) == 0
    for shift in range(1, 5):  # units that share a draw are independent
        both = (columns.flatten()[shift:] & columns.flatten()[:-shift]).double().mean()
        assert both.item() == pytest.approx(1 / 16, abs=0.01)


@pytest.mark.parametrize("name", SHAPES)
def test_dropout_is_after_every_convolution_of_the_body(name):
    layers = [type(layer).__name__ for layer in network(name, how="machine").body]
    block = ["Conv2d", "BatchNorm2d", "ReLU", "Dropout", "MaxPool2d"]
    assert layers == block * (2 if name == "nin" else 5) + ["Flatten"]


@pytest.mark.parametrize("name", SHAPES)
def test_passes_differ_and_their_mean_is_near_the_plain_output(name):
    net, part = network(name, 0.1), batches(name, rows=4)
    logits = all_passes(net, part, np.arange(4), 40, rng())
    assert logits.shape == (40, 4, 7)
    assert (logits.std(0) > 0).any(1).all()
    plain = classify(net, embed(net, part, np.arange(4)), CPU["portable"])
    assert np.abs(logits.mean(0) - plain).max() < 0.5 * np.abs(plain).max() + 0.1
    assert (logits == all_passes(net, part, np.arange(4), 40, rng())).all()
    assert not net.training


@pytest.mark.parametrize("name", SHAPES)
def test_a_pass_is_the_whole_body_with_masks(name):
    net, part = network(name), batches(name, rows=3)
    with torch.no_grad():
        expected = net.classify(net.eval().embed(tensor(part), rng(5)))
    assert (all_passes(net, part, np.arange(3), 1, rng(5))[0] == expected.numpy()).all()


def test_the_pool_draws_its_passes_inside_the_body():
    net, part = network("nin"), batches("nin")
    pool = pool_of(net, part, np.arange(8), np.arange(8, 12), np.arange(4), 7, query_size=2)
    chances = pool.dropout_probabilities(5)
    assert chances.shape == (5, 8, 7)
    np.testing.assert_allclose(chances.sum(2), 1)
    assert (chances.std(0) > 0).any(1).all()


def test_without_a_rate_nothing_is_dropped():
    net = network("nin", rate=0.0)
    assert not net.drops_inside and net.dropout == 0
    net.train()
    net.embed(tensor(batches("nin")))


def test_training_without_masks_is_refused():
    net = network("nin").train()
    with pytest.raises(UserError, match="the learner draws no masks for it"):
        net.embed(tensor(batches("nin")))
    net.embed(tensor(batches("nin")), rng())
    net.eval().embed(tensor(batches("nin")))


def test_masks_before_the_classifier_are_refused():
    net = network("nin")
    embeddings = embed(net, batches("nin"), np.arange(3))
    with pytest.raises(UserError, match="dropout inside its body, not before the classifier"):
        classify(net, embeddings, CPU["portable"], rng())


def test_masks_have_a_gradient():
    net = network("nin").train()
    logits = logits_in_training(net, tensor(batches("nin")), rng())
    gradients = torch.autograd.grad(logits.square().sum(), list(net.parameters()))
    assert all(torch.isfinite(part).all() and part.abs().sum() > 0 for part in gradients[-2:])
    assert isinstance(net.body[3], Dropout)


# learning


TASK = Task(
    dataset={"name": "mnist"},
    split={"initial": 12},
    query_size=1,
    model={"name": "nin", "dropout": 0.25},
    epochs=25,
    batch_size=16,
    optimizer="adam",
    learning_rate=0.001,
)


def known(threads: int = 1, **changes) -> Round:
    """Two kinds of pictures: bright above, bright below."""
    labels = np.arange(40) % 2
    images = rng().integers(0, 60, (40, 1, 28, 28)).astype(np.uint8)
    images[labels == 0, :, :14] += 120
    images[labels == 1, :, 14:] += 120
    compute = configure("portable", "cpu", threads)
    return Round(
        batches=Batches(images, [0.3], [0.2], compute),
        labeled=np.arange(12),
        labels=labels[:12],
        unlabeled=np.arange(12, 40),
        classes=2,
        shape=(1, 28, 28),
        task=TASK.model_copy(update=changes),
        seed=0,
        n=0,
        compute=compute,
    )


def test_it_learns():
    given = known()
    net = train(given).network
    logits = classify(net, embed(net, given.batches, given.unlabeled), given.compute)
    assert (logits.argmax(1) == given.unlabeled % 2).mean() > 0.9


def test_it_learns_the_same_with_other_threads_and_not_without_dropout():
    weights = [state(train(known(threads, epochs=2)).network) for threads in (1, 2)]
    configure("portable", "cpu", 1)
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    plain = dataclasses.replace(
        known(epochs=2),
        task=TASK.model_copy(update={"epochs": 2, "model": Model(name="nin", dropout=0.0)}),
    )
    other = state(train(plain).network)
    assert any((weights[0][name] != other[name]).any() for name in other)

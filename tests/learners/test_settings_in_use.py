"""Every setting of a task makes a difference, and the difference that it should make."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from halves import problem, same, task, weights
from study import grow, tree, write_params

from stages.catalogue import ARCHITECTURES
from stages.learners.supervised import train
from stages.machine.randomness import Purpose
from stages.models import batches, optimizers, state
from stages.models import fit as loop
from stages.models.batches import Batches
from stages.models.fit import fresh
from stages.split import split
from stages.study import settings
from stages.study.layout import Layout
from stages.study.settings import Model, Split, Task

SGD = {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.5}
SWA = {"averaging": "swa", "swa_epochs": 1, "swa_every": 1}
RESNET = {"name": "resnet18", "stem": "7x7", "max_pool": False}
# key, another value, and what else has to be set for it to matter
CHANGES = [
    ("epochs", 4, {}),
    ("batch_size", 7, {}),
    ("optimizer", "sgd", {}),
    ("learning_rate", 0.02, {}),
    ("momentum", 0.9, SGD),
    ("nesterov", True, SGD),
    ("weight_decay", 0.1, {}),
    ("weight_decay", 0.1, SGD),
    ("weight_decay_on", "kernels", {"weight_decay": 0.1}),
    ("optimizer", "adamw", {"weight_decay": 0.1}),
    ("optimizer", "rmsprop", {}),
    ("schedule", "cosine", {}),
    ("schedule", "one_cycle", {}),
    ("schedule", "fixmatch", {}),
    ("schedule_by", "step", {"schedule": "cosine"}),
    ("schedule_by", "step", {"milestones": [2]}),
    ("clip_norm", 0.1, SGD),
    ("label_smoothing", 0.1, {}),
    ("class_weights", "balanced", {"rows": 19}),
    ("averaging", "ema", {}),
    ("averaging", "swa", {"swa_epochs": 1, "swa_every": 1}),
    ("ema_decay", 0.5, {"averaging": "ema"}),
    ("swa_epochs", 2, SWA),
    ("swa_learning_rate", 0.1, SWA),
    ("swa_every", 2, SWA),
    ("milestones", [1], {}),
    ("decay", 0.5, {"milestones": [2]}),
    ("augmentation", "crop", {}),
    ("augmentation", "crop_flip", {"augmentation": "crop", "padding": 1}),
    ("padding", 2, {"augmentation": "crop", "padding": 1}),
    ("amp", True, {}),
    ("channels_last", True, {}),
    ("model.name", "resnet18", {}),
    ("model.dropout", 0.5, {}),
    ("model.stem", "3x3", {"model": RESNET}),
    ("model.max_pool", True, {"model": RESNET}),
    ("model.units", 64, {"model": {"name": "mlp"}}),
]
# Those of sets, queries and images are tried below, or by the tests of prepare; the last three in
# tests/models/test_training.py.
ELSEWHERE = {
    "query_size",
    "choose_epoch",
    "initialise",
    "compile",
    "oracle",
    "pool",
    "metrics",
    "thumbnails",
    *(f"split.{name}" for name in Split.model_fields),
}
OF_MODEL = {"name", *(key for name in ARCHITECTURES for key in Model(name=name).settings)}


def test_no_setting_is_left_out():
    keys = {key for key in Task.model_fields if key not in ("dataset", "split", "model")}
    keys |= {f"model.{key}" for key in OF_MODEL} | ELSEWHERE
    assert {key for key, _, _ in CHANGES} | ELSEWHERE == keys


@pytest.mark.parametrize(
    ("key", "value", "rest"), CHANGES, ids=[f"{key}={value}" for key, value, _ in CHANGES]
)
def test_a_setting_changes_the_weights(key, value, rest):
    how = "off" if key in ("amp", "channels_last") else "machine"
    with_it = dict(rest)
    if key.startswith("model."):
        with_it["model"] = {"name": "small_cnn", **rest.get("model", {}), key[6:]: value}
    else:
        with_it[key] = value
    one, other = (train(problem(how=how, **changes)) for changes in (rest, with_it))
    before, after = weights(one), weights(other)
    if key == "channels_last":  # the same numbers, in another order in memory
        for learned, last in ((one, False), (other, True)):
            layer = learned.network.body[3].weight
            assert layer.is_contiguous(memory_format=torch.channels_last) == last
    elif key == "model.max_pool":
        assert not isinstance(other.network.body.maxpool, torch.nn.Identity)
        assert not same(before, after)
    else:
        shared = before.keys() & after.keys()
        assert before.keys() != after.keys() or any(
            before[name].shape != after[name].shape or (before[name] != after[name]).any()
            for name in shared
        )


# the right difference


@pytest.mark.parametrize(("milestones", "passed"), [((), 0), ((1,), 3), ((2,), 2), ((1, 3), 3)])
def test_every_step_of_an_epoch_has_the_epochs_rate(monkeypatch, milestones, passed):
    """20 rows in batches of 8 are three steps an epoch; four epochs."""
    rates = []
    step = optimizers.Adam.step

    def noted(self, gradients, rate):
        rates.append(rate)
        step(self, gradients, rate)

    monkeypatch.setattr(optimizers.Adam, "step", noted)
    train(problem(epochs=4, learning_rate=0.01, milestones=list(milestones), decay=0.5))
    wanted = [0.01 * 0.5 ** sum(epoch >= m for m in milestones) for epoch in range(4)]
    assert rates == pytest.approx([rate for rate in wanted for _ in range(3)], rel=1e-12)
    assert sum(rate < 0.01 for rate in rates) == 3 * passed


def seen_in_training(monkeypatch, given) -> list[torch.Tensor]:
    """The batches that the network is shown while it trains."""
    shown = []
    original = loop.logits_in_training

    def noted(network, images, masks):
        assert network.training
        shown.append(images.clone())
        return original(network, images, masks)

    monkeypatch.setattr(loop, "logits_in_training", noted)
    train(given)
    return shown


def test_training_shows_moved_and_mirrored_images_and_evaluation_does_not(monkeypatch):
    still = problem(epochs=1)
    images = {
        image.numpy().tobytes()
        for image in still.batches.normalise(still.batches.raw(still.labeled))
    }
    shown = torch.cat(seen_in_training(monkeypatch, still))
    assert {image.numpy().tobytes() for image in shown} == images
    moved = dataclasses.replace(still, task=task(epochs=1, augmentation="crop_flip", padding=2))
    shown = torch.cat(seen_in_training(monkeypatch, moved))
    assert len(shown) == 20 and sum(x.numpy().tobytes() in images for x in shown) < 6
    found = batches.embed(fresh(moved), moved.batches, moved.labeled)
    assert (found == batches.embed(fresh(still), still.batches, still.labeled)).all()


def test_a_network_that_was_evaluated_goes_on_training_in_training_mode(monkeypatch):
    given, modes = problem(epochs=1), []
    original = loop.logits_in_training

    def noted(network, images, masks):
        modes.append(network.training)
        return original(network, images, masks)

    monkeypatch.setattr(loop, "logits_in_training", noted)
    loop.fit(fresh(given).eval(), given)
    assert modes == [True] * 3


def test_dropout_is_drawn_while_training_and_never_after(monkeypatch):
    drawn = []
    original = batches.dropout_mask

    def noted(like, rate, rng):
        mask = original(like, rate, rng)
        drawn.append((mask == 0).double().mean().item())
        return mask

    monkeypatch.setattr(batches, "dropout_mask", noted)
    given = problem(rows=40, model={"name": "small_cnn", "dropout": 0.25}, epochs=2)
    learned = train(given)
    assert len(drawn) == 10 and np.mean(drawn) == pytest.approx(0.25, abs=0.03)
    one = batches.classify(
        learned.network,
        batches.embed(learned.network, given.batches, given.unlabeled),
        given.compute,
    )
    assert len(drawn) == 10 and np.isfinite(one).all()


@pytest.mark.parametrize("model", ["small_cnn", "resnet18"])
def test_an_image_scores_the_same_whatever_comes_with_it(model):
    """Batch statistics and dropout would make it depend on the others."""
    shape = {"name": model, "dropout": 0.4} | ({"stem": "7x7"} if model == "resnet18" else {})
    given = problem(rows=16, how="machine", epochs=1, model=shape)
    network = train(given).network
    alone = [batches.embed(network, given.batches, given.unlabeled[at : at + 1]) for at in range(3)]
    network.train()
    together = batches.embed(network, given.batches, given.unlabeled)
    np.testing.assert_allclose(together[:3], np.concatenate(alone), rtol=1e-4, atol=1e-5)
    assert not network.training


def test_which_label_belongs_to_which_row_matters_and_their_order_does_not_say():
    given = problem(rows=16, epochs=2, batch_size=50)
    other = dataclasses.replace(given, labels=1 - given.labels)
    assert not same(weights(train(given)), weights(train(other)))
    turned = np.arange(16)[::-1].copy()
    reordered = dataclasses.replace(
        given, labeled=given.labeled[turned], labels=given.labels[turned]
    )
    one, two = weights(train(given)), weights(train(reordered))
    # One batch holds all: only rounding on the grid tells the order, if anything.
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=0, atol=1e-9)


def test_images_are_normalised_by_what_the_problem_says():
    given = problem(epochs=1)
    for mean, std in (([0.5], [0.3]), ([0.4], [0.2])):
        images = Batches(given.batches.images.numpy(), mean, std, given.compute)
        other = dataclasses.replace(given, batches=images)
        assert not same(weights(train(given)), weights(train(other)))
        pixels = given.batches.images[:5].numpy()
        np.testing.assert_allclose(
            images.normalise(images.raw(np.arange(5))), (pixels / 255 - mean) / std, rtol=1e-14
        )


# sets and queries


@pytest.fixture
def drawn(study_copy):
    """Draws the sets of a study with other settings; gives initial and validation rows."""

    def draw(**changes):
        study = settings.load(write_params(study_copy, tree(**changes)))
        split(study, study_copy, "digits", 0)
        from stages.study import ledger

        shared = Layout(study_copy).shared_split("digits", 0)
        return [ledger.read(shared / f"{name}.txt").indices for name in ("initial", "validation")]

    return draw


def test_sizes_of_the_sets(drawn):
    for initial, validation in itertools.product((12, 30), (5, 0)):
        found = drawn(
            task__digits__split__initial=initial, task__digits__split__validation=validation
        )
        assert list(map(len, found)) == [initial, validation]
        assert not np.intersect1d(*found).size


def test_balanced_sets_have_as_many_of_each_class(drawn, study_copy):
    labels = np.load(study_copy / "data/digits/train_labels.npy")
    initial, _ = drawn(task__digits__split__balanced=True, task__digits__split__initial=20)
    assert np.bincount(labels[initial], minlength=10).tolist() == [2] * 10
    initial, _ = drawn(task__digits__split__initial=20)
    assert np.bincount(labels[initial], minlength=10).tolist() != [2] * 10


@pytest.mark.parametrize("size", [3, 6])
def test_a_round_selects_as_many_as_it_should(study_copy, size):
    from stages.study import ledger

    study = settings.load(write_params(study_copy, tree(task__digits__query_size=size)))
    grow(study, study_copy, "digits", "entropy", 0)
    chain = ledger.walk(Layout(study_copy).link("digits", "entropy", 0, "end"))
    assert len(chain.labeled) == 12 + 2 * size
    assert len(np.load(Layout(study_copy).artifacts("digits", "entropy", 0, 1) / "scores.npy")) == (
        len(np.load(study_copy / "data/digits/train_labels.npy")) - 12 - 5
    )


def test_initial_weights_come_from_their_own_stream():
    given = problem()
    network = fresh(given)
    rng = given.generator(Purpose.INITIALISATION)
    bound = 1 / 3  # of 1 channel and 3x3 weights
    wanted = rng.uniform(-bound, bound, (32, 1, 3, 3)).astype(np.float32)
    assert (state(network)["body.0.weight"] == wanted).all()

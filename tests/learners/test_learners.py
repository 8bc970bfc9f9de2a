"""Training: optimisers, batches, augmentation, evaluation, and the same bytes twice."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from halves import problem, same, weights
from sklearn.metrics import log_loss

from stages.learners.supervised import train
from stages.machine.errors import UserError
from stages.models import state
from stages.models.augmentation import Augmentation
from stages.models.batches import batches_of
from stages.models.fit import fit, fresh
from stages.models.optimizers import SGD, Adam
from stages.models.schedules import Steps
from stages.rounds import evaluation

# optimisers

OPTIMIZERS = {"sgd": SGD, "adam": Adam}


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        ({"optimizer": "sgd"}, lambda p: torch.optim.SGD(p, 0.1)),
        ({"optimizer": "sgd", "momentum": 0.9}, lambda p: torch.optim.SGD(p, 0.1, 0.9)),
        (
            {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
            lambda p: torch.optim.SGD(p, 0.1, 0.9, nesterov=True),
        ),
        (
            {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.05},
            lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.05),
        ),
        (
            {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.05, "nesterov": True},
            lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.05, nesterov=True),
        ),
        (
            {"optimizer": "sgd", "weight_decay": 1.0},
            lambda p: torch.optim.SGD(p, 0.1, weight_decay=1.0),
        ),
        ({"optimizer": "adam"}, lambda p: torch.optim.Adam(p, 0.1)),
        (
            {"optimizer": "adam", "weight_decay": 0.05},
            lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.05),
        ),
    ],
)
def test_an_optimiser_walks_where_torchs_does(settings, reference):
    rng = np.random.default_rng(0)
    begin = [torch.from_numpy(rng.normal(size=shape)) for shape in [(3, 4), (5,)]]
    mine, theirs = [p.clone() for p in begin], [p.clone().requires_grad_() for p in begin]
    values = {key: value for key, value in settings.items() if key != "optimizer"}
    own = OPTIMIZERS[settings["optimizer"]](mine, **values)
    other = reference(theirs)
    for step in range(25):
        gradients = [torch.from_numpy(rng.normal(size=p.shape)) for p in begin]
        rate = 0.1 if step < 15 else 0.01
        own.step([g.clone() for g in gradients], rate)
        other.param_groups[0]["lr"] = rate
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient
        other.step()
        for got, wanted in zip(mine, theirs, strict=True):
            torch.testing.assert_close(got, wanted.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_leaves_gradients_alone(name):
    parameter, gradient = torch.ones(3), torch.full((3,), 2.0)
    own = OPTIMIZERS[name]([parameter], weight_decay=0.1)
    own.step([gradient], 0.1)
    own.step([gradient], 0.1)
    assert gradient.tolist() == [2, 2, 2]


def test_milestones():
    schedule = Steps(1.0, (2, 4), 0.1)
    rates = [schedule(epoch) for epoch in range(6)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01], rel=1e-12)


# batches


@pytest.mark.parametrize("count", range(1, 20))
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 50])
def test_no_sample_is_dropped_and_none_is_alone(count, size):
    parts = list(batches_of(np.arange(count), size))
    assert all(len(part) > 1 for part in parts)
    once = [part[:1] if (part == part[0]).all() else part for part in parts]
    assert np.concatenate(once).tolist() == list(range(count))
    assert all(len(part) == size for part in once[:-1])
    assert len(once[-1]) <= size + 1


def test_a_labeled_set_smaller_than_a_batch_still_trains():
    small = problem(rows=3, batch_size=32, epochs=1)
    assert not same(weights(train(small)), state(fresh(small)))


@pytest.mark.parametrize("how", ["portable", "machine"])
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_a_labeled_set_of_any_size_trains(how, rows):
    learned = train(problem(rows=rows, how=how, epochs=1))
    assert all(np.isfinite(value).all() for value in weights(learned).values())


@pytest.mark.parametrize("how", ["portable", "machine"])
@pytest.mark.parametrize(("rows", "batch_size"), [(1, 8), (3, 1)])
def test_batches_of_one_train_a_network_with_batch_norm(how, rows, batch_size):
    model = {"name": "resnet18", "stem": "7x7"}
    learned = train(problem(rows, how, epochs=1, model=model, batch_size=batch_size))
    assert all(np.isfinite(value).all() for value in weights(learned).values())


def test_every_epoch_visits_each_sample_once_in_a_new_order(monkeypatch):
    seen = []
    given = problem(rows=10, epochs=3, batch_size=4)
    raw = given.batches.raw
    monkeypatch.setattr(given.batches, "raw", lambda rows: seen.extend(rows) or raw(rows))
    train(given)
    epochs = [seen[at : at + 10] for at in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


# the same bytes, fresh weights


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"augmentation": "crop_flip", "padding": 1},
        {"model": {"name": "small_cnn", "dropout": 0.4}},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    ],
    ids=["plain", "augmented", "dropout", "sgd"],
)
@pytest.mark.parametrize("how", ["portable", "machine"])
def test_training_twice_gives_the_same_bytes(how, changes):
    assert same(*(weights(train(problem(how=how, **changes))) for _ in range(2)))


def test_the_state_of_torch_and_numpy_plays_no_part():
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    one = weights(train(problem(augmentation="crop")))
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    assert same(one, weights(train(problem(augmentation="crop"))))


def test_every_round_and_seed_starts_from_weights_of_its_own():
    begins = [
        state(fresh(problem(seed=seed, round_n=n)))["classifier.weight"].tobytes()
        for seed in (0, 1)
        for n in (0, 1)
    ]
    assert len(set(begins)) == 4


def test_a_round_starts_afresh_whatever_was_trained_before():
    wanted = state(fresh(problem(round_n=1)))
    train(problem(round_n=0))
    assert same(wanted, state(fresh(problem(round_n=1))))


def test_the_pool_plays_no_part_in_training():
    given = problem()
    other = dataclasses.replace(given, unlabeled=given.unlabeled[:3])
    assert same(weights(train(given)), weights(train(other)))


@pytest.mark.parametrize("how", ["portable", "machine"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_learns(how, optimizer):
    given = problem(
        rows=40, how=how, epochs=15, optimizer=optimizer, learning_rate=0.01, momentum=0.9
    )
    learned = train(given)
    labels = np.arange(60) % 2
    assert evaluation.evaluate(learned.network, given.batches, labels, 2)["accuracy"] > 0.95


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_training_that_diverged_is_one_line(how):
    with pytest.raises(UserError, match=r"training diverged in round 4 of seed 3 .* 1e\+200"):
        given = problem(how=how, seed=3, round_n=4, optimizer="sgd")
        steep = given.task.model_copy(update={"learning_rate": 1e200})  # far out of bounds
        train(dataclasses.replace(given, task=steep))


def test_a_single_weight_that_is_not_finite_is_training_that_diverged(monkeypatch):
    step = Adam.step

    def overflow(self, gradients, rate):
        step(self, gradients, rate)
        with torch.no_grad():
            self.parameters[-1][-1] = torch.inf

    monkeypatch.setattr(Adam, "step", overflow)
    with pytest.raises(UserError, match="training diverged in round 0 of seed 0"):
        train(problem(rows=8, batch_size=8, epochs=1))


def test_more_training_goes_on_from_where_the_network_is():
    given = problem()
    network = fresh(given)
    fit(network, given)
    before = {name: value.copy() for name, value in state(network).items()}
    fit(network, given)
    assert not same(before, state(network))


# augmentation


def pictures(count: int = 40, channels: int = 3) -> torch.Tensor:
    values = np.random.default_rng(0).integers(1, 256, (count, channels, 6, 5))
    return torch.from_numpy(values.astype(np.uint8))


def crops_of(image: torch.Tensor, padding: int, flip: bool) -> dict[bytes, tuple[int, int, bool]]:
    """Every allowed outcome of one image."""
    padded = np.pad(image.numpy(), ((0, 0), (padding, padding), (padding, padding)))
    found = {}
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            cut = padded[:, top : top + 6, left : left + 5]
            found[cut.tobytes()] = (top, left, False)
            if flip:
                found[cut[:, :, ::-1].tobytes()] = (top, left, True)
    return found


@pytest.mark.parametrize(("kind", "flip"), [("crop", False), ("crop_flip", True)])
@pytest.mark.parametrize("padding", [1, 3])
def test_every_output_is_a_crop_of_its_own_padded_image(kind, flip, padding):
    images = pictures()
    outputs = Augmentation(kind, padding)(images, np.random.default_rng(0))
    assert outputs.shape == images.shape and outputs.dtype == torch.uint8
    draws = [
        crops_of(image, padding, flip)[output.numpy().tobytes()]
        for image, output in zip(images, outputs, strict=True)
    ]
    assert len(set(draws)) > 5
    assert {draw[2] for draw in draws} == ({False, True} if flip else {False})


def test_draws_cover_every_place_and_both_sides_evenly():
    images = pictures(1)[:1].expand(3000, -1, -1, -1)
    outputs = Augmentation("crop_flip", 1)(images, np.random.default_rng(0))
    allowed = crops_of(images[0], 1, True)
    draws = [allowed[output.numpy().tobytes()] for output in outputs]
    counts = np.unique(
        np.array([top * 6 + left * 2 + side for top, left, side in draws]), return_counts=True
    )[1]
    assert len(counts) == 18
    assert counts.min() > 3000 / 18 * 0.65 and counts.max() < 3000 / 18 * 1.35


def test_without_augmentation_images_stay():
    images = pictures()
    assert Augmentation()(images, np.random.default_rng(0)) is images


def test_augmentation_leaves_its_input_alone():
    images = pictures()
    before = images.clone()
    Augmentation("crop_flip")(images, np.random.default_rng(0))
    assert torch.equal(before, images)


# what a network achieves


def test_measures_against_a_loop():
    rng = np.random.default_rng(0)
    logits, labels = 2 * rng.normal(size=(200, 4)), rng.integers(0, 4, 200)
    labels[labels == 2] = 3  # a class that the test set lacks
    result = evaluation.measure(logits, labels, 4)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    right = chances.argmax(1) == labels
    assert result["correct"] == right.sum() and result["test"] == 200
    assert result["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    assert result["per_class_test"] == [int((labels == c).sum()) for c in range(4)]
    assert result["per_class_correct"] == [int(right[labels == c].sum()) for c in range(4)]
    assert result["nll"] == pytest.approx(log_loss(labels, chances, labels=range(4)), abs=1e-6)
    gap, confidence = 0.0, chances.max(1)
    for at in range(15):
        inside = (confidence > at / 15) & (confidence <= (at + 1) / 15)
        if inside.any():
            gap += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert result["ece"] == pytest.approx(gap, abs=1e-6)


def test_calibration_has_fifteen_bins_with_their_upper_ends():
    """Right at 0.65, wrong at 0.68: in one of ten bins they would make up for each other."""
    for sure, gap in (((0.65, 0.68), 0.35 + 0.68), ((0.65, 10 / 15), 10 / 15 - 0.35)):
        logits = np.log([[p, 1 - p] for p in sure])
        found = evaluation.measure(logits, np.array([0, 1]), 2)
        assert found["ece"] == pytest.approx(gap / 2, abs=1e-6)


def test_a_network_that_knows_its_chances_is_calibrated_and_bins_say_how_well():
    """Gaps of both signs, so that other bins would give another sum."""
    rng = np.random.default_rng(2)
    logits = 2 * rng.normal(size=(300, 3))
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([rng.choice(3, p=p) for p in chances])
    right, sure = chances.argmax(1) == labels, chances.max(1)

    def gaps(bins: int) -> float:
        inside = [(sure > at / bins) & (sure <= (at + 1) / bins) for at in range(bins)]
        return sum(abs(right[i].sum() - sure[i].sum()) for i in inside) / 300

    found = evaluation.measure(logits, labels, 3)["ece"]
    assert found == pytest.approx(gaps(15), abs=1e-6)
    assert all(abs(found - gaps(bins)) > 1e-3 for bins in (1, 10, 14, 16, 20))


def test_sure_and_right_is_perfect_sure_and_wrong_is_not():
    logits = np.array([[900.0, -900.0], [-900.0, 900.0]])
    perfect = evaluation.measure(logits, np.array([0, 1]), 2)
    assert (perfect["nll"], perfect["ece"], perfect["accuracy"]) == (0, 0, 1)
    wrong = evaluation.measure(logits, np.array([1, 0]), 2)
    assert (wrong["nll"], wrong["ece"], wrong["accuracy"]) == (1800, 1, 0)

"""Learning loss: what is ranked, what is trained by it, and what is predicted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from halves import problem, same, weights

from stages.learners import learning_loss
from stages.learners.supervised import train as plain_train
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.models import batches as batching
from stages.models import initialise, state
from stages.models.fit import Batch, Images, fit, fresh
from stages.models.loss_head import LossHead, losses_of, predictions, ranking_loss
from stages.rounds.context import Learned, Pool


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


# the loss


@pytest.mark.parametrize("count", [2, 3, 8, 9])
@pytest.mark.parametrize("margin", [1.0, 0.3])
def test_a_constant_prediction_costs_the_margin(count, margin):
    losses = torch.from_numpy(np.random.default_rng(count).random(count))
    assert ranking_loss(torch.full((count,), 5.0), losses, margin).item() == pytest.approx(margin)


@pytest.mark.parametrize("count", [2, 5, 8, 13])
def test_it_is_the_papers_sum_over_pairs_and_swapping_changes_nothing(count):
    rng = np.random.default_rng(count)
    predicted, losses = rng.normal(size=count), rng.random(count)
    total = 0.0
    for i in range(count // 2):  # image i with image B + 1 - i, counted from 1
        j = count - 1 - i
        total += max(0, -np.sign(losses[i] - losses[j]) * (predicted[i] - predicted[j]) + 1)
    found = ranking_loss(torch.from_numpy(predicted), torch.from_numpy(losses), 1.0)
    assert found.item() == pytest.approx(total / (count // 2), rel=1e-12)
    swapped = ranking_loss(
        torch.from_numpy(predicted[::-1].copy()), torch.from_numpy(losses[::-1].copy()), 1.0
    )
    assert swapped.item() == found.item()


def test_the_one_in_the_middle_of_an_odd_batch_has_no_part():
    predicted = numbers(1, 50, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(ranking_loss(predicted, numbers(2, 9, 1), 1.0), predicted)
    assert gradient.tolist() == [-1, 0, 1]  # the first has the larger loss: its prediction rises


def test_a_pair_that_is_ranked_by_more_than_the_margin_costs_nothing():
    assert ranking_loss(numbers(3, 1), numbers(2, 1), 1.0).item() == 0
    assert ranking_loss(numbers(1, 3), numbers(2, 1), 1.0).item() == 3


@pytest.mark.parametrize("exact", [True, False])
def test_losses_are_those_of_each_image(exact):
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(6, 4)))
    labels = torch.arange(6) % 4
    wanted = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    chances = torch.nn.functional.one_hot(labels, 4).double()
    for targets in (labels, chances):
        found = losses_of(logits, targets, exact).double()
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


# training


def trained_by(given, head, **changes) -> dict[str, np.ndarray]:
    """Weights of a network after training beside ``head``."""
    network = fresh(given)
    options = {"margin": 1.0, "weight": 1.0, "detached": False} | changes
    fit(
        network,
        given,
        lambda batch, network: learning_loss.joint_loss(batch, network, head, **options),
        beside=[head],
    )
    return {name: value.copy() for name, value in state(network).items()}


def head_of(given, width: int = 8) -> LossHead:
    head = LossHead(fresh(given).block_channels(given.shape), width)
    initialise(head, given.generator(Purpose.LOSS_HEAD))
    return given.compute.place(head)


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_no_gradient_of_a_detached_head_reaches_the_network(how):
    given = problem(rows=13, how=how, epochs=2)
    plain = weights(plain_train(given))
    assert same(plain, trained_by(given, head_of(given), detached=True))
    assert not same(plain, trained_by(given, head_of(given), detached=False))


@pytest.mark.parametrize("changes", [{"detach": 0.0}, {"weight": 0.0}])
def test_a_head_that_only_looks_on_leaves_plain_training_as_it_is(changes):
    given = problem(rows=9, epochs=2)
    learned = learning_loss.train(given, width=8, **changes)
    assert same(weights(plain_train(given)), weights(learned))


def test_it_is_detached_after_its_share_of_the_epochs(monkeypatch):
    seen = []
    original = learning_loss.joint_loss

    def watched(batch, network, head, margin, weight, detached):
        seen.append((batch.epoch, detached))
        return original(batch, network, head, margin, weight, detached)

    monkeypatch.setattr(learning_loss, "joint_loss", watched)
    learning_loss.train(problem(rows=8, epochs=5), width=4)
    assert sorted(set(seen)) == [(0, False), (1, False), (2, False), (3, True), (4, True)]


@pytest.mark.parametrize("detach", [0.0, 1.0])
def test_every_layer_of_the_head_is_trained(detach):
    given = problem(epochs=2)
    found = state(learning_loss.train(given, width=8, detach=detach).parts["loss_head"])
    begun = state(head_of(given))
    assert found.keys() == begun.keys() and len(found) == 2 * 2 + 2
    # All units of a block may be silent, but no layer can be.
    for name in found:
        assert name.endswith("output.bias") or not np.array_equal(found[name], begun[name])


def test_the_head_of_a_round_begins_afresh():
    one, other = (state(head_of(problem(round_n=n))) for n in (0, 1))
    assert not same(one, other)


@pytest.mark.parametrize("how", ["portable", "machine"])
@pytest.mark.parametrize("rows", [1, 3, 9, 17])
def test_any_number_of_rows_trains(how, rows):
    learned = learning_loss.train(problem(rows=rows, how=how, epochs=1), width=4)
    assert all(np.isfinite(value).all() for value in weights(learned).values())


def test_another_architecture_has_a_block_for_each_of_its_stages():
    given = problem(rows=2, how="machine", epochs=1, model={"name": "resnet18", "stem": "7x7"})
    learned = learning_loss.train(given, width=4)
    assert len(learned.parts["loss_head"].units) == 4


def test_an_architecture_without_blocks_is_refused_by_name(monkeypatch):
    from stages.models import fit as fitting

    def bare(round):
        network = fresh(round)
        network.block_names = ()
        return network

    monkeypatch.setattr(fitting, "fresh", bare)
    with pytest.raises(UserError, match="model small_cnn names no blocks.* Network") as caught:
        learning_loss.train(problem())
    assert "\n" not in str(caught.value)


# what is predicted


@pytest.fixture(scope="module")
def noisy():
    """Images of which the dotted ones have labels by chance: those have the larger loss."""
    rng = np.random.default_rng(0)
    labels, dotted = np.arange(240) % 2, rng.random(240) < 0.4
    images = rng.integers(0, 60, (240, 1, 8, 8)).astype(np.uint8)
    for at, label in enumerate(labels):
        images[at, 0, :, 4 * label : 4 * label + 4] += 100
        if dotted[at]:
            images[at, 0, ::2] = 250
            labels[at] = rng.integers(2)
    given = problem(how="machine", epochs=15, optimizer="adam", learning_rate=0.003)
    given = dataclasses.replace(
        given,
        batches=batching.Batches(images, [0.4], [0.3], given.compute),
        labeled=np.arange(120),
        labels=labels[:120],
        unlabeled=np.arange(120, 240),
    )
    return given, labels, dotted, learning_loss.train(given)


def test_large_losses_are_predicted_and_selected(noisy):
    given, labels, dotted, learned = noisy
    scores = learning_loss.predicted_loss(
        Pool(round=given, learned=learned, candidates=given.unlabeled)
    )
    chosen = given.unlabeled[np.argsort(-scores)[:20]]
    assert dotted[chosen].mean() > 0.9
    found = learned.parts["signature"]["rank_correlation"](given.batches, labels)
    assert 0.4 < found <= 1


def test_the_signature_is_spearmans_rho(noisy):
    from scipy.stats import spearmanr

    given, labels, _, learned = noisy
    head, rows = learned.parts["loss_head"], np.arange(240)
    predicted = predictions(learned.network, head, given.batches, rows)
    pool = Pool(round=given, learned=Learned(learned.network), candidates=rows)
    losses = -np.log(pool.probabilities[rows, labels])
    found = learning_loss.correlation(learned.network, head, given.batches, labels)
    assert found == pytest.approx(spearmanr(predicted, losses).statistic, abs=1e-6)


def test_scores_follow_the_image_not_its_place(noisy, monkeypatch):
    given, _, _, learned = noisy
    rows = given.unlabeled
    order = np.random.default_rng(1).permutation(len(rows))

    def scores_of(rows):
        pool = Pool(round=given, learned=learned, candidates=rows)
        return learning_loss.predicted_loss(pool)

    wanted = scores_of(rows)
    assert len(set(wanted.round(6).tolist())) > 100
    np.testing.assert_allclose(scores_of(rows[order]), wanted[order], rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(batching, "INFERENCE_BATCH", 7)
    learned.network.train()  # scoring must not depend on how it was left
    np.testing.assert_allclose(scores_of(rows), wanted, rtol=1e-5, atol=1e-6)


def test_in_portable_scores_are_the_same_bits_in_any_order():
    given = problem(rows=20, epochs=2)
    learned = learning_loss.train(given, width=8)
    rows = given.unlabeled
    one, other = (
        learning_loss.predicted_loss(Pool(round=given, learned=learned, candidates=part))
        for part in (rows, rows[::-1].copy())
    )
    assert one.tolist() == other[::-1].tolist()


def test_a_batch_is_only_forwarded_once():
    """Twice would draw other dropout masks and move batch norm twice."""
    given, calls = problem(rows=8, epochs=1), []
    network, head = fresh(given), head_of(given)
    network.body.register_forward_hook(lambda *_: calls.append(1))
    key = np.random.SeedSequence(0)
    batch = Batch(
        Images(given.labeled, 0, given.batches, {"train": (lambda raw, draws: raw, key)}),
        torch.from_numpy(given.labels),
        None,
        0,
        0,
        True,
        given.generator(Purpose.DROPOUT),
        torch.no_grad,
    )
    learning_loss.joint_loss(batch, network, head, 1.0, 1.0, False)
    assert len(calls) == 1

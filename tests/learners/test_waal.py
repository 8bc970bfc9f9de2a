"""WAAL: the critic and its slope, what the network is trained by, and the query."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from halves import problem, same, weights
from torch import nn

from stages.geometry.ranks import auc, rank_correlation
from stages.learners import waal
from stages.learners.supervised import train as plain_train
from stages.machine.randomness import Purpose
from stages.models import batches as batching
from stages.models import initialise
from stages.models.compute import configure
from stages.models.critic import Critic, CriticTrainer, CriticTraining, of_embeddings
from stages.models.fit import fit, fresh
from stages.models.held_out import held_out
from stages.models.smooth import exponential, norm, sigmoid
from stages.rounds.context import Pool


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def critic_of(size: int, width: int = 50, how: str = "portable", scale: float = 1.0) -> Critic:
    critic = Critic(size, width)
    initialise(critic, np.random.default_rng(1))
    critic = configure(how, "cpu", 1).place(critic)
    critic.output.data *= scale
    return critic


# the query


@pytest.mark.parametrize(
    ("chances", "wanted"), [([0.1] * 10, 15.1536), ([0.91] + [0.01] * 9, 27.678)]
)
def test_the_norms_of_a_worked_example(chances, wanted):
    assert waal.norms(np.array([chances]))[0] == pytest.approx(wanted, abs=1e-3)


def test_a_class_without_a_chance_is_a_number_and_the_least_wanted():
    found = waal.norms(np.array([[1.0, 0.0, 0.0], [0.98, 0.01, 0.01]]))
    assert np.isfinite(found).all() and found[0] > found[1]


class Fixed(nn.Module):
    """A critic that gives the sum of an embedding."""

    def forward(self, features):
        return features.sum(1)


@pytest.fixture(scope="module")
def learned():
    given = problem(rows=20, epochs=2)
    return given, waal.train(given)


def scores_of(given, learned, rows, **options):
    return waal.score(Pool(round=given, learned=learned, candidates=rows), **options)


def test_far_from_the_labeled_and_uncertain_is_wanted(learned):
    given, found = learned
    fixed = dataclasses.replace(found, parts={"critic": Fixed()})
    pool = Pool(round=given, learned=fixed, candidates=given.unlabeled)
    wanted = 10 * pool.embeddings.sum(1) - waal.norms(pool.probabilities)
    np.testing.assert_allclose(scores_of(given, fixed, given.unlabeled), wanted, rtol=1e-12)
    without = scores_of(given, fixed, given.unlabeled, diversity=0.0)
    np.testing.assert_array_equal(without, -waal.norms(pool.probabilities))


def test_the_order_of_the_pool_changes_nothing(learned, monkeypatch):
    given, found = learned
    rows = given.unlabeled
    order = np.random.default_rng(0).permutation(len(rows))
    wanted = scores_of(given, found, rows)
    assert scores_of(given, found, rows[order]).tolist() == wanted[order].tolist()
    monkeypatch.setattr(batching, "INFERENCE_BATCH", 7)
    found.network.train()
    np.testing.assert_allclose(scores_of(given, found, rows), wanted, rtol=1e-6)


# the critic


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_slopes_are_those_of_autograd_and_so_are_their_gradients(how):
    critic = critic_of(7, 12, how)
    features = normal(9, 7).to(critic.output.dtype)
    found = torch.autograd.grad(critic.penalty(features), [critic.hidden.weight, critic.output])
    twin = nn.Sequential(nn.Linear(7, 12), nn.LeakyReLU(0.2), nn.Linear(12, 1, bias=False)).double()
    twin[0].weight.data.copy_(critic.hidden.weight)
    twin[0].bias.data.copy_(critic.hidden.bias)
    twin[2].weight.data.copy_(critic.output)
    inputs = features.double().requires_grad_()
    (slope,) = torch.autograd.grad(twin(inputs).sum(), inputs, create_graph=True)
    slopes = slope.norm(2, 1)
    torch.testing.assert_close(critic.slopes(features).double(), slopes, rtol=1e-4, atol=1e-5)
    wanted = torch.autograd.grad(((slopes - 1) ** 2).mean(), [twin[0].weight, twin[2].weight])
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("scale", [0.1, 30.0])
@pytest.mark.parametrize("how", ["portable", "machine"])
def test_a_step_on_the_penalty_alone_brings_the_slope_nearer_to_1(how, scale):
    critic = critic_of(6, how=how, scale=scale)
    features = normal(32, 6).to(critic.output.dtype)
    trainer = CriticTrainer(critic, CriticTraining(1, 0.01, 1.0), np.random.default_rng(0))
    before = (critic.slopes(features) - 1).abs().mean()
    for _ in range(3):  # of equal sets, whose distance is 0 whatever the potential
        trainer.step(features, features)
    assert (critic.slopes(features) - 1).abs().mean() < before


def test_the_potential_rises_towards_the_unlabeled_and_its_slope_is_held():
    """Two clouds: the critic's difference is their Wasserstein distance."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    critic = critic_of(3, how="machine")
    near, far = normal(60, 3).float(), normal(60, 3, seed=1).float()
    far[:, 0] += 4
    trainer = CriticTrainer(critic, CriticTraining(400, 0.01, 100.0), np.random.default_rng(0))
    trainer.step(near, far)
    apart = cdist(near, far)
    distance = apart[linear_sum_assignment(apart)].mean()
    difference = (critic(far).mean() - critic(near).mean()).item()
    assert 0.9 * distance < difference < 1.1 * distance
    assert auc(critic(far).detach().numpy(), critic(near).detach().numpy()) > 0.97


def test_no_gradient_of_the_critics_step_reaches_the_features():
    features = normal(8, 3).requires_grad_()
    CriticTrainer(critic_of(3), CriticTraining(), np.random.default_rng(0)).step(features, features)
    assert features.grad is None


def test_a_number_is_added_to_nothing():
    """The potential has no constant of its own, which would grow for ever."""
    assert {name for name, _ in critic_of(3).named_parameters()} == {
        "output",
        "hidden.weight",
        "hidden.bias",
    }


# training


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_without_weight_it_is_plain_training(how):
    given = problem(rows=13, how=how, epochs=2)
    assert same(weights(plain_train(given)), weights(waal.train(given, alpha=0.0)))


def test_a_pool_that_is_empty_is_plain_training():
    given = dataclasses.replace(problem(rows=13, epochs=1), unlabeled=np.empty(0, np.int64))
    assert same(weights(plain_train(given)), weights(waal.train(given)))


def test_the_network_is_trained_by_the_papers_loss():
    """E_U D - gamma E_L D, with a critic that does not move."""
    given = problem(rows=8, epochs=1, batch_size=8)
    critic = critic_of(fresh(given).embedding_size)
    still = CriticTrainer(critic, CriticTraining(steps=0), np.random.default_rng(0))
    found = {}

    def loss(batch, network):
        value = waal.joint_loss(batch, network, still, 0.5, 0.25, held_out(given, 0.0))
        labeled, unlabeled = (
            network.embed(images) for images in (batch.labeled.view(), batch.unlabeled.view())
        )
        cross = nn.functional.cross_entropy(network.classify(labeled), batch.targets)
        found["wanted"] = cross + 0.5 * (critic(unlabeled).mean() - 0.25 * critic(labeled).mean())
        found["got"] = value
        return value

    fit(fresh(given), given, loss, unlabeled_per_labeled=1)
    assert found["got"].item() == pytest.approx(found["wanted"].item(), rel=1e-4)


def test_gamma_is_the_ratio_of_the_sets(monkeypatch):
    seen = []
    original = waal.joint_loss
    monkeypatch.setattr(
        waal, "joint_loss", lambda *given: seen.append(given[4]) or original(*given)
    )
    waal.train(problem(rows=20, epochs=1))
    waal.train(problem(rows=20, epochs=1), gamma=1.0)
    assert set(seen) == {0.5, 1.0}


def test_the_features_of_both_are_drawn_together():
    """The unlabeled images are brighter; with a weight their features are nearer all the same."""
    how = {"optimizer": "sgd", "momentum": 0.3, "learning_rate": 0.02}
    given = problem(rows=20, how="machine", epochs=40, batch_size=10, **how)
    images = given.batches.images.numpy().copy()
    images[20:] = np.minimum(images[20:].astype(int) + 60, 255)
    given = dataclasses.replace(
        given, batches=batching.Batches(images, [0.4], [0.3], given.compute)
    )

    def gap(alpha: float) -> float:
        network = waal.train(given, alpha=alpha, gamma=1.0).network
        near, far = (
            batching.embed(network, given.batches, rows).mean(0)
            for rows in (given.labeled, given.unlabeled)
        )
        return np.linalg.norm(near - far)

    assert gap(0.03) < 0.6 * gap(0.0)


# what is held out, and the signature


def test_held_out_rows_are_a_share_of_both_and_the_critic_never_sees_them(monkeypatch):
    given = problem(rows=40, epochs=2)
    held = held_out(given, 0.1)
    assert len(held.labeled) == 4 and len(held.unlabeled) == 2
    assert np.isin(held.labeled, given.labeled).all()
    assert np.isin(held.unlabeled, given.unlabeled).all()
    seen = []
    step = CriticTrainer.step
    monkeypatch.setattr(
        CriticTrainer,
        "step",
        lambda self, near, far: seen.append((len(near), len(far))) or step(self, near, far),
    )
    waal.train(given, held_out=0.1)
    assert sum(near for near, _ in seen) == 2 * 36


@pytest.mark.parametrize(("rows", "share"), [(40, 0.0), (5, 0.1), (60, 0.5)])
def test_nothing_is_held_out_where_there_is_nothing_to_compare(rows, share):
    given = problem(rows=rows, epochs=1)
    assert not held_out(given, share)
    assert waal.train(given, held_out=share).parts["signature"] == {}


def test_the_signature_is_measured_on_held_out_rows():
    given = problem(rows=40, epochs=2)
    learned = waal.train(given)
    held, critic = held_out(given, 0.1), learned.parts["critic"]
    near, far = (
        of_embeddings(critic, batching.embed(learned.network, given.batches, rows), given.batches)
        for rows in (held.labeled, held.unlabeled)
    )
    found = learned.parts["signature"]
    assert found["distance"] == pytest.approx(far.mean() - near.mean(), rel=1e-9)
    assert found["critic_auc"] == np.mean(far[:, None] > near[None])
    assert 0 < found["critic_slope"] < 10


def test_auc_and_rank_correlation_against_scipy_and_a_count():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 6, 40).astype(float), rng.integers(1, 7, 30).astype(float)
    pairs = (one[:, None] > other).mean() + 0.5 * (one[:, None] == other).mean()
    assert auc(one, other) == pytest.approx(pairs, abs=1e-12)
    assert auc(np.ones(3), np.ones(4)) == 0.5 and auc(np.ones(3), np.zeros(2)) == 1
    found = rank_correlation(one[:30], other)
    assert found == pytest.approx(spearmanr(one[:30], other).statistic, abs=1e-12)
    assert rank_correlation(np.ones(5), np.arange(5)) == 0


# functions with a gradient of their own


@pytest.mark.parametrize("kind", [torch.float64, torch.float32])
def test_smooth_functions_are_torchs_with_their_gradients(kind):
    values = (4 * normal(6, 5)).to(kind)
    for own, theirs in (
        (exponential, torch.exp),
        (sigmoid, torch.sigmoid),
        (norm, lambda rows: rows.norm(2, 1)),
    ):
        results = []
        for function in (own, theirs):
            inputs = values.clone().requires_grad_()
            result = function(inputs)
            results.append([result, *torch.autograd.grad((result * result).sum(), inputs)])
        torch.testing.assert_close(*results, rtol=2e-6, atol=1e-6)


def test_the_norm_of_nothing_has_no_gradient():
    zeros = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(norm(zeros).sum(), zeros)
    assert gradient.tolist() == [[0] * 3] * 2


def test_a_round_and_a_purpose_of_its_own():
    begun = []
    for n in (0, 1):
        critic = Critic(4)
        initialise(critic, problem(round_n=n).generator(Purpose.CRITIC))
        begun.append(critic.output.tolist())
    assert begun[0] != begun[1]

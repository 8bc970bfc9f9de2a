"""DropQuery, ALFA-Mix and NoiseStability against plain torch; CLUE and TCM."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from pools import trained
from skactiveml.pool import Clue, DropQuery, _clue, _drop_query

from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.strategies import (
    alfa_mix,
    clue,
    dropquery,
    noise_stability,
    tcm,
    typiclust,
    uncertainty,
)
from stages.strategies.dropquery import Unsteady
from stages.strategies.handshake import Known


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def groups(sizes: list[int], seed: int = 0, spread: float = 0.01) -> np.ndarray:
    """Tight groups of these sizes around orthogonal directions."""
    centres = np.repeat(np.eye(len(sizes)), sizes, 0)
    return centres + spread * rng(seed).normal(size=centres.shape)


def classifier() -> tuple[np.ndarray, np.ndarray]:
    layer = trained().network.classifier
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


# DropQuery


def test_dropquery_counts_classes_that_change_under_its_masks():
    pool, (weight, bias) = trained(), classifier()
    found = dropquery.flips(pool, masks=5, rate=0.75)
    draws, rows = pool.generator(Purpose.SCORER), pool.embeddings
    before, changed = (rows @ weight.T + bias).argmax(1), np.zeros(len(rows))
    for _ in range(5):
        kept = draws.random(rows.shape, np.float32) >= 0.75
        changed += (rows * kept * 4 @ weight.T + bias).argmax(1) != before
    assert (found.share == changed / 5).all() and 0 < changed.mean() < 5
    assert (found.embeddings == rows).all()


def test_dropquery_drops_three_quarters():
    pool, seen = trained(), []
    from stages.models import batches

    plain = batches.classify
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "classify", lambda *a: seen.append(a[1]) or plain(*a))
        dropquery.flips(pool)
    assert len(seen) == 4
    alive = pool.embeddings != 0
    for masked in seen[1:]:
        kept = masked[alive] != 0
        assert kept.mean() == pytest.approx(0.25, abs=0.02)
        assert (masked[alive][kept] == 4 * pool.embeddings[alive][kept]).all()


def test_dropquery_clusters_what_changes_under_more_than_half():
    rows = groups([9, 9, 9, 9])
    share = np.repeat([1.0, 2 / 3, 0.5, 0.0], 9)
    picks = dropquery.unsteady(Unsteady(rows, share), 2, rng())
    assert sorted((picks // 9).tolist()) == [0, 1]
    picks = dropquery.unsteady(Unsteady(rows, share), 18, rng())
    assert sorted(picks.tolist()) == list(range(18))
    picks = dropquery.unsteady(Unsteady(rows, share), 20, rng())  # two of the half
    assert sorted((picks // 9).tolist()) == [0] * 9 + [1] * 9 + [2] * 2
    with pytest.raises(UserError, match="cannot take 37 of 36"):
        dropquery.unsteady(Unsteady(rows, share), 37, rng())


class Answers:
    """Stands for a classifier of scikit-activeml's."""

    missing_label = np.nan

    def __init__(self, **answers):
        self.answers = answers

    def predict_proba(self, _rows, **_):
        return self.answers["chances"], self.answers["rows"]

    def predict(self, rows, **_):
        if not (rows == 0).any():
            return self.answers["classes"]
        self.answers["at"] = self.answers.get("at", -1) + 1
        return np.where(self.answers["changed"][self.answers["at"]], 9, self.answers["classes"])


def test_dropquery_is_scikit_activemls(monkeypatch):
    """Given which classes change, and with the same centres."""
    rows, classes = groups([8, 8, 8]) + 3, np.repeat([0, 1, 2], 8)
    changed = np.stack([classes < 2, classes < 2, classes < 1])
    monkeypatch.setattr(_drop_query, "check_type", lambda *_, **__: None)
    again = {"n_init": 20, "random_state": 0}
    query = DropQuery(n_dropout_samples=3, random_state=0, cluster_algo_dict=again)
    model = Answers(classes=classes, changed=changed)
    theirs = query.query(rows, np.full(24, np.nan), model, False, batch_size=2)
    ours = dropquery.unsteady(Unsteady(rows, changed.mean(0)), 2, rng())
    assert sorted(ours.tolist()) == sorted(theirs.tolist())


# CLUE


@pytest.mark.parametrize("seed", range(3))
def test_clue_is_scikit_activemls(seed, monkeypatch):
    rows = groups([12, 12, 12, 12], seed, 0.1)
    chances = rng(seed).dirichlet(np.ones(3), 48)
    monkeypatch.setattr(_clue, "check_type", lambda *_, **__: None)
    monkeypatch.setattr(_clue, "SkactivemlClassifier", Answers)
    query = Clue(random_state=0, cluster_algo_dict={"n_init": 20, "random_state": 0})
    model = Answers(chances=chances, rows=rows)
    theirs = query.query(rows, np.full(48, np.nan), model, False, batch_size=4)
    weights = -(chances * np.log(chances)).sum(1)
    ours = clue.weighted_centres(clue.Uncertainties(rows, weights), 4, rng(seed))
    assert sorted(ours.tolist()) == sorted(theirs.tolist())


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_clue_weighs_by_entropy(temperature):
    pool, (weight, bias) = trained(), classifier()
    logits = torch.from_numpy(pool.embeddings @ weight.T + bias)
    wanted = torch.distributions.Categorical(logits=logits / temperature).entropy()
    found = clue.entropies(pool, temperature=temperature)
    np.testing.assert_allclose(found.weights, wanted, atol=1e-3)


def test_clue_passes_what_is_certain_over():
    rows = groups([10, 10, 10])
    sure = np.repeat([0.0, 1.0, 1.0], 10)
    picks = clue.weighted_centres(clue.Uncertainties(rows, sure), 2, rng())
    assert sorted((picks // 10).tolist()) == [1, 2]
    nothing = clue.Uncertainties(rows, np.zeros(30))
    assert len(set(clue.weighted_centres(nothing, 30, rng()).tolist())) == 30
    for wrong, said in ((31, "cannot take 31 of 30"),):
        with pytest.raises(UserError, match=said):
            clue.weighted_centres(nothing, wrong, rng())
    with pytest.raises(UserError, match="an uncertainty is not a finite number"):
        clue.weighted_centres(clue.Uncertainties(rows, sure * np.nan), 1, rng())


# ALFA-Mix


def mixture(size: int, classes: int, seed: int):
    weight, bias = rng(seed).normal(size=(classes, size)), rng(seed + 1).normal(size=classes)
    return weight, bias, rng(seed + 2).normal(size=(9, size)), rng(seed + 3).normal(size=size)


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(2, 5), st.floats(0.01, 1))
def test_alfa_mix_has_the_closed_form_of_the_paper(seed, size, classes, bound):
    """a z* + (1 - a) z with a as in eq. 5, its gradient by autograd."""
    weight, bias, rows, anchor = mixture(size, classes, seed)
    z = torch.from_numpy(rows).requires_grad_()
    logits = z @ torch.from_numpy(weight.T) + torch.from_numpy(bias)
    (g,) = torch.autograd.grad(F.cross_entropy(logits, logits.argmax(1), reduction="sum"), z)
    apart = torch.from_numpy(anchor) - z.detach()
    alpha = bound * apart.norm(dim=1, keepdim=True) * g / (g.norm(dim=1, keepdim=True) * apart)
    wanted = alpha * torch.from_numpy(anchor) + (1 - alpha) * z.detach()
    chances = torch.softmax(logits.detach(), 1).numpy()
    gradients = alfa_mix.loss_gradients(chances, logits.argmax(1).numpy(), weight)
    np.testing.assert_allclose(gradients, g, atol=1e-9)
    found = alfa_mix.perturbed(rows, anchor, gradients, bound)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_step_of_that_length_raises_the_loss_more(seed):
    """To first order: what the closed form is the solution of."""
    weight, _, rows, anchor = mixture(6, 4, seed)
    logits = rows @ weight.T
    chances = torch.softmax(torch.from_numpy(logits), 1).numpy()
    g = alfa_mix.loss_gradients(chances, logits.argmax(1), weight)
    step = alfa_mix.perturbed(rows, anchor, g, 0.1) - rows
    length = np.linalg.norm(step, axis=1)
    np.testing.assert_allclose(length, 0.1 * np.linalg.norm(anchor - rows, axis=1))
    for other in rng(seed).normal(size=(200, 9, 6)):
        other *= (length / np.linalg.norm(other, axis=1))[:, None]
        assert ((other * g).sum(1) <= (step * g).sum(1) + 1e-12).all()


def test_where_row_and_anchor_agree_nothing_is_mixed_in():
    rows = np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    moved = alfa_mix.perturbed(rows, np.array([0.0, 3.0, 2.0]), np.ones((2, 3)), 0.5)
    assert (moved != rows).tolist() == [[False, True, False], [False, True, True]]
    still = alfa_mix.perturbed(rows, np.ones(3), np.zeros((2, 3)), 0.5)
    assert (still == rows).all()


def test_anchors_are_means_of_classes():
    labeled = rng().normal(size=(7, 3))
    labels = np.array([0, 2, 2, 0, 0, 2, 2])
    means = alfa_mix.class_means(labeled, labels, 3)
    np.testing.assert_allclose(means[0], labeled[labels == 0].mean(0))
    np.testing.assert_allclose(means[2], labeled[labels == 2].mean(0))
    np.testing.assert_allclose(means[1], labeled.mean(0))


def flipping(pool, bound: float) -> np.ndarray:
    """By the paper's formulas in torch, for a bound on a."""
    weight, bias = (torch.from_numpy(one) for one in classifier())
    rows, labeled = (torch.from_numpy(x) for x in (pool.embeddings, pool.labeled_embeddings))
    z = rows.clone().requires_grad_()
    logits = z @ weight.T + bias
    (g,) = torch.autograd.grad(F.cross_entropy(logits, logits.argmax(1), reduction="sum"), z)
    found = torch.zeros(len(rows), dtype=torch.bool)
    for one in range(10):
        own = labeled[torch.from_numpy(pool.labels == one)]
        apart = (own if len(own) else labeled).mean(0) - rows
        ratio = apart.norm(dim=1, keepdim=True) / g.norm(dim=1, keepdim=True)
        alpha = bound / 128**0.5 * ratio * g / (apart + 1e-8)
        found |= ((rows + alpha * apart) @ weight.T + bias).argmax(1) != logits.argmax(1)
    return found.numpy()


@pytest.mark.parametrize("epsilon", [0.05, 0.2, 1.0])
def test_alfa_mix_keeps_what_flips(epsilon):
    pool, bound = trained(), epsilon
    while (wanted := flipping(pool, bound)).sum() <= pool.query_size and bound < 1:
        bound += epsilon
    found = alfa_mix.mixed(pool, epsilon=epsilon)
    assert (found.inconsistent != wanted).mean() < 0.05 and wanted.any()


def test_alfa_mix_clusters_directions_and_fills_up():
    rows = groups([8, 8, 8]) * rng(1).uniform(1, 50, (24, 1))
    changed = np.repeat([True, True, False], 8)
    picks = alfa_mix.inconsistent(alfa_mix.Mixed(rows, changed), 2, rng())
    assert sorted((picks // 8).tolist()) == [0, 1]
    picks = alfa_mix.inconsistent(alfa_mix.Mixed(rows, changed), 19, rng())
    assert set(range(16)) < set(picks.tolist()) and len(set(picks.tolist())) == 19
    nothing = alfa_mix.Mixed(rows, np.zeros(24, bool))
    assert len({tuple(alfa_mix.inconsistent(nothing, 3, rng(s)).tolist()) for s in range(9)}) == 9
    with pytest.raises(UserError, match="cannot take 25 of 24"):
        alfa_mix.inconsistent(nothing, 25, rng())


# NoiseStability


def test_noise_is_a_share_of_each_layers_length():
    network = trained().network
    before = copy.deepcopy(network.state_dict())
    for magnitude in (0.001, 0.2):
        moved = noise_stability.noisy(network, magnitude, rng())
        for (name, own), (_, other) in zip(
            network.named_parameters(), moved.named_parameters(), strict=True
        ):
            ratio = ((other - own).norm() / own.norm()).item()
            assert ratio == pytest.approx(magnitude if name.endswith("weight") else 0, rel=1e-9)
    assert all((network.state_dict()[name] == before[name]).all() for name in before)


@pytest.mark.parametrize("output", ["probabilities", "embedding"])
def test_shifts_are_those_of_the_perturbed_networks(output):
    pool = trained()
    found = noise_stability.shifts(pool, perturbations=3, magnitude=0.05, output=output)
    images = pool.batches.normalise(pool.batches.raw(pool.candidates))
    draws, wanted = pool.generator(Purpose.SCORER), []

    def outputs(network) -> torch.Tensor:
        rows = network.embed(images)
        return rows if output == "embedding" else torch.softmax(network.classify(rows), 1)

    with torch.no_grad():
        first = outputs(pool.network)
        for _ in range(3):
            moved = outputs(noise_stability.noisy(pool.network, 0.05, draws))
            wanted.append((moved - first) / first.norm(dim=1, keepdim=True))
    np.testing.assert_allclose(found, torch.cat(wanted, 1), atol=1e-4)
    assert np.abs(found).max() > 1e-3


def test_noise_stability_starts_from_the_origin():
    """Greedy k-center whose first centre is the origin (Algorithm 1)."""
    for seed in range(20):
        shifts = rng(seed).normal(size=(30, 5)) * rng(seed + 1).uniform(0, 1, (30, 1))
        nearest, wanted = np.linalg.norm(shifts, axis=1), []
        for _ in range(8):
            wanted.append(int(nearest.argmax()))
            nearest = np.minimum(nearest, np.linalg.norm(shifts - shifts[wanted[-1]], axis=1))
        assert noise_stability.spread(shifts, 8, rng()).tolist() == wanted


def test_what_noise_does_not_move_comes_last():
    shifts = np.repeat([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]], [5, 1, 1], 0)
    assert noise_stability.spread(shifts, 3, rng())[:2].tolist() == [6, 5]
    assert sorted(noise_stability.spread(shifts, 7, rng()).tolist()) == list(range(7))
    with pytest.raises(UserError, match="output is 'logits'; allowed: probabilities, embedding"):
        noise_stability.shifts(trained(), output="logits")


# TCM


def counting(labeled: int, classes: int = 4):
    return SimpleNamespace(
        labeled=np.arange(labeled),
        classes=classes,
        embeddings=groups([9, 9]),
        labeled_embeddings=groups([1, 1]),
        in_blocks=lambda: iter([(None, np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]]))]),
    )


@pytest.mark.parametrize(("labeled", "typical"), [(0, True), (11, True), (12, False), (50, False)])
def test_tcm_changes_over_at_so_many_labels_a_class(labeled, typical):
    scored = tcm.staged(counting(labeled), switch=3.0)
    assert (scored.typical is not None) == typical == (scored.margins is None)


def test_tcm_is_typiclust_and_then_margin():
    pool = counting(4)
    known = Known(pool.embeddings, pool.labeled_embeddings)
    wanted = typiclust.typical(known, 5, rng(), clusters=3, neighbours=4)
    picks = tcm.typical_then_uncertain(
        tcm.staged(pool, switch=2.0), 5, rng(), clusters=3, neighbours=4
    )
    assert picks.tolist() == wanted.tolist()
    after = tcm.staged(pool, switch=0.0)
    assert (after.margins == uncertainty.margin(pool)).all()
    assert tcm.typical_then_uncertain(after, 2, rng()).tolist() == [1, 2]

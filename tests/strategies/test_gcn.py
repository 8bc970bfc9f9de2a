"""The graph network against one that writes its graph out."""

from __future__ import annotations

import types

import numpy as np
import pytest
import torch

from stages.geometry.grid import unit_rows
from stages.machine.errors import UserError
from stages.machine.randomness import generator
from stages.models.compute import Compute
from stages.models.gcn import GCN, Graph
from stages.models.logistic import logistic, sigmoid
from stages.strategies import gcn

CPU = torch.device("cpu")
EXACT, PLAIN = Compute(CPU, True, False), Compute(CPU, False, False)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def features(count: int, size: int = 6, seed: int = 0) -> np.ndarray:
    return np.maximum(rng(seed).normal(size=(count, size)), 0)


def pool_of(count: int, labeled: int, b: int, compute: Compute = EXACT, seed: int = 0):
    """What the scorers read of a pool."""
    kind = np.float64 if compute.exact else np.float32
    return types.SimpleNamespace(
        candidates=np.arange(count),
        labeled=np.arange(labeled),
        embeddings=features(count, seed=seed).astype(kind),
        labeled_embeddings=features(labeled, seed=seed + 1).astype(kind),
        query_size=b,
        batches=types.SimpleNamespace(compute=compute),
        generator=lambda purpose: generator(seed, purpose),
    )


def adjacency(rows: np.ndarray) -> np.ndarray:
    """D^-1 (S - I) + I, written out; the similarity of a node with itself is not counted."""
    similar = rows @ rows.T
    np.fill_diagonal(similar, 0)
    degrees = similar.sum(1, keepdims=True)
    inverse = np.divide(1, degrees, out=np.zeros_like(degrees), where=degrees > 1e-6)
    return similar * inverse + np.eye(len(rows))


@pytest.mark.parametrize("exact", [False, True])
def test_products_are_those_of_the_written_graph(exact):
    rows = unit_rows(features(40))
    rows[7] = 0
    graph = Graph(torch.from_numpy(rows), exact)
    values = torch.from_numpy(rng(2).normal(size=(40, 3))).requires_grad_()
    wanted = torch.from_numpy(adjacency(rows))
    out = graph(values)
    torch.testing.assert_close(out, wanted @ values, atol=1e-4, rtol=1e-4)
    weights = torch.from_numpy(rng(3).normal(size=(40, 3)))
    (gradient,) = torch.autograd.grad((out * weights).sum(), values)
    torch.testing.assert_close(gradient, wanted.T @ weights, atol=1e-4, rtol=1e-4)


def test_a_node_without_features_keeps_its_self_loop():
    graph = Graph(torch.zeros((3, 4), dtype=torch.float64), True)
    values = torch.ones((3, 2), dtype=torch.float64)
    assert (graph(values) == values).all()


def test_exact_products_do_not_depend_on_the_order_of_nodes():
    rows = torch.from_numpy(unit_rows(features(300)))
    values = torch.from_numpy(rng(1).normal(size=(300, 2)))
    shuffle = torch.from_numpy(rng(2).permutation(300))
    straight = Graph(rows, True)(values)
    assert (Graph(rows[shuffle], True)(values[shuffle]) == straight[shuffle]).all()


def test_the_loss_is_the_weighted_cross_entropy():
    logits = torch.tensor([-3.0, 0.2, 1.5, 40.0, -800.0], dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([True, False, True, True, False])
    weights = torch.tensor([0.5, 1.0, 2.0, 0.1, 1.0], dtype=torch.float64)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, targets.double(), weights, reduction="sum"
    )
    loss = logistic(logits, targets, weights)
    assert loss.item() == pytest.approx(wanted.item())
    (ours,), (theirs,) = torch.autograd.grad(loss, logits), torch.autograd.grad(wanted, logits)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(sigmoid(logits), torch.sigmoid(logits))


def written_out(pool, compute: Compute, epochs: int, weight: float) -> torch.Tensor:
    """The same training with a dense graph, torch's layers, optimizer and loss; no dropout."""
    rows = unit_rows(np.concatenate([pool.embeddings, pool.labeled_embeddings]))
    matrix = torch.from_numpy(adjacency(rows))
    model = GCN(rows.shape[1], 16, pool.generator(gcn.Purpose.GCN)).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    x, count = torch.from_numpy(rows), len(pool.candidates)

    def chances() -> torch.Tensor:
        hidden = torch.relu(matrix @ x @ model.first.weight.T + model.first.bias)
        return torch.sigmoid(matrix @ hidden @ model.second.weight.T + model.second.bias)[:, 0]

    for _ in range(epochs):
        f = chances()
        loss = -f[count:].log().mean() - weight * (1 - f[:count]).log().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return chances().detach()


@pytest.mark.parametrize("compute", [EXACT, PLAIN], ids=["exact", "plain"])
def test_training_is_that_of_the_written_network(compute):
    pool = pool_of(60, 8, 5, compute)
    trained = gcn.train(pool, 0, 16, 0.0, 60, 0.01, 5e-4, 1.2)
    wanted = written_out(pool_of(60, 8, 5, EXACT), compute, 60, 1.2)
    np.testing.assert_allclose(trained.chances, wanted.numpy(), atol=5e-3)
    assert trained.chances.std() > 0.01


def test_it_learns_to_tell_labeled_nodes_from_unlabeled_ones():
    pool = pool_of(80, 20, 5)
    pool.embeddings[:, :3] = 0  # the unlabeled ones lie elsewhere
    pool.labeled_embeddings[:, 3:] = 0
    trained = gcn.train(pool, 0, 32, 0.3, 200, 0.01, 5e-4, 1.2)
    assert trained.chances[80:].mean() > 0.6 > 0.4 > trained.chances[:80].mean()


def test_uncertain_wants_chances_near_the_margin_or_far_from_it():
    options = {"subset": 0, "hidden": 8, "epochs": 10}
    pool = pool_of(30, 5, 4)
    chances = gcn.train(pool, 0, 8, 0.3, 10, 0.001, 5e-4, 1.2).chances[:30]
    near = gcn.uncertain(pool, margin=0.45, **options)
    far = gcn.uncertain(pool, margin=0.45, rule="farthest", **options)
    np.testing.assert_allclose(near, -np.abs(chances - 0.45))
    np.testing.assert_allclose(far, -near)
    with pytest.raises(UserError, match="rule is 'best'; allowed: nearest, farthest"):
        gcn.uncertain(pool, rule="best", **options)


def test_core_gives_the_first_layers_outputs():
    pool = pool_of(30, 5, 4)
    drawn, candidates, labeled = gcn.core(pool, subset=0, hidden=8, epochs=3)
    assert drawn.tolist() == list(range(30))
    assert candidates.shape == (30, 8) and labeled.shape == (5, 8)
    assert (candidates >= 0).all() and candidates.std() > 0


def test_a_subset_is_drawn_and_the_rest_left_out():
    pool = pool_of(50, 5, 4)
    scores = gcn.uncertain(pool, subset=20, hidden=8, epochs=2)
    assert (scores > gcn.OUTSIDE).sum() == 20
    features_ = gcn.core(pool, subset=20, hidden=8, epochs=2)
    picks = gcn.kcenter_greedy(features_, 6, rng())
    assert len(set(picks.tolist())) == 6 and set(picks.tolist()) <= set(features_[0].tolist())
    with pytest.raises(UserError, match="subset is 3, but 4 are to be taken"):
        gcn.core(pool, subset=3)
    with pytest.raises(UserError, match="dropout is 1; allowed"):
        gcn.core(pool, dropout=1)


def test_constant_features_and_one_labeled_image():
    pool = pool_of(12, 1, 3)
    pool.embeddings[:], pool.labeled_embeddings[:] = 1, 1
    assert np.isfinite(gcn.uncertain(pool, hidden=4, epochs=3)).all()


def test_a_rate_that_diverges_is_an_error():
    with pytest.raises(UserError, match="training of the GCN diverged"):
        gcn.train(pool_of(10, 3, 2), 0, 4, 0.0, 5, 1e308, 0.0, 1.2)


def test_one_thread_or_two_give_the_same_bits():
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(gcn.train(pool_of(1000, 50, 5), 0, 32, 0.3, 3, 0.01, 5e-4, 1.2))
    finally:
        torch.set_num_threads(before)
    assert (found[0].chances == found[1].chances).all()
    assert (found[0].hidden == found[1].hidden).all()


def test_core_goes_by_all_features():
    """Greedy k-center in full, where 32 principal components would choose otherwise."""
    own, labeled = rng(1).normal(size=(60, 90)), rng(2).normal(size=(3, 90))
    nodes = gcn.Nodes(np.arange(60) + 7, own, labeled)
    nearest, wanted = np.linalg.norm(own[:, None] - labeled, axis=2).min(1), []
    for _ in range(15):
        wanted.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(own - own[wanted[-1]], axis=1))
    assert (gcn.kcenter_greedy(nodes, 15, rng()) - 7).tolist() == wanted
    reduced = gcn.farthest_first(own, labeled, 15, rng(), pca=32)
    assert reduced.tolist() != wanted

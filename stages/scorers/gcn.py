"""Sequential GCN: a graph network that tells labeled nodes from unlabeled ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stages.geometry.grid import unit_rows
from stages.machine.errors import UserError
from stages.machine.progress import progress
from stages.machine.randomness import Purpose
from stages.models.batches import dropout_mask
from stages.models.gcn import GCN, Graph
from stages.models.logistic import Trainer, logistic, sigmoid, tensor
from stages.rounds.pool import Pool

OUTSIDE = -2.0  # below every score


@dataclass(frozen=True)
class Trained:
    """A trained GCN on its nodes: first the drawn candidates, then the labeled rows.

    Attributes:
        drawn: positions of the candidates in the pool, rising, int64, shape (M,).
        hidden: outputs of the first layer, shape (M + L, hidden).
        chances: of being labeled, float64, shape (M + L,).
    """

    drawn: np.ndarray
    hidden: np.ndarray
    chances: np.ndarray


def uncertain(
    pool: Pool,
    subset: int = 10000,
    hidden: int = 128,
    dropout: float = 0.3,
    epochs: int = 200,
    learning_rate: float = 0.001,
    weight_decay: float = 0.0005,
    loss_weight: float = 1.2,
    margin: float = 0.1,
    rule: str = "nearest",
) -> np.ndarray:
    """UncertainGCN, Caramalau et al. 2021, shape (N,); -2 outside the subset.

    ``nearest`` wants the chance of being labeled close to ``margin``: -|margin - f|. That is what
    the authors' code selects and what the text says (a margin near 0 for the least labeled);
    ``farthest`` is the formula as printed, argmax |margin - f|.

    Args:
        subset: candidates drawn as nodes; 0: all.
        hidden, dropout, epochs, learning_rate, weight_decay: of the GCN and of Adam.
        loss_weight: lambda, on the unlabeled nodes.
        margin: s_margin.
        rule: ``nearest`` or ``farthest``.

    Raises:
        UserError: training diverged, ``subset`` is below b, or an unknown rule.
    """
    if rule not in ("nearest", "farthest"):
        raise UserError(f"rule is {rule!r}; allowed: nearest, farthest")
    trained = train(pool, subset, hidden, dropout, epochs, learning_rate, weight_decay, loss_weight)
    distances = np.abs(margin - trained.chances[: len(trained.drawn)])
    scores = np.full(len(pool.rows), OUTSIDE)
    scores[trained.drawn] = -distances if rule == "nearest" else distances
    return scores


def core(
    pool: Pool,
    subset: int = 10000,
    hidden: int = 128,
    dropout: float = 0.3,
    epochs: int = 200,
    learning_rate: float = 0.001,
    weight_decay: float = 0.0005,
    loss_weight: float = 1.2,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """CoreGCN, Caramalau et al. 2021: features for k-center greedy.

    The outputs of the GCN's first layer, as the paper says (its released code goes on with the
    features that it put into the GCN). Settings as in :func:`uncertain`.

    Returns:
        Positions of the drawn candidates (M,), their features (M, hidden), and those of the labeled
        set (L, hidden).
    """
    trained = train(pool, subset, hidden, dropout, epochs, learning_rate, weight_decay, loss_weight)
    count = len(trained.drawn)
    return trained.drawn, trained.hidden[:count], trained.hidden[count:]


def train(
    pool: Pool,
    subset: int,
    hidden: int,
    dropout: float,
    epochs: int,
    learning_rate: float,
    weight_decay: float,
    loss_weight: float,
) -> Trained:
    """Train the GCN on all nodes at once, labeled nodes against unlabeled ones (:func:`_fit`).

    Raises:
        UserError: training diverged, b is larger than N, ``subset`` is below b, or ``dropout`` is
        not below 1.
    """
    count, b = len(pool.rows), pool.query_size
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    if 0 < subset < b:
        raise UserError(f"subset is {subset}, but {b} are to be taken; allowed: 0, or {b} or more")
    if dropout >= 1:
        raise UserError(f"dropout is {dropout}; allowed: 0 or more and below 1")
    compute = pool.batches.compute
    drawn = np.arange(count)
    if 0 < subset < count:
        drawn = np.sort(pool.generator(Purpose.GCN_SUBSET).choice(count, subset, replace=False))
    embeddings = pool.embeddings[drawn]
    rows = unit_rows(embeddings, pool.labeled_embeddings, dtype=embeddings.dtype)
    graph = Graph(tensor(rows, compute), compute.exact)
    model = GCN(rows.shape[1], hidden, pool.generator(Purpose.GCN))
    model = compute.place(model)
    labeled = torch.arange(len(rows), device=compute.device) >= len(drawn)
    _fit(
        model,
        graph,
        labeled,
        loss_weight,
        Trainer(model, learning_rate, weight_decay),
        epochs,
        dropout,
        pool.generator(Purpose.GCN_DROPOUT),
    )
    with torch.no_grad():
        outputs = model.hidden(graph.forward(graph.rows))
        chances = sigmoid(model.logits(outputs, graph)).double()
    return Trained(drawn, outputs.cpu().numpy(), chances.cpu().numpy())


def _fit(
    model: GCN,
    graph: Graph,
    labeled: Tensor,
    loss_weight: float,
    trainer: Trainer,
    epochs: int,
    dropout: float,
    rng: np.random.Generator,
) -> None:
    """-mean log f over labeled nodes - lambda mean log(1 - f) over unlabeled ones."""
    known = int(labeled.sum())
    unknown = len(labeled) - known
    propagated = graph.forward(graph.rows)  # A V never changes
    weights = torch.full_like(propagated[:, 0], loss_weight / max(unknown, 1))
    weights[labeled] = 1 / max(known, 1)
    for _ in progress(range(epochs), f"GCN on {len(labeled)} nodes", "epoch"):
        hidden = model.hidden(propagated)
        if dropout:
            hidden = hidden * dropout_mask(hidden, dropout, rng)
        trainer.step(logistic(model.logits(hidden, graph), labeled, weights))
    trainer.check("GCN")

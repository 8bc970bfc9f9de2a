"""A two-layer graph convolutional network on the graph of cosine similarities.

The graph is never written out: its matrix of similarities is S S^T with S of shape (N, D).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from stages.geometry.grid import unit_rows
from stages.machine.progress import progress
from stages.models import exact, initialise
from stages.models.batches import dropout_mask
from stages.models.compute import Compute
from stages.models.logistic import Trainer, logistic, sigmoid, tensor

SIMILARITY_BITS = 20
ISOLATED = 1e-6


class Graph:
    """A = D^-1 (S S^T - diag) + I of Caramalau et al. 2021, D the sums of rows.

    Products with it take 4 N D operations a column, and the memory of S. Under ``exact`` no sum is
    rounded. A node whose similarities add up to nothing (zero features) keeps its self-loop alone.

    Args:
        rows: unit rows or zeros, float, shape (N, D).
        exact: whether sums must not depend on the processor.
    """

    def __init__(self, rows: Tensor, exact: bool) -> None:
        self.exact = exact
        self.rows = _quantise(rows, SIMILARITY_BITS) if exact else rows
        self.own = (self.rows * self.rows).sum(1, keepdim=True)
        degrees = self._similar(torch.ones_like(self.own))
        connected = degrees > ISOLATED
        self.inverse = torch.where(connected, 1 / torch.where(connected, degrees, 1), 0)

    def __call__(self, values: Tensor) -> Tensor:
        """A ``values``, shape (N, columns), with a gradient for ``values``."""
        return _Propagate.apply(values, self)

    def forward(self, values: Tensor) -> Tensor:
        """A ``values``."""
        return self._similar(values) * self.inverse + values

    def transposed(self, values: Tensor) -> Tensor:
        """A^T ``values``."""
        return self._similar(values * self.inverse) + values

    def _similar(self, values: Tensor) -> Tensor:
        """(S S^T - diag) ``values``."""
        rounded = self._operand(values, len(self.rows))
        gathered = self._operand(self.rows.T @ rounded, self.rows.shape[1])
        return self.rows @ gathered - self.own * values

    def _operand(self, values: Tensor, terms: int) -> Tensor:
        """Rounded so that a product with S, a sum of ``terms``, is exact."""
        if not self.exact:
            return values
        return _quantise(values, exact.MANTISSA - SIMILARITY_BITS - exact.bits_of(terms))


def _quantise(values: Tensor, bits: int) -> Tensor:
    return exact.quantise(values, bits) if values.numel() else values


class _Propagate(Function):
    @staticmethod
    def forward(ctx, values, graph):
        ctx.graph = graph
        return graph.forward(values)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        return ctx.graph.transposed(gradient), None


class GCN(nn.Module):
    """sigmoid(A ReLU(A V W_0 + b_0) W_1 + b_1) of Caramalau et al. 2021.

    Args:
        size: D of the node features V.
        hidden: units of the first layer.
        rng: gives the initial weights.
    """

    def __init__(self, size: int, hidden: int, rng: np.random.Generator) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.first, self.second = nn.Linear(size, hidden), nn.Linear(hidden, 1)
        initialise(self, rng)

    def hidden(self, propagated: Tensor) -> Tensor:
        """Outputs of the first layer, shape (N, hidden), given A V (N, D)."""
        return torch.relu(self.first(propagated))

    def logits(self, hidden: Tensor, graph: Graph) -> Tensor:
        """log-odds of being labeled, shape (N,)."""
        if graph.exact:
            sums = graph(exact.product(hidden, self.second.weight))
            return exact.add_bias(sums, self.second.bias)[:, 0]
        return (graph(hidden @ self.second.weight.T) + self.second.bias)[:, 0]


def trained(
    candidates: np.ndarray,
    labeled: np.ndarray,
    compute: Compute,
    initial: np.random.Generator,
    masks: np.random.Generator,
    *,
    hidden: int,
    dropout: float,
    epochs: int,
    learning_rate: float,
    weight_decay: float,
    loss_weight: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Train the GCN on all nodes at once, labeled nodes against unlabeled ones (:func:`_fit`).

    Args:
        candidates, labeled: embeddings of the nodes, shapes (M, D) and (L, D).
        initial: gives the initial weights.
        masks: gives the dropout masks.

    Returns:
        Outputs of the first layer, shape (M + L, hidden), and the chances of being labeled,
        float64, shape (M + L,); candidates first.

    Raises:
        UserError: training diverged.
    """
    rows = unit_rows(candidates, labeled, dtype=candidates.dtype)
    graph = Graph(tensor(rows, compute), compute.exact)
    model = GCN(rows.shape[1], hidden, initial)
    model = compute.place(model)
    known = torch.arange(len(rows), device=compute.device) >= len(candidates)
    trainer = Trainer(model, learning_rate, weight_decay)
    _fit(model, graph, known, loss_weight, trainer, epochs, dropout, masks)
    with torch.no_grad():
        outputs = model.hidden(graph.forward(graph.rows))
        chances = sigmoid(model.logits(outputs, graph)).double()
    return outputs.cpu().numpy(), chances.cpu().numpy()


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

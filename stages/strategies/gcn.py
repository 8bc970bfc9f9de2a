"""Sequential GCN: a graph network that tells labeled nodes from unlabeled ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from stages.catalogue.kinds import (
    Drawn,
    LearningRate,
    Positive,
    Rate,
    Share,
    Steps,
    WeightDecay,
    Width,
)
from stages.catalogue.parts import with_settings_of
from stages.catalogue.strategy import Strategy
from stages.geometry.farthest import farthest_first
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.strategies.handshake import Scores

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "uncertain_gcn": Strategy(
        scorer="stages.strategies.gcn:uncertain",
        source="Caramalau et al. 2021 (UncertainGCN)",
        family="diversity",
        cost="e (M + L) D, M = subset",
        formula="-|margin - f(x)|, f = sigmoid(A ReLU(A X W_0) W_1) the chance of being labeled, "
        "A = D^-1 (X X^T - 1) + 1, by the loss -mean log f over labeled nodes - loss_weight mean "
        "log(1 - f) over unlabeled ones",
    ),
    "core_gcn": Strategy(
        scorer="stages.strategies.gcn:core",
        selector="stages.strategies.gcn:kcenter_greedy",
        source="Caramalau et al. 2021 (CoreGCN)",
        family="diversity",
        cost="e (M + L) D, M = subset",
        formula="argmax_i min_j |h_i - h_j|, j labeled or taken, b times; h = ReLU(A X W_0) of the "
        "GCN of uncertain_gcn",
    ),
}
OUTSIDE = -2.0  # below every score

Rule = Literal["nearest", "farthest"]


class Nodes(NamedTuple):
    """What CoreGCN selects from.

    Attributes:
        drawn: positions of the drawn candidates, rising, int64, shape (M,).
        candidates: their features, shape (M, K).
        labeled: features of the labeled set, shape (L, K).
    """

    drawn: np.ndarray
    candidates: np.ndarray
    labeled: np.ndarray


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


def train(
    pool: Pool,
    subset: Drawn = 10000,
    hidden: Width = 128,
    dropout: Rate = 0.3,
    epochs: Steps = 200,
    learning_rate: LearningRate = 0.001,
    weight_decay: WeightDecay = 0.0005,
    loss_weight: Positive = 1.2,
) -> Trained:
    """Train the GCN on all nodes at once (:func:`stages.models.gcn.trained`).

    Args:
        subset: candidates drawn as nodes; 0: all.
        hidden, dropout, epochs, learning_rate, weight_decay: of the GCN and of Adam.
        loss_weight: lambda, on the unlabeled nodes.

    Raises:
        UserError: training diverged, b is larger than N, ``subset`` is below b, or ``dropout`` is
        not below 1.
    """
    from stages.models.gcn import trained

    count, b = len(pool.candidates), pool.query_size
    if b > count:
        raise UserError(f"cannot take {b} of {count} candidates")
    if 0 < subset < b:
        raise UserError(f"subset is {subset}, but {b} are to be taken; allowed: 0, or {b} or more")
    if dropout >= 1:
        raise UserError(f"dropout is {dropout}; allowed: 0 or more and below 1")
    drawn = np.arange(count)
    if 0 < subset < count:
        drawn = np.sort(pool.generator(Purpose.GCN_SUBSET).choice(count, subset, replace=False))
    outputs, chances = trained(
        pool.embeddings[drawn],
        pool.labeled_embeddings,
        pool.batches.compute,
        pool.generator(Purpose.GCN),
        pool.generator(Purpose.GCN_DROPOUT),
        hidden=hidden,
        dropout=dropout,
        epochs=epochs,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        loss_weight=loss_weight,
    )
    return Trained(drawn, outputs, chances)


@with_settings_of(train)
def uncertain(pool: Pool, *, margin: Share = 0.1, rule: Rule = "nearest", **gcn: Any) -> Scores:
    """UncertainGCN, Caramalau et al. 2021, shape (N,); -2 outside the subset.

    ``nearest`` wants the chance of being labeled close to ``margin``: -|margin - f|. That is what
    the authors' code selects and what the text says (a margin near 0 for the least labeled);
    ``farthest`` is the formula as printed, argmax |margin - f|.

    Args:
        margin: s_margin.
        rule: ``nearest`` or ``farthest``.
        gcn: settings of :func:`train`.

    Raises:
        UserError: training diverged, ``subset`` is below b, or an unknown rule.
    """
    if rule not in get_args(Rule):
        raise UserError(f"rule is {rule!r}; allowed: {', '.join(get_args(Rule))}")
    trained = train(pool, **gcn)
    distances = np.abs(margin - trained.chances[: len(trained.drawn)])
    scores = np.full(len(pool.candidates), OUTSIDE)
    scores[trained.drawn] = -distances if rule == "nearest" else distances
    return scores


@with_settings_of(train)
def core(pool: Pool, **gcn: Any) -> Nodes:
    """CoreGCN, Caramalau et al. 2021: features for k-center greedy.

    The outputs of the GCN's first layer, as the paper says (its released code goes on with the
    features that it put into the GCN).

    Args:
        gcn: settings of :func:`train`.
    """
    trained = train(pool, **gcn)
    count = len(trained.drawn)
    return Nodes(trained.drawn, trained.hidden[:count], trained.hidden[count:])


def kcenter_greedy(nodes: Nodes, b: int, rng: np.random.Generator) -> np.ndarray:
    """:func:`stages.geometry.farthest.farthest_first` among the drawn candidates.

    Raises:
        UserError: a feature is not finite, or b is larger than M.
    """
    drawn, candidates, labeled = nodes
    return drawn[farthest_first(candidates, labeled, b, rng)]

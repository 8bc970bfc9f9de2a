"""ALFA-Mix: candidates whose predicted class changes when a little of a class is mixed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Steps
from stages.catalogue.strategy import Strategy
from stages.geometry.axes import product
from stages.geometry.grid import blocks, check_finite, exact_sum, unit_rows
from stages.geometry.probabilities import softmax
from stages.machine.errors import UserError
from stages.strategies.kmeans import nearest_to_centres

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "alfa_mix": Strategy(
        scorer="stages.strategies.alfa_mix:mixed",
        selector="stages.strategies.alfa_mix:inconsistent",
        source="Parvaneh et al. 2022 (ALFA-Mix), closed form",
        family="hybrid",
        cost="N C^2 D, and iterations M b D, M of them inconsistent",
        formula="of the candidates for which argmax f(a z* + (1 - a) z) differs from argmax f(z) "
        "for an anchor z*, a = e |z* - z| g / |g| / (z* - z), g the gradient of the loss for the "
        "predicted class, e = epsilon / sqrt(D), the one nearest to each of the centres of b "
        "clusters of z / |z|; z* the mean of a class",
    ),
}
BLOCK = 2048
GRID = 2.0**-40  # of chances: exp of a library differs in its last bits

Epsilon = Annotated[float, Field(gt=0, le=1)]


class Mixed(NamedTuple):
    """What ALFA-Mix selects from.

    Attributes:
        embeddings: of the candidates, shape (N, D).
        inconsistent: whether some anchor changes the predicted class, bool, shape (N,).
    """

    embeddings: np.ndarray
    inconsistent: np.ndarray


def mixed(pool: Pool, *, epsilon: Epsilon = 0.2) -> Mixed:
    """Embeddings, and whether mixing changes the predicted class (Parvaneh et al. 2022, eq. 5).

    As in the authors' code: while no more than b candidates change, the bound on a is raised by
    ``epsilon`` / sqrt(D) again, up to 1 / sqrt(D).

    Args:
        epsilon: 0.2 in the paper.
    """
    embeddings = pool.embeddings
    anchors = class_means(pool.labeled_embeddings, pool.labels, pool.classes)
    weights = pool.network.classifier.weight.detach().cpu().double().numpy()
    found, bound = np.zeros(len(embeddings), bool), 0.0
    while bound < 1 and found.sum() <= pool.query_size:
        bound = min(bound + epsilon, 1.0)
        left = np.flatnonzero(~found)
        for part in blocks(len(left), BLOCK):
            rows = embeddings[left[part]]
            logits = _logits(pool, rows)
            chances = np.rint(softmax(logits) / GRID) * GRID
            gradients = loss_gradients(chances, logits.argmax(1), weights)
            for anchor in anchors:
                moved = perturbed(rows, anchor, gradients, bound / np.sqrt(rows.shape[1]))
                there = _logits(pool, moved.astype(rows.dtype)).argmax(1)
                found[left[part]] |= there != logits.argmax(1)
    return Mixed(embeddings, found)


def class_means(labeled: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The anchors: mean embeddings of each class, float64, shape (C, D).

    Of a class without a label it is the mean of all, as in the authors' code.
    """
    rows = labeled.astype(np.float64)
    groups = [rows[labels == one] if (labels == one).any() else rows for one in range(classes)]
    return np.stack([exact_sum(group) / len(group) for group in groups])


def loss_gradients(chances: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Gradients of the cross-entropy against the predicted class by the embedding, (N, D).

    (p - onehot(predicted)) W of a linear classifier.

    Args:
        chances: p, shape (N, C).
        weights: W, shape (C, D).
    """
    errors = chances.copy()
    errors[np.arange(len(errors)), predicted] -= 1
    return product(errors, weights)


def perturbed(
    rows: np.ndarray, anchor: np.ndarray, gradients: np.ndarray, bound: float
) -> np.ndarray:
    """a z* + (1 - a) z with a = bound |z* - z| g / |g| / (z* - z), float64, shape (N, D).

    a (z* - z) is bound |z* - z| g / |g|: the largest first-order change of the loss that a step of
    this length makes. Where z* and z have the same number nothing can be mixed in. A gradient of 0
    leaves the row as it is.

    Args:
        rows: z, shape (N, D).
        anchor: z*, shape (D,).
        gradients: g, shape (N, D).
    """
    apart = anchor - rows.astype(np.float64)
    length = np.sqrt(exact_sum(gradients * gradients, 1))
    scale = bound * np.sqrt(exact_sum(apart * apart, 1)) / np.where(length > 0, length, 1)
    return rows + np.where(apart != 0, scale[:, None] * gradients, 0)


def inconsistent(
    features: Mixed, b: int, rng: np.random.Generator, *, iterations: Steps = 20
) -> np.ndarray:
    """Parvaneh et al. 2022: k-means on the unit embeddings of what changes its class.

    Where fewer than b do all of these are taken, and the rest is drawn uniformly.

    Args:
        iterations: of Lloyd's algorithm at most.

    Returns:
        Positions, int64, shape (b,).

    Raises:
        UserError: a feature is not finite, or b is larger than N.
    """
    embeddings, changed = features
    if b > len(embeddings):
        raise UserError(f"cannot take {b} of {len(embeddings)} candidates")
    check_finite(embeddings)
    kept = np.flatnonzero(changed)
    if len(kept) <= b:
        rest = rng.permutation(np.flatnonzero(~changed))[: b - len(kept)]
        return np.concatenate([rng.permutation(kept), rest])
    return kept[nearest_to_centres(unit_rows(embeddings[kept]), b, rng, iterations=iterations)]


def _logits(pool: Pool, rows: np.ndarray) -> np.ndarray:
    from stages.models.batches import classify

    return classify(pool.network, rows, pool.batches.compute)

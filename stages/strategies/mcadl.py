"""MCADL: density, similarity, uncertainty and a label-based measure, weighted by accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from stages.catalogue.kinds import Count, Share
from stages.catalogue.strategy import Strategy
from stages.geometry import correct
from stages.geometry.grid import blocks, cosines, unit_rows
from stages.geometry.measures import margin_of
from stages.machine.errors import UserError
from stages.strategies.handshake import Scored, Scores

if TYPE_CHECKING:
    from stages.rounds.context import Pool

ENTRIES = {
    "mcadl": Strategy(
        scorer="stages.strategies.mcadl:score",
        source="Yuan et al. 2019 (MCADL)",
        family="hybrid",
        cost="N L (pixels or D)",
        formula="a (density + similarity) / 2 + (1 - a) (u uncertainty + (1 - u) label), "
        "a = alpha exp(-accuracy), u = beta exp(-accuracy)",
    ),
}
BLOCK_CELLS = 10_000_000  # similarities held at a time
HALF = 0.5
TURN = 0.5  # accuracy of the worst class above which lagging classes are preferred


def score(
    pool: Pool,
    *,
    alpha: Share = 0.9,
    beta: Share = 0.9,
    neighbours: Count = 5,
    features: Literal["pixels", "embedding"] = "pixels",
    uncertainty: Literal["margin", "leading"] = "margin",
) -> Scores | Scored:
    """Yuan et al. 2019: a (density + similarity) / 2 + (1 - a) (u uncertainty + (1 - u) label).

    a = alpha exp(-A) and u = beta exp(-A), where A is the accuracy on the labeled set: early on the
    data count, later the model. The pseudo-label of a candidate is the most frequent label among
    its ``neighbours`` most similar labeled images. density: 1 - the mean cosine to the labeled
    images of that class; similarity: 1 - the largest one; label: :func:`class_weights` of that
    class. The accuracies of the classes are handed on.

    Args:
        features: what cosines are of: ``pixels`` or ``embedding``.
        uncertainty: ``margin``: 1 - (p_(1) - p_(2)); ``leading``: :func:`leading_of`.

    Raises:
        UserError: alpha or beta above 1.
    """
    from stages.models.batches import classify

    for name, value in (("alpha", alpha), ("beta", beta)):
        if value > 1:
            raise UserError(f"mcadl: {name} is {value}; allowed: 0 to 1")
    logits = classify(pool.network, pool.labeled_embeddings, pool.batches.compute)
    right = logits.argmax(1) == pool.labels
    accuracies = class_accuracies(right, pool.labels, pool.classes)
    last = pool.carry.get("scorer", {}).get("accuracies", np.zeros(pool.classes))
    weights = class_weights(last, accuracies)
    density, similarity, pseudo = _measures(pool, neighbours, features)
    unsure = leading_of if uncertainty == "leading" else lambda chances: 1 + margin_of(chances)
    fade = correct.exp(-right.mean())
    of_data = (density + similarity) / 2
    of_model = beta * fade * unsure(pool.probabilities) + (1 - beta * fade) * weights[pseudo]
    scores = alpha * fade * of_data + (1 - alpha * fade) * of_model
    return Scored(scores, {"accuracies": accuracies})


def leading_of(p_N_C: np.ndarray) -> np.ndarray:
    """1 - mean |p - mean p| over the largest probabilities whose sum is the first above 1/2, (N,).

    As the public code of Li et al. 2022 has it. Where one probability alone is above 1/2 it is 1.
    """
    falling = -np.sort(-p_N_C, axis=1)
    counts = (np.cumsum(falling, axis=1) <= HALF).sum(1, keepdims=True) + 1
    inside = np.arange(p_N_C.shape[1]) < counts
    counts = inside.sum(1, keepdims=True)
    means = (falling * inside).sum(1, keepdims=True) / counts
    return 1 - (np.abs(falling - means) * inside).sum(1) / counts[:, 0]


def class_accuracies(right: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Share of right predictions by class, shape (C,); 0 for a class without images."""
    counts = np.bincount(labels, minlength=classes)
    return np.bincount(labels[right], minlength=classes) / np.maximum(counts, 1)


def class_weights(last: np.ndarray, now: np.ndarray) -> np.ndarray:
    """How much a class is wanted, shape (C,), sum 1.

    While a class is right less than half the time, in proportion to the gain in accuracy since the
    last round (0 where it fell; all alike where none gained); after that, to 1 / accuracy.
    """
    wanted = np.maximum(now - last, 0) if now.min() < TURN else 1 / np.maximum(now, TURN)
    if wanted.sum() == 0:
        wanted = np.ones(len(now))
    return wanted / wanted.sum()


def measures_of(
    similar: np.ndarray, starts: np.ndarray, neighbours: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Density, similarity and the place of the pseudo-label, each of shape (n,).

    Args:
        similar: cosines of n candidates and L labeled images, which are sorted by class, (n, L).
        starts: where each class that has images begins, int64.

    All images as similar as the last of the ``neighbours`` vote, and of classes with as many votes
    the one with the most similar image wins: nothing depends on an order.
    """
    at = max(0, similar.shape[1] - neighbours)
    border = np.partition(similar, at, axis=1)[:, at]
    votes = np.add.reduceat(similar >= border[:, None], starts, axis=1, dtype=np.int64)
    largest = np.maximum.reduceat(similar, starts, axis=1)
    pseudo = (votes + largest / 4).argmax(1)  # a cosine decides between equal counts only
    sizes = np.diff(np.append(starts, similar.shape[1]))
    means = np.add.reduceat(similar, starts, axis=1) / sizes
    row = np.arange(len(similar))
    return 1 - means[row, pseudo], 1 - largest[row, pseudo], pseudo


def _measures(
    pool: Pool, neighbours: int, features: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order = np.argsort(pool.labels, kind="stable")
    present, starts = np.unique(pool.labels[order], return_index=True)
    pixels = features == "pixels"
    if pixels:
        labeled = unit_rows(_pixels(pool, pool.labeled[order]))
    else:
        labeled = unit_rows(pool.labeled_embeddings[order])
    found = []
    for part in blocks(len(pool.candidates), max(1, BLOCK_CELLS // len(labeled))):
        here = _pixels(pool, pool.candidates[part]) if pixels else pool.embeddings[part]
        found.append(measures_of(cosines(unit_rows(here), labeled), starts, neighbours))
    density, similarity, pseudo = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return density, similarity, present[pseudo]


def _pixels(pool: Pool, rows: np.ndarray) -> np.ndarray:
    return pool.batches.raw(rows).cpu().numpy().reshape(len(rows), -1)

"""What kind of images a round selected: figures for the report, never used for selecting."""

from __future__ import annotations

import base64
import io

import numpy as np
import torch

from stages.geometry.grid import blocks
from stages.geometry.probabilities import softmax
from stages.machine.randomness import Purpose
from stages.models.augmentation import Augmentation
from stages.models.augmentation.geometry import cropped
from stages.models.batches import classify, embed
from stages.models.views import draws_of
from stages.rounds.context import Pool

SHOWN = 10
LARGEST_SIDE = 64
BLOCK = 1000
NOISE = 1e-12


def properties(pool: Pool, positions: np.ndarray) -> dict[str, float]:
    """Li et al. 2022, Figure 2, of the selected candidates; rounded to 6 decimals.

    Returns:
        diversity: mean Euclidean distance between the embeddings of two selected images;
        uncertainty: mean of 1 - max_c p_c; inconsistency: mean total variation
        (1/2) sum_c |p_c - p'_c| between an image and one augmented version of it; 0 for
        features of a network, which nothing augments.
    """
    rows = pool.candidates[positions]
    embeddings = embed(pool.network, pool.batches, rows)
    plain = softmax(classify(pool.network, embeddings, pool.batches.compute))
    changed = softmax(_augmented_logits(pool, rows)) if pool.batches.pictures else plain
    return {
        "diversity": round(mean_distance(embeddings), 6),
        "uncertainty": round(float((1 - plain.max(1)).mean()), 6),
        "inconsistency": round(float(np.abs(plain - changed).sum(1).mean() / 2), 6),
    }


def mean_distance(points: np.ndarray) -> float:
    """Mean Euclidean distance over all pairs of rows of (b, D); 0 for a single row."""
    points = np.asarray(points, np.float64)
    count = len(points)
    norms, total = (points * points).sum(1), 0.0
    for part in blocks(count, BLOCK):
        scale = norms[part, None] + norms
        squares = scale - 2 * (points[part] @ points.T)
        # Where points coincide, cancellation leaves noise that differs between processors.
        total += np.sqrt(np.where(squares > NOISE * scale, squares, 0)).sum()
    return float(total / (count * (count - 1))) if count > 1 else 0.0


@torch.no_grad()
def _augmented_logits(pool: Pool, rows: np.ndarray) -> np.ndarray:
    """Logits of an augmented version of each row: as in training, else small shifts."""
    task, parts = pool.round.task, []
    augment = Augmentation(task.augmentation, task.padding)
    padding = max(1, min(pool.batches.images.shape[2:]) // 16)
    rng = pool.generator(Purpose.INSPECT)
    for part in blocks(len(rows), BLOCK):
        raw = pool.batches.raw(rows[part])
        if task.augmentation == "none":
            offsets = rng.integers(0, 2 * padding + 1, (2, len(raw)))
            raw = cropped(raw, offsets.T, padding)
            rng.random(len(raw))  # the format of the stream: whether to mirror
        else:
            raw = augment(raw, draws_of(pool.round, Purpose.INSPECT, rows[part]))
        parts.append(pool.network.embed(pool.batches.normalise(raw)).cpu())
    return classify(pool.network, torch.cat(parts).numpy(), pool.batches.compute)


def thumbnails(pool: Pool, positions: np.ndarray) -> list[str]:
    """The first few selected images as PNG in base64, at most 64 pixels a side.

    None of features of a network: they have no pixels.
    """
    from PIL import Image

    if not pool.batches.pictures:
        return []
    pictures = []
    for pixels in pool.batches.raw(pool.candidates[positions[:SHOWN]]).cpu().numpy():
        grey = len(pixels) == 1
        image = Image.fromarray(pixels[0] if grey else pixels.transpose(1, 2, 0))
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        stream = io.BytesIO()
        image.save(stream, "PNG", optimize=True)
        pictures.append(base64.b64encode(stream.getvalue()).decode("ascii"))
    return pictures

"""MCADL: each criterion from its definition, and how they are weighed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise

from stages.machine.errors import UserError
from stages.strategies import mcadl

CLASSES = 4
PIXELS = {"alpha": 0.9, "beta": 0.9, "neighbours": 5, "features": "pixels"}


def a_pool(accuracy: float = 1.0, carry: dict | None = None, seed: int = 0, **changes):
    """Twelve labeled images of classes 0, 1 and 3, twenty candidates; a linear classifier."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (32, 1, 4, 4)).astype(np.uint8)
    labels = np.array([0, 1, 3] * 4)
    scores = 5 * np.eye(CLASSES)[labels]
    wrong = np.arange(12) >= round(12 * accuracy)
    scores[wrong] = np.roll(scores[wrong], 1, axis=1)
    network = SimpleNamespace(
        eval=lambda: None, dropout=0, classify=lambda inputs, mask: inputs[:, :CLASSES]
    )
    values = {
        "network": network,
        "batches": SimpleNamespace(
            raw=lambda rows: torch.from_numpy(images[rows]),
            compute=SimpleNamespace(device=torch.device("cpu")),
        ),
        "candidates": np.arange(12, 32),
        "labeled": np.arange(12),
        "labels": labels,
        "classes": CLASSES,
        "probabilities": rng.dirichlet(np.ones(CLASSES), 20),
        "labeled_embeddings": scores,
        "embeddings": rng.random((20, CLASSES)),
        "carry": carry or {},
    }
    return SimpleNamespace(**{**values, **changes}), images


def naive(pool, features: np.ndarray, labeled: np.ndarray, weights, share, neighbours=5):
    cosines = pairwise.cosine_similarity(features, labeled)
    scores = []
    for row, p in zip(cosines, pool.probabilities, strict=True):
        near = pool.labels[np.argsort(-row)[:neighbours]].tolist()
        most = max(near.count(c) for c in near)
        tied = [c for c in set(near) if near.count(c) == most]
        pseudo = max(tied, key=lambda c: row[pool.labels == c].max())
        of_class = row[pool.labels == pseudo]
        density, similarity = 1 - of_class.mean(), 1 - of_class.max()
        best, second = np.sort(p)[::-1][:2]
        alpha = beta = 0.9 * np.exp(-share)
        model = beta * (1 - (best - second)) + (1 - beta) * weights[pseudo]
        scores.append(alpha * (density + similarity) / 2 + (1 - alpha) * model)
    return np.array(scores)


@pytest.mark.parametrize("kind", ["pixels", "embedding"])
@pytest.mark.parametrize("neighbours", [1, 5, 12, 40])
def test_scores_are_the_formula(kind, neighbours):
    pool, images = a_pool()
    found = mcadl.score(pool, alpha=0.9, beta=0.9, neighbours=neighbours, features=kind)
    flat = images.reshape(32, -1).astype(float)
    x, labeled = (
        (flat[12:], flat[:12]) if kind == "pixels" else (pool.embeddings, pool.labeled_embeddings)
    )
    # Class 2 has no images, so its accuracy is 0: gains decide, alike for the three others.
    weights = [1 / 3, 1 / 3, 0, 1 / 3]
    wanted = naive(pool, x, labeled, weights, 1.0, neighbours)
    np.testing.assert_allclose(found.value, wanted, atol=1e-6)
    assert found.carry["accuracies"].tolist() == [1, 1, 0, 1]


def test_blocks_make_no_difference(monkeypatch):
    pool, _ = a_pool()
    whole = mcadl.score(pool, **PIXELS).value
    monkeypatch.setattr(mcadl, "BLOCK_CELLS", 30)
    assert (mcadl.score(pool, **PIXELS).value == whole).all()


def test_the_carry_holds_the_last_accuracies():
    last = np.array([1.0, 0.5, 0, 0.75])
    pool, images = a_pool(carry={"scorer": {"accuracies": last}})
    found = mcadl.score(pool, **PIXELS).value
    flat = images.reshape(32, -1).astype(float)
    weights = np.array([0, 2, 0, 1]) / 3
    np.testing.assert_allclose(found, naive(pool, flat[12:], flat[:12], weights, 1.0), atol=1e-6)


def test_model_criteria_gain_weight_with_accuracy():
    """With accuracy 0 the data weigh 0.9, with accuracy 1 only 0.9 / e."""
    for accuracy in (0.5, 1.0):
        pool, images = a_pool(accuracy)
        found = mcadl.score(pool, **PIXELS)
        flat = images.reshape(32, -1).astype(float)
        weights = mcadl.class_weights(np.zeros(CLASSES), found.carry["accuracies"])
        wanted = naive(pool, flat[12:], flat[:12], weights, accuracy)
        np.testing.assert_allclose(found.value, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("last", "now", "wanted"),
    [
        ([0.2, 0.2], [0.3, 0.4], [1 / 3, 2 / 3]),  # gains, while a class is below one half
        ([0.5, 0.2], [0.3, 0.4], [0, 1]),  # a loss counts as none
        ([0.5, 0.5], [0.3, 0.4], [0.5, 0.5]),  # nothing gained
        ([0.2, 0.2], [0.5, 1.0], [2 / 3, 1 / 3]),  # later the lagging class
    ],
)
def test_class_weights_by_hand(last, now, wanted):
    np.testing.assert_allclose(mcadl.class_weights(np.array(last), np.array(now)), wanted)


def test_black_images_are_similar_to_nothing():
    pool, images = a_pool()
    images[:] = 0
    assert np.isfinite(mcadl.score(pool, **PIXELS).value).all()


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_shares_above_one_are_refused(name):
    pool, _ = a_pool()
    with pytest.raises(UserError, match=f"mcadl: {name} is 1.5; allowed: 0 to 1"):
        mcadl.score(pool, **{"alpha": 0.5, "beta": 0.5, name: 1.5}, neighbours=5, features="pixels")


@pytest.mark.parametrize(
    ("chances", "wanted"),
    [
        ([0.6, 0.3, 0.1], 1.0),  # one is enough
        ([0.5, 0.3, 0.2], 1 - 0.1),  # 0.5 is not above one half: mean 0.4
        ([0.4, 0.35, 0.25], 1 - 0.025),
        ([0.3, 0.3, 0.2, 0.2], 1.0),
        ([0.28, 0.2, 0.2, 0.16, 0.16], 1 - (0.16 / 3 + 2 * 0.08 / 3) / 3),
    ],
)
def test_the_leading_measure_by_hand(chances, wanted):
    for order in (slice(None), slice(None, None, -1)):
        found = mcadl.leading_of(np.array([chances[order]]))
        assert found.tolist() == pytest.approx([wanted])


def test_the_measure_of_uncertainty_is_a_setting():
    pool, images = a_pool()
    margin = mcadl.score(pool, **PIXELS)
    leading = mcadl.score(pool, **PIXELS, uncertainty="leading")
    share = 0.9 / np.e
    best = np.sort(pool.probabilities, axis=1)
    change = mcadl.leading_of(pool.probabilities) - (1 - best[:, -1] + best[:, -2])
    wanted = (1 - share) * share * change
    np.testing.assert_allclose(leading.value - margin.value, wanted, atol=1e-12)
    assert np.abs(wanted).max() > 0.01

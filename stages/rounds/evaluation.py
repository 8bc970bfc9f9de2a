"""What a trained network achieves on the test set."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.datasets.prepared import Prepared
from stages.geometry.probabilities import log_softmax
from stages.models import Network
from stages.models.batches import Batches, classify, embed

BINS = 15


def on_test_set(network: Network, data: Prepared, like: Batches) -> dict[str, Any]:
    """:func:`evaluate` on the test set, normalised as the training array is.

    Args:
        like: of the training array.
    """
    return evaluate(network, *of_test_set(data, like), data.classes)


def of_test_set(data: Prepared, like: Batches) -> tuple[Batches, np.ndarray]:
    """The test images, normalised as the training array ``like`` is, and their labels (int64)."""
    manifest = data.manifest
    batches = Batches(data.array("test_images"), manifest["mean"], manifest["std"], like.compute)
    labels = np.asarray(data.array("test_labels"))
    return batches, labels


def evaluate(
    network: Network, batches: Batches, labels: np.ndarray, classes: int
) -> dict[str, Any]:
    """Counts and calibration on a test set; ``labels`` is int64, shape (N,)."""
    return evaluate_rows(network, batches, np.arange(len(batches)), labels, classes)


def evaluate_rows(
    network: Network, batches: Batches, rows: np.ndarray, labels: np.ndarray, classes: int
) -> dict[str, Any]:
    """:func:`measure` on ``rows`` of ``batches``; ``labels`` (int64) are theirs."""
    logits = classify(network, embed(network, batches, rows), batches.compute)
    return measure(logits, labels, classes)


def measure(logits: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, Any]:
    """Measures of logits (N, C) against labels (N,).

    Returns:
        test: N; correct: how many are right; accuracy: their share; per_class_test and
        per_class_correct: counts by true class; nll: mean negative log-likelihood, nats; ece:
        expected calibration error, sum over 15 equal bins of confidence of (size / N) |accuracy -
        confidence| (Guo et al. 2017). Rounded to 6 decimals.
    """
    predicted = logits.argmax(1)
    right = predicted == labels
    log_chances = log_softmax(logits)
    confidence = np.exp(log_chances.max(1))
    return {
        "test": len(labels),
        "correct": int(right.sum()),
        "accuracy": round(int(right.sum()) / len(labels), 6),
        "per_class_test": np.bincount(labels, minlength=classes).tolist(),
        "per_class_correct": np.bincount(labels[right], minlength=classes).tolist(),
        "nll": round(float(-log_chances[np.arange(len(labels)), labels].mean()), 6),
        "ece": round(expected_calibration_error(confidence, right), 6),
    }


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """sum_bins |share right - mean confidence| n_bin / N, over 15 bins ((m-1)/15, m/15]."""
    bins = np.clip(np.ceil(np.round(confidence * BINS, 11)).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))

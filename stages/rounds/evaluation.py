"""What a trained network achieves on the test set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.datasets.prepared import Prepared
from stages.geometry.probabilities import log_softmax
from stages.geometry.ranks import auc
from stages.models import Network
from stages.models.batches import Batches, classify, embed
from stages.rounds.posed import Posed, pose
from stages.study import measures

BINS = 15


def on_test_set(
    network: Network, data: Prepared | Posed, like: Batches, metrics: Sequence[str] = ()
) -> dict[str, Any]:
    """:func:`measure` on the test set, normalised as the training array is; and of its groups.

    Args:
        like: of the training array.
        metrics: further measures, of :func:`further`.
    """
    batches, labels = of_test_set(data, like)
    logits = logits_of(network, batches, np.arange(len(batches)))
    found = measure(logits, labels, data.classes)
    if metrics:
        found |= further(logits, labels, data.classes, metrics)
    if groups := pose(data).test_groups:
        found["groups"] = of_groups(logits.argmax(1) == labels, *groups)
    return found


def of_test_set(data: Prepared | Posed, like: Batches) -> tuple[Batches, np.ndarray]:
    """The test images, normalised as the training array ``like`` is, and their labels (int64)."""
    manifest, posed = data.manifest, pose(data)
    batches = Batches(
        data.array("test_images"), manifest["mean"], manifest["std"], like.compute, posed.tested
    )
    return batches, posed.test_labels


def evaluate(
    network: Network, batches: Batches, labels: np.ndarray, classes: int
) -> dict[str, Any]:
    """Counts and calibration on a test set; ``labels`` is int64, shape (N,)."""
    return evaluate_rows(network, batches, np.arange(len(batches)), labels, classes)


def evaluate_rows(
    network: Network, batches: Batches, rows: np.ndarray, labels: np.ndarray, classes: int
) -> dict[str, Any]:
    """:func:`measure` on ``rows`` of ``batches``; ``labels`` (int64) are theirs."""
    return measure(logits_of(network, batches, rows), labels, classes)


def logits_of(network: Network, batches: Batches, rows: np.ndarray) -> np.ndarray:
    """Logits of ``rows`` of ``batches``, float64, shape (N, C)."""
    return classify(network, embed(network, batches, rows), batches.compute)


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


def further(
    logits: np.ndarray, labels: np.ndarray, classes: int, metrics: Sequence[str]
) -> dict[str, Any]:
    """Measures that a task asks for, rounded to 6 decimals, and how often each class is predicted.

    balanced_accuracy: mean recall of the classes that are tested; macro_f1: mean F1 of those tested
    or predicted; auroc: :func:`one_vs_rest`.
    """
    tested, predicted = (
        np.bincount(one, minlength=classes).tolist() for one in (labels, logits.argmax(1))
    )
    right = np.bincount(labels[logits.argmax(1) == labels], minlength=classes).tolist()
    makers = {
        "balanced_accuracy": lambda: measures.balanced_accuracy(tested, right),
        "macro_f1": lambda: measures.macro_f1(tested, right, predicted),
        "auroc": lambda: one_vs_rest(logits, labels),
    }
    found = {name: makers[name]() for name in metrics}
    found = {name: value if value is None else round(value, 6) for name, value in found.items()}
    return found | {measures.PREDICTED: predicted}


def one_vs_rest(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """Mean area under the ROC curve of p_c, each class against the others (Hand & Till 2001).

    Of the classes that have test images and are not all of them; None where there is no such class.
    """
    areas = []
    for c in range(logits.shape[1]):
        own = labels == c
        if own.any() and not own.all():
            # Log-odds rank images as p_c does, and keep apart what is next to 0 or 1.
            others = np.delete(logits, c, axis=1)
            most = others.max(1)
            odds = logits[:, c] - most - np.log(np.exp(others - most[:, None]).sum(1))
            areas.append(auc(odds[own], odds[~own]))
    return math.fsum(areas) / len(areas) if areas else None


def of_groups(
    right: np.ndarray, groups: np.ndarray, names: Sequence[str], mismatch: Sequence[bool]
) -> dict[str, dict[str, Any]]:
    """Test images and right answers of each group (Zhan et al. 2022, Waterbird).

    Args:
        right: of each test image, bool, shape (N,).
        groups: number of its group, int64, shape (N,).
        names, mismatch: of the groups; mismatch: whether background and class disagree, empty where
            the data say nothing of the kind.
    """
    apart = mismatch or [False] * len(names)
    counts = [np.bincount(one, minlength=len(names)).tolist() for one in (groups, groups[right])]
    return {
        name: {"test": test, "correct": correct, "mismatch": bool(other)}
        for name, other, test, correct in zip(names, apart, *counts, strict=True)
    }


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """sum_bins |share right - mean confidence| n_bin / N, over 15 bins ((m-1)/15, m/15]."""
    bins = np.clip(np.ceil(np.round(confidence * BINS, 11)).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))

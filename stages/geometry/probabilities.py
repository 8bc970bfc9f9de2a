"""Logits to probabilities in float64, without log(0)."""

from __future__ import annotations

import numpy as np


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """log p over the last axis; finite for finite logits.

    Examples:
        >>> log_softmax(np.array([0.0, 0.0, -1000.0])).round(4).tolist()
        [-0.6931, -0.6931, -1000.6931]
    """
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """p over the last axis.

    Examples:
        >>> softmax(np.array([[0.0, 0.0], [0.0, 1.0]])).round(4).tolist()
        [[0.5, 0.5], [0.2689, 0.7311]]
    """
    return np.exp(log_softmax(logits))


def entropy(chances: np.ndarray) -> np.ndarray:
    """-sum p log p over the last axis, in nats, with 0 log 0 = 0.

    Examples:
        >>> entropy(np.array([[0.5, 0.5], [0.25, 0.75]])).round(4).tolist()
        [0.6931, 0.5623]
    """
    logs = np.log(chances, where=chances > 0, out=np.zeros_like(chances))
    return -(chances * logs).sum(-1)

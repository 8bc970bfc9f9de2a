"""Logits to probabilities in float64, without log(0)."""

from __future__ import annotations

import numpy as np


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """log p over the last axis; finite for finite logits."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """p over the last axis."""
    return np.exp(log_softmax(logits))


def entropy(chances: np.ndarray) -> np.ndarray:
    """-sum p log p over the last axis, in nats, with 0 log 0 = 0."""
    logs = np.log(chances, where=chances > 0, out=np.zeros_like(chances))
    return -(chances * logs).sum(-1)

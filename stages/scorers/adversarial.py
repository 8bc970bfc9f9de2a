"""Distance to the decision boundary, by the length of an adversarial perturbation."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from stages.machine.progress import progress
from stages.models.attacks import Step, basic_iterative, deep_fool, iterate, norms
from stages.models.batches import slices
from stages.rounds.pool import Pool
from stages.selectors.adversarial import IMAGES, ROWS, Attacked

BATCH = 128  # images attacked together; the graph of a gradient is kept for each
TIE = 1e-6  # wider than what the selector takes for equal


def adversarial_bim(
    pool: Pool, iterations: int, step: float, train_on_adversarial: bool
) -> np.ndarray | Attacked:
    """Minus the length of the perturbation by the basic iterative method, shape (N,).

    As in Zhan et al. 2022: in normalised images, not clipped. Candidates whose prediction never
    changes within ``iterations`` rank last, all alike.

    Args:
        step: how far each pixel moves at a time, in standard deviations of its channel.
        train_on_adversarial: also return what the next rounds train on.
    """
    return _attack(
        pool, basic_iterative(step, pool.batches.compute), iterations, 0.0, train_on_adversarial
    )


def deepfool(
    pool: Pool, iterations: int, overshoot: float, top_classes: int, train_on_adversarial: bool
) -> np.ndarray | Attacked:
    """Minus the length of DeepFool's perturbation, shape (N,) (Ducoffe & Precioso 2018).

    In normalised images, not clipped. The length is that of r, the network is asked about
    x + (1 + overshoot) r. Candidates whose prediction never changes within ``iterations`` rank
    last, all alike.

    Args:
        top_classes: how many of the largest logits are looked at; 0 for all.
        train_on_adversarial: also return what the next rounds train on.
    """
    attack = deep_fool(top_classes, pool.batches.compute)
    return _attack(pool, attack, iterations, overshoot, train_on_adversarial)


def _attack(
    pool: Pool, step: Step, iterations: int, overshoot: float, keep: bool
) -> np.ndarray | Attacked:
    batches, compute = pool.batches, pool.batches.compute
    lengths = np.full(len(pool.rows), np.inf)
    kept = _Nearest(pool.query_size, batches.images.shape[1:])
    for part in progress(list(slices(len(pool.rows), BATCH)), "attack", "batch"):
        images = batches.normalise(batches.raw(pool.rows[part]))
        attack = iterate(pool.network, images, step, iterations, overshoot)
        flipped = attack.flipped.cpu().numpy()
        found = norms(attack.perturbations, compute).double().cpu().numpy()
        lengths[part] = np.where(flipped, found, np.inf)
        if keep:
            adversarial = images + attack.perturbations * (1 + overshoot)
            pixels = _pixels(adversarial, pool).cpu().float().numpy()
            kept.add(np.arange(part.start, part.stop)[flipped], found[flipped], pixels[flipped])
    scores = scores_of(lengths)
    if not keep:
        return scores
    rows = pool.rows[kept.positions]
    earlier = {name: pool.carry[name] for name in (ROWS, IMAGES) if name in pool.carry}
    return Attacked(scores, kept.positions, rows, kept.images, earlier)


def _pixels(images: Tensor, pool: Pool) -> Tensor:
    """Normalised images in units of pixels (0 to 255): they can be augmented like all others."""
    return (images * pool.batches.std + pool.batches.mean) * 255


def scores_of(lengths: np.ndarray) -> np.ndarray:
    """Minus the lengths; infinite ones become one number below all others."""
    reached = np.isfinite(lengths)
    unreached = 1 + 2 * lengths[reached].max(initial=0)
    return -np.where(reached, lengths, unreached)


class _Nearest:
    """The adversarial images of the b smallest perturbations so far, and of ties with the last."""

    def __init__(self, b: int, shape: tuple[int, ...]) -> None:
        self.b = b
        self.positions = np.empty(0, np.int64)
        self.lengths = np.empty(0)
        self.images = np.empty((0, *shape), np.float32)

    def add(self, positions: np.ndarray, lengths: np.ndarray, images: np.ndarray) -> None:
        """Take a batch in and drop what can no longer be selected."""
        self.positions = np.concatenate([self.positions, positions])
        self.lengths = np.concatenate([self.lengths, lengths])
        self.images = np.concatenate([self.images, images])
        if len(self.lengths) > self.b:
            last = np.partition(self.lengths, self.b - 1)[self.b - 1]
            near = self.lengths <= last + TIE * (1 + last)
            self.positions, self.lengths = self.positions[near], self.lengths[near]
            self.images = self.images[near]

"""Distance to the decision boundary, by the length of an adversarial perturbation.

The b best are taken, and their adversarial images handed on for the rounds to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import WHOLE, Amount, Positive, Steps
from stages.catalogue.strategy import Strategy
from stages.geometry.grid import blocks
from stages.machine.progress import progress
from stages.strategies.handshake import Scores, Selection
from stages.strategies.top import top

if TYPE_CHECKING:
    from torch import Tensor

    from stages.models.attacks import Step
    from stages.rounds.context import Pool

BATCH = 128  # images attacked together; the graph of a gradient is kept for each
TIE = 1e-6  # wider than what the selector takes for equal
ROWS, IMAGES = "rows", "images"  # names in the selector's carry

TopClasses = Annotated[int, Field(ge=2, le=WHOLE)] | Literal[0]  # a single class is no choice


def _entry(scorer: str, source: str, cost: str, formula: str) -> Strategy:
    """By the length of an adversarial perturbation; DFAL trains on the adversarial images too."""
    return Strategy(
        learner="stages.learners.adversarial:train",
        scorer="stages.strategies.adversarial:" + scorer,
        selector="stages.strategies.adversarial:top_with_images",
        source=source,
        family="uncertainty",
        cost=cost,
        formula=formula,
    )


ADVERSARIAL_BIM = _entry(
    "adversarial_bim",
    "Zhan et al. 2022: basic iterative method (Kurakin et al. 2017) in place of DeepFool",
    "2 passes of the network an iteration",
    "-|r|; r grows by step sign(grad_x CE(x + r, y)) until the prediction y changes",
)

ENTRIES = {
    "adversarial_bim": ADVERSARIAL_BIM,
    "advbim": ADVERSARIAL_BIM,  # its name in the tables of Zhan et al. 2022
    "deepfool": _entry(
        "deepfool",
        "Ducoffe & Precioso 2018 (DFAL); Moosavi-Dezfooli et al. 2016, Algorithm 2",
        "C passes of the network an iteration",
        "-|r|; r grows by |f_l| w_l / |w_l|^2, l = argmin_k |f_k| / |w_k|, until the prediction y "
        "changes; f_k: logit k less logit y, w_k its gradient",
    ),
}


@dataclass(frozen=True)
class Attacked:
    """What a selector needs to hand adversarial images on.

    Attributes:
        scores: of the pool, shape (N,).
        positions: candidates that can be among the b best and have an adversarial image, (M,).
        rows: their rows, int64, shape (M,).
        images: their adversarial images in units of pixels, float32, shape (M, C, H, W).
        carry: rows and images of earlier rounds.
    """

    scores: np.ndarray
    positions: np.ndarray
    rows: np.ndarray
    images: np.ndarray
    carry: dict[str, np.ndarray]


def adversarial_bim(
    pool: Pool,
    *,
    iterations: Steps = 50,
    step: Positive = 0.05,
    train_on_adversarial: bool = False,
) -> Scores | Attacked:
    """Minus the length of the perturbation by the basic iterative method, shape (N,).

    As in Zhan et al. 2022: in normalised images, not clipped. Candidates whose prediction never
    changes within ``iterations`` rank last, all alike.

    Args:
        step: how far each pixel moves at a time, in standard deviations of its channel.
        train_on_adversarial: also return what the next rounds train on.
    """
    from stages.models.attacks import basic_iterative

    return _attack(
        pool, basic_iterative(step, pool.batches.compute), iterations, 0.0, train_on_adversarial
    )


def deepfool(
    pool: Pool,
    *,
    iterations: Steps = 50,
    overshoot: Amount = 0.02,
    top_classes: TopClasses = 10,
    train_on_adversarial: bool = False,
) -> Scores | Attacked:
    """Minus the length of DeepFool's perturbation, shape (N,) (Ducoffe & Precioso 2018).

    In normalised images, not clipped. The length is that of r, the network is asked about
    x + (1 + overshoot) r. Candidates whose prediction never changes within ``iterations`` rank
    last, all alike.

    Args:
        top_classes: how many of the largest logits are looked at; 0 for all.
        train_on_adversarial: also return what the next rounds train on.
    """
    from stages.models.attacks import deep_fool

    attack = deep_fool(top_classes, pool.batches.compute)
    return _attack(pool, attack, iterations, overshoot, train_on_adversarial)


def _attack(
    pool: Pool, step: Step, iterations: int, overshoot: float, keep: bool
) -> Scores | Attacked:
    from stages.models.attacks import iterate, norms

    batches, compute = pool.batches, pool.batches.compute
    lengths = np.full(len(pool.candidates), np.inf)
    kept = _Nearest(pool.query_size, batches.images.shape[1:])
    for part in progress(list(blocks(len(pool.candidates), BATCH)), "attack", "batch"):
        images = batches.normalise(batches.raw(pool.candidates[part]))
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
    rows = pool.candidates[kept.positions]
    before = pool.carry.get("selector", {})
    earlier = {name: before[name] for name in (ROWS, IMAGES) if name in before}
    return Attacked(scores, kept.positions, rows, kept.images, earlier)


def _pixels(images: Tensor, pool: Pool) -> Tensor:
    """Normalised images as the data are (pixels: 0 to 255): they can be augmented like others."""
    return (images * pool.batches.std + pool.batches.mean) * pool.batches.scale


def scores_of(lengths: np.ndarray) -> np.ndarray:
    """Minus the lengths; infinite ones become one number below all others."""
    reached = np.isfinite(lengths)
    unreached = 1 + 2 * lengths[reached].max(initial=0)
    return -np.where(reached, lengths, unreached)


def top_with_images(
    scored: Scores | Attacked, b: int, rng: np.random.Generator
) -> np.ndarray | Selection:
    """:func:`stages.strategies.top.top`; images of what it takes join those of earlier rounds.

    An image that was selected without an adversarial one (its prediction never changed) adds none.

    Raises:
        UserError: a score is not finite, or b is larger than N.
    """
    if isinstance(scored, np.ndarray):
        return top(scored, b, rng)
    picks = top(scored.scores, b, rng)
    chosen = np.isin(scored.positions, picks)
    rows, images = scored.rows[chosen], scored.images[chosen]
    if ROWS in scored.carry:
        rows = np.concatenate([scored.carry[ROWS], rows])
        images = np.concatenate([scored.carry[IMAGES], images])
    return Selection(picks, {ROWS: rows, IMAGES: images})


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

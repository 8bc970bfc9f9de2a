"""MixMatch: guessed labels of unlabeled images, sharpened, and everything mixed with everything."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from stages.catalogue.kinds import Amount, Positive, Rate, Whole
from stages.catalogue.parts import makes
from stages.catalogue.strategy import Strategy
from stages.learners.guesses import believed

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from stages.models import Network
    from stages.models.fit import Batch
    from stages.rounds.context import Learned, Round

Weak = Literal["task", "none", "crop", "crop_flip"]
Guesses = Annotated[int, Field(ge=1, le=100)]  # as many images more in a batch
LEARNER = "stages.learners.mixmatch:train"

ENTRIES = {
    "ssl_random": Strategy(
        learner=LEARNER,
        scorer="stages.strategies.random:constant",
        source="Li et al. 2022 (SSLRandom): MixMatch (Berthelot et al. 2019), random sampling",
        family="baseline",
        cost="N; training with 2 K + 1 times the images",
        formula="every set of b candidates is as likely as any other",
    ),
}


@makes("pseudo_labeled", "signature")
def train(
    round: Round,
    *,
    augmentations: Guesses = 2,
    temperature: Positive = 0.5,
    alpha: Positive = 0.75,
    unlabeled_weight: Amount = 75.0,
    ramp: Whole = 16_384,
    ema: Rate = 0.999,
    steps: Whole = 0,
    augmentation: Weak = "task",
) -> Learned:
    """Berthelot et al. 2019 (MixMatch), Algorithm 1; a moving average of the weights is evaluated.

    A batch of B labeled images comes with as many unlabeled ones. The guess for an unlabeled image
    is the mean prediction of its K ``augmentations``, sharpened; each of the B (1 + K) images is
    mixed with another of them, by a share of its own. The loss is the cross-entropy of the labeled
    mixtures and ``unlabeled_weight`` times the mean squared error of the others.

    Batch norm works on B images at a time, labeled and unlabeled ones interleaved, and its running
    statistics follow the first B alone, once a step, as in the authors' code. Optimizer, schedule
    and decay are the task's; theirs are ``adamw`` at 0.002 with a decay of 0.02 on kernels, B = 64.

    Args:
        augmentations: K.
        temperature: T of sharpening.
        alpha: of Beta(alpha, alpha), from which shares are drawn.
        unlabeled_weight: lambda_U once it is reached; the authors' 75 is for CIFAR-10.
        ramp: steps over which it grows from 0, as the authors' 16,384 of 1,048,576. In 1,000 steps
            75 comes to 4.6, which is what so short a training bears.
        ema: decay of the moving average (:class:`stages.models.mixing.WarmEMA`).
        steps: how many, rounded up to whole epochs over the labeled set; 0: the task's epochs.
        augmentation: of all images, see :func:`stages.models.mixing.weak`.

    Returns:
        The network that is evaluated; ``parts``: see :func:`stages.learners.guesses.believed`.

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    from stages.machine.randomness import Purpose
    from stages.models.fit import entropy_of, fresh
    from stages.models.mixing import fit_averaged, squared_error, weak
    from stages.rounds.context import Learned

    views = {f"guess {k}": weak(round.task, augmentation) for k in range(augmentations)}
    epochs = length(round, steps)
    rng = round.generator(Purpose.MIXING)

    def loss(batch: Batch, network: Network) -> Tensor:
        images, targets = gathered(batch, network, list(views), temperature)
        images, targets = mixed_up(images, targets, alpha, rng)
        size = len(batch.targets)
        logits = apart(batch, network, images, size)
        supervised = entropy_of(batch, logits[:size], targets[:size])
        if len(logits) == size:  # the whole pool is labeled
            return supervised
        weight = unlabeled_weight * ramped(batch.step, ramp)
        return supervised + weight * squared_error(logits[size:], targets[size:], batch.exact)

    network = fit_averaged(
        fresh(round), round, loss, ema, views=views, unlabeled_per_labeled=1, epochs=epochs
    )
    return Learned(network, believed(network, round))


def length(round: Round, steps: int) -> int:
    """The epochs that have ``steps`` steps or more; 0: the task's."""
    from stages.models.fit import steps_an_epoch

    each = steps_an_epoch(len(round.labeled), round.task.batch_size)
    return math.ceil(steps / each) or round.task.epochs


def ramped(step: int, over: int) -> float:
    """From 0 at step 0 to 1 at step ``over``, and 1 from there on."""
    return min(1.0, step / over) if over else 1.0


def gathered(
    batch: Batch, network: Network, views: list[str], temperature: float
) -> tuple[Tensor, Tensor]:
    """Images of a batch, labeled ones first, and the chances of their classes.

    Unlabeled images come once for each of ``views``, with their sharpened mean prediction.

    Returns:
        (B (1 + K), C, H, W) and (B (1 + K), classes).
    """
    import torch
    import torch.nn.functional as F

    from stages.models.mixing import chances, sharpen, statistics_kept

    images = batch.labeled.view(views[0])
    targets = F.one_hot(batch.targets, network.classifier.out_features).to(images.dtype)
    if batch.unlabeled is None:
        return images, targets
    others = [batch.unlabeled.view(name) for name in views]
    with torch.no_grad(), statistics_kept([network]):
        found = [chances(batch.logits(network, one), batch.exact) for one in others]
    guess = sharpen(sum(found) / len(found), temperature, batch.exact).to(images.dtype)
    return torch.cat([images, *others]), torch.cat([targets, *[guess] * len(others)])


def mixed_up(
    images: Tensor, targets: Tensor, alpha: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Each sample mixed with one drawn from all of them, nearer to itself than to the other."""
    import torch

    from stages.models.mixing import mixed, shares

    order = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    share = torch.from_numpy(shares(alpha, len(images), rng)).to(images)
    return mixed(images, images[order], share), mixed(targets, targets[order], share)


def apart(batch: Batch, network: Network, images: Tensor, size: int) -> Tensor:
    """Logits of images, ``size`` of them at a time, labeled and unlabeled ones interleaved."""
    import torch

    from stages.models.mixing import interleaved, statistics_kept

    order = torch.from_numpy(interleaved(len(images) // size, size)).to(images.device)
    first, *others = images[order].split(size)
    logits = [batch.logits(network, first)]
    with statistics_kept([network]):
        logits += [batch.logits(network, one) for one in others]
    return torch.cat(logits)[order]

"""FixMatch: what a model is sure of in a weakly augmented image, it learns for a strong one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.kinds import Amount, Count, Rate, Share, Whole
from stages.catalogue.parts import makes
from stages.learners.guesses import believed, rounded
from stages.learners.mixmatch import Weak, length

if TYPE_CHECKING:
    from torch import Tensor

    from stages.models import Network
    from stages.models.fit import Batch
    from stages.rounds.context import Learned, Round


@makes("pseudo_labeled", "signature")
def train(
    round: Round,
    *,
    threshold: Share = 0.95,
    ratio: Count = 7,
    unlabeled_weight: Amount = 1.0,
    ema: Rate = 0.999,
    steps: Whole = 0,
    augmentation: Weak = "task",
) -> Learned:
    """Sohn et al. 2020 (FixMatch), section 2.2; a moving average of the weights is evaluated.

    A batch of B labeled images comes with ``ratio`` B unlabeled ones. The class of a weakly
    augmented unlabeled image, where its chance reaches ``threshold``, is the label of that image
    strongly augmented. The loss is the cross-entropy of the labeled images, weakly augmented, and
    ``unlabeled_weight`` times that of all strong ones, those below the threshold counting as 0.

    All B (1 + 2 ``ratio``) images pass the network together, and batch norm sees them as one batch,
    as in the authors' code. Optimizer, schedule and decay are the task's; theirs are SGD with
    Nesterov momentum 0.9, 0.03 cos(7 pi k / 16 K) in step k of K, and 5e-4 on kernels, B = 64.

    Args:
        threshold: tau.
        ratio: mu.
        unlabeled_weight: lambda_u.
        ema: decay of the moving average (:class:`stages.models.mixing.WarmEMA`).
        steps: K, rounded up to whole epochs over the labeled set; 0: the task's epochs. The
            authors' is 1,048,576.
        augmentation: the weak one, see :func:`stages.models.mixing.weak`.

    Returns:
        The network that is evaluated; ``parts``: see :func:`stages.learners.guesses.believed`, and
        in ``signature`` the share of the unlabeled images that reached the threshold in the last
        epoch of training.

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    from stages.models.fit import entropy_of, fresh
    from stages.models.mixing import fit_averaged, strong, sure_entropy, weak
    from stages.rounds.context import Learned

    epochs = length(round, steps)
    views = {"weak": weak(round.task, augmentation), "strong": strong(round.task, augmentation)}
    used: dict[int, list[float]] = {}

    def loss(batch: Batch, network: Network) -> Tensor:
        logits, guesses, strong_logits = passed(batch, network)
        supervised = entropy_of(batch, logits)
        if guesses is None:  # the whole pool is labeled
            return supervised
        found = guesses.amax(1) >= threshold
        used.setdefault(batch.epoch, []).append(found.double().mean().item())
        others = sure_entropy(strong_logits, guesses, threshold, batch.exact)
        return supervised + unlabeled_weight * others

    network = fit_averaged(
        fresh(round), round, loss, ema, views=views, unlabeled_per_labeled=ratio, epochs=epochs
    )
    parts = believed(network, round, threshold)
    last = used.get(epochs - 1, [0.0])
    parts["signature"]["share_used"] = rounded(sum(last) / len(last))
    return Learned(network, parts)


def passed(batch: Batch, network: Network) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Logits of the labeled images, guesses for the unlabeled ones, logits of the strong ones.

    Guesses are chances (ratio B, C), without a gradient; None where nothing is unlabeled.
    """
    import torch

    from stages.models.mixing import chances

    images = batch.labeled.view("weak")
    if batch.unlabeled is None:
        return batch.logits(network, images), None, None
    weak, strong = batch.unlabeled.view("weak"), batch.unlabeled.view("strong")
    logits = batch.logits(network, torch.cat([images, weak, strong]))
    labeled, guessed, others = logits.split([len(images), len(weak), len(strong)])
    return labeled, chances(guessed.detach(), batch.exact), others

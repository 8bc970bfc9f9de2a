"""Learning loss: a head beside the network learns which images have the larger loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.kinds import Amount, Positive, Share, Width
from stages.catalogue.parts import makes, needs
from stages.catalogue.strategy import Strategy
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.strategies.handshake import Scores

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from stages.models import Network
    from stages.models.batches import Batches
    from stages.models.fit import Batch
    from stages.models.loss_head import LossHead
    from stages.rounds.context import Learned, Pool, Round

ENTRIES = {
    "learning_loss": Strategy(
        learner="stages.learners.learning_loss:train",
        scorer="stages.learners.learning_loss:predicted_loss",
        candidates=10_000,
        source="Yoo & Kweon 2019 (LL4AL, LPL)",
        family="uncertainty",
        cost="N D",
        formula="the loss that a head on the maps of the network's blocks predicts; trained by "
        "CE + weight mean over pairs of max(0, margin - sgn(l_i - l_j) (p_i - p_j))",
    ),
}


@makes("loss_head")
def train(
    round: Round,
    *,
    margin: Positive = 1.0,
    weight: Amount = 1.0,
    detach: Share = 0.6,
    width: Width = 128,
) -> Learned:
    """Train a new network, and beside it a new head that predicts its losses.

    Yoo & Kweon 2019, whose settings are the defaults; with the task's optimizer for both, as there
    (SGD 0.1, momentum 0.9, weight decay 5e-4, batches of 128, 200 epochs). The head reads the maps
    of the architecture's blocks: four in ResNet-18, as many as there are in a smaller network.

    Args:
        margin: xi of the ranking loss.
        weight: lambda, of the ranking loss beside the cross-entropy.
        detach: share of the epochs after which the head no longer changes the network; the
            authors' 120 of 200. 1: never.
        width: units of the head for each block.

    Returns:
        The network; ``parts["loss_head"]``: the head. The signature's ``rank_correlation`` is that
        of predicted and true losses of the test images.

    Raises:
        UserError: an architecture that names no blocks, or training diverged.
    """
    from stages.models import initialise
    from stages.models.fit import fit, fresh
    from stages.models.loss_head import LossHead
    from stages.rounds.context import Learned

    network = fresh(round)
    if not network.block_names:
        raise UserError(
            f"model {round.task.model.name} names no blocks, whose maps the learner learning_loss "
            f"reads; allowed: an architecture that gives Network(blocks=...)"
        )
    head = LossHead(network.block_channels(round.shape), width)
    initialise(head, round.generator(Purpose.LOSS_HEAD))
    head = round.compute.place(head)
    until = detach * round.task.epochs

    def loss(batch: Batch, network: Network) -> Tensor:
        return joint_loss(batch, network, head, margin, weight, batch.epoch >= until)

    fit(network, round, loss, beside=[head])

    def agreement(batches: Batches, labels: np.ndarray) -> float:
        return correlation(network, head, batches, labels)

    return Learned(network, {"loss_head": head, "signature": {"rank_correlation": agreement}})


def joint_loss(
    batch: Batch, network: Network, head: LossHead, margin: float, weight: float, detached: bool
) -> Tensor:
    """CE + weight times the ranking loss; ``detached``: the latter has no gradient for the network.

    The losses that are ranked are constants: what is learned is to predict them. They are those of
    the labels themselves, not smoothed and not weighted.
    """
    from stages.models.caught import caught
    from stages.models.fit import entropy_of
    from stages.models.loss_head import losses_of, ranking_loss

    with caught([network.body.get_submodule(name) for name in network.block_names]) as maps:
        logits = batch.logits(network)
    if detached:
        maps = [each.detach() for each in maps]
    losses = losses_of(logits, batch.targets, batch.exact)
    ranking = ranking_loss(head(maps), losses, margin)
    return entropy_of(batch, logits) + weight * ranking


def correlation(network: Network, head: LossHead, batches: Batches, labels: np.ndarray) -> float:
    """Spearman's rho of predicted and true losses of all images of ``batches``."""
    import numpy as np

    from stages.geometry.probabilities import log_softmax
    from stages.geometry.ranks import rank_correlation
    from stages.models.batches import classify, embed
    from stages.models.loss_head import predictions

    rows = np.arange(len(labels))
    log_chances = log_softmax(classify(network, embed(network, batches, rows), batches.compute))
    return rank_correlation(predictions(network, head, batches, rows), -log_chances[rows, labels])


@needs("loss_head")
def predicted_loss(pool: Pool) -> Scores:
    """The loss that the head predicts, shape (N,): the largest are selected."""
    from stages.models.loss_head import predictions

    return predictions(pool.network, pool.part("loss_head"), pool.batches, pool.candidates)

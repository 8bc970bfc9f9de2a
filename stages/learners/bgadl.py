"""BGADL: the classifier is trained also on images that are made after the acquired ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.catalogue.kinds import Amount, LearningRate, Width
from stages.catalogue.parts import makes
from stages.catalogue.strategy import Strategy
from stages.machine.randomness import Purpose

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from stages.models import Network
    from stages.models.batches import Batches
    from stages.models.fit import Batch
    from stages.models.generative import GenerativeTrainer, Networks
    from stages.rounds.context import Learned, Round

ENTRIES = {
    "bgadl": Strategy(
        learner="stages.learners.bgadl:train",
        scorer="stages.strategies.dropout:bald",
        candidates=2_000,
        source="Tran et al. 2019 (BGADL), with BALD",
        family="uncertainty",
        cost="T N D C",
        formula="H(mean_t p_t) - mean_t H(p_t); trained on the labeled images x, on G(E(x), y) and "
        "on G(z, y), z from N(0, 1), of a VAE-ACGAN",
    ),
}


@makes("generator")
def train(
    round: Round,
    *,
    generated: Amount = 1.0,
    restored: Amount = 1.0,
    latent: Width = 100,
    width: Width = 64,
    rate: LearningRate = 0.0005,
    beta: Amount = 1.0,
    reconstruction: Amount = 0.75,
) -> Learned:
    """Train a new network on real, generated and restored images, and what makes them beside it.

    Tran et al. 2019, Algorithm 1: a VAE-ACGAN, whose classifier C is the task's network. Each
    labeled image x of class y, those acquired last among them, gives x' = G(E(x), y), which is as
    informative as x where it lies close to it; and each gives a new image G(z, y). Each step
    updates E by MSE + KL, G by BCE(D(G(z, y)), 1) + CE(C(G(z, y)), y) + 0.75 MSE, D on real,
    generated and restored images, and C by CE on all three. The query is BALD by dropout; the
    curve of a run is that of each round's own model, not of the best one so far.

    As in the code: 2,000 candidates, widths, codes of 100, the weights, the order of the steps. Not
    as there: Adam (Adadelta there), codes without a sigmoid, MSE and KL as sums over an image
    (means there), the depth by the size of the images (two convolutions, one for images below 8
    pixels). Batch norm of C keeps the statistics of real images, and C is in evaluation mode where
    it leads G.

    Args:
        generated, restored: weights of the classifier's loss on these images; 0 and 0: plain
            training.
        latent: numbers of a code.
        width: maps of the first convolution of E and D, and of the last of G.
        rate: learning rate of the Adams of E, G and D.
        beta: weight of KL.
        reconstruction: weight of the squared error (mean over pixels) in the loss of G.

    Returns:
        The network; ``parts["generator"]``: E, G and D. The signature: ``discriminator_loss`` of
        the last step (3 ln 2 = 2.079 where D cannot tell), ``squared_error`` of a test image's
        reconstruction (mean over pixels in [0, 1]), ``generated_right``: the share of 1,000
        generated images that the classifier takes for what they are meant to be, which it may do
        whatever they look like, for G is led by it; ``generated_like``: the share whose nearest
        labeled image, pixel by pixel, is of the class that they are meant to be of.

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    from stages.models import initialise
    from stages.models.fit import fit, fresh
    from stages.models.generative import GenerativeTrainer, GenerativeTraining, Networks
    from stages.rounds.context import Learned

    network = fresh(round)
    networks = Networks(round.shape, latent, width, round.classes, round.batches)
    initialise(networks, round.generator(Purpose.GENERATOR))
    networks = round.compute.place(networks)
    how = GenerativeTraining(rate, beta, reconstruction)
    noise = round.generator(Purpose.GENERATED)
    trainer = GenerativeTrainer(networks, how, noise, round.batches)

    def loss(batch: Batch, network: Network) -> Tensor:
        return joint_loss(batch, network, trainer, round.classes, generated, restored)

    fit(network, round, loss)
    found = signature(network, networks, trainer, round)
    return Learned(network, {"generator": networks, "signature": found})


def joint_loss(
    batch: Batch,
    network: Network,
    trainer: GenerativeTrainer,
    classes: int,
    generated: float,
    restored: float,
) -> Tensor:
    """CE of real images, and of what E, G and D make after a step of theirs on the same images."""
    from stages.models.fit import entropy_against, entropy_of
    from stages.models.generative import one_hot, statistics_kept

    real = batch.labeled.view()
    chances = one_hot(batch.targets, classes, real)

    def pulled(images: Tensor) -> Tensor:
        network.eval()  # no masks, and batch norm as it stands
        loss = entropy_against(network(images), batch.targets, batch.exact)
        network.train()
        return loss

    made = trainer.step(real, chances, pulled)
    loss = entropy_of(batch, batch.logits(network))
    for images, weight in ((made.generated, generated), (made.restored, restored)):
        if weight:
            with statistics_kept(network):
                logits = batch.logits(network, images)
            loss = loss + weight * entropy_of(batch, logits)
    return loss


def signature(
    network: Network, networks: Networks, trainer: GenerativeTrainer, round: Round
) -> dict[str, object]:
    """How well images are made; the reconstruction is measured on test images later."""
    from stages.models.generative import reconstruction_error, shares_right

    def squared_error(batches: Batches, labels: np.ndarray) -> float:
        return reconstruction_error(networks, batches, labels, round.classes)

    real = round.batches.normalise(round.batches.raw(round.labeled))
    right, like = shares_right(networks, network, trainer, round.classes, real, round.labels)
    return {
        "discriminator_loss": trainer.discriminator_loss,
        "squared_error": squared_error,
        "generated_right": right,
        "generated_like": like,
    }

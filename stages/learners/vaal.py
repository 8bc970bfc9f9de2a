"""VAAL: a discriminator of an autoencoder's codes says which images look unlabeled."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from stages.catalogue.kinds import Amount, Count, LearningRate, Rate, Whole, Width
from stages.catalogue.parts import makes, needs
from stages.catalogue.strategy import Strategy
from stages.learners import supervised
from stages.strategies.handshake import Scores

if TYPE_CHECKING:
    from stages.models.autoencoder import Autoencoder
    from stages.models.held_out import HeldOut
    from stages.models.latent import LatentDiscriminator
    from stages.rounds.context import Learned, Pool, Round

ENTRIES = {
    "vaal": Strategy(
        learner="stages.learners.vaal:train",
        scorer="stages.learners.vaal:unlike_labeled",
        source="Sinha et al. 2019 (VAAL)",
        family="diversity",
        cost="a training of the autoencoder; N passes of its encoder",
        formula="-log D(x) / (1 - D(x)), D(x) the chance that the code of x is that of a labeled "
        "image; against an autoencoder trained by MSE + beta KL + adversary BCE(D, 1)",
    ),
}


@makes("vae", "discriminator")
def train(
    round: Round,
    *,
    latent: Width = 32,
    width: Width = 128,
    beta: Amount = 1.0,
    adversary: Amount = 1.0,
    vae_steps: Count = 2,
    discriminator_steps: Count = 1,
    rate: LearningRate = 0.0005,
    steps: Whole = 0,
    held_out: Rate = 0.1,
) -> Learned:
    """Train the task's model as :func:`supervised.train` does; then an autoencoder against D.

    Sinha et al. 2019, Algorithm 1, whose settings are the defaults. The model that is evaluated
    plays no part in it, so it does not matter that all its steps come first: its result is that of
    plain training, bit for bit. MSE and KL are sums over an image, averaged over images (the code
    averages the one and sums the other, which makes beta 128 x 3072 times as large, and every code
    the same). The autoencoder's depth follows the size of the images:
    :func:`stages.models.autoencoder.sides_of`.

    Args:
        latent: numbers of a code.
        width: maps of the autoencoder's first convolution.
        beta: weight of KL.
        adversary: lambda, weight of BCE(D(mu), 1) in the autoencoder's loss.
        vae_steps, discriminator_steps: in each step of the task's model.
        rate: learning rate of both Adams.
        steps: how many; 0: as many as the task's model takes, as in the paper.
        held_out: share of the labeled rows that neither is trained on; D is measured on them.

    Returns:
        The network; ``parts["vae"]``, ``parts["discriminator"]``, unless nothing is unlabeled. The
        signature is measured on held-out rows: ``discriminator_loss`` BCE(D(mu_L), 1) +
        BCE(D(mu_U), 0), which is 2 ln 2 = 1.386 where D cannot tell them, as when all codes are the
        same; ``discriminator_auc``; ``divergence`` (KL of an image, nats; near 0: the collapse) and
        ``squared_error`` of its reconstruction.

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    from stages.models.held_out import held_out as hold_out
    from stages.models.latent import Trainer, VaalTraining, fresh

    learned = supervised.train(round)
    if not len(round.unlabeled):
        return learned
    held = hold_out(round, held_out)
    labeled, unlabeled = (rows[held.kept(rows)] for rows in (round.labeled, round.unlabeled))
    size = round.task.batch_size
    how = VaalTraining(
        beta=beta,
        adversary=adversary,
        vae_steps=vae_steps,
        discriminator_steps=discriminator_steps,
        learning_rate=rate,
        steps=steps or round.task.epochs * -(-len(round.labeled) // size),
        batch_size=size,
    )
    vae, discriminator = fresh(round, latent, width)
    Trainer(vae, discriminator, how, round, labeled, unlabeled).run()
    found = signature(vae, discriminator, round, held)
    parts = {"vae": vae, "discriminator": discriminator, "signature": found}
    return dataclasses.replace(learned, parts=parts)


def signature(
    vae: Autoencoder, discriminator: LatentDiscriminator, round: Round, held: HeldOut
) -> dict[str, float]:
    """What both do with held-out rows; nothing if none are held out."""
    from stages.geometry.ranks import auc
    from stages.models.latent import log_odds, restored

    if not held:
        return {}
    near, far = (
        log_odds(vae, discriminator, round.batches, rows) for rows in (held.labeled, held.unlabeled)
    )
    error, divergence = restored(vae, round.batches, held.unlabeled)
    loss = np.logaddexp(0, -near).mean() + np.logaddexp(0, far).mean()
    return {
        "discriminator_loss": float(loss),
        "discriminator_auc": auc(near, far),
        "divergence": divergence,
        "squared_error": error,
    }


@needs("vae", "discriminator")
def unlike_labeled(pool: Pool) -> Scores:
    """-log D / (1 - D) of the mean code, shape (N,): the b smallest D are selected.

    In evaluation mode, so the score of an image depends on no other image. Log-odds, since D itself
    is 0 or 1 to the last bit for many images, and those would all be tied.
    """
    from stages.models.latent import log_odds

    vae, discriminator = pool.part("vae"), pool.part("discriminator")
    return -log_odds(vae, discriminator, pool.batches, pool.candidates)

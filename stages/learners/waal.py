"""WAAL: features of labeled and unlabeled images are drawn together, as a critic sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.catalogue.kinds import Amount, Count, LearningRate, Rate, Width
from stages.catalogue.parts import makes, needs
from stages.catalogue.strategy import Strategy
from stages.machine.randomness import Purpose
from stages.strategies.handshake import Scores

if TYPE_CHECKING:
    from torch import Tensor

    from stages.models import Network
    from stages.models.critic import Critic, CriticTrainer
    from stages.models.fit import Batch
    from stages.models.held_out import HeldOut
    from stages.rounds.context import Learned, Pool, Round

ENTRIES = {
    "waal": Strategy(
        learner="stages.learners.waal:train",
        scorer="stages.learners.waal:score",
        source="Shui et al. 2020 (WAAL)",
        family="hybrid",
        cost="N D",
        formula="diversity D(x) - (|log p|_2 + |log p|_1) / 2, D the critic; trained by CE + alpha "
        "(E_U D - gamma E_L D)",
    ),
}
TINY = np.finfo(np.float64).tiny


@makes("critic")
def train(
    round: Round,
    *,
    alpha: Amount = 0.002,
    gamma: Amount = 0.0,
    unlabeled: Count = 1,
    critic_steps: Count = 5,
    critic_width: Width = 50,
    critic_rate: LearningRate = 0.003,
    penalty: Amount = 10.0,
    held_out: Rate = 0.1,
) -> Learned:
    """Train a new network by min over F, C and max over D of CE + alpha (E_U D - gamma E_L D).

    Shui et al. 2020, section 5. F gives the embedding, C is the classifier, D a critic whose slope
    the gradient penalty holds near 1. Each step draws a batch of unlabeled images beside the
    labeled one; first D takes its steps on the features as they are, then F and C theirs.

    As in the paper: alpha, gamma, a hidden layer of 50 units. Not as in its code: D ends without a
    sigmoid and without dropout, the penalty is subtracted from what D maximises (there it is
    added), D takes five steps of Adam for each of F (there one of SGD, times alpha), since F runs
    ahead of a slower critic, and an epoch is one pass over the labeled rows (there: over the pool).
    With gamma below 1 a potential without bound would grow by a constant for ever; it is defined up
    to a constant only, so D maximises E_U D - E_L D, and gamma acts where F is trained.

    Args:
        alpha: weight of the distance in the loss of F.
        gamma: weight of the labeled part; 0: |L| / |U|, the paper's. Zhan et al. 2022: 1.
        unlabeled: images for each labeled one in a batch.
        critic_steps: of D for each of F; the code's 1, and 5 in Gulrajani et al. 2017.
        critic_width: units of D's hidden layer.
        critic_rate: learning rate of D's Adam.
        penalty: weight of the gradient penalty; 10 in Gulrajani et al. 2017, 2 in the code.
        held_out: share of the labeled rows on which D is not trained, but measured; 0: none.

    Returns:
        The network; ``parts["critic"]``: D. The signature is measured on held-out rows:
        ``distance`` is mean D of unlabeled minus labeled, ``critic_auc`` the chance that D ranks
        them so (1/2: it cannot tell them), ``critic_slope`` its mean slope.

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    from stages.models import initialise
    from stages.models.critic import Critic, CriticTrainer, CriticTraining
    from stages.models.fit import fit, fresh
    from stages.models.held_out import held_out as hold_out
    from stages.rounds.context import Learned

    network = fresh(round)
    critic = Critic(network.embedding_size, critic_width)
    initialise(critic, round.generator(Purpose.CRITIC))
    critic = round.compute.place(critic)
    how = CriticTraining(critic_steps, critic_rate, penalty)
    trainer = CriticTrainer(critic, how, round.generator(Purpose.INTERPOLATES))
    if gamma == 0:
        gamma = len(round.labeled) / max(len(round.unlabeled), 1)
    held = hold_out(round, held_out)

    def loss(batch: Batch, network: Network) -> Tensor:
        return joint_loss(batch, network, trainer, alpha, gamma, held)

    fit(network, round, loss, unlabeled_per_labeled=unlabeled)
    return Learned(
        network, {"critic": critic, "signature": signature(network, critic, round, held)}
    )


def joint_loss(
    batch: Batch,
    network: Network,
    trainer: CriticTrainer,
    alpha: float,
    gamma: float,
    held: HeldOut,
) -> Tensor:
    """CE + alpha (E_U D - gamma E_L D), after the critic's own steps on the same features."""
    from stages.models.caught import caught
    from stages.models.fit import cross_entropy

    with caught([network.body]) as features:
        loss = cross_entropy(batch, network)
        if batch.unlabeled is None:  # the whole pool is labeled
            return loss
        batch.logits(network, batch.unlabeled.view())
    labeled, unlabeled = features
    trainer.step(
        labeled[_kept(held, batch.labeled.rows)], unlabeled[_kept(held, batch.unlabeled.rows)]
    )
    critic = trainer.critic
    return loss + alpha * (critic(unlabeled).mean() - gamma * critic(labeled).mean())


def _kept(held: HeldOut, rows: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(held.kept(rows))


def signature(network: Network, critic: Critic, round: Round, held: HeldOut) -> dict[str, float]:
    """How the critic tells held-out unlabeled from labeled rows; nothing if none are held out."""
    from stages.geometry.ranks import auc
    from stages.models.batches import embed
    from stages.models.critic import mean_slope, of_embeddings

    if not held:
        return {}
    labeled, unlabeled = (
        embed(network, round.batches, rows) for rows in (held.labeled, held.unlabeled)
    )
    near, far = (of_embeddings(critic, each, round.batches) for each in (labeled, unlabeled))
    return {
        "distance": float(far.mean() - near.mean()),
        "critic_auc": auc(far, near),
        "critic_slope": mean_slope(critic, np.concatenate([labeled, unlabeled]), round.batches),
    }


@needs("critic")
def score(pool: Pool, *, diversity: Amount = 10.0) -> Scores:
    """diversity D(x) - (|log p|_2 + |log p|_1) / 2, shape (N,): Shui et al. 2020, section 5.3.

    The norms are least where all classes are equally likely; a class without a chance counts as
    one of 2e-308.

    Args:
        diversity: weight of the critic; the authors' 10, chosen for a D between 0 and 1. Here D
            has the unit of the embeddings, so less may be wanted.
    """
    from stages.models.critic import of_embeddings

    embeddings, chances = pool.outputs
    return diversity * of_embeddings(pool.part("critic"), embeddings, pool.batches) - norms(chances)


def norms(chances: np.ndarray) -> np.ndarray:
    """(|log p|_2 + |log p|_1) / 2 of probabilities (N, C), shape (N,), nats."""
    logs = -np.log(np.maximum(chances, TINY))
    return 0.5 * np.sqrt((logs * logs).sum(1)) + 0.5 * logs.sum(1)

"""CEAL: supervised training that also believes the surest predictions of the round before."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from stages.catalogue.kinds import Amount
from stages.catalogue.parts import continues, makes
from stages.catalogue.strategy import Strategy

if TYPE_CHECKING:
    from stages.models import Network
    from stages.rounds.context import Learned, Round

GRID = 2.0**-40  # nats: an entropy that differs by less is the same on every processor

ENTRIES = {
    "ceal": Strategy(
        learner="stages.learners.ceal:train",
        scorer="stages.strategies.uncertainty:entropy",
        source="Wang et al. 2017, Algorithm 1 (CEAL), by entropy",
        family="uncertainty",
        cost="N C",
        formula="-sum_c p_c log p_c; trained also on argmax_c p_c of the unlabeled images with "
        "-sum_c p_c log p_c < delta - decay n in round n",
    )
}


@continues
@makes("pseudo_labeled")
def train(round: Round, *, delta: Amount = 0.05, decay: Amount = 0.0033) -> Learned:
    """Train a new network on the labeled rows and on those that the last one was sure of.

    Wang et al. 2017: after training, each unlabeled image with an entropy below delta - decay n, n
    the number of the round, is given the class that is predicted for it. The next round trains on
    it like on a labeled one, unless it has been labeled in the meantime; then it is an unlabeled
    image again. Pseudo-labels cost no budget. With delta 0 this is plain supervised training.

    Args:
        delta: threshold on the entropy in round 0, nats.
        decay: by which it falls each round, nats.

    Returns:
        The network; ``parts["pseudo_labeled"]``: the rows and labels that were believed.

    Raises:
        UserError: training diverged (weights are no longer finite).
    """
    from stages.models.beginning import begun, handed_on
    from stages.models.fit import fit
    from stages.rounds.context import Learned

    believed = believed_of(round)
    enlarged = dataclasses.replace(
        round,
        labeled=np.concatenate([round.labeled, believed["rows"]]),
        labels=np.concatenate([round.labels, believed["labels"]]),
    )
    network = begun(round)
    fit(network, enlarged)
    sure = sure_of(network, round, delta - decay * round.n)
    return Learned(network, {"pseudo_labeled": believed}, sure | handed_on(network, round))


def believed_of(round: Round) -> dict[str, np.ndarray]:
    """Rows (int64) and labels that the last round was sure of and that are unlabeled still."""
    carry = round.carry.get("learner", {})
    rows = np.asarray(carry.get("rows", ()), np.int64)
    labels = np.asarray(carry.get("labels", ()), np.int64)
    unlabeled = np.isin(rows, round.unlabeled)
    return {"rows": rows[unlabeled], "labels": labels[unlabeled]}


def sure_of(network: Network, round: Round, threshold: float) -> dict[str, np.ndarray]:
    """Unlabeled rows with an entropy below ``threshold`` (nats), int64, and their predictions."""
    from stages.geometry.probabilities import entropy
    from stages.rounds.context import Learned, Pool

    if threshold <= 0:
        return {"rows": round.unlabeled[:0], "labels": round.labels[:0]}
    pool = Pool(round=round, learned=Learned(network), candidates=round.unlabeled)
    entropies, predicted = [], []
    for _, chances in pool.in_blocks():
        entropies.append(np.round(entropy(chances) / GRID) * GRID)
        predicted.append(chances.argmax(1))
    sure = np.concatenate(entropies) < threshold
    return {"rows": round.unlabeled[sure], "labels": np.concatenate(predicted)[sure]}

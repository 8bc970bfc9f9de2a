"""What a scorer may look at: the network and the images, never a label of the pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from stages.errors import UserError
from stages.models import Network
from stages.models.batches import Batches, classify, embed, passes_of
from stages.randomness import Purpose
from stages.scorers.probabilities import softmax


@dataclass
class Pool:
    """The unlabeled pool through the round's network; outputs are computed on demand, once.

    Attributes:
        network: trained in this round.
        batches: images of the whole training array.
        rows: unlabeled rows, int64, shape (N,), rising.
        labeled: labeled rows, int64, shape (L,).
        generator: the generator of a purpose in this round.
        labels: labels of the labeled rows, int64, shape (L,).
        classes: number of classes.
        query_size: b.
        round_n: number of this round.
        members: further networks of a committee.
        carry: what the last round handed on.
        unlabeled: all unlabeled rows, int64, rising; with ``candidates`` more than ``rows``.
    """

    network: Network
    batches: Batches
    rows: np.ndarray
    labeled: np.ndarray
    generator: Callable[[Purpose], np.random.Generator]
    labels: np.ndarray
    classes: int
    query_size: int
    round_n: int
    members: tuple[Network, ...] = ()
    carry: dict[str, np.ndarray] = field(default_factory=dict)
    unlabeled: np.ndarray = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.unlabeled is None:
            self.unlabeled = self.rows

    @cached_property
    def embeddings(self) -> np.ndarray:
        """Representation before the classifier, shape (N, D)."""
        return embed(self.network, self.batches, self.rows)

    @cached_property
    def labeled_embeddings(self) -> np.ndarray:
        """The same of the labeled rows, shape (L, D)."""
        return embed(self.network, self.batches, self.labeled)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Class probabilities without dropout, float64, shape (N, C)."""
        return softmax(classify(self.network, self.embeddings, self.batches.compute))

    def dropout_probabilities(self, passes: int) -> np.ndarray:
        """Class probabilities of ``passes`` dropout passes, float64, shape (passes, N, C).

        Batch norm stays in evaluation mode: the variation comes from dropout alone.
        """
        rng = self.generator(Purpose.MC_DROPOUT)
        if self.network.drops_inside:
            return softmax(passes_of(self.network, self.batches, self.rows, passes, rng))
        compute = self.batches.compute
        result = np.empty((passes, len(self.rows), self.classes))
        for at in range(passes):
            result[at] = softmax(classify(self.network, self.embeddings, compute, rng))
        return result

    @cached_property
    def committee_probabilities(self) -> np.ndarray:
        """Class probabilities of each member of the committee, float64, shape (members, N, C).

        Raises:
            UserError: the learner trains no committee.
        """
        if not self.members:
            raise UserError("this scorer needs a committee, but the learner trains none")
        result = np.empty((len(self.members), len(self.rows), self.classes))
        for at, member in enumerate(self.members):
            embeddings = embed(member, self.batches, self.rows)
            result[at] = softmax(classify(member, embeddings, self.batches.compute))
        return result

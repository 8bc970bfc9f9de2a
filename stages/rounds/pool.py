"""What a scorer may look at: the network and the images, never a label of the pool."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from stages.geometry.probabilities import softmax
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.models import Network
from stages.models.batches import (
    CLASSIFIED,
    Batches,
    classify,
    embed,
    masks_of_pass,
    passes_of,
    slices,
)


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

    def among(self, positions: np.ndarray) -> Pool:
        """The pool of these candidates alone (rising), with what is computed already."""
        known = vars(self)
        if len(positions) == len(self.rows):
            return copy.copy(self)
        result = replace(self, rows=self.rows[positions])
        for name in ("embeddings", "probabilities"):
            if name in known:
                vars(result)[name] = known[name][positions]
        if "labeled_embeddings" in known:
            vars(result)["labeled_embeddings"] = known["labeled_embeddings"]
        return result

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
        """Class probabilities without dropout, float64, shape (N, C).

        The embeddings are not kept; who needs both takes :attr:`outputs`.
        """
        result = np.empty((len(self.rows), self.classes))
        for part, embeddings in self._embedded():
            result[part] = self._chances(self.network, embeddings)
        return result

    @property
    def outputs(self) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings (N, D) and probabilities (N, C), by one pass over the images."""
        return self.embeddings, self.probabilities

    def in_blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Embeddings (n, D) and probabilities (n, C) of consecutive candidates."""
        for _, embeddings in self._embedded():
            yield embeddings, self._chances(self.network, embeddings)

    def dropout_blocks(self, passes: int) -> Iterator[np.ndarray]:
        """Class probabilities of ``passes`` dropout passes of consecutive candidates, float64,
        shape (passes, n, C) at a time: those of all are never held together.

        Batch norm stays in evaluation mode: the variation comes from dropout alone.
        """
        rng = self.generator(Purpose.MC_DROPOUT)
        if self.network.drops_inside:
            for logits in passes_of(self.network, self.batches, self.rows, passes, rng):
                yield softmax(logits)
            return
        units = len(self.rows) * self.network.embedding_size
        masks = [masks_of_pass(at, units, rng) for at in range(passes)]
        for _, embeddings in self._embedded():
            yield np.stack([self._chances(self.network, embeddings, one) for one in masks])

    def dropout_probabilities(self, passes: int) -> np.ndarray:
        """The same of all candidates, shape (passes, N, C): 8 T N C bytes, 3.5 GB of 697,000
        candidates, 62 classes and 10 passes."""
        result, start = np.empty((passes, len(self.rows), self.classes)), 0
        for block in self.dropout_blocks(passes):
            result[:, start : start + block.shape[1]] = block
            start += block.shape[1]
        return result

    def committee_blocks(self) -> Iterator[np.ndarray]:
        """Class probabilities of each member of the committee of consecutive candidates, float64,
        shape (members, n, C) at a time.

        Raises:
            UserError: the learner trains no committee.
        """
        if not self.members:
            raise UserError("this scorer needs a committee, but the learner trains none")
        for part in slices(len(self.rows), CLASSIFIED):
            rows = self.rows[part]
            yield np.stack(
                [self._chances(one, embed(one, self.batches, rows)) for one in self.members]
            )

    def _embedded(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of the candidates, and their embeddings: kept ones where there are any."""
        known = vars(self).get("embeddings")
        for part in slices(len(self.rows), CLASSIFIED):
            if known is not None:
                yield part, known[part]
            else:
                yield part, embed(self.network, self.batches, self.rows[part])

    def _chances(
        self, network: Network, embeddings: np.ndarray, masks: np.random.Generator | None = None
    ) -> np.ndarray:
        return softmax(classify(network, embeddings, self.batches.compute, masks))


def drawn(count: int, candidates: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of a random part of ``count`` rows, rising: ``candidates`` of them, or all (0)."""
    if not 0 < candidates < count:
        return np.arange(count)
    return np.sort(rng.choice(count, candidates, replace=False))

"""What a round knows: before training (Round), after it (Learned), and what a scorer sees (Pool).

One word for each set of rows: ``labeled``, ``unlabeled``, ``validation``; ``candidates`` are the
unlabeled rows that may be selected, all of them or a random part.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.geometry.grid import blocks
from stages.geometry.probabilities import softmax
from stages.machine.errors import UserError, nearest
from stages.machine.randomness import Purpose, generator
from stages.models import Network
from stages.models.batches import (
    CLASSIFIED,
    Batches,
    classify,
    embed,
    masks_of_pass,
    passes_of,
)

if TYPE_CHECKING:
    from stages.models.compute import Compute
    from stages.study.settings import Task

Carry = Mapping[str, Mapping[str, np.ndarray]]  # role -> name -> array
NONE = np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True)
class Round:
    """What is known before training.

    Attributes:
        batches: images of the whole training array; labels of the pool are not here.
        labeled: labeled rows in order of selection, int64, shape (L,).
        labels: their labels, int64, shape (L,).
        unlabeled: unlabeled rows, int64, rising, shape (U,).
        validation: rows set aside, int64, shape (V,).
        validation_labels: their labels, int64, shape (V,), to choose an epoch by.
        classes: number of classes.
        shape: of an image, (C, H, W).
        task: the protocol.
        seed, n: of the run and of this round; they key every generator.
        compute: where and how exactly.
        carry: what the last round's parts handed on, by role and name.
        part: 0 for the model that is evaluated, 1, 2, ... for further members of a committee.
        refused: rows that were bought and show no class that is asked for, int64, shape (R,);
            they are neither labeled nor unlabeled.
    """

    batches: Batches
    labeled: np.ndarray
    labels: np.ndarray
    unlabeled: np.ndarray
    classes: int
    shape: tuple[int, int, int]
    task: Task
    seed: int
    n: int
    compute: Compute
    validation: np.ndarray = field(default_factory=lambda: NONE)
    validation_labels: np.ndarray = field(default_factory=lambda: NONE)
    carry: Carry = field(default_factory=dict)
    part: int = 0
    refused: np.ndarray = field(default_factory=lambda: NONE)

    @property
    def query_size(self) -> int:
        """b: how many rows are selected."""
        return self.task.selects(self.n)

    def queries(self, rounds: int) -> int:
        """How many rows a run of that many rounds selects."""
        return self.task.budget(rounds)

    def generator(self, purpose: Purpose) -> np.random.Generator:
        """The generator of one purpose in this round, for this ``part`` of it."""
        return generator(self.seed, purpose, self.n, self.part)


@dataclass(frozen=True)
class Learned:
    """What training gave.

    Attributes:
        network: the model that is evaluated.
        parts: whatever else the learner made, by name: the members of a committee, a critic, a
            head that predicts losses. A scorer asks for what it needs.
        carry: what the next round's learner wants to find.
    """

    network: Network
    parts: Mapping[str, Any] = field(default_factory=dict)
    carry: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(kw_only=True)
class Pool:
    """What a scorer may see: the candidates through the round's network, never a label of theirs.

    Outputs are computed on demand, once.

    Attributes:
        round: what was known before training.
        learned: what training gave.
        candidates: rows that may be selected, int64, rising, shape (N,).
        carry: what the last round's parts handed on; the round's, if not given.
    """

    round: Round
    learned: Learned
    candidates: np.ndarray
    carry: Carry = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.carry is None:
            self.carry = self.round.carry

    network = property(lambda self: self.learned.network, doc="The model that is evaluated.")
    batches = property(lambda self: self.round.batches, doc="Images of the whole training array.")
    labeled = property(lambda self: self.round.labeled, doc="Labeled rows, int64, shape (L,).")
    labels = property(lambda self: self.round.labels, doc="Their labels, int64, shape (L,).")
    unlabeled = property(lambda self: self.round.unlabeled, doc="All unlabeled rows, rising.")
    classes = property(lambda self: self.round.classes, doc="C.")
    query_size = property(lambda self: self.round.query_size, doc="b.")

    def generator(self, purpose: Purpose) -> np.random.Generator:
        """The generator of a purpose in this round."""
        return self.round.generator(purpose)

    def part(self, name: str) -> Any:
        """What the learner made beside the network.

        Raises:
            UserError: the learner makes no such part.
        """
        if not self.learned.parts.get(name):
            raise UserError(
                f"this scorer needs {name!r}, which the learner does not make; "
                f"{nearest(name, self.learned.parts) if self.learned.parts else 'it makes nothing'}"
            )
        return self.learned.parts[name]

    def among(self, positions: np.ndarray, carry: Carry | None = None) -> Pool:
        """The pool of these candidates alone (rising), with what is computed already."""
        known = vars(self)
        result = copy.copy(self)
        if len(positions) < len(self.candidates):
            result = Pool(
                round=self.round, learned=self.learned, candidates=self.candidates[positions]
            )
            for name in ("embeddings", "probabilities"):
                if name in known:
                    vars(result)[name] = known[name][positions]
            if "labeled_embeddings" in known:
                vars(result)["labeled_embeddings"] = known["labeled_embeddings"]
        result.carry = self.carry if carry is None else carry
        return result

    @cached_property
    def embeddings(self) -> np.ndarray:
        """Representation before the classifier, shape (N, D)."""
        return embed(self.network, self.batches, self.candidates)

    @cached_property
    def labeled_embeddings(self) -> np.ndarray:
        """The same of the labeled rows, shape (L, D)."""
        return embed(self.network, self.batches, self.labeled)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Class probabilities without dropout, float64, shape (N, C).

        The embeddings are not kept; who needs both takes :attr:`outputs`.
        """
        result = np.empty((len(self.candidates), self.classes))
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
        """Class probabilities of ``passes`` dropout passes of consecutive candidates.

        float64, shape (passes, n, C) at a time: those of all are never held together. Batch norm
        stays in evaluation mode: the variation comes from dropout alone.
        """
        rng = self.generator(Purpose.MC_DROPOUT)
        if self.network.drops_inside:
            for logits in passes_of(self.network, self.batches, self.candidates, passes, rng):
                yield softmax(logits)
            return
        units = len(self.candidates) * self.network.embedding_size
        masks = [masks_of_pass(at, units, rng) for at in range(passes)]
        for _, embeddings in self._embedded():
            yield np.stack([self._chances(self.network, embeddings, one) for one in masks])

    def dropout_probabilities(self, passes: int) -> np.ndarray:
        """The same of all candidates, shape (passes, N, C): 8 T N C bytes.

        That is 3.5 GB of 697,000 candidates, 62 classes and 10 passes.
        """
        result, start = np.empty((passes, len(self.candidates), self.classes)), 0
        for block in self.dropout_blocks(passes):
            result[:, start : start + block.shape[1]] = block
            start += block.shape[1]
        return result

    def committee_blocks(self) -> Iterator[np.ndarray]:
        """Class probabilities of each member of the committee of consecutive candidates.

        float64, shape (members, n, C) at a time.

        Raises:
            UserError: the learner trains no committee.
        """
        members = self.part("members")
        for part in blocks(len(self.candidates), CLASSIFIED):
            rows = self.candidates[part]
            yield np.stack([self._chances(one, embed(one, self.batches, rows)) for one in members])

    def _embedded(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of the candidates, and their embeddings: kept ones where there are any."""
        known = vars(self).get("embeddings")
        for part in blocks(len(self.candidates), CLASSIFIED):
            if known is not None:
                yield part, known[part]
            else:
                yield part, embed(self.network, self.batches, self.candidates[part])

    def _chances(
        self, network: Network, embeddings: np.ndarray, masks: np.random.Generator | None = None
    ) -> np.ndarray:
        return softmax(classify(network, embeddings, self.batches.compute, masks))

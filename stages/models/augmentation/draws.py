"""Random numbers for each image of a batch, from a key and the image's own place in training.

A counter-based generator (Philox4x32-10, Salmon et al. 2011) has no state: a number is a function
of a key and a counter. The key belongs to seed, round and purpose, the counter to row and epoch, so
neither the size nor the order nor the company of a batch changes what happens to an image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
INCREMENTS = (0x9E3779B9, 0xBB67AE85)  # of the key, round by round
ROUNDS = 10
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
SPAN = 2**32


def philox(counters: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Philox4x32-10 of each counter.

    Args:
        counters: uint64 below 2^32, shape (4, ...).
        key: two words of 32 bits.

    Returns:
        Four words of 32 random bits for each counter, uint64, shape (4, ...).
    """
    a, b, c, d = counters
    first, second = key
    for _ in range(ROUNDS):
        high, low = a * np.uint64(MULTIPLIERS[0]), c * np.uint64(MULTIPLIERS[1])
        a, b, c, d = (
            (low >> HALF) ^ b ^ np.uint64(first),
            low & LOW,
            (high >> HALF) ^ d ^ np.uint64(second),
            high & LOW,
        )
        first, second = (first + INCREMENTS[0]) % SPAN, (second + INCREMENTS[1]) % SPAN
    return np.stack([a, b, c, d])


@dataclass(frozen=True)
class Draws:
    """Random numbers of B images.

    Attributes:
        key: of seed, round and purpose, two words of 32 bits.
        rows: of the data set, int64, shape (B,), 0 to 2^32 - 1.
        epochs: how many times each row's set has been gone through before, int64, shape (B,).
        step: which operation of several, one after another, asks.
        start: the first block of four words that is handed out.
    """

    key: tuple[int, int]
    rows: np.ndarray
    epochs: np.ndarray
    step: int = 0
    start: int = 0

    @classmethod
    def of(
        cls,
        sequence: np.random.SeedSequence,
        rows: np.ndarray,
        epochs: np.ndarray | int = 0,
    ) -> Draws:
        """Draws under the key that a seed sequence gives; ``epochs`` of all rows, or of each."""
        first, second = (int(word) for word in sequence.generate_state(2, np.uint32))
        rows = np.asarray(rows, np.int64)
        return cls((first, second), rows, np.broadcast_to(np.int64(epochs), rows.shape))

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, step: int) -> Draws:
        """The draws of one operation of several; each has numbers of its own."""
        return replace(self, step=step)

    def further(self, blocks: int) -> Draws:
        """The same but for the first ``blocks`` blocks of four words, which have been used."""
        return replace(self, start=self.start + blocks)

    def among(self, chosen: np.ndarray) -> Draws:
        """The draws of these images alone: positions or a mask, shape (b,) or (B,)."""
        return replace(self, rows=self.rows[chosen], epochs=self.epochs[chosen])

    def words(self, count: int) -> np.ndarray:
        """``count`` words of 32 random bits for each image, uint64, shape (B, count)."""
        blocks = -(-count // 4)
        counters = np.empty((4, len(self.rows), blocks), np.uint64)
        counters[0], counters[1] = self.rows[:, None], self.epochs[:, None]
        counters[2], counters[3] = self.step, self.start + np.arange(blocks)
        found = philox(counters, self.key)
        return found.transpose(1, 2, 0).reshape(len(self.rows), 4 * blocks)[:, :count]

    def uniform(self, count: int) -> np.ndarray:
        """Numbers in [0, 1), multiples of 2^-32, float64, shape (B, count)."""
        return self.words(count) / SPAN

    def integers(self, *highs: int | np.ndarray) -> np.ndarray:
        """For each of ``highs`` a whole number from 0 to below it, int64, shape (B, count).

        A high is up to 2^16, the same for all images or of shape (B,). By multiplication, so that
        no chance differs from 1/high by more than 2^-32.
        """
        limits = [np.broadcast_to(np.asarray(high, np.uint64), len(self)) for high in highs]
        return ((self.words(len(highs)) * np.stack(limits, 1)) >> HALF).astype(np.int64)

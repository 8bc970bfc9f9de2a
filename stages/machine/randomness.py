"""Every random number of a study, and no global state.

A generator belongs to a purpose, a round and a seed: ``SeedSequence(seed, spawn_key=(purpose,
round))``. Strategies are not part of the key, so two strategies with the same learner draw the same
initial set, the same weights and the same batches (paired comparisons), and adding a strategy or a
seed changes nobody else's numbers.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for. The numbers are part of the format: never reuse one."""

    VALIDATION = 0
    INITIAL_SET = 1
    INITIALISATION = 2
    BATCHES = 3
    AUGMENTATION = 4
    DROPOUT = 5
    MC_DROPOUT = 6
    SELECT = 7
    SCORER = 8
    INSPECT = 9
    VIEWS = 10
    UNLABELED_BATCHES = 11
    UNLABELED_AUGMENTATION = 12
    UNLABELED_VIEWS = 13
    DISCRIMINATOR = 30
    DISCRIMINATOR_BATCHES = 31
    DISCRIMINATOR_SUBSET = 32
    GCN = 33
    GCN_DROPOUT = 34
    GCN_SUBSET = 35
    CANDIDATES = 40
    ADVICE = 41
    HYBRID_DISCRIMINATOR = 51
    LOSS_HEAD = 60
    CRITIC = 61
    INTERPOLATES = 62
    HELD_OUT = 63
    AUTOENCODER = 64
    AUTOENCODER_BATCHES = 65
    AUTOENCODER_AUGMENTATION = 66
    AUTOENCODER_NOISE = 67
    GENERATOR = 68
    GENERATED = 69
    MIXING = 80
    SEARCH = 90
    LABEL_NOISE = 100
    IMBALANCE = 101
    POOL = 102


def generator(seed: int, purpose: Purpose, round_n: int = 0, part: int = 0) -> np.random.Generator:
    """The generator (PCG64) of one purpose in one round; 0 where rounds play no part.

    ``part`` tells members of a committee or stages of a scorer apart; 0 is the task's own model.
    """
    key = (int(purpose), round_n, part) if part else (int(purpose), round_n)
    sequence = np.random.SeedSequence(seed, spawn_key=key)
    return np.random.Generator(np.random.PCG64(sequence))

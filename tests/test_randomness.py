"""Streams of random numbers: apart by purpose, round and seed, and the same for ever."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest
import torch

from stages.randomness import Purpose, generator


def test_every_purpose_round_and_seed_has_a_stream_of_its_own():
    keys = list(itertools.product([0, 1, 2, 2**32, 2**40], Purpose, [0, 1, 2, 300]))
    firsts = {tuple(generator(*key).integers(0, 2**62, 2)) for key in keys}
    assert len(firsts) == len(keys)


def test_streams_are_not_each_others_continuation():
    drawn = np.concatenate(
        [
            generator(seed, purpose, n).random(500)
            for seed in (0, 1)
            for purpose in Purpose
            for n in (0, 1)
        ]
    )
    assert len(np.unique(drawn)) == len(drawn)


@pytest.mark.parametrize("purpose", Purpose)
def test_the_same_key_gives_the_same_numbers(purpose):
    assert (generator(5, purpose, 3).random(20) == generator(5, purpose, 3).random(20)).all()


def test_drawing_more_from_one_stream_changes_no_other():
    expected = generator(0, Purpose.BATCHES, 1).permutation(50)
    first = generator(0, Purpose.BATCHES, 1)
    generator(0, Purpose.AUGMENTATION, 1).random(1000)
    assert (first.permutation(50) == expected).all()


def test_the_numbers_of_purposes_are_part_of_the_format():
    assert {purpose.name: purpose.value for purpose in Purpose}.items() >= {
        "VALIDATION": 0,
        "INITIAL_SET": 1,
        "INITIALISATION": 2,
        "BATCHES": 3,
        "AUGMENTATION": 4,
        "DROPOUT": 5,
        "MC_DROPOUT": 6,
        "SELECT": 7,
    }.items()


@pytest.mark.parametrize(
    ("key", "integers", "permutation"),
    [
        ((0, "INITIAL_SET", 0), [484637276, 945316528, 969760563], [3, 1, 6, 5, 7, 2, 0, 4]),
        ((0, "INITIALISATION", 0), [109939009, 265302438, 685362543], [2, 6, 7, 0, 1, 5, 3, 4]),
        ((1, "BATCHES", 2), [99414086, 356424989, 851385139], [6, 0, 3, 1, 2, 7, 4, 5]),
        ((7, "SELECT", 4), [106480717, 880867115, 878942391], [1, 2, 3, 7, 5, 0, 4, 6]),
        ((0, "MC_DROPOUT", 1), [514230174, 341818398, 846051050], [3, 4, 6, 5, 7, 1, 2, 0]),
    ],
)
def test_streams_never_change(key, integers, permutation):
    seed, purpose, n = key
    assert generator(seed, Purpose[purpose], n).integers(0, 10**9, 3).tolist() == integers
    assert generator(seed, Purpose[purpose], n).permutation(8).tolist() == permutation


def test_no_code_uses_a_global_generator(prepared_study, tmp_path):
    """numpy's and torch's own states are where they were after a whole round."""
    from study import grow

    from stages import settings

    shutil.copytree(prepared_study, tmp_path / "study")
    study = settings.load(tmp_path / "study/params.yaml")
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    grow(study, tmp_path / "study", "digits", "random", 0)
    assert (np.random.get_state()[1] == before[0]).all()
    assert torch.equal(torch.get_rng_state(), before[1])

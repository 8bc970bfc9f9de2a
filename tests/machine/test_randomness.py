"""Streams of random numbers: apart by purpose, round and seed, and the same for ever."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest
import torch

from stages.machine.randomness import Purpose, generator


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


NUMBERS = {
    "VALIDATION": 0,
    "INITIAL_SET": 1,
    "INITIALISATION": 2,
    "BATCHES": 3,
    "AUGMENTATION": 4,
    "DROPOUT": 5,
    "MC_DROPOUT": 6,
    "SELECT": 7,
    "SCORER": 8,
    "INSPECT": 9,
    "VIEWS": 10,
    "UNLABELED_BATCHES": 11,
    "UNLABELED_AUGMENTATION": 12,
    "UNLABELED_VIEWS": 13,
    "DISCRIMINATOR": 30,
    "DISCRIMINATOR_BATCHES": 31,
    "DISCRIMINATOR_SUBSET": 32,
    "GCN": 33,
    "GCN_DROPOUT": 34,
    "GCN_SUBSET": 35,
    "CANDIDATES": 40,
    "ADVICE": 41,
    "HYBRID_DISCRIMINATOR": 51,
    "LOSS_HEAD": 60,
    "CRITIC": 61,
    "INTERPOLATES": 62,
    "HELD_OUT": 63,
    "AUTOENCODER": 64,
    "AUTOENCODER_BATCHES": 65,
    "AUTOENCODER_AUGMENTATION": 66,
    "AUTOENCODER_NOISE": 67,
    "GENERATOR": 68,
    "GENERATED": 69,
    "MIXING": 80,
    "SEARCH": 90,
    "LABEL_NOISE": 100,
    "IMBALANCE": 101,
    "POOL": 102,
}


def test_the_numbers_of_purposes_are_part_of_the_format():
    """A purpose may be added here; none may ever be changed, or all studies draw anew."""
    assert {purpose.name: purpose.value for purpose in Purpose} == NUMBERS


@pytest.mark.parametrize("name", NUMBERS)
def test_a_stream_is_that_of_numpys_seed_sequence(name):
    for seed, n, part in ((0, 0, 0), (7, 3, 0), (2**40, 12, 5)):
        key = (NUMBERS[name], n, part) if part else (NUMBERS[name], n)
        bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key))
        wanted = bits.random_raw(5).tolist()
        drawn = generator(seed, Purpose[name], n, part).bit_generator.random_raw(5).tolist()
        assert drawn == wanted


COMMON = {"INITIALISATION", "BATCHES", "AUGMENTATION", "DROPOUT", "SELECT", "INSPECT"}
COMMON |= {"CANDIDATES"}  # made in every round, drawn from where candidates are few
DRAWS = [
    ("random", {}, set()),
    ("entropy", {}, set()),
    ("entropy", {"candidates": 50}, set()),
    ("bald", {"passes": 2}, {"MC_DROPOUT"}),
    ("entropy_ensemble", {"members": 2}, set()),
    ("batchbald", {"passes": 2, "samples": 50}, {"MC_DROPOUT"}),
    ("badge", {}, set()),
    ("kcenter", {}, set()),
    ("kmeans", {}, set()),
    (
        "dal",
        {"mini_queries": 2, "epochs": 1},
        {"DISCRIMINATOR", "DISCRIMINATOR_BATCHES", "DISCRIMINATOR_SUBSET"},
    ),
    ("core_gcn", {"epochs": 2, "subset": 30}, {"GCN", "GCN_DROPOUT", "GCN_SUBSET"}),
    ("core_gcn", {"epochs": 2, "subset": 0}, {"GCN", "GCN_DROPOUT"}),
    (
        "hybrid",
        {"diversity": "discriminator", "passes": 2, "discriminator_epochs": 1},
        {"MC_DROPOUT", "HYBRID_DISCRIMINATOR"},
    ),
    ("albl", {}, {"ADVICE"}),
    (
        "ssl_consistency",
        {"steps": 2, "draws": 2},
        {"MIXING", "SCORER", "VIEWS", "UNLABELED_BATCHES"}
        | {"UNLABELED_AUGMENTATION", "UNLABELED_VIEWS"},
    ),
]


@pytest.mark.parametrize(("strategy", "options", "more"), DRAWS)
def test_which_streams_a_round_draws_from(study_copy, monkeypatch, strategy, options, more):
    from study import tree, write_params

    from stages.round import Run, run_round
    from stages.rounds import context
    from stages.start import start
    from stages.study import settings
    from stages.study.layout import Layout

    study = settings.load(
        write_params(
            study_copy,
            tree(
                strategies=["one"],
                strategy={"one": {"use": strategy, **options}, "random": {}},
                task__digits__epochs=1,
            ),
        )
    )
    drawn = []
    original = context.generator

    def noted(seed, purpose, n, part):
        assert (seed, n) == (1, 0)
        drawn.append((purpose.name, part))
        return original(seed, purpose, n, part)

    monkeypatch.setattr(context, "generator", noted)
    start(study, study_copy, "digits", "one", 1)
    run_round(Run(study, Layout(study_copy), "digits", "one", 1), 0, 1)
    assert {name for name, _ in drawn} == COMMON | more
    of_training = {"INITIALISATION", "BATCHES", "AUGMENTATION", "DROPOUT"}
    members = {0, 1, 2} if "members" in options else {0}
    for name in of_training:
        assert sorted(part for drew, part in drawn if drew == name) == sorted(members)
    assert all(part == 0 for name, part in drawn if name not in of_training)


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

    from stages.study import settings

    shutil.copytree(prepared_study, tmp_path / "study")
    study = settings.load(tmp_path / "study/params.yaml")
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    grow(study, tmp_path / "study", "digits", "random", 0)
    assert (np.random.get_state()[1] == before[0]).all()
    assert torch.equal(torch.get_rng_state(), before[1])

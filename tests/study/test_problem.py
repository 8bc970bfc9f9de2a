"""Noise, imbalance, copies and a smaller pool: the draws alone, against NumPy's own streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from stages.machine.errors import UserError
from stages.study import drawn, problem
from stages.study.problem import NONE_OF_THESE, Problem
from stages.study.starts import apportioned, draw_weighted, start_weights

NONE = np.empty(0, np.int64)
SEEDS = some.integers(0, 2**63 - 1)
SHARES = some.floats(0, 0.99)


def stream(*key: int, seed: int) -> np.random.Generator:
    """NumPy's own, without anything of the package."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def labels_of(rows: int, classes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, rows)


def answers(share, rows=200, classes=4, seed=0, out=NONE, validation=NONE, **more):
    truth = labels_of(rows, classes)
    posed = Problem(noise=share, **more)
    return truth, drawn.answers(posed, truth, classes, seed, out, validation)


@given(SHARES, some.integers(1, 300), some.integers(2, 7), SEEDS)
def test_exactly_the_share_is_wrong_and_never_by_the_true_label(share, rows, classes, seed):
    truth, given_ = answers(share, rows, classes, seed)
    assert (given_ != truth).sum() == int(np.floor(round(share * rows, 6) + 0.5))
    assert ((given_ >= 0) & (given_ < classes)).all()
    assert np.array_equal(given_, answers(share, rows, classes, seed)[1])


@given(SHARES, SHARES, SEEDS)
def test_more_noise_is_the_same_noise_and_more(one, other, seed):
    less, more = sorted((one, other))
    truth, few = answers(less, seed=seed)
    _, many = answers(more, seed=seed)
    wrong = few != truth
    assert np.array_equal(few[wrong], many[wrong])


@given(SHARES, SEEDS)
def test_only_what_can_be_bought_is_wrong(share, seed):
    out, validation = np.arange(40), np.arange(40, 70)
    truth, found = answers(share, seed=seed, out=out, validation=validation)
    assert (found[:70] == truth[:70]).all()
    assert (found != truth).sum() == drawn.how_many(share, 130)
    truth, found = answers(
        share, seed=seed, out=out, validation=validation, noise_validation="noisy"
    )
    assert (found[40:70] != truth[40:70]).sum() == drawn.how_many(share, 30)
    assert (found[70:] != truth[70:]).sum() == drawn.how_many(share, 130)


def test_the_wrong_labels_by_the_stream():
    """The first tenth of a permutation, each label moved by 1 to C - 1."""
    truth, found = answers(0.1, seed=7)
    rng = stream(100, 0, seed=7)
    order, shifts = rng.permutation(200), rng.integers(1, 4, 200)
    wanted = truth.copy()
    wanted[order[:20]] = (truth + shifts)[order[:20]] % 4
    assert np.array_equal(found, wanted)


def test_wrong_labels_are_uniform_over_the_other_classes():
    truth, found = answers(0.5, rows=40_000, classes=5)
    shift = (found - truth)[found != truth] % 5
    counts = np.bincount(shift, minlength=5)
    assert counts[0] == 0
    assert (abs(counts[1:] - 5000) < 5 * np.sqrt(5000 * 0.75)).all()


def test_ten_per_cent_of_munjal_are_nine():
    """Their draw is over all C classes, the true one among them: a tenth of it is right."""
    posed = Problem(noise=0.1, noise_as="munjal")
    truth = labels_of(50_000, 10)
    assert np.array_equal(drawn.answers(posed, truth, 10, 3, NONE, NONE), truth)
    assert np.array_equal(drawn.newest(posed, truth, 10, 3, 0), truth)  # the initial set
    found = drawn.newest(posed, truth, 10, 3, 1)
    rng = stream(100, 1, seed=3)
    places, numbers = rng.choice(50_000, 5000, replace=False), rng.integers(0, 10, 5000)
    assert np.array_equal(found[places], numbers)
    assert abs((found != truth).sum() - 4500) < 5 * np.sqrt(5000 * 0.09)
    assert not np.array_equal(found, drawn.newest(posed, truth, 10, 3, 2))


def test_nobody_errs_about_a_class_that_is_not_asked_for():
    posed = Problem(noise=0.9, open_set=(1,))
    truth = drawn.true_labels(posed, np.array([0, 1, 2, 3] * 50), 4)
    assert truth[:4].tolist() == [0, NONE_OF_THESE, 1, 2]
    found = drawn.answers(posed, truth, 3, 0, NONE, NONE)
    others = truth == NONE_OF_THESE
    assert (found[others] == NONE_OF_THESE).all()
    assert (found != truth).sum() == drawn.how_many(0.9, 150)
    batch = drawn.newest(Problem(noise=0.9, noise_as="munjal", open_set=(1,)), truth, 3, 0, 1)
    assert ((batch == NONE_OF_THESE) == others).all() and (batch != truth).any()


TEN = np.full(10, 5000)


def test_the_imbalanced_cifar10_of_the_survey():
    """1:2:...:10 of 5,000 images a class: 27,500 (Zhan et al. 2022 have 1,000 + 26,499)."""
    wanted = [500 * n for n in range(1, 11)]
    assert drawn.kept_per_class(TEN, list(range(1, 11))).tolist() == wanted
    assert drawn.kept_per_class(TEN, {"shape": "linear", "ratio": 10}).tolist() == wanted


def test_the_long_tail_of_cui():
    """CIFAR-10-LT with a ratio of 100, as it is published."""
    wanted = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    found = drawn.kept_per_class(TEN, {"shape": "exponential", "ratio": 100})
    assert found.tolist() == wanted


def test_a_step():
    found = drawn.kept_per_class(TEN, {"shape": "step", "ratio": 100})
    assert found.tolist() == [5000] * 5 + [50] * 5
    found = drawn.kept_per_class(TEN, {"shape": "step", "ratio": 10, "rare": 2})
    assert found.tolist() == [5000] * 8 + [500] * 2
    with pytest.raises(UserError, match="rare is 10, but there are 10 classes"):
        drawn.weights({"shape": "step", "ratio": 10, "rare": 10}, 10)


def test_ratios_hold_where_classes_differ_in_size():
    counts = np.array([100, 40, 70, 0])
    assert drawn.kept_per_class(counts, [1, 1, 1, 1]).tolist() == [40, 40, 40, 0]
    assert drawn.kept_per_class(counts, [0.7, 0.1, 0.2, 1]).tolist() == [100, 14, 28, 0]
    assert drawn.kept_per_class(counts, [1, 1e-9, 1, 1]).tolist() == [70, 1, 70, 0]


@given(some.floats(1, 50), some.floats(1, 50), SEEDS, some.sampled_from(problem.SHAPES))
def test_a_steeper_imbalance_takes_out_more_of_the_same(one, other, seed, shape):
    labels = np.arange(300) % 5
    gone = [
        drawn.removed(Problem(imbalance={"shape": shape, "ratio": ratio}), labels, 5, seed)
        for ratio in sorted((one, other))
    ]
    kept = drawn.kept_per_class(np.full(5, 60), {"shape": shape, "ratio": max(one, other)})
    assert np.bincount(labels[~gone[1]], minlength=5).tolist() == kept.tolist()
    assert not (gone[0] & ~gone[1]).any()


@given(some.integers(1, 90), some.integers(1, 90), some.integers(1, 3), SEEDS)
def test_a_smaller_pool_is_part_of_a_larger_one(one, other, copies, seed):
    labels, validation = np.arange(100) % 5, np.array([3, 8])
    initial = np.array([1, 50, 99])
    free = []
    for size in sorted((one, other)):
        posed = Problem(size=size, copies=copies)
        out = drawn.left_out(posed, labels, 5, seed, validation, initial)
        taken = np.concatenate([out, validation, initial])
        assert len(np.unique(taken)) == len(taken)
        free.append(np.setdiff1d(np.arange(100 * copies), taken))
        assert len(free[-1]) == min(size, 100 - 2 - 3) * copies
        assert (np.bincount(free[-1] % 100)[free[-1] % 100] == copies).all()
        assert not np.isin(free[-1] % 100, validation).any()  # no copy of a validation image
    assert np.isin(free[0], free[1]).all()


def test_copies_of_an_image_are_removed_together():
    posed = Problem(copies=3, imbalance=[1, 4])
    labels = np.arange(40) % 2
    out = drawn.left_out(posed, labels, 2, 0, NONE, NONE)
    assert len(out) == 3 * 15
    assert (np.bincount(out % 40)[np.unique(out % 40)] == 3).all()


def test_what_a_file_says_is_what_was_asked():
    plain = Problem()
    assert plain.facts == {} and problem.of_settings({}) == plain
    task = {
        "oracle": {"noise": 0.2, "noise_as": "munjal"},
        "pool": {"imbalance": [1, 2], "copies": 2, "size": 9, "open_set": {"classes": [4, 2]}},
    }
    posed = problem.of_settings(task)
    assert problem.of_line(problem.as_line(posed)) == posed
    assert posed.open_set == (2, 4)
    assert problem.of_settings({"oracle": {"noise": 0.0, "noise_as": "munjal"}}).facts == {}


@pytest.mark.parametrize(
    "line",
    ["", "[]", "1", "{", '{"noise": 1.5}', '{"noise": true}', '{"nose": 1}', '{"copies": 0}',
     '{"copies": 1e300}', '{"open_set": [-1]}', '{"open_set": 3}', '{"imbalance": "x"}',
     '{"imbalance": [1, -1]}', '{"noise_as": [1]}', '{"size": NaN}', "[" * 100_000],
)  # fmt: skip
def test_a_stranger_s_line_is_one_line(line):
    with pytest.raises(UserError, match="describes no problem"):
        problem.of_line(line)


# start sets


@given(some.lists(some.floats(0.01, 100), min_size=1, max_size=9), some.integers(0, 200))
def test_shares_are_right_within_one(weights, size):
    weights = np.array(weights)
    counts = apportioned(weights, size)
    assert counts.sum() == size
    assert (abs(counts - size * weights / weights.sum()) < 1 + 1e-6).all()


@given(some.integers(1, 60), SEEDS)
def test_a_start_in_shares(size, seed):
    labels = np.repeat([0, 1, 2], [40, 10, 10])
    rows = np.arange(60)
    found = draw_weighted(rows, labels, size, np.array([1.0, 2, 1]), np.random.default_rng(seed))
    assert len(found) == len(np.unique(found)) == size
    counts = np.bincount(labels[found], minlength=3)
    if size <= 20:
        assert counts.tolist() == apportioned(np.array([1.0, 2, 1]), size).tolist()
    elif counts[1] < 10:  # a class that has images left has its share
        assert counts[1] >= counts[0]


def test_munjal_s_power_law():
    """100 + 400 exp(-0.046 (i + 0.5)) of i = 1 ... 100: by hand at both ends."""
    weights = start_weights("munjal", 100)
    np.testing.assert_allclose(weights[[0, 99]], [473.33067, 103.92931], rtol=1e-7)
    assert (np.diff(weights) < 0).all()
    assert start_weights([1, 3], 2).tolist() == [1 / 3, 1]

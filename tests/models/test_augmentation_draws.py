"""Random numbers of images: the published generator, and whose numbers they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.models.augmentation.draws import Draws, philox

WORD = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("counter", "key", "wanted"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (2**32 - 1,) * 4,
            (2**32 - 1,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_has_the_vectors_of_its_authors(counter, key, wanted):
    """The known answers of Random123 for philox4x32 with 10 rounds."""
    assert philox(np.array(counter, np.uint64), key).tolist() == list(wanted)


def plainly(counter: list[int], key: list[int]) -> list[int]:
    """The same as the paper writes it, in Python's own integers."""
    left, right, (k0, k1) = counter[:2], counter[2:], key
    for _ in range(10):
        one, other = 0xD2511F53 * left[0], 0xCD9E8D57 * right[0]
        left, right = (
            [other // 2**32 ^ left[1] ^ k0, other % 2**32],
            [one // 2**32 ^ right[1] ^ k1, one % 2**32],
        )
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return left + right


@given(st.lists(WORD, min_size=4, max_size=4), st.lists(WORD, min_size=2, max_size=2))
def test_philox_is_that_of_the_paper(counter, key):
    found = philox(np.array(counter, np.uint64)[:, None], tuple(key))
    assert found[:, 0].tolist() == plainly(counter, key)


def draws(rows, epochs=0, seed=0) -> Draws:
    return Draws.of(np.random.SeedSequence(seed), np.array(rows), epochs)


def test_a_number_belongs_to_the_row_and_not_to_its_place_or_company():
    rows = np.random.default_rng(0).permutation(200)
    together = draws(rows).words(7)
    np.testing.assert_array_equal(together[::-1], draws(rows[::-1]).words(7))
    np.testing.assert_array_equal(together[20:21], draws(rows[20:21]).words(7))
    np.testing.assert_array_equal(together[rows < 9], draws(rows).among(rows < 9).words(7))
    np.testing.assert_array_equal(together[:, :2], draws(rows).words(2))


def test_seed_row_epoch_step_and_number_all_tell_numbers_apart():
    found = [
        draws(range(50), epoch, seed).at(step).words(6)
        for seed in range(3)
        for epoch in range(3)
        for step in range(3)
    ]
    assert len(np.unique(found)) == np.size(found)  # of 8,100 words two agree once in 130 times
    np.testing.assert_array_equal(draws(range(3), [0, 1, 2]).words(4)[2], draws([2], 2).words(4)[0])
    np.testing.assert_array_equal(draws([1]).words(9)[:, 4:], draws([1]).further(1).words(5))


@given(st.integers(1, 2**16))
def test_whole_numbers_are_in_their_range(high):
    found = draws(range(300)).integers(high)
    assert found.min() >= 0 and found.max() < high


def test_whole_numbers_are_uniform():
    found = draws(range(50_000)).integers(9, np.repeat([2, 5], 25_000))
    counts = np.bincount(found[:, 0])
    assert len(counts) == 9 and ((counts - 50_000 / 9) ** 2 / (50_000 / 9)).sum() < 30
    assert np.bincount(found[:25_000, 1]).min() > 12_000
    assert len(np.bincount(found[25_000:, 1])) == 5


def test_uniform_numbers_are_uniform():
    found = draws(range(20_000)).uniform(2)
    assert 0 <= found.min() < 1e-3 and 1 - 1e-3 < found.max() < 1
    assert abs(found.mean() - 0.5) < 0.005 and abs(np.corrcoef(found.T)[0, 1]) < 0.02

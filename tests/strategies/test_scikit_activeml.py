"""Scores and choices beside those of scikit-activeml, where it has the method."""

from __future__ import annotations

import numpy as np
import pytest
from skactiveml.pool import ProbCover, TypiClust
from skactiveml.pool._badge import _d_2
from skactiveml.pool._bald import batch_bald
from skactiveml.pool._query_by_committee import variation_ratios
from skactiveml.pool._uncertainty_sampling import uncertainty_scores

from stages.geometry import measures
from stages.strategies import badge, batchbald, probcover, typiclust

SEEDS = (0, 1, 2)


def chances(*shape: int, seed: int = 0) -> np.ndarray:
    powers = np.exp(2 * np.random.default_rng(seed).normal(size=shape))
    return powers / powers.sum(-1, keepdims=True)


def unit(count: int, size: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, size))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("ours", "method", "offset"),
    [
        (measures.least_confidence_of, "least_confident", 0),
        (measures.margin_of, "margin_sampling", 1),
        (measures.entropy_of, "entropy", 0),
    ],
)
def test_uncertainty_of_one_prediction(ours, method, offset):
    p_N_C = chances(200, 7)
    np.testing.assert_allclose(
        ours(p_N_C) + offset, uncertainty_scores(p_N_C, method=method), atol=1e-12
    )


def test_variation_ratio():
    p_T_N_C = chances(9, 200, 4)
    np.testing.assert_allclose(
        measures.variation_ratio_of(p_T_N_C), variation_ratios(p_T_N_C.argmax(2).T)
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_batchbald_while_the_joint_entropy_is_exact(seed):
    p_T_N_C = chances(6, 50, 3, seed=seed)
    # Enough samples that their joint entropy is a sum over all configurations.
    theirs = batch_bald(p_T_N_C.copy(), 4, n_MC_samples=1000, random_state=0)
    picks = batchbald.greedy(p_T_N_C, 4, np.random.default_rng(0))
    assert picks.tolist() == np.nanargmax(theirs, axis=1).tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_distances_of_gradient_embeddings(seed):
    rng = np.random.default_rng(seed)
    errors, features = rng.normal(size=(60, 4)), rng.normal(size=(60, 9))
    written_out = np.einsum("nc,nd->ncd", errors, features).reshape(60, -1)
    gradients = badge.Gradients(errors, features)
    nearest, theirs, picks = np.full(60, np.inf), np.full(60, np.inf), []
    for pick in (3, 40, 17):
        picks.append(pick)
        gradients.approach(nearest, np.array([pick]))
        theirs = _d_2(written_out, picks, theirs)
        unit_of_length = gradients.lengths[0] / (written_out[0] ** 2).sum()
        others = np.setdiff1d(np.arange(60), picks)
        np.testing.assert_allclose((nearest / unit_of_length)[others], theirs[others], rtol=1e-4)


@pytest.mark.filterwarnings("ignore:The maximum purity")  # of a radius that is given
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("delta", [0.5, 0.9])
def test_probcover_takes_what_covers_most_in_each_step(seed, delta):
    rows = unit(150, 5, seed)
    given = probcover.KnownAndClasses(rows[10:], rows[:10], 4)
    picks = probcover.covering(given, 8, np.random.default_rng(seed), delta=delta)
    labels = np.full(150, np.nan)
    labels[:10] = 0
    for pick in picks + 10:
        query = ProbCover(deltas=[delta], random_state=0)
        _, counts = query.query(rows, labels, return_utilities=True)
        assert counts[0, pick] == np.nanmax(counts)
        labels[pick] = 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_most_typical_of_one_cluster(seed):
    rows = unit(90, 6, seed)
    theirs = TypiClust(k=7, random_state=0).query(rows, np.full(90, np.nan))
    ours = typiclust.typical(
        (rows, rows[:0]), 1, np.random.default_rng(seed), clusters=1, neighbours=7
    )
    assert ours.tolist() == theirs.tolist()

"""Hybrid strategies against the formulas of the paper, written out one candidate at a time."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pools import pool_of
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from study import grow, tree, write_params

from stages.geometry.diversity import Standard, minimum_distance, posterior_variance
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose, generator
from stages.models import build, initialise
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.models.discriminator import Training, discriminator_score, resample
from stages.rounds.context import Pool
from stages.strategies.hybrid import (
    COMBINATIONS,
    DIVERSITIES,
    UNCERTAINTIES,
    Criteria,
    score,
    select,
)
from stages.study import ledger, settings
from stages.study.layout import Layout
from stages.study.settings import Model

COMPUTE = configure("portable", "cpu", 1)
N, L, CLASSES, B = 60, 12, 4, 5
ALL_54 = list(itertools.product(UNCERTAINTIES, DIVERSITIES, COMBINATIONS))
SHORT = Training(epochs=3, batch_size=16)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def both(uncertainty: np.ndarray, diversity: np.ndarray, query: int) -> Criteria:
    return Criteria(uncertainty, diversity, query, "mean")


def two(n: int = 40, seed: int = 0, query: int = 3) -> Criteria:
    return both(*rng(seed).random((2, n)), query)


def choose(
    given: Criteria, b: int, draws: np.random.Generator, combination: str, **settings: float
) -> np.ndarray:
    """The choice by another combination of the same criteria."""
    return select(replace(given, combination=combination), b, draws, **settings)


def best(scores: list[float], b: int) -> list[int]:
    return sorted(range(len(scores)), key=lambda i: -scores[i])[:b]


# combinations


def by_the_paper(
    given: Criteria, b: int, combination: str, alpha: float, beta: float, gamma: int
) -> list[int]:
    """Section 3.3, candidate by candidate."""
    u, d, t = given.uncertainty.tolist(), given.diversity.tolist(), given.query
    everyone = range(len(u))
    if combination == "uncertainty_first":
        kept = best(u, gamma * b)
        order = [kept[i] for i in best([d[i] for i in kept], b)]
    elif combination == "diversity_first":
        kept = best(d, gamma * b)
        order = [kept[i] for i in best([u[i] for i in kept], b)]
    else:
        h = {
            "mean": lambda i: alpha * u[i] + (1 - alpha) * d[i],
            "mean_decayed": lambda i: (1 - math.exp(-beta * t)) * u[i] + math.exp(-beta * t) * d[i],
            "geometric_mean": lambda i: u[i] ** alpha * d[i] ** (1 - alpha),
            "geometric_mean_decayed": lambda i: (
                u[i] ** (1 - math.exp(-beta * t)) * d[i] ** math.exp(-beta * t)
            ),
            "uncertainty": lambda i: u[i],
            "diversity": lambda i: d[i],
        }[combination]
        order = best([h(i) for i in everyone], b)
    return order


@pytest.mark.parametrize("combination", [*COMBINATIONS, "uncertainty", "diversity"])
@pytest.mark.parametrize("query", [1, 2, 20])
@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("gamma", [1, 3, 8])
def test_a_combination_is_the_papers(combination, query, alpha, gamma):
    given = two(seed=query, query=query)
    picks = choose(given, B, rng(), combination, alpha=alpha, beta=alpha, gamma=gamma)
    assert picks.tolist() == by_the_paper(given, B, combination, alpha, alpha, gamma)


@pytest.mark.parametrize("kind", ["mean", "geometric_mean"])
def test_a_weight_of_one_or_zero_leaves_one_criterion(kind):
    given = two()
    given.uncertainty[:7] = given.diversity[3:9] = 0  # 0^0 must not spoil it
    for alpha, alone in ((1.0, "uncertainty"), (0.0, "diversity")):
        expected = choose(given, B, rng(), alone)
        assert choose(given, B, rng(), kind, alpha=alpha).tolist() == expected.tolist()


@pytest.mark.parametrize("kind", ["mean_decayed", "geometric_mean_decayed"])
def test_diversity_counts_less_with_every_query(kind):
    """exp(-beta t) of it: at the first query most, in the end nothing."""
    u = np.linspace(0.1, 0.9, 40)
    at = [choose(both(u, u[::-1] ** 2, t), B, rng(), kind, beta=0.3) for t in (1, 3, 8, 60)]
    means = [u[picks].mean() for picks in at]
    assert means == sorted(means) and means[0] < means[-1]
    assert at[-1].tolist() == [39, 38, 37, 36, 35]


def test_two_stages_negate_values_not_indices():
    """The first stage takes the highest by value wherever they stand, and so does the second."""
    u = np.array([0.0, 0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6])
    d = np.array([1.0, 0.1, 0.9, 0.3, 0.8, 0.2, 0.7, 0.4])
    given = both(u, d, 1)
    # gamma b = 4: {1, 3, 5, 7} by uncertainty; of these 7 and 3 are the most diverse.
    assert choose(given, 2, rng(), "uncertainty_first", gamma=2).tolist() == [7, 3]
    # {0, 2, 4, 6} by diversity; of these 6 and 4 are the most uncertain.
    assert choose(given, 2, rng(), "diversity_first", gamma=2).tolist() == [6, 4]


@pytest.mark.parametrize("combination", ["uncertainty_first", "diversity_first"])
def test_the_ends_of_gamma_leave_one_criterion(combination):
    given = two()
    first, second = ("uncertainty", "diversity")[:: 1 if combination.startswith("u") else -1]
    once = choose(given, B, rng(), combination, gamma=1)
    assert set(once.tolist()) == set(choose(given, B, rng(), first).tolist())
    for gamma in (8, 1000):  # 8 B is all of them; more there is not
        every = choose(given, B, rng(), combination, gamma=gamma)
        assert every.tolist() == choose(given, B, rng(), second).tolist()


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            st.lists(st.floats(0, 1), min_size=n, max_size=n),
            st.lists(st.floats(0, 1), min_size=n, max_size=n),
            st.integers(1, n),
        )
    ),
    st.sampled_from([*COMBINATIONS, "uncertainty", "diversity"]),
    st.floats(0, 1),
    st.integers(1, 5),
)
def test_a_choice_is_b_different_candidates(values, combination, weight, gamma):
    u, d, b = values
    given = both(np.array(u), np.array(d), 1)
    settings = {"alpha": weight, "beta": weight, "gamma": gamma}
    picks = choose(given, b, rng(), combination, **settings)
    assert len(set(picks.tolist())) == b and set(picks.tolist()) <= set(range(len(u)))
    assert picks.tolist() == choose(given, b, rng(), combination, **settings).tolist()


@pytest.mark.parametrize("combination", [*COMBINATIONS, "uncertainty", "diversity"])
def test_the_order_of_the_candidates_plays_no_part(combination):
    given, order = two(), rng(9).permutation(40)
    turned = both(given.uncertainty[order], given.diversity[order], given.query)
    chosen, of_turned = (choose(each, B, rng(5), combination) for each in (given, turned))
    assert chosen.tolist() == order[of_turned].tolist()


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_ties_are_broken_by_chance(combination):
    given = both(np.full(50, 0.5), np.full(50, 0.5), 1)
    firsts = {int(choose(given, 1, rng(seed), combination)[0]) for seed in range(20)}
    assert len(firsts) > 8


def test_bad_input_is_named():
    given = two(n=4)
    with pytest.raises(UserError, match="cannot take 5 of 4 candidates"):
        choose(given, 5, rng(), "mean")
    with pytest.raises(UserError, match="cannot take 5 of 4 candidates"):
        choose(given, 5, rng(), "diversity_first")
    with pytest.raises(UserError, match="combination is 'average'; allowed: mean, mean_decayed"):
        choose(given, 2, rng(), "average")
    given.uncertainty[1] = np.nan
    with pytest.raises(UserError, match="score of candidate 1 is nan"):
        choose(given, 2, rng(), "geometric_mean")


# diversity


def points(n: int = N, size: int = 3, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    values = rng(seed).standard_normal((n + L, size)) * [1, 5, 0.2, 3][:size] + 2
    return values[:n], values[n:]


def normalised(pool: np.ndarray, labeled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    both = np.concatenate([pool, labeled])
    return tuple((part - both.mean(0)) / both.std(0) for part in (pool, labeled))


def test_features_have_mean_0_and_deviation_1_over_both_sets():
    pool, labeled = points()
    standard = Standard.of(pool, labeled)
    for ours, expected in zip(
        (standard(pool), standard(labeled)), normalised(pool, labeled), strict=True
    ):
        np.testing.assert_allclose(ours, expected, atol=1e-9)
    apart = [((a - b) ** 2).sum() for a in standard(pool) for b in standard(pool)]
    assert np.mean(apart) == pytest.approx(2 * 3, rel=0.1)


def test_posterior_variance_is_a_gaussian_processes():
    pool, labeled = points()
    x, y = normalised(pool, labeled)
    jitter = 1e-6
    process = GaussianProcessRegressor(RBF(np.sqrt(x.shape[1])), alpha=jitter, optimizer=None)
    expected = process.fit(y, np.zeros(len(y))).predict(x, return_std=True)[1] ** 2
    np.testing.assert_allclose(posterior_variance(pool, labeled, jitter), expected, atol=1e-7)


def test_posterior_variance_is_the_formula():
    pool, labeled = points(n=8)
    x, y = normalised(pool, labeled)

    def k(a, b):
        return math.exp(-sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) / (2 * len(a)))

    inverse = np.linalg.inv([[k(a, b) for b in y] for a in y])
    for row, ours in zip(x, posterior_variance(pool, labeled), strict=True):
        to_labeled = np.array([k(row, b) for b in y])
        assert ours == pytest.approx(1 - to_labeled @ inverse @ to_labeled, abs=1e-6)


def test_minimum_distance_is_the_formula():
    pool, labeled = points()
    x, y = normalised(pool, labeled)
    nearest = [min(math.dist(a, b) for b in y) for a in x]
    expected = np.array(nearest) / max(nearest)
    np.testing.assert_allclose(minimum_distance(pool, labeled), expected, atol=1e-9)


@pytest.mark.parametrize("diversity", [posterior_variance, minimum_distance])
def test_what_is_labeled_is_not_diverse(diversity):
    pool, labeled = points()
    pool = np.concatenate([labeled[:4], pool])
    labeled = np.concatenate([labeled, labeled[:6]])  # no inverse without jitter
    scores = diversity(pool, labeled)
    assert (scores[:4] < 1e-7).all() and (scores[4:] > 1e-3).any()
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("diversity", [posterior_variance, minimum_distance])
def test_diversity_of_odd_sets(diversity):
    pool, labeled = points()
    assert np.isfinite(diversity(pool, labeled[:1])).all()
    assert (diversity(np.ones((5, 3)), np.ones((2, 3))) < 1e-7).all()  # nothing varies
    pool[3, 0] = np.inf
    with pytest.raises(UserError, match="an embedding is not a finite number"):
        diversity(pool, labeled)


@pytest.mark.parametrize("diversity", [posterior_variance, minimum_distance])
def test_blocks_make_no_difference(diversity, monkeypatch):
    pool, labeled = points(size=4)
    whole = diversity(pool, labeled)
    monkeypatch.setattr("stages.geometry.diversity.BLOCK", 7)
    monkeypatch.setattr("stages.geometry.diversity.COLUMNS", 3)
    np.testing.assert_allclose(diversity(pool, labeled), whole, atol=1e-6)


def test_a_feature_that_never_varies_adds_no_distance():
    pool, labeled = points()
    wide, wide_labeled = (np.c_[part, np.full(len(part), 0.1)] for part in (pool, labeled))
    ours = minimum_distance(wide, wide_labeled)
    np.testing.assert_allclose(ours, minimum_distance(pool, labeled), atol=1e-9)


def test_single_precision_is_nearly_the_same():
    pool, labeled = points()
    for diversity in (posterior_variance, minimum_distance):
        single = diversity(pool.astype(np.float32), labeled.astype(np.float32))
        np.testing.assert_allclose(single, diversity(pool, labeled), atol=1e-4)


# discriminator


def test_a_discriminator_finds_what_is_unlike_the_labeled_set():
    pool = rng().standard_normal((80, 4))
    pool[:40] += 4
    labeled = rng(1).standard_normal((15, 4))
    scores = discriminator_score(pool, labeled, Training(batch_size=16), COMPUTE, rng())
    assert ((scores > 0) & (scores < 1)).all()
    assert scores[:40].min() > scores[40:].max()
    assert scores[:40].mean() > 0.8 > 0.6 > scores[40:].mean()


def test_a_discriminator_repeats_itself_and_leaves_torchs_randomness_alone():
    import torch

    pool, labeled = points()
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one, other = (discriminator_score(pool, labeled, SHORT, COMPUTE, rng(3)) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (one == other).all()
    assert (one != discriminator_score(pool, labeled, SHORT, COMPUTE, rng(4))).any()


def test_a_discriminator_does_not_depend_on_threads():
    import torch

    pool, labeled = points(n=300)
    scores = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        scores.append(discriminator_score(pool, labeled, SHORT, COMPUTE, rng(3)))
    torch.set_num_threads(1)
    assert (scores[0] == scores[1]).all()


@pytest.mark.parametrize(("count", "wanted"), [(3, 10), (10, 3), (5, 5), (1, 4), (4, 8)])
def test_labeled_rows_are_repeated_evenly(count, wanted):
    rows = resample(count, wanted, rng())
    times = np.bincount(rows, minlength=count)
    assert len(rows) == wanted and times.max() - times.min() <= 1


# all of it


def a_pool(rows: int = N, seed: int = 0) -> Pool:
    images = rng(seed).integers(0, 256, (rows + L, 1, 8, 8)).astype(np.uint8)
    network = build(Model(name="small_cnn", dropout=0.5), (1, 8, 8), CLASSES)
    initialise(network, generator(seed, Purpose.INITIALISATION))
    return pool_of(
        COMPUTE.place(network),
        Batches(images, [0.5], [0.25], COMPUTE),
        np.arange(rows),
        np.arange(rows, rows + L),
        rng(seed).integers(0, CLASSES, L),
        CLASSES,
        query_size=B,
        seed=seed,
    )


FEW = {"passes": 6, "discriminator_epochs": 2, "discriminator_batch_size": 32}


@pytest.mark.parametrize(("uncertainty", "diversity", "combination"), ALL_54)
def test_each_of_the_54_chooses(uncertainty, diversity, combination):
    def picks() -> list[int]:
        named = {"uncertainty": uncertainty, "diversity": diversity, "combination": combination}
        found = score(a_pool(), **named, **FEW)
        assert found.combination == combination
        return select(found, B, rng(2)).tolist()

    chosen = picks()
    assert len(set(chosen)) == B and set(chosen) <= set(range(N))
    assert chosen == picks()


@pytest.mark.parametrize("name", UNCERTAINTIES)
def test_uncertainty_is_the_papers(name):
    pool, passes = a_pool(), 7
    p = pool.dropout_probabilities(passes)

    def entropy(chances):
        return -sum(x * math.log(x) for x in chances if x > 0)

    found = score(pool, uncertainty=name, combination="uncertainty", passes=passes)
    assert found.diversity is None and len(found.uncertainty) == N
    for i, ours in enumerate(found.uncertainty):
        mean = [sum(p[t, i, c] for t in range(passes)) / passes for c in range(CLASSES)]
        votes = [sum(p[t, i].argmax() == c for t in range(passes)) for c in range(CLASSES)]
        expected = {
            "entropy": entropy(mean) / math.log(CLASSES),
            "bald": (entropy(mean) - sum(entropy(p[t, i]) for t in range(passes)) / passes)
            / math.log(CLASSES),
            "variation_ratio": (1 - max(votes) / passes) / (1 - 1 / CLASSES),
        }[name]
        assert ours == pytest.approx(expected, abs=1e-12)
    assert found.uncertainty.max() > 0


def test_the_space_is_a_choice():
    pool = a_pool()
    found = score(pool, diversity="posterior_variance", combination="diversity", space="embedding")
    expected = posterior_variance(pool.embeddings, pool.labeled_embeddings)
    assert (found.diversity == expected).all()


# what needs a dropout layer


def test_diversity_alone_needs_no_dropout_layer(study_copy):
    own = {"use": "hybrid", "diversity": "minimum_distance", "combination": "diversity"}
    own["candidates"] = 40
    changes = {"strategies": ["far"], "task__digits__model__dropout": 0.0}
    write_params(study_copy, tree(**changes, strategy={"far": own}))
    grow(settings.load(study_copy / "params.yaml"), study_copy, "digits", "far", 0)
    assert ledger.walk(Layout(study_copy).link("digits", "far", 0, "end")).sealed


@pytest.mark.parametrize("combination", ["mean", "uncertainty", ["diversity", "mean"]])
def test_all_else_does(tmp_path, combination):
    own = {"use": "hybrid", "combination": combination, "candidates": 40}
    tuned = ["both"] if isinstance(combination, list) else []
    path = write_params(
        tmp_path,
        tree(
            strategies=["both"],
            strategy={"both": own},
            tuned=tuned,
            task__digits__model__dropout=0.0,
        ),
    )
    with pytest.raises(UserError, match="strategy 'both' samples by dropout"):
        settings.load(path)

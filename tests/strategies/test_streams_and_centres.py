"""VeSSAL, DCoM and ActiveFT against their definitions, written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from pools import trained
from scipy.spatial.distance import cdist

from stages import catalogue
from stages.geometry.distances import Points
from stages.geometry.grid import unit_rows
from stages.machine.errors import UserError
from stages.rounds.selection import choose, score
from stages.strategies import active_ft, dcom, vessal
from stages.strategies.badge import Factors
from stages.strategies.dcom import Labeled
from stages.strategies.handshake import Known


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def chances(count: int, classes: int, seed: int = 0) -> np.ndarray:
    powers = np.exp(2 * rng(seed).normal(size=(count, classes)))
    return powers / powers.sum(1, keepdims=True)


def factors(count: int, classes: int = 3, size: int = 4, seed: int = 0) -> Factors:
    p = chances(count, classes, seed)
    p[np.arange(count), p.argmax(1)] -= 1
    return Factors(p, rng(seed + 1).normal(size=(count, size)))


# VeSSAL


def streamed(given: Factors, b: int, generator, regularisation: float) -> tuple[list[int], int]:
    """The authors' procedure, with the matrices it keeps; and how many the stream itself gave."""
    count = len(given[0])
    order = generator.permutation(count)
    gradients = np.einsum("nc,nd->ncd", *given).reshape(count, -1)[order]
    draws = generator.random(count)
    second = np.zeros((gradients.shape[1],) * 2)
    taken = regularisation * np.eye(gradients.shape[1])
    picks = []
    for at, g in enumerate(gradients):
        second = (at * second + np.outer(g, g)) / (at + 1)
        inverse = np.linalg.inv(taken)
        rate = (b - len(picks)) / (count - at)
        zeta = rate / np.trace(second @ inverse)
        if draws[at] < zeta * (g @ inverse @ g):
            picks.append(at)
            taken += np.outer(g, g)
            if len(picks) == b:
                break
    rest = generator.permutation(np.setdiff1d(np.arange(count), picks))[: b - len(picks)]
    return [*order[picks].tolist(), *order[rest].tolist()], len(picks)


@given(st.integers(0, 10**6), st.sampled_from([0.01, 1.0]), st.sampled_from([1, 5, 20, 40]))
def test_vessal_is_the_authors_procedure(seed, regularisation, b):
    some = factors(40, seed=seed)
    ours = vessal.stream(some, b, rng(seed), regularisation=regularisation)
    assert ours.tolist() == streamed(some, b, rng(seed), regularisation)[0]


def test_vessal_in_other_units_is_the_same_and_blocks_do_not_matter(monkeypatch):
    some = factors(60)
    one = vessal.stream(some, 20, rng(), regularisation=0.01)
    far = Factors(some.errors, some.features * 2.0**30)
    assert (vessal.stream(far, 20, rng(), regularisation=0.01 * 2.0**60) == one).all()
    monkeypatch.setattr(vessal, "BLOCK", 7)
    assert (vessal.stream(some, 20, rng(), regularisation=0.01) == one).all()


def test_vessal_takes_about_as_many_as_it_should_along_the_stream():
    """Nearly all come from the stream itself, and they are spread over it."""
    some, counts = factors(400, 5, 8), []
    for seed in range(5):
        _, from_stream = streamed(some, 40, rng(seed), 0.01)
        order = rng(seed).permutation(400)
        place = np.argsort(order)[vessal.stream(some, 40, rng(seed))[:from_stream]]
        counts.append(np.histogram(place, 4, (0, 400))[0])
        assert from_stream > 30
    assert (np.sum(counts, 0) > 25).all()


def test_vessal_takes_no_copy_of_what_it_has_while_others_are_left():
    """Directions e_1 to e_8, one of them 200 times."""
    rows = np.concatenate([np.eye(8), np.tile(np.eye(8)[0], (200, 1))])
    some = Factors(np.tile([0.5, -0.5], (len(rows), 1)), rows)
    seen = [set(map(tuple, rows[vessal.stream(some, 8, rng(seed))])) for seed in range(30)]
    plain = [set(map(tuple, rows[rng(seed).permutation(208)[:8]])) for seed in range(30)]
    assert np.mean([len(one) for one in seen]) > 3 * np.mean([len(one) for one in plain])


def test_vessal_where_nothing_adds_anything_draws():
    nothing = Factors(np.zeros((9, 2)), np.ones((9, 3)))
    assert len({vessal.stream(nothing, 1, rng(seed))[0] for seed in range(60)}) > 5
    assert sorted(vessal.stream(nothing, 9, rng()).tolist()) == list(range(9))
    assert vessal.stream(nothing, 0, rng()).tolist() == []
    with pytest.raises(UserError, match="cannot take 10 of 9"):
        vessal.stream(nothing, 10, rng())
    with pytest.raises(UserError, match="a gradient embedding is not a finite number"):
        vessal.stream(Factors(np.full((3, 2), np.nan), np.ones((3, 2))), 1, rng())


# DCoM


def some_labeled(seed: int, count: int = 40, known: int = 6, coverage: float = 0.3) -> Labeled:
    """Three groups of points, with predictions that are mostly right."""
    generator = rng(seed)
    labels = generator.integers(0, 3, count + known)
    rows = np.eye(3)[labels] + 0.35 * generator.normal(size=(count + known, 3))
    p = 0.5 * chances(count + known, 3, seed) + 0.5 * np.eye(3)[labels]
    return Labeled(rows[:count], rows[count:], p, labels[count:], coverage)


def mixed(given: Labeled, b: int, order: np.ndarray, delta: float, a: float, k: float):
    """The paper's procedure over a table of all distances; ties go to the first of ``order``."""
    count = len(given.candidates)
    units = unit_rows(given.candidates, given.labeled)
    distances, predicted = cdist(units, units), given.chances.argmax(1)
    radii = []
    for own, label in zip(distances[count:], given.labels, strict=True):
        low, high = 0.0, delta
        for _ in range(dcom.HALVINGS):
            middle = (low + high) / 2
            share = np.mean(predicted[own < middle] == label)
            low, high = (middle, high) if share >= 0.4 + 0.2 * given.coverage else (low, middle)
        radii.append((low + high) / 2)
    covered = (distances[count:] < np.array(radii)[:, None]).any(0)
    share = covered.mean()
    weight = round((1 + math.exp(-k * (1 - a))) / (1 + math.exp(-k * (share - a))), 3)
    two = np.sort(given.chances, axis=1)
    unsure = -(two[:, -1] - two[:, -2])
    unsure = ((unsure - unsure.min()) / (unsure.max() - unsure.min()))[:count]
    graph, picks = distances[:count] < np.mean(radii), []
    for _ in range(b):
        density = (graph & ~covered).sum(1)
        scores = weight * unsure / max(unsure.max(), 1e-300)
        scores = scores + (1 - weight) * density / max(density.max(), 1)
        scores[picks] = -1
        best = [at for at in order if scores[at] > scores.max() - 1e-7]
        picks.append(best[0])
        covered |= graph[picks[-1]]
        unsure[picks[-1]] = 0
    return picks, share


@given(st.integers(0, 10**6), st.sampled_from([0.4, 0.9]), st.sampled_from([0.2, 0.6, 0.9]))
def test_dcom_is_the_papers_procedure(seed, delta, centre):
    some = some_labeled(seed)
    found = dcom.mix(some, 12, rng(seed), delta=delta, centre=centre, steepness=10.0)
    picks, share = mixed(some, 12, rng(seed).permutation(40), delta, centre, 10.0)
    assert found.positions.tolist() == picks
    assert float(found.carry["coverage"]) == share


@pytest.mark.parametrize(
    ("right", "wanted", "expected"),
    [([1, 1, 1, 1], 0.5, 1 - 2**-8), ([1, 1, 0, 0], 0.9, 0.4), ([0, 0, 0, 0], 0.1, 2**-8)],
)
def test_a_radius_ends_where_the_ball_is_no_longer_pure(right, wanted, expected):
    distances = np.array([0.0, 0.2, 0.4, 0.6])
    found = dcom.radius_of(distances, np.array(right, bool), 1.0, wanted)
    assert found == pytest.approx(expected, abs=2**-7)


def test_competence_is_a_logistic_that_ends_at_one():
    assert dcom.competence(1.0, 0.9, 30) == 1.0
    assert dcom.competence(0.9, 0.9, 30) == round((1 + math.exp(-3)) / 2, 3)
    assert dcom.competence(0.0, 0.9, 30) == 0.0
    found = [dcom.competence(share, 0.5, 5) for share in np.linspace(0, 1, 20)]
    assert found == sorted(found)


def test_without_competence_dcom_covers_and_with_it_takes_margins():
    some = some_labeled(1, coverage=0.0)
    greedy = mixed(some, 10, rng().permutation(40), 0.9, 1.0, 1e6)[0]
    assert dcom.mix(some, 10, rng(), delta=0.9, centre=1.0, steepness=1e6).positions.tolist() == (
        greedy
    )
    unsure = dcom.margins(some.chances, 40)
    found = dcom.mix(some, 10, rng(), delta=0.9, centre=0.0, steepness=1e6).positions
    assert found.tolist() == np.argsort(-unsure)[:10].tolist()


def test_dcom_finds_its_largest_radius_as_probcover_does():
    from stages.strategies import probcover

    some = some_labeled(3)
    order = rng(5).permutation(40)
    points = Points.of(unit_rows(some.candidates[order], some.labeled, dtype=np.float32))
    generator = rng(5)
    generator.permutation(40)
    _, labels = dcom.kmeans(points, 3, generator, probcover.ITERATIONS)
    radius = np.sqrt(probcover.purest_radius(points, labels, 0.8)) / points.frame.scale
    found = dcom.mix(some, 8, rng(5), purity=0.8).positions
    assert (found == dcom.mix(some, 8, rng(5), delta=float(radius)).positions).all()
    alone = some._replace(chances=np.ones((46, 1)), labels=np.zeros(6, int))
    assert len(set(dcom.mix(alone, 40, rng()).positions.tolist())) == 40  # one cluster


def test_the_coverage_goes_on_to_the_next_round():
    pool = trained()
    entry = catalogue.STRATEGIES["dcom"]
    first = choose("dcom", score(pool, entry, entry.settings), pool, entry, entry.settings)
    coverage = float(first.carry["selector"]["coverage"])
    assert 0 < coverage <= 1
    later = pool.among(np.arange(len(pool.candidates)), first.carry)
    assert dcom.score(later).coverage == coverage and dcom.score(pool).coverage == 0


def test_what_dcom_refuses():
    some = some_labeled(0)
    with pytest.raises(UserError, match="cannot take 41 of 40"):
        dcom.mix(some, 41, rng())
    with pytest.raises(UserError, match="a chance of a class is not a finite number"):
        dcom.mix(some._replace(chances=some.chances * np.nan), 1, rng())
    with pytest.raises(UserError, match="an embedding is not a finite number"):
        dcom.mix(some._replace(candidates=some.candidates + np.inf), 1, rng())


# ActiveFT


def loss_of(rows, moving, fixed, temperature, balance):
    """The loss of the authors' code, in torch; fixed centres stand beside those that move."""
    moving = F.normalize(moving, dim=1)
    everyone = torch.cat([moving, fixed])
    nearest, own = torch.exp(rows @ everyone.T / temperature).max(1)
    between = torch.exp(everyone.detach() @ everyone.T / temperature).sum(0)[own]
    return -torch.log(nearest / (nearest + balance * between)).mean()


def on_grid(rows: np.ndarray) -> np.ndarray:
    return active_ft._on_one_grid(unit_rows(rows))


@pytest.mark.parametrize("balance", [0.0, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("known", [0, 4])
def test_the_gradient_is_autograds(balance, known):
    generator = rng(1)
    rows = on_grid(generator.normal(size=(70, 6)))
    fixed = on_grid(generator.normal(size=(known, 6)))
    centres = generator.normal(size=(9, 6))
    moving = torch.tensor(centres, requires_grad=True)
    loss = loss_of(torch.tensor(rows), moving, torch.tensor(fixed), 0.2, balance)
    (wanted,) = torch.autograd.grad(loss, moving)
    found = active_ft.gradient(rows, centres, fixed, 0.2, balance)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    if balance:
        assert wanted.abs().max() > 1e-3


@pytest.mark.parametrize("known", [0, 5])
def test_active_ft_selects_as_the_authors_code(known):
    pool, labeled = rng(2).normal(size=(60, 5)), rng(3).normal(size=(known, 5))
    found = active_ft.spread(Known(pool, labeled), 8, rng(4), iterations=60, learning_rate=0.01)
    order = rng(4).permutation(60)
    rows, fixed = torch.tensor(unit_rows(pool[order])), torch.tensor(unit_rows(labeled))
    moving = rows[:8].clone().requires_grad_()
    adam = torch.optim.Adam([moving], lr=0.01)
    for _ in range(60):
        adam.zero_grad()
        loss_of(rows, moving, fixed, 0.07, 1.0).backward()
        adam.step()
    cosines, picks = (F.normalize(moving, dim=1) @ rows.T).detach().numpy(), []
    for row in cosines:
        picks.append(next(at for at in np.argsort(-row) if at not in picks))
    assert found.tolist() == order[picks].tolist()
    assert set(found.tolist()) != set(order[:8].tolist())  # the centres have moved


def test_active_ft_keeps_its_centres_apart_and_away_from_labeled_rows():
    """Six groups of 20, one of them labeled: the other five, one each."""
    centres = np.linalg.qr(rng(0).normal(size=(6, 6)))[0]
    pool = np.repeat(centres, 20, 0) + 0.05 * rng(1).normal(size=(120, 6))
    known, hit, random = Known(pool, centres[:1]), [], []
    for seed in range(8):
        picks = active_ft.spread(known, 5, rng(seed), learning_rate=0.02)
        hit.append(len(set((picks // 20).tolist()) - {0}))
        random.append(len(set((rng(seed).permutation(120)[:5] // 20).tolist()) - {0}))
    assert np.mean(hit) > np.mean(random) + 0.8


def test_active_ft_does_not_depend_on_blocks_or_lengths(monkeypatch):
    pool, labeled = rng(5).normal(size=(50, 4)), rng(6).normal(size=(3, 4))
    one = active_ft.spread(Known(pool, labeled), 9, rng(), iterations=20)
    lengths = 2.0 ** rng(7).integers(-3, 4, (50, 1))
    assert (active_ft.spread(Known(pool * lengths, labeled), 9, rng(), iterations=20) == one).all()
    monkeypatch.setattr(active_ft, "CELLS", 40)
    assert (active_ft.spread(Known(pool, labeled), 9, rng(), iterations=20) == one).all()


def test_active_ft_with_rows_of_zeros_with_copies_and_with_all():
    pool = np.zeros((12, 3))
    pool[:4] = [1.0, 2.0, 3.0]
    for b in (0, 1, 12):
        picks = active_ft.spread(Known(pool, pool[:0]), b, rng(), iterations=3)
        assert len(set(picks.tolist())) == b
    with pytest.raises(UserError, match="cannot take 13 of 12"):
        active_ft.spread(Known(pool, pool[:1]), 13, rng())
    with pytest.raises(UserError, match="an embedding is not a finite number"):
        active_ft.spread(Known(pool + np.inf, pool[:1]), 1, rng())


def test_sums_of_active_ft_are_exact():
    """Weights and coordinates on their grids: no order of a sum changes a bit."""
    rows = on_grid(rng(8).normal(size=(999, 7)))
    weights = active_ft._rounded(rng(9).random(999), 999)
    for seed in range(3):
        order = rng(seed).permutation(999)
        assert (weights[order] @ rows[order] == weights @ rows).all()
    assert ((weights[:, None] * rows).sum(0) == weights @ rows).all()

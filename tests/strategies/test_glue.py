"""What each strategy's scorer gives its selector, by value: the network written out, formulas too.

Nothing here goes through the pool's own outputs: weights are applied by torch's functions in
float64, dropout masks are drawn again, and each name of the catalogue has its formula below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import plain
import pytest
import torch
import torch.nn.functional as F
from pools import pool_of
from scipy.special import softmax
from scipy.stats import entropy

from stages import catalogue
from stages.machine.randomness import Purpose, generator
from stages.models import attacks, build, initialise
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.models.discriminator import Training, discriminator_score
from stages.rounds.context import Pool
from stages.rounds.properties import properties
from stages.rounds.selection import score
from stages.strategies import gcn
from stages.study.settings import Model, Task

N, L, CLASSES, PASSES, RATE, ROUND = 25, 9, 4, 5, 0.4, 2
MEAN, STD = 0.4, 0.25
CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # float32 against float64


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


IMAGES = (
    rng(1).random((N + L + 11, 1, 8, 8)) ** rng(8).uniform(0.1, 9, (N + L + 11, 1, 1, 1)) * 255
).astype(np.uint8)  # some are dark, some light
SHUFFLED = rng(2).permutation(len(IMAGES))
ROWS, LABELED = np.sort(SHUFFLED[:N]), SHUFFLED[N : N + L]
LABELS = np.arange(L) % CLASSES


def network(seed: int) -> Any:
    made = build(Model(name="small_cnn", dropout=RATE), (1, 8, 8), CLASSES)
    initialise(made, rng(seed))
    with torch.no_grad():
        made.classifier.weight *= 8  # predictions that differ
    return made


NETWORKS = [network(seed) for seed in (0, 4, 5, 6)]  # the model, and a committee of three


@pytest.fixture(params=["whole", "warm"])
def pool(request) -> Pool:
    compute = configure("machine", "cpu", 1)
    made = pool_of(
        NETWORKS[0],
        Batches(IMAGES, [MEAN], [STD], compute),
        ROWS,
        LABELED,
        LABELS,
        CLASSES,
        query_size=3,
        n=ROUND,
        seed=7,
        unlabeled=np.sort(np.concatenate([ROWS, SHUFFLED[-4:]])),
        parts={"members": tuple(NETWORKS[1:])},
    )
    if request.param == "warm":  # as where another strategy was asked before
        _ = made.outputs
    return made


def embedded(rows: np.ndarray, which: int = 0) -> np.ndarray:
    """small_cnn's 128 units, written out, of some rows or of images."""
    images = IMAGES[rows] if rows.ndim == 1 else rows
    weights = {name: value.double() for name, value in NETWORKS[which].state_dict().items()}
    values = (torch.from_numpy(images).double() / 255 - MEAN) / STD
    for layer in (0, 3):
        kernel, bias = weights[f"body.{layer}.weight"], weights[f"body.{layer}.bias"]
        values = F.max_pool2d(F.conv2d(values, kernel, bias, padding=1).clamp(min=0), 2)
    flat = values.flatten(1) @ weights["body.7.weight"].T + weights["body.7.bias"]
    return flat.clamp(min=0).numpy()


def logits(rows: np.ndarray, which: int = 0, mask: np.ndarray | float = 1.0) -> np.ndarray:
    weights = {name: value.double() for name, value in NETWORKS[which].state_dict().items()}
    values = embedded(rows, which) * mask
    return values @ weights["classifier.weight"].numpy().T + weights["classifier.bias"].numpy()


X, X_LABELED = embedded(ROWS), embedded(LABELED)
P, P_LABELED = softmax(logits(ROWS), axis=1), softmax(logits(LABELED), axis=1)
OF_MEMBERS = np.stack([softmax(logits(ROWS, which), axis=1) for which in (1, 2, 3)])


def dropped(passes: int = PASSES) -> np.ndarray:
    """Probabilities under dropout masks, pass after pass from one stream."""
    draws = generator(7, Purpose.MC_DROPOUT, ROUND)
    found = []
    for _ in range(passes):
        kept = draws.random((N, 128), dtype=np.float32) >= RATE
        found.append(softmax(logits(ROWS, 0, kept / (1 - RATE)), axis=1))
    return np.stack(found)


def gap(p: np.ndarray) -> np.ndarray:
    """p_(1) - p_(2)."""
    rising = np.sort(p, axis=1)
    return rising[:, -1] - rising[:, -2]


def bald(p: np.ndarray) -> np.ndarray:
    return entropy(p.mean(0), axis=1) - entropy(p, axis=2).mean(0)


def mean_std(p: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum((p**2).mean(0) - p.mean(0) ** 2, 0)).mean(1)


def ratio(p: np.ndarray) -> np.ndarray:
    votes = p.argmax(2)
    return np.array([1 - np.bincount(column).max() / len(votes) for column in votes.T])


GRADIENTS = np.einsum("nc,nd->ncd", P - np.eye(CLASSES)[P.argmax(1)], X).reshape(N, -1)

SCORES: dict[str, Callable[[], np.ndarray]] = {
    "random": lambda: np.zeros(N),
    "least_confidence": lambda: 1 - P.max(1),
    "margin": lambda: -gap(P),
    "entropy": lambda: entropy(P, axis=1),
    "least_confidence_dropout": lambda: 1 - dropped().mean(0).max(1),
    "margin_dropout": lambda: -gap(dropped().mean(0)),
    "entropy_dropout": lambda: entropy(dropped().mean(0), axis=1),
    "bald": lambda: bald(dropped()),
    "mean_std": lambda: mean_std(dropped()),
    "variation_ratio": lambda: ratio(dropped()),
    "least_confidence_ensemble": lambda: 1 - OF_MEMBERS.mean(0).max(1),
    "margin_ensemble": lambda: -gap(OF_MEMBERS.mean(0)),
    "entropy_ensemble": lambda: entropy(OF_MEMBERS.mean(0), axis=1),
    "bald_ensemble": lambda: bald(OF_MEMBERS),
    "mean_std_ensemble": lambda: mean_std(OF_MEMBERS),
    "variation_ratio_ensemble": lambda: ratio(OF_MEMBERS),
    "gradient_norm": lambda: np.linalg.norm(GRADIENTS, axis=1),
    "batchbald": dropped,
    "kmeans": lambda: X,
    "kdpp": lambda: X,
}


def given(name: str, pool: Pool, **changes: Any) -> Any:
    """What the scorer of a strategy gives with these settings."""
    entry = catalogue.find(name)
    return score(pool, entry, catalogue.complete(name, entry, changes)).value


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_its_formula_of_the_networks_outputs(name, pool):
    changes = {"passes": PASSES} if "passes" in catalogue.find(name).settings else {}
    found, wanted = given(name, pool, **changes), SCORES[name]()
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, **CLOSE)
    # What is pinned here is not all alike, or the comparison would say nothing.
    assert name == "random" or np.ptp(wanted) > 0.01


@pytest.mark.parametrize("name", ["kcenter", "coreset", "typiclust"])
def test_geometry_is_of_the_embeddings_of_pool_and_labeled_set(name, pool):
    candidates, labeled = given(name, pool)
    np.testing.assert_allclose(candidates, X, **CLOSE)
    np.testing.assert_allclose(labeled, X_LABELED, **CLOSE)


def test_probcover_is_told_the_number_of_classes(pool):
    candidates, labeled, classes = given("probcover", pool)
    np.testing.assert_allclose(candidates, X, **CLOSE)
    np.testing.assert_allclose(labeled, X_LABELED, **CLOSE)
    assert classes == CLASSES


def test_badge_has_the_gradients_in_two_factors(pool):
    errors, features = given("badge", pool)
    np.testing.assert_allclose(
        np.einsum("nc,nd->ncd", errors, features).reshape(N, -1), GRADIENTS, **CLOSE
    )
    np.testing.assert_allclose(pool.probabilities, P, **CLOSE)  # left as they were


def test_diverse_minibatch_has_embeddings_and_how_narrow_the_margin_is(pool):
    features, informative = given("diverse_minibatch", pool)
    np.testing.assert_allclose(features, X, **CLOSE)
    np.testing.assert_allclose(informative, 1 - gap(P), **CLOSE)


def test_cluster_margin_embeds_all_unlabeled_rows_in_the_first_round(pool):
    found = given("cluster_margin", pool)
    np.testing.assert_allclose(found.margins, -gap(P), **CLOSE)
    assert found.rows.tolist() == ROWS.tolist()
    assert found.clustered.tolist() == pool.unlabeled.tolist()
    assert len(found.clustered) == N + 4
    assert found.clusters is None
    np.testing.assert_allclose(found.features, embedded(pool.unlabeled), **CLOSE)


def test_cluster_margin_takes_later_what_was_handed_on(pool):
    rows, clusters = np.arange(len(IMAGES)), rng().integers(0, 5, len(IMAGES))
    pool.carry = {"selector": {"rows": rows, "clusters": clusters}}
    found = given("cluster_margin", pool)
    np.testing.assert_allclose(found.margins, -gap(P), **CLOSE)
    assert found.rows.tolist() == ROWS.tolist() and found.features is None
    assert found.clustered is rows and found.clusters is clusters


@pytest.mark.parametrize(
    ("first", "growth", "most", "wanted"),
    [(0.5, 0.1, 0.9, 0.7), (0.5, 0.3, 0.9, 0.9), (0.2, 0.0, 0.6, 0.2)],
)
def test_exploitation_grows_with_the_rounds_up_to_its_most(first, growth, most, wanted, pool):
    found = given("exploitation_exploration", pool, first_share=first, growth=growth, most=most)
    np.testing.assert_allclose(found.embeddings, X, **CLOSE)
    np.testing.assert_allclose(found.entropies, entropy(P, axis=1), **CLOSE)
    np.testing.assert_allclose(found.labeled, X_LABELED, **CLOSE)
    assert found.share == pytest.approx(wanted)


@pytest.mark.parametrize("fisher", ["full", "binary"])
def test_bait_has_chances_of_pool_and_labeled_set(fisher, pool):
    found = given("bait", pool, fisher=fisher)
    chances, labeled = P, P_LABELED
    if fisher == "binary":
        chances, labeled = (part.max(1, keepdims=True) for part in (P, P_LABELED))
    for part, wanted in zip(found, (X, chances, X_LABELED, labeled), strict=True):
        assert part.shape == wanted.shape
        np.testing.assert_allclose(part, wanted, **CLOSE)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("entropy", lambda p: entropy(p.mean(0), axis=1) / np.log(CLASSES)),
        ("bald", lambda p: bald(p) / np.log(CLASSES)),
        ("variation_ratio", lambda p: ratio(p) / (1 - 1 / CLASSES)),
    ],
)
def test_a_hybrid_has_its_uncertainty_of_as_many_passes_as_it_says(name, wanted, pool):
    found = given("hybrid", pool, uncertainty=name, combination="uncertainty", passes=PASSES)
    np.testing.assert_allclose(found.uncertainty, wanted(dropped()), **CLOSE)
    assert found.diversity is None and found.query == ROUND + 1


@pytest.mark.parametrize("space", ["logits", "embedding"])
def test_a_hybrid_has_distances_in_its_space(space, pool):
    own, labeled = (logits(ROWS), logits(LABELED)) if space == "logits" else (X, X_LABELED)
    both = np.concatenate([own, labeled])
    scale = np.where(np.ptp(both, axis=0) > 0, both.std(0), 1)
    own, labeled = (own - both.mean(0)) / scale, (labeled - both.mean(0)) / scale
    squares = ((own[:, None] - labeled) ** 2).sum(2)
    settings = {"combination": "diversity", "space": space}
    found = given("hybrid", pool, diversity="minimum_distance", **settings)
    nearest = np.sqrt(squares.min(1))
    np.testing.assert_allclose(found.diversity, nearest / nearest.max(), rtol=1e-3, atol=1e-4)
    assert found.uncertainty is None and found.query == ROUND + 1
    found = given("hybrid", pool, diversity="posterior_variance", jitter=0.01, **settings)
    size = own.shape[1]
    between = np.exp(-squares / (2 * size))
    among = np.exp(-((labeled[:, None] - labeled) ** 2).sum(2) / (2 * size))
    told = np.linalg.solve(among + 0.01 * np.eye(L), between.T)
    wanted = 1 - np.einsum("nl,ln->n", between, told)
    np.testing.assert_allclose(found.diversity, wanted, rtol=1e-3, atol=1e-3)


def test_a_hybrid_of_both_has_both(pool):
    both = given("hybrid", pool, diversity="minimum_distance", passes=PASSES, combination="mean")
    settings = {"diversity": "minimum_distance", "passes": PASSES}
    far = given("hybrid", pool, combination="diversity", **settings).diversity
    unsure = given("hybrid", pool, combination="uncertainty", **settings).uncertainty
    assert (both.diversity == far).all() and (both.uncertainty == unsure).all()


# binding

OTHER = {int: lambda value: value + 2, float: lambda value: value / 2 or 0.25}


@pytest.mark.parametrize("name", catalogue.STRATEGIES)
def test_every_setting_reaches_a_function_with_the_value_given(name):
    entry = catalogue.STRATEGIES[name]
    changed = dict(entry.settings)
    for key, value in entry.settings.items():
        if isinstance(value, bool):
            changed[key] = not value
        elif type(value) in OTHER:
            changed[key] = OTHER[type(value)](value)
        elif choices := entry.kinds[key].choices:
            changed[key] = next(choice for choice in choices if choice != value)
    bound = {
        role: catalogue.bind(path, changed, role).keywords for role, path in entry.parts.items()
    }
    for key, value in changed.items():
        reached = [
            found
            for role, keywords in bound.items()
            for own, found in keywords.items()
            if entry.name(role, own) == key
        ]
        assert key == catalogue.CANDIDATES or reached
        assert all(one == value for one in reached)


@pytest.mark.parametrize("name", catalogue.STRATEGIES)
def test_what_is_given_goes_before_the_default(name):
    entry = catalogue.STRATEGIES[name]
    ordered = {key for pair in entry.ordered for key in pair}
    for key, value in entry.settings.items():
        if isinstance(value, float) and value < 1 and key not in ordered:
            assert catalogue.complete(name, entry, {key: value / 2})[key] == value / 2
    assert catalogue.complete(name, entry, {"candidates": 77})["candidates"] == 77


# scorers with a model or an attack of their own: every setting is the one that was given


@pytest.mark.parametrize(
    "training",
    [
        Training(2, 7, 0.01, 0.5),
        Training(3, 7, 0.01, 0.5),
        Training(2, 9, 0.01, 0.5),
        Training(2, 7, 0.03, 0.5),
        Training(2, 7, 0.01, 0.0),
    ],
)
def test_a_hybrid_trains_its_discriminator_as_it_says(training, pool):
    found = given(
        "hybrid",
        pool,
        diversity="discriminator",
        combination="diversity",
        space="embedding",
        discriminator_epochs=training.epochs,
        discriminator_batch_size=training.batch_size,
        discriminator_learning_rate=training.learning_rate,
        discriminator_dropout=training.dropout,
    ).diversity
    compute, draws = pool.batches.compute, Purpose.HYBRID_DISCRIMINATOR

    def score(other: Training) -> np.ndarray:
        own, labeled = pool.embeddings, pool.labeled_embeddings
        return discriminator_score(own, labeled, other, compute, generator(7, draws, ROUND))

    assert (found == score(training)).all()
    for field, value in vars(training).items():
        if field != "weight_decay":
            assert (found != score(replace(training, **{field: value + 1 if value else 0.3}))).any()


def test_core_gcn_has_the_first_layer_of_drawn_candidates_and_of_the_labeled_set(pool):
    settings = {"subset": 10, "hidden": 6, "epochs": 3}
    drawn, own, labeled = given("core_gcn", pool, **settings)
    others = {"dropout": 0.3, "learning_rate": 0.001, "weight_decay": 0.0005, "loss_weight": 1.2}
    trained = gcn.train(pool, **settings, **others)
    assert (drawn == trained.drawn).all() and len(drawn) == 10
    assert (own == trained.hidden[:10]).all() and (labeled == trained.hidden[10:]).all()
    assert own.shape == (10, 6) and labeled.shape == (L, 6)


def test_a_node_is_where_its_image_is(pool):
    """A candidate that copies a labeled image has its features, layer by layer."""
    pool.candidates = np.sort(np.concatenate([ROWS, LABELED[:1]]))
    vars(pool).pop("embeddings", None)
    drawn, own, labeled = given("core_gcn", pool, subset=0, epochs=1)
    copy = own[np.searchsorted(pool.candidates, LABELED[0])]
    distances = np.abs(labeled - copy).max(1)
    assert distances.argmin() == 0 and distances[0] < 1e-3 < np.sort(distances)[1]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("uncertain_gcn", {"dropout": 0.9}),
        ("uncertain_gcn", {"hidden": 9}),
        ("uncertain_gcn", {"epochs": 4}),
        ("uncertain_gcn", {"learning_rate": 0.03}),
        ("uncertain_gcn", {"weight_decay": 0.5}),
        ("uncertain_gcn", {"loss_weight": 3.0}),
        ("uncertain_gcn", {"margin": 0.7}),
        ("uncertain_gcn", {"rule": "farthest"}),
        ("uncertain_gcn", {"subset": 5}),
        ("dal", {"mini_queries": 1}),
        ("dal", {"ratio": 1}),
        ("dal", {"epochs": 3}),
        ("dal", {"batch_size": 3}),
        ("dal", {"learning_rate": 0.01}),
        ("dal", {"accuracy": 0.05}),
        ("adversarial_bim", {"step": 0.2}),
        ("adversarial_bim", {"iterations": 1}),
        ("deepfool", {"iterations": 1}),
        ("deepfool", {"overshoot": 0.9}),
        ("mcadl", {"alpha": 0.1}),
        ("mcadl", {"beta": 0.1}),
        ("mcadl", {"neighbours": 1}),
        ("mcadl", {"features": "embedding"}),
        ("mcadl", {"uncertainty": "leading"}),
    ],
)
def test_every_setting_of_a_scorer_makes_a_difference(name, changes, pool):
    short = {
        "uncertain_gcn": {"epochs": 5, "hidden": 8, "subset": 20, "learning_rate": 0.01},
        "dal": {"epochs": 6, "mini_queries": 3, "ratio": 2, "batch_size": 8, "accuracy": 1.0},
    }.get(name, {})
    one, other = (given(name, pool, **short), given(name, pool, **{**short, **changes}))
    assert np.abs(one - other).max() > 1e-6


@pytest.mark.parametrize("count", [0, 2, 3])
def test_deepfool_looks_at_as_many_classes_as_it_says(count, pool, monkeypatch):
    asked, plain = [], attacks.deep_fool
    monkeypatch.setattr(
        attacks, "deep_fool", lambda *given: asked.append(given[0]) or plain(*given)
    )
    given("deepfool", pool, top_classes=count, iterations=1)
    assert asked == [count]


@pytest.mark.parametrize("augmentation", ["crop", "none"])
def test_properties_are_of_the_selected_images(pool, augmentation):
    """Li et al. 2022, Figure 2: of the rows at these positions, against all pairs and formulas."""
    positions = np.array([20, 3, 11, 7])
    pool.round.task = Task.model_validate(
        {
            "dataset": {"name": "digits"},
            "split": {"initial": 1},
            "query_size": 4,
            "model": {"name": "small_cnn"},
            "epochs": 1,
            "batch_size": 1,
            "optimizer": "adam",
            "learning_rate": 0.1,
            "augmentation": augmentation,
            "padding": 2,
        }
    )
    found = properties(pool, positions)
    rows = ROWS[positions]
    apart = [np.linalg.norm(X[a] - X[b]) for a in positions for b in positions if a != b]
    assert found["diversity"] == pytest.approx(np.mean(apart), abs=1e-4)
    assert found["uncertainty"] == pytest.approx((1 - P[positions].max(1)).mean(), abs=1e-4)
    rng = generator(7, Purpose.INSPECT, ROUND)
    if augmentation == "crop":
        cropped = plain.cropped(
            IMAGES[rows], plain.Recipe(augmentation="crop", padding=2), rng, rows
        )
    else:  # shifts by a pixel
        cropped = np.zeros((4, 1, 8, 8), np.uint8)
        for at, (down, right) in enumerate(rng.integers(0, 3, (2, 4)).T):
            cropped[at, 0] = np.pad(IMAGES[rows[at], 0], 1)[down : down + 8, right : right + 8]
    changed = softmax(logits(cropped), axis=1)
    wanted = np.abs(P[positions] - changed).sum(1).mean() / 2
    assert wanted > 0.01 and found["inconsistency"] == pytest.approx(wanted, abs=1e-4)

"""Attacks against loops over single images and closed forms; training on adversarial images."""

from __future__ import annotations

import copy
import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pools import pool_of as pool_for
from study import REPO, grow, tree, write_params
from test_catalogue import images as images_150
from test_catalogue import write_data

from stages.catalogue import parts
from stages.learners import adversarial as learner
from stages.learners import supervised
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose, generator
from stages.models import Network, attacks, build, initialise, state
from stages.models.batches import Batches
from stages.models.compute import Compute, configure
from stages.rounds.context import Pool, Round
from stages.split import split
from stages.strategies import adversarial
from stages.strategies.adversarial import IMAGES, ROWS, Attacked, top_with_images
from stages.strategies.handshake import Selection
from stages.study import ledger, settings
from stages.study.carry import read as read_carry
from stages.study.layout import Layout
from stages.study.settings import Model, Task


class Double(Compute):
    """Plain float64: batches of any size give the same to about 1e-15."""

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64


DOUBLE = Double(torch.device("cpu"), False, False)
EXACT = configure("portable", "cpu", 1)


def network_of(compute: Compute, classes: int = 4, sharpness: float = 3.0) -> Network:
    network = build(Model(name="small_cnn"), (1, 8, 8), classes)
    initialise(network, generator(0, Purpose.INITIALISATION))
    with torch.no_grad():
        network.classifier.weight.mul_(sharpness)
    return compute.place(network).eval()


def linear(weight: np.ndarray, bias: np.ndarray) -> Network:
    """A linear classifier of images (1, 2, 2)."""
    network = Network(torch.nn.Flatten(), 4, len(weight), 0.0).double().eval()
    with torch.no_grad():
        network.classifier.weight.copy_(torch.from_numpy(weight))
        network.classifier.bias.copy_(torch.from_numpy(bias))
    return network


def images_of(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 1, 8, 8)))


def pool_of(compute: Compute, rows: np.ndarray | None = None, query_size: int = 7) -> Pool:
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 8, 8)).astype(np.uint8)
    return pool_for(
        network_of(compute),
        Batches(images, [0.5], [0.3], compute),
        np.arange(10, 300) if rows is None else rows,
        np.arange(10),
        np.arange(10) % 4,
        4,
        query_size=query_size,
    )


# one image at a time, as the papers have it


def bim_by_loop(network: Network, image: torch.Tensor, size: float, iterations: int):
    seen, total = image[None].clone(), torch.zeros_like(image)
    label = network(seen).argmax(1)
    for _ in range(iterations):
        seen = (image + total)[None].requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(network(seen), label), seen)
        total = total + size * gradient[0].sign()
        if network((image + total)[None]).argmax(1) != label:
            return total, True
    return total, False


def deepfool_by_loop(network: Network, image: torch.Tensor, overshoot: float, iterations: int):
    total = torch.zeros_like(image)
    label = int(network(image[None]).argmax(1))
    for _ in range(iterations):
        seen = (image + (1 + overshoot) * total)[None].requires_grad_()
        logits = network(seen)[0]
        slopes = [torch.autograd.grad(z, seen, retain_graph=True)[0][0] for z in logits]
        best, move = np.inf, None
        for k in range(len(logits)):
            if k != label:
                w, f = slopes[k] - slopes[label], (logits[k] - logits[label]).item()
                f = max(abs(f), attacks.LEAST_GAP * logits.abs().max().item())
                if abs(f) / w.norm().item() < best:
                    best, move = abs(f) / w.norm().item(), abs(f) / w.norm().item() ** 2 * w
        total = total + move
        if int(network((image + (1 + overshoot) * total)[None]).argmax(1)) != label:
            return total, True
    return total, False


@pytest.mark.parametrize("iterations", [1, 3, 50])
def test_basic_iterative_method_is_the_loop(iterations):
    network, images = network_of(DOUBLE), images_of(25)
    step = attacks.basic_iterative(0.02, DOUBLE)
    found = attacks.iterate(network, images, step, iterations)
    for at, image in enumerate(images):
        wanted, flipped = bim_by_loop(network, image, 0.02, iterations)
        assert bool(found.flipped[at]) == flipped
        np.testing.assert_allclose(found.perturbations[at], wanted, atol=1e-12)
    assert found.flipped.all() == (iterations == 50)


@pytest.mark.parametrize("iterations", [1, 2, 50])
def test_deepfool_is_the_loop(iterations):
    network, images = network_of(DOUBLE), images_of(25)
    found = attacks.iterate(network, images, attacks.deep_fool(0, DOUBLE), iterations, 0.02)
    for at, image in enumerate(images):
        wanted, flipped = deepfool_by_loop(network, image, 0.02, iterations)
        assert bool(found.flipped[at]) == flipped
        np.testing.assert_allclose(found.perturbations[at], wanted, rtol=1e-7, atol=1e-10)


def test_deepfool_of_a_linear_classifier_is_the_distance_to_the_nearest_hyperplane():
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(5, 4)), rng.normal(size=5)
    points = 3 * rng.normal(size=(40, 4))
    found = attacks.iterate(
        linear(weight, bias),
        torch.from_numpy(points).view(40, 1, 2, 2),
        attacks.deep_fool(10, DOUBLE),
        50,
        0.02,
    )
    logits = points @ weight.T + bias
    for at in range(40):
        top = logits[at].argmax()
        wanted = min(
            (logits[at, top] - logits[at, k]) / np.linalg.norm(weight[top] - weight[k])
            for k in range(5)
            if k != top
        )
        assert attacks.norms(found.perturbations, DOUBLE)[at].item() == pytest.approx(wanted)
    assert found.flipped.all()


def test_an_image_that_has_flipped_no_longer_moves():
    network, images = network_of(DOUBLE), images_of(40)
    step = attacks.basic_iterative(0.02, DOUBLE)
    late = attacks.iterate(network, images, step, 50)
    early = attacks.iterate(network, images, step, 2)
    assert early.flipped.any() and not early.flipped.all()
    same = early.flipped
    assert torch.equal(early.perturbations[same], late.perturbations[same])


@pytest.mark.parametrize("name", ["bim", "deepfool"])
def test_one_by_one_is_the_batch(name):
    network, images = network_of(DOUBLE), images_of(20)
    step = attacks.basic_iterative(0.02, DOUBLE) if name == "bim" else attacks.deep_fool(10, DOUBLE)
    together = attacks.iterate(network, images, step, 20, 0.02)
    for at in range(20):
        lone = attacks.iterate(network, images[at : at + 1], step, 20, 0.02)
        np.testing.assert_allclose(
            lone.perturbations[0], together.perturbations[at], rtol=1e-7, atol=1e-11
        )


def test_fewer_top_classes_never_find_a_nearer_boundary():
    network, images = network_of(DOUBLE), images_of(30)
    every, two = (
        attacks.norms(
            attacks.iterate(network, images, attacks.deep_fool(top, DOUBLE), 1, 0.02).perturbations,
            DOUBLE,
        )
        for top in (0, 2)
    )
    assert (two >= every - 1e-12).all() and (two > every + 1e-9).any()
    with pytest.raises(UserError, match="top_classes is 1; allowed: 0 for all, or 2 or more"):
        attacks.deep_fool(1, DOUBLE)


def test_a_sure_prediction_still_moves():
    """Where p rounds to 1 the gradient of the cross-entropy is 0 in floating point."""
    network = linear(1000 * np.array([[1.0, 0, 0, 0], [0, 1, 0, 0]]), np.zeros(2))
    image = torch.tensor([1.0, 0.2, 0, 0], dtype=torch.float64).view(1, 1, 2, 2)
    assert network(image).softmax(1).max() == 1
    found = attacks.iterate(network, image, attacks.basic_iterative(0.1, DOUBLE), 50)
    assert found.flipped.all()
    wanted = torch.tensor([-0.5, 0.5, 0, 0], dtype=torch.float64).view(1, 1, 2, 2)
    assert (found.perturbations - wanted).abs().max() <= 0.1 + 1e-12


@pytest.mark.parametrize("classes", [1, 3])
def test_a_network_that_never_changes_its_mind_ends(classes):
    network = linear(np.zeros((classes, 4)), np.arange(classes, dtype=float))
    for step in (attacks.basic_iterative(0.1, DOUBLE), attacks.deep_fool(0, DOUBLE)):
        found = attacks.iterate(network, torch.ones(3, 1, 2, 2, dtype=torch.float64), step, 4)
        assert not found.flipped.any()
        assert (found.perturbations == 0).all()


def test_an_image_on_the_boundary_is_near_it():
    network = linear(np.array([[1.0, 0, 0, 0], [0, 1, 0, 0]]), np.zeros(2))
    image = torch.tensor([1.0, 1, 0, 0], dtype=torch.float64).view(1, 1, 2, 2)
    found = attacks.iterate(network, image, attacks.deep_fool(0, DOUBLE), 50, 0.02)
    assert found.flipped.all()
    assert attacks.norms(found.perturbations, DOUBLE) <= attacks.LEAST_GAP


# over a pool


def test_scores_are_minus_lengths_and_the_unreached_come_last():
    scores = adversarial.scores_of(np.array([2.0, np.inf, 0.5, np.inf]))
    assert scores.tolist() == [-2, -5, -0.5, -5]
    assert adversarial.scores_of(np.full(3, np.inf)).tolist() == [-1, -1, -1]


SCORERS = {
    "bim": lambda pool, n=50: adversarial.adversarial_bim(pool, iterations=n, step=0.02),
    "deepfool": lambda pool, n=50: adversarial.deepfool(pool, iterations=n),
}


@pytest.mark.parametrize("name", SCORERS)
def test_a_permuted_pool_gives_permuted_scores(name):
    rows = np.arange(10, 300)
    order = np.random.default_rng(1).permutation(len(rows))
    plain = SCORERS[name](pool_of(DOUBLE))
    permuted = SCORERS[name](pool_of(DOUBLE, rows[order]))
    assert plain.shape == (290,) and len(np.unique(plain)) > 5
    np.testing.assert_allclose(permuted, plain[order], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", SCORERS)
def test_exact_layers_give_nearly_the_same(name):
    plain, exact = SCORERS[name](pool_of(DOUBLE)), SCORERS[name](pool_of(EXACT))
    assert np.median(np.abs(plain / exact - 1)) < 1e-3
    assert np.corrcoef(plain, exact)[0, 1] > 0.99


@pytest.mark.parametrize("name", SCORERS)
def test_the_network_is_left_as_it_was(name):
    pool = pool_of(EXACT)
    before = copy.deepcopy(state(pool.network))
    SCORERS[name](pool)
    assert all((state(pool.network)[key] == value).all() for key, value in before.items())
    assert all(parameter.requires_grad for parameter in pool.network.parameters())


@pytest.mark.parametrize("name", SCORERS)
def test_a_cap_leaves_the_far_ones_alike(name):
    scores = SCORERS[name](pool_of(DOUBLE), 1)
    assert (scores == scores.min()).sum() > 1


HASH = """
import hashlib, sys
import numpy as np
import torch
sys.path[:0] = ["tests", "tests/strategies"]
from test_adversarial import EXACT, SCORERS, pool_of
torch.set_num_threads(int(sys.argv[1]))
total = hashlib.sha256()
for score in SCORERS.values():
    total.update(score(pool_of(EXACT, np.arange(10, 90))).tobytes())
print(total.hexdigest())
"""


def test_threads_and_instruction_sets_change_no_byte_of_a_score():
    caps = [{}, {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", HASH, str(threads)],
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": str(REPO), "OMP_WAIT_POLICY": "PASSIVE", **cap},
            stdout=subprocess.PIPE,
            text=True,
        )
        for threads, cap in zip((2, 1), caps, strict=True)
    ]
    said = [process.communicate()[0].strip() for process in running]
    assert len(said[0]) == 64 and said[0] == said[1]


# training on adversarial images


def test_images_of_the_best_are_kept_and_fool_the_network():
    pool = pool_of(DOUBLE)
    scored = adversarial.deepfool(pool, train_on_adversarial=True)
    assert (scored.scores == SCORERS["deepfool"](pool)).all()
    selection = top_with_images(scored, 7, np.random.default_rng(0))
    assert (selection.carry[ROWS] == np.sort(pool.candidates[selection.positions])).all()
    assert selection.carry[IMAGES].dtype == np.float32
    for row, image in zip(selection.carry[ROWS], selection.carry[IMAGES], strict=True):
        raw = pool.batches.raw(np.array([row]))
        pair = torch.cat([raw.double(), torch.from_numpy(image)[None].double()])
        predicted = pool.network(pool.batches.normalise(pair.clone())).argmax(1)
        assert predicted[0] != predicted[1]
        moved = (pair[1] - pair[0]).norm() / 255 / 0.3 / 1.02
        place = int(np.flatnonzero(pool.candidates == row)[0])
        assert moved.item() == pytest.approx(-scored.scores[place], rel=1e-3)


def test_ties_with_the_last_keep_their_images():
    rows = np.array([20, 20, 20, 20, 20, 21, 22, 23])
    pool = pool_of(DOUBLE, rows, query_size=2)
    scored = adversarial.deepfool(pool, train_on_adversarial=True)
    chosen = top_with_images(scored, 2, np.random.default_rng(0))
    assert len(chosen.carry[ROWS]) == 2


def test_images_add_up_over_rounds():
    pixels = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    scored = Attacked(
        np.array([-3.0, -1, -2, -9]),
        np.array([0, 1, 2]),
        np.array([50, 51, 52]),
        pixels,
        {ROWS: np.array([7]), IMAGES: np.ones((1, 1, 2, 2), np.float32)},
    )
    selection = top_with_images(scored, 2, np.random.default_rng(0))
    assert selection.positions.tolist() == [1, 2]
    assert selection.carry[ROWS].tolist() == [7, 51, 52]
    assert (selection.carry[IMAGES][1:] == pixels[1:]).all()
    everything = top_with_images(scored, 4, np.random.default_rng(0))
    assert everything.carry[ROWS].tolist() == [7, 50, 51, 52]  # the fourth has no image


def test_plain_scores_give_plain_positions():
    found = top_with_images(np.array([1.0, 3, 2]), 2, np.random.default_rng(0))
    assert not isinstance(found, Selection) and found.tolist() == [1, 2]


def round_of(carry: dict[str, np.ndarray], augmentation: str = "none") -> Round:
    """``carry``: what the last round's selector handed on."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 1, 8, 8)).astype(np.uint8)
    task = Task(
        dataset={"name": "digits"},
        split={"initial": 1},
        query_size=1,
        model={"name": "small_cnn"},
        epochs=2,
        batch_size=8,
        optimizer="sgd",
        learning_rate=0.05,
        augmentation=augmentation,
        padding=1,
    )
    return Round(
        batches=Batches(images, [0.5], [0.3], EXACT),
        labeled=np.array([3, 9, 40, 12, 5]),
        labels=np.array([0, 1, 2, 3, 1]),
        unlabeled=np.empty(0, int),
        classes=4,
        shape=(1, 8, 8),
        task=task,
        seed=0,
        n=1,
        compute=EXACT,
        carry={"selector": carry} if carry else {},
    )


def weights(learned) -> bytes:
    return b"".join(value.tobytes() for value in state(learned.network).values())


def test_adversarial_images_have_the_labels_of_their_rows():
    pixels = np.random.default_rng(1).normal(100, 90, (3, 1, 8, 8)).astype(np.float32)
    known = round_of({ROWS: np.array([40, 9, 40]), IMAGES: pixels})
    more = learner.with_adversarial(known)
    assert more.labeled.tolist() == [3, 9, 40, 12, 5, 60, 61, 62]
    assert more.labels.tolist() == [0, 1, 2, 3, 1, 2, 1, 2]
    raw = more.batches.raw(np.array([61, 9, 60]))
    assert torch.equal(raw[0], torch.from_numpy(pixels[1]))
    assert torch.equal(raw[1], known.batches.raw(np.array([9]))[0].float())
    wanted = (torch.from_numpy(pixels[0]).double() / 255 - 0.5) / 0.3
    torch.testing.assert_close(more.batches.normalise(raw)[2], wanted)


def test_copies_of_images_train_as_copies_of_rows():
    """The way of an image through float32 pixels is the way of the data set's own.

    Not where images are augmented: a copy has draws of its own, a row that comes twice has not.
    """
    known = round_of({}, "none")
    copies = known.batches.images[known.labeled[:2]].float().numpy()
    carry = {"selector": {ROWS: known.labeled[:2], IMAGES: copies}}
    twice = dataclasses.replace(
        known,
        labeled=np.concatenate([known.labeled, known.labeled[:2]]),
        labels=np.concatenate([known.labels, known.labels[:2]]),
    )
    found = learner.train(dataclasses.replace(known, carry=carry))
    assert weights(found) == weights(supervised.train(twice))


def test_without_images_training_is_the_supervised_one():
    pixels = np.zeros((1, 1, 8, 8), np.float32)
    plain = weights(supervised.train(round_of({})))
    assert weights(learner.train(round_of({}))) == plain
    none = {ROWS: np.empty(0, np.int64), IMAGES: pixels[:0]}
    assert weights(learner.train(round_of(none))) == plain
    another = {ROWS: np.array([9]), "clusters": np.array([0])}  # of a selector without images
    assert weights(learner.train(round_of(another))) == plain
    assert weights(learner.train(round_of({ROWS: np.array([9]), IMAGES: pixels}))) != plain


def test_whether_images_are_handed_on_is_the_scorers_alone():
    assert parts.section("stages.learners.adversarial:train").kinds == {}
    assert not isinstance(adversarial.deepfool(pool_of(DOUBLE)), Attacked)


def test_images_of_earlier_rounds_are_those_of_the_selectors_carry():
    earlier = {ROWS: np.array([7]), IMAGES: np.ones((1, 1, 8, 8), np.float32)}
    pool = pool_of(DOUBLE)
    pool.carry = {"selector": earlier | {"more": np.ones(1)}, "scorer": {ROWS: np.array([8])}}
    scored = adversarial.adversarial_bim(pool, step=0.02, train_on_adversarial=True)
    assert scored.carry.keys() == earlier.keys() and scored.carry[ROWS].tolist() == [7]
    assert top_with_images(scored, 7, np.random.default_rng(0)).carry[ROWS][0] == 7


def test_an_image_of_a_row_without_a_label_is_refused():
    known = round_of({ROWS: np.array([8]), IMAGES: np.zeros((1, 1, 8, 8), np.float32)})
    with pytest.raises(UserError, match="adversarial image of row 8, without a label"):
        learner.train(known)


def test_a_run_carries_the_images_of_all_its_rounds(tmp_path):
    root = tmp_path
    options = {"use": "deepfool", "train_on_adversarial": True}
    chosen = {"dfal": options, "deepfool": {}}
    write_params(root, tree(strategies=list(chosen), strategy=chosen))
    write_data(root / "data/digits", images_150())
    split(settings.load(root / "params.yaml"), root, "digits", 0)
    study = settings.load(root / "params.yaml")
    for name in study.strategies:
        grow(study, root, "digits", name, 0)
    layout = Layout(root)
    chains = {name: ledger.walk(layout.link("digits", name, 0, "end")) for name in study.strategies}
    links = [link.indices for link in chains["dfal"].links]
    carries = [read_carry(layout.artifacts("digits", "dfal", 0, n)) for n in (1, 2)]
    first, second = (carry["selector"] for carry in carries)
    picked = [row for indices in links for row in indices.tolist()]
    assert set(first[ROWS].tolist()) <= set(second[ROWS].tolist()) <= set(picked)
    assert 0 < len(first[ROWS]) <= 6 < len(second[ROWS]) <= 12
    assert (second[IMAGES][: len(first[IMAGES])] == first[IMAGES]).all()
    plain = chains["deepfool"]
    # The first round has nothing to add yet: the same model, the same choice.
    assert (plain.labeled[:18] == chains["dfal"].labeled[:18]).all()
    assert read_carry(layout.artifacts("digits", "deepfool", 0, 1)) == {}

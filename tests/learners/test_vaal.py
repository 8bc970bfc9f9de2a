"""VAAL: the autoencoder and its loss, the discriminator, and the query."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from halves import problem, same, weights

from stages.learners import vaal
from stages.learners.supervised import train as plain_train
from stages.machine.errors import UserError
from stages.models import batches as batching
from stages.models import latent as training
from stages.models import state
from stages.models.autoencoder import (
    Autoencoder,
    Encoded,
    divergence,
    normal_noise,
    sample,
    sides_of,
    squared_error,
)
from stages.models.compute import configure
from stages.rounds.context import Pool

SMALL = {"latent": 4, "width": 4}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def trainer_of(given, **changes) -> training.Trainer:
    how = training.VaalTraining(steps=2, batch_size=8, **changes)
    networks = training.fresh(given, 4, 4)
    return training.Trainer(*networks, how, given, given.labeled, given.unlabeled)


# the autoencoder


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((1, 28, 28), [28, 14, 7, 3]),
        ((3, 32, 32), [32, 16, 8, 4, 2]),
        ((1, 8, 8), [8, 4, 2]),
        ((3, 64, 64), [64, 32, 16, 8, 4]),
        ((1, 3, 3), [3]),
        ((2, 11, 13), None),
    ],
)
@pytest.mark.parametrize("how", ["portable", "machine"])
def test_images_of_any_size_come_out_as_they_went_in(shape, sides, how):
    if sides:
        assert [height for height, _ in sides_of(*shape[1:], 4)] == sides
    vae = configure(how, "cpu", 1).place(Autoencoder(shape, 5, 4))
    images = normal(3, *shape).to(next(vae.parameters()).dtype)
    restored, code = vae(images, torch.zeros(3, 5, dtype=images.dtype))
    assert restored.shape == images.shape
    assert code.mean.shape == code.log_variance.shape == (3, 5)


def test_the_papers_layers_at_its_size():
    vae = Autoencoder((3, 32, 32), 32, 128)
    assert [tuple(each.shape) for each in vae.encoder.parameters() if each.dim() == 4] == [
        (128, 3, 4, 4),
        (256, 128, 4, 4),
        (512, 256, 4, 4),
        (1024, 512, 4, 4),
    ]
    assert vae.encoder.output.in_features == 1024 * 2 * 2
    assert vae.decoder.input.out_features == 512 * 2 * 4 * 4
    assert [tuple(each.shape) for each in vae.decoder.parameters() if each.dim() == 4] == [
        (1024, 512, 4, 4),
        (512, 256, 4, 4),
        (256, 128, 4, 4),
        (3, 128, 1, 1),
    ]


def test_both_terms_are_sums_over_an_image_and_means_over_images():
    images, wanted = normal(6, 3, 4, 4), normal(6, 3, 4, 4, seed=1)
    each = ((images - wanted) ** 2).flatten(1).sum(1)
    assert squared_error(images, wanted).item() == pytest.approx(each.mean().item(), rel=1e-12)
    code = Encoded(normal(6, 5), normal(6, 5, seed=2))
    own = torch.distributions.Normal(code.mean, (0.5 * code.log_variance).exp())
    terms = torch.distributions.kl_divergence(own, torch.distributions.Normal(0, 1)).sum(1)
    assert divergence(code).item() == pytest.approx(terms.mean().item(), rel=1e-9)
    twice = [torch.cat([part, part]) for part in code]
    assert divergence(Encoded(*twice)).item() == pytest.approx(divergence(code).item(), rel=1e-12)


def test_a_sample_has_the_codes_mean_and_deviation():
    code = Encoded(torch.full((4000, 1), 3.0), torch.full((4000, 1), math.log(4.0)))
    compute = configure("machine", "cpu", 1)
    drawn = sample(code, normal_noise(4000, 1, np.random.default_rng(0), compute))
    assert abs(drawn.mean() - 3) < 0.1 and abs(drawn.std() - 2) < 0.1


# the losses


def test_the_losses_are_the_papers():
    given = problem(rows=20)
    trainer = trainer_of(given, beta=0.3, adversary=7.0)
    images = given.batches.normalise(given.batches.raw(np.arange(16)))
    near, far = images[:8], images[8:]
    trainer.vae.eval()  # batch norm as it stands, so that the loss can be computed again
    noise = trainer._noise.bit_generator.state
    found = trainer.vae_loss(near, far).item()
    trainer._noise.bit_generator.state = noise
    wanted = 0.0
    for part in (near, far):
        drawn = normal_noise(8, 4, trainer._noise, given.compute)
        restored, code = trainer.vae(part, drawn)
        logits = trainer.discriminator(code.mean)
        wanted += F.mse_loss(restored, part, reduction="sum") / 8 + 0.3 * divergence(code)
        wanted += 7 * F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    assert found == pytest.approx(wanted.item(), rel=1e-9)
    ends = [trainer.discriminator(trainer.vae.encode(part).mean) for part in (near, far)]
    bce = F.binary_cross_entropy_with_logits
    wanted = bce(ends[0], torch.ones(8).double()) + bce(ends[1], torch.zeros(8).double())
    assert trainer.discriminator_loss(near, far).item() == pytest.approx(wanted.item(), rel=1e-9)


def test_the_discriminators_step_moves_no_autoencoder_and_the_other_way_round():
    trainer = trainer_of(problem(rows=20), vae_steps=1)
    before = [
        {name: value.clone() for name, value in each.state_dict().items()}
        for each in (trainer.vae, trainer.discriminator)
    ]
    changed = []
    update = trainer._update

    def watched(of, loss):
        held = [
            [one.detach().clone() for one in each.parameters()]
            for each in (trainer.vae, trainer.discriminator)
        ]
        update(of, loss)
        changed.append(
            [
                any(not torch.equal(a, b) for a, b in zip(old, each.parameters(), strict=True))
                for old, each in zip(held, (trainer.vae, trainer.discriminator), strict=True)
            ]
        )

    trainer._update = watched
    trainer.step()
    assert changed == [[True, False], [False, True]]
    assert before[0].keys() == trainer.vae.state_dict().keys()


def test_two_steps_of_the_autoencoder_and_one_of_the_discriminator(monkeypatch):
    counts = {"vae": 0, "discriminator": 0}
    for name in counts:
        original = getattr(training.Trainer, f"{name}_loss")

        def counted(self, near, far, name=name, original=original):
            counts[name] += 1
            assert len(near) and len(far)
            return original(self, near, far)

        monkeypatch.setattr(training.Trainer, f"{name}_loss", counted)
    vaal.train(problem(rows=20, epochs=2, batch_size=8), **SMALL)
    assert counts == {"vae": 2 * 2 * 3, "discriminator": 2 * 3}  # epochs times batches of 20 rows


# training


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_the_model_is_that_of_plain_training(how):
    given = problem(rows=12, how=how, epochs=2, model={"name": "small_cnn", "dropout": 0.3})
    learned = vaal.train(given, **SMALL)
    assert same(weights(plain_train(given)), weights(learned))


def test_an_empty_pool_is_plain_training():
    given = dataclasses.replace(problem(rows=12, epochs=1), unlabeled=np.empty(0, np.int64))
    learned = vaal.train(given, **SMALL)
    assert same(weights(plain_train(given)), weights(learned)) and not learned.parts


def test_training_that_diverged_is_one_line():
    with pytest.raises(UserError, match="training of the autoencoder diverged") as caught:
        vaal.train(problem(rows=12, how="machine", epochs=2), **SMALL, rate=1e30)
    assert "\n" not in str(caught.value)


def test_held_out_rows_train_neither(monkeypatch):
    given, seen = problem(rows=40, epochs=1), []
    endless = training._endless
    monkeypatch.setattr(
        training, "_endless", lambda rows, *rest: seen.append(rows) or endless(rows, *rest)
    )
    learned = vaal.train(given, **SMALL)
    assert [len(rows) for rows in seen] == [36, 18]
    assert set(learned.parts["signature"]) == {
        "discriminator_loss",
        "discriminator_auc",
        "divergence",
        "squared_error",
    }


# the query


@pytest.fixture(scope="module")
def clusters():
    """A pool of which half looks like what is labeled (left) and half does not (right)."""
    given = problem(rows=20, how="machine", epochs=1, batch_size=20)
    rng = np.random.default_rng(0)
    right = np.arange(300) >= 150
    images = rng.integers(0, 60, (300, 1, 8, 8)).astype(np.uint8)
    images[~right, 0, :, :4] += 150
    images[right, 0, :, 4:] += 150
    batches = batching.Batches(images, [0.4], [0.3], given.compute)
    given = dataclasses.replace(
        given,
        batches=batches,
        labeled=np.arange(40),
        labels=np.arange(40) % 2,
        unlabeled=np.arange(40, 300),
    )
    return given, right, vaal.train(given, latent=4, width=8, steps=60, rate=0.003)


def scores_of(given, learned, rows) -> np.ndarray:
    return vaal.unlike_labeled(Pool(round=given, learned=learned, candidates=rows))


def test_of_two_clusters_all_are_taken_from_the_unlabeled_one(clusters):
    from stages.geometry.ranks import auc

    given, right, learned = clusters
    scores = scores_of(given, learned, given.unlabeled)
    far = right[given.unlabeled]
    assert auc(scores[far], scores[~far]) > 0.95
    assert right[given.unlabeled[np.argsort(-scores)[:50]]].all()


def test_the_signature_is_measured_on_held_out_rows(clusters):
    from stages.models.held_out import held_out

    given, _, learned = clusters
    held, found = held_out(given, 0.1), learned.parts["signature"]
    near, far = (-scores_of(given, learned, rows) for rows in (held.labeled, held.unlabeled))
    assert len(near) == 4 and len(far) == 26
    wanted = -np.log(1 / (1 + np.exp(-near))).mean() - np.log(1 / (1 + np.exp(far))).mean()
    assert found["discriminator_loss"] == pytest.approx(wanted, rel=1e-6)
    assert found["discriminator_auc"] == np.mean(near[:, None] > far[None]) > 0.6
    assert found["divergence"] > 1


def test_codes_that_are_all_the_same_have_a_loss_of_2_ln_2(clusters):
    given, _, learned = clusters
    vae, discriminator = training.fresh(given, 4, 8)
    for network in (vae.encoder.output, discriminator.layers[-1]):
        network.weight.data.zero_()
        network.bias.data.zero_()
    from stages.models.held_out import held_out

    found = vaal.signature(vae, discriminator, given, held_out(given, 0.1))
    assert found["discriminator_loss"] == pytest.approx(2 * math.log(2), rel=1e-9)
    assert found["discriminator_auc"] == 0.5 and found["divergence"] == 0


def test_a_large_beta_collapses_and_shows(clusters):
    """The effective beta of the code that sums the one term and averages the other."""
    given = clusters[0]
    learned = vaal.train(given, latent=4, width=8, steps=60, rate=0.003, beta=20_000.0)
    found = learned.parts["signature"]
    assert found["divergence"] < 0.1
    assert found["discriminator_loss"] == pytest.approx(2 * math.log(2), abs=0.1)


def test_the_score_of_an_image_depends_on_no_other(clusters, monkeypatch):
    given, _, learned = clusters
    rows = given.unlabeled
    wanted = scores_of(given, learned, rows)
    order = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_allclose(scores_of(given, learned, rows[order]), wanted[order], rtol=1e-4)
    monkeypatch.setattr(batching, "INFERENCE_BATCH", 3)
    learned.parts["vae"].train()
    kept = {name: value.copy() for name, value in state(learned.parts["vae"]).items()}
    np.testing.assert_allclose(scores_of(given, learned, rows[:9]), wanted[:9], rtol=1e-4)
    assert same(kept, state(learned.parts["vae"]))  # batch norm is left as it is

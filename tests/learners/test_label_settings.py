"""Label smoothing and class weights: every learner of the catalogue trains by them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from halves import problem, same, weights

from stages import catalogue
from stages.catalogue import LEARNERS
from stages.models import fit as loop
from stages.rounds.context import Learned, Round

QUICK = {
    "committee": {"members": 2},
    "searched": {"trials": 2},
    "learning_loss": {"width": 4},
    "vaal": {"width": 4, "latent": 3, "steps": 2},
    "bgadl": {"width": 4, "latent": 3},
    "waal": {"critic_steps": 1, "critic_width": 4},
}
SMOOTH, WEIGHTED = {"label_smoothing": 0.1}, {"class_weights": "balanced"}


def uneven(how: str = "portable", **changes) -> Round:
    """13 labels of one class and 6 of the other; some rows are set aside for validation."""
    given = problem(rows=26, how=how, epochs=2, **changes)
    kept = np.concatenate([np.arange(0, 26, 2), np.arange(1, 12, 2)])
    aside = np.arange(26, 32)
    return dataclasses.replace(
        given,
        labeled=given.labeled[kept],
        labels=given.labels[kept],
        unlabeled=np.arange(32, 60),
        validation=aside,
        validation_labels=aside % 2,
    )


def learned(name: str, given: Round) -> Learned:
    return catalogue.bind(LEARNERS[name], QUICK.get(name, {}), "learner")(given)


@pytest.mark.parametrize("how", ["portable", "machine"])
@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_heeds_both(name, how):
    plain = weights(learned(name, uneven(how)))
    for changes in (SMOOTH, WEIGHTED):
        assert not same(plain, weights(learned(name, uneven(how, **changes)))), changes


# How often a step compares logits with labels: of real images, generated and restored ones.
COMPARED = {"bgadl": 3}


@pytest.mark.parametrize("name", LEARNERS)
def test_no_part_of_a_loss_over_labels_forgets_them(monkeypatch, name):
    given, seen = uneven(**SMOOTH, **WEIGHTED), []
    original = loop.entropy_against

    def noted(logits, targets, exact, smoothing=0.0, weights=None):
        if logits.requires_grad:
            seen.append((smoothing, None if weights is None else tuple(weights.tolist())))
        return original(logits, targets, exact, smoothing, weights)

    monkeypatch.setattr(loop, "entropy_against", noted)
    learned(name, given)
    wanted = (0.1, pytest.approx((19 / 26, 19 / 12)))
    heeding = [one for one in seen if one[1] is not None]
    assert all(one == wanted for one in heeding)
    steps = 2 * 3  # epochs of 19 rows in batches of 8
    if name not in ("committee", "searched"):  # several trainings
        assert len(heeding) == steps * COMPARED.get(name, 1)
    # What leads a generator is not the classifier's loss over its labels.
    assert len(seen) - len(heeding) == (steps if name == "bgadl" else 0)

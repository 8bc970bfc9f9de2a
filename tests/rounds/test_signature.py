"""What a learner says of its own training: in the record, checked, and known to nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from halves import problem
from study import grow, rounds, tree, write_params

from stages.checking.records import Place, faults
from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError
from stages.models.fit import fresh
from stages.prepare import prepare
from stages.rounds.context import Learned
from stages.rounds.record import describe_signature
from stages.split import split
from stages.study import settings
from stages.study.layout import Layout
from stages.verify import verify

OWN = {
    "learning_loss": {"rank_correlation"},
    "waal": {"distance", "critic_auc", "critic_slope"},
    "vaal": {"discriminator_loss", "discriminator_auc", "divergence", "squared_error"},
    "bgadl": {"discriminator_loss", "squared_error", "generated_right", "generated_like"},
}


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("signature")
    strategies = {
        "random": {},
        "learning_loss": {"candidates": 0},
        "waal": {},
        "vaal": {"width": 4, "latent": 4, "steps": 2},
        "bgadl": {"width": 4, "latent": 4},
        "mixed": {"learner": {"use": "vaal", "width": 4, "steps": 1}, "scorer": "entropy"},
    }
    path = write_params(
        root,
        tree(
            strategies=list(strategies),
            strategy=strategies,
            seeds=[0],
            full=[],
            rounds=rounds(1),
            reproducible="machine",
            task__digits__epochs=1,
            task__digits__model__dropout=0.2,
        ),
    )
    study = settings.load(path)
    prepare(study, root, "digits")
    split(study, root, "digits", 0)
    for name in strategies:
        grow(study, root, "digits", name, 0)
    return root


def record(root: Path, name: str, n: int) -> dict:
    return json.loads(Layout(root).result("digits", name, 0, n).read_text())


def test_a_record_has_the_signature_of_its_learner(grown):
    for name, wanted in {**OWN, "mixed": OWN["vaal"]}.items():
        found = record(grown, name, 0)["signature"]
        assert set(found) == wanted
        assert all(math.isfinite(value) and round(value, 6) == value for value in found.values())
    assert "signature" not in record(grown, "random", 0)
    assert not verify(grown).faults


def test_a_learner_that_trains_the_model_plainly_changes_no_result(grown):
    plain, other = record(grown, "random", 0), record(grown, "vaal", 0)
    assert plain["nll"] == other["nll"] and plain["correct"] == other["correct"]
    assert "signature" in other and "signature" not in plain


def test_numbers_and_functions_of_the_test_images(grown):
    given, data = problem(), Prepared(Layout(grown).data("digits"))

    def share(batches, labels) -> float:
        assert len(batches) == len(labels) == data.manifest["test"]
        return np.mean(labels == 3)

    learned = Learned(fresh(given), {"signature": {"one": 1, "share": share}})
    found = describe_signature(learned, data, given.batches)["signature"]
    labels = np.asarray(data.array("test_labels"))
    assert found == {"one": 1.0, "share": round(float(np.mean(labels == 3)), 6)}
    assert describe_signature(Learned(learned.network), data, given.batches) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, lambda *_: -math.inf])
def test_a_number_that_is_none_is_one_line(grown, value):
    learned = Learned(fresh(problem()), {"signature": {"critic_auc": value}})
    data = Prepared(Layout(grown).data("digits"))
    with pytest.raises(UserError, match="signature 'critic_auc' is .*, not a finite number"):
        describe_signature(learned, data, problem().batches)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"auc": math.nan}, "signature.auc is nan, allowed: a finite number"),
        ({"auc": "1"}, "signature.auc is '1', allowed: a finite number"),
        ({"auc": True}, "signature.auc is True, allowed: a finite number"),
        ({}, "signature is {}, allowed: numbers by name"),
        ([1.0], "signature is [1.0], allowed: numbers by name"),
    ],
)
def test_a_forged_signature_is_noticed(grown, value, said):
    forged = record(grown, "waal", 0) | {"signature": value}
    place = Place("digits", "waal", 0, 0, complete=True)
    assert said in faults(forged, place)
    assert not faults(record(grown, "waal", 0), place)

"""Whole runs of MixMatch and FixMatch: what the files of a run say of what was believed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import plain
import pytest
from study import grow, tree, write_params

from stages.full import full
from stages.prepare import prepare
from stages.split import split
from stages.study import ledger, settings
from stages.study.layout import Layout
from stages.verify import verify

STRATEGIES = {
    "random": {},
    "ssl_random": {"steps": 6},
    "ssl_consistency": {"steps": 6, "draws": 2},
    "mine": {
        "learner": {"use": "fixmatch", "steps": 20, "threshold": 0.4, "ratio": 2},
        "scorer": "entropy",
        "selector": "top",
    },
}


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("semi")
    path = write_params(
        root,
        tree(
            strategies=list(STRATEGIES),
            strategy=STRATEGIES,
            seeds=[0],
            task__digits__epochs=1,
            task__digits__padding=1,
        ),
    )
    study = settings.load(path)
    prepare(study, root, "digits")
    split(study, root, "digits", 0)
    full(study, root, "digits", 0)
    for name in STRATEGIES:
        grow(study, root, "digits", name, 0)
    return root


def record(root: Path, name: str, n: int) -> dict:
    return json.loads(Layout(root).result("digits", name, 0, n).read_text())


def test_a_run_is_in_order_and_begins_where_all_begin(grown):
    assert not verify(grown).faults
    chains = {
        name: ledger.walk(Layout(grown).link("digits", name, 0, "end")) for name in STRATEGIES
    }
    firsts = {tuple(chain.initial.indices.tolist()) for chain in chains.values()}
    assert len(firsts) == 1
    picks = {name: chain.links[1].indices.tolist() for name, chain in chains.items()}
    assert picks["ssl_random"] == picks["random"]  # the same generator, the same ties
    assert picks["ssl_consistency"] != picks["random"]


@pytest.mark.parametrize(("name", "threshold"), [("ssl_random", 0.0), ("mine", 0.4)])
def test_a_record_counts_what_was_believed_and_how_much_of_it_was_wrong(grown, name, threshold):
    """From the files of the run: the network that is evaluated, on the rows without a label."""
    data = plain.Data.read(grown / "data/digits")
    layout, chain = Layout(grown), ledger.walk(Layout(grown).link("digits", name, 0, "end"))
    known = np.concatenate([chain.validation.indices, chain.initial.indices])
    pool = np.setdiff1d(np.arange(len(data.labels)), known)
    with np.load(layout.artifacts("digits", name, 0, 1) / "model.npz") as stored:
        chances = plain.chances_of(data.normal(data.images[pool]), dict(stored), "small_cnn")
    believed = chances.max(1) >= threshold
    wrong = believed & (chances.argmax(1) != data.labels[pool])
    slack = int((np.abs(chances.max(1) - threshold) < 1e-3).sum())
    slack += int((np.diff(np.sort(chances, 1)[:, -2:], axis=1) < 1e-3).sum())
    found = record(grown, name, 0)
    assert abs(found["pseudo_labeled"]["count"] - believed.sum()) <= slack
    assert abs(found["pseudo_labeled"]["wrong"] - wrong.sum()) <= slack
    signature = found["signature"]
    assert signature["confidence"] == pytest.approx(chances.max(1).mean(), abs=1e-3)
    assert signature["share_believed"] == pytest.approx(believed.mean(), abs=0.01)
    assert ("share_used" in signature) == (name == "mine")
    assert found["pseudo_labeled"]["wrong"] > 0

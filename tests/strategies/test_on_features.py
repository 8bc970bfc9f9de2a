"""Every strategy of the catalogue on frozen features: a linear head, trained on what goes in."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from study import REPO
from test_contract import NAMES, QUICK

from stages import catalogue
from stages.machine.errors import UserError
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Round
from stages.rounds.selection import choose, pool_of, score
from stages.study.settings import Task

LABELED, CANDIDATES, B, D, CLASSES = 16, 40, 6, 12, 4


def round_of(model: dict) -> Round:
    """Clouds of points around a centre for each class."""
    rng = np.random.default_rng(0)
    labels = np.arange(LABELED + CANDIDATES) % CLASSES
    points = 2 * rng.normal(size=(CLASSES, D))[labels] + rng.normal(size=(len(labels), D))
    task = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))["task"]["digits"]
    task |= {"epochs": 3, "batch_size": 8, "query_size": B, "milestones": [], "model": model}
    compute = configure("portable", "cpu", 1)
    features = points.astype(np.float32).reshape(-1, D, 1, 1)
    return Round(
        batches=Batches(features, [0.0] * D, [1.0] * D, compute),
        labeled=np.arange(LABELED),
        labels=labels[:LABELED],
        unlabeled=np.arange(LABELED, len(labels)),
        classes=CLASSES,
        shape=(D, 1, 1),
        task=Task(**task),
        seed=3,
        n=0,
        compute=compute,
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_chooses_among_features(name):
    entry = catalogue.STRATEGIES[name]
    options = catalogue.complete(name, entry, {**entry.settings, **QUICK.get(name, {})})
    given = round_of({"name": "linear", "dropout": 0.3})
    try:
        learned = catalogue.bind(entry.learner, options, "learner")(given)
    except UserError as refused:
        assert "names no blocks" in str(refused)  # a learner that needs maps
        return
    pool = pool_of(given, learned, {})
    rows = choose(name, score(pool, entry, options), pool, entry, options).rows
    assert len(set(rows.tolist())) == B and np.isin(rows, given.unlabeled).all()
    raw = given.batches.images[given.unlabeled, :, 0, 0].double().numpy()
    assert (pool.embeddings == raw).all()


def test_a_hidden_layer_has_an_embedding_of_its_own():
    given = round_of({"name": "mlp", "units": 5})
    pool = pool_of(given, catalogue.load("stages.learners.supervised:train")(given), {})
    assert pool.embeddings.shape == (CANDIDATES, 5) and (pool.embeddings >= 0).all()

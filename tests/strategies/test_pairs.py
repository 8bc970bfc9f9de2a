"""Everything that can be put together, put together: each learner with each scorer and selector."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stages import catalogue
from stages.catalogue import LEARNERS, STRATEGIES, composed, parts
from stages.machine.errors import UserError
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Learned, Round
from stages.rounds.evaluation import evaluate
from stages.rounds.oracle import Oracle
from stages.rounds.record import describe, describe_choice
from stages.rounds.selection import choose, pool_of, score
from stages.study.problem import PLAIN
from stages.study.settings import Task

B = 4
ROWS, LABELED, VALIDATION = 46, 10, 6
# Settings that make a part quick; results need not be good.
QUICK: dict[str, Any] = {
    "passes": 2,
    "draws": 2,
    "members": 2,
    "trials": 2,
    "samples": 20,
    "epochs": 2,
    "iterations": 2,
    "mini_queries": 2,
    "discriminator_epochs": 1,
    "subset": 0,
    "hidden": 4,
    "clusters": 6,
    "steps": 2,
    "programs": 2,
    "horizon": 2,
    "candidates": 30,
    "delta": 1.0,
    "width": 4,
    "latent": 3,
}


def distinct(role: str) -> dict[str, str]:
    """Import path -> a name that params.yaml may use for it."""
    found = {getattr(entry, role): name for name, entry in reversed(list(STRATEGIES.items()))}
    return {catalogue.TOP: "top", **found} if role == "selector" else found


SCORERS, SELECTORS = distinct("scorer"), distinct("selector")
PAIRS = [
    (scorer, selector)
    for scorer, selector in itertools.product(SCORERS, SELECTORS)
    if parts.fit_together(scorer, selector)
]


class Labels:
    """An oracle over an array."""

    def __init__(self, labels: np.ndarray) -> None:
        self.known = labels

    labels, true = Oracle.labels, Oracle.true
    _labels = _true = property(lambda self: self.known)
    posed = SimpleNamespace(problem=PLAIN)


@pytest.fixture(scope="module")
def given() -> Round:
    rng = np.random.default_rng(0)
    labels = np.arange(ROWS + VALIDATION) % 3
    images = rng.integers(0, 90, (ROWS + VALIDATION, 1, 8, 8)).astype(np.uint8)
    images[:, 0, 2:5] += (40 * labels).astype(np.uint8)[:, None, None]
    compute = configure("machine", "cpu", 1)
    return Round(
        batches=Batches(images, [0.3], [0.2], compute),
        labeled=np.arange(LABELED),
        labels=labels[:LABELED],
        unlabeled=np.arange(LABELED, ROWS),
        validation=np.arange(ROWS, ROWS + VALIDATION),
        validation_labels=labels[ROWS:],
        classes=3,
        shape=(1, 8, 8),
        task=Task(
            dataset={"name": "digits"},
            split={"initial": LABELED},
            query_size=B,
            model={"name": "small_cnn", "dropout": 0.3},
            epochs=2,
            batch_size=8,
            optimizer="adam",
            learning_rate=0.01,
        ),
        seed=0,
        n=0,
        compute=compute,
    )


@pytest.fixture(scope="module")
def models(given) -> dict[str, Learned]:
    quick = {name: QUICK for name in LEARNERS}
    return {
        name: catalogue.bind(path, quick[name], "learner")(given) for name, path in LEARNERS.items()
    }


def options_of(entry: catalogue.Strategy) -> dict[str, Any]:
    """Its settings, complete, and quick where they can be."""
    wanted = {}
    for key in entry.kinds:
        plain = key.rpartition(".")[2]
        if plain in QUICK and (plain != "delta" or key == "learner.delta"):
            wanted[key] = QUICK[plain]
    if "scorer.delta" in entry.kinds or "selector.delta" in entry.kinds:
        wanted.pop("delta", None)
    return catalogue.complete("pair", entry, wanted)


def name_of(role: str, path: str) -> str:
    return {"scorer": SCORERS, "selector": SELECTORS}[role][path]


def accepted() -> list[tuple[str, str, str]]:
    """Learner, scorer and selector by name, those that go together."""
    return [
        (learner, name_of("scorer", scorer), name_of("selector", selector))
        for learner, (scorer, selector) in itertools.product(LEARNERS, PAIRS)
        if not parts.missing_parts(LEARNERS[learner], scorer)
        and not _consults_others(learner, scorer)
    ]


def _consults_others(learner: str, scorer: str) -> bool:
    """A strategy over strategies is refused where they train in another way."""
    entry = STRATEGIES[SCORERS[scorer]]
    return bool(entry.consulted()) and LEARNERS[learner] != entry.learner


def test_there_is_something_to_pair() -> None:
    assert {"supervised", "committee", "adversarial", "ceal"} <= set(LEARNERS)
    assert len(PAIRS) > 55 and len(accepted()) > 150
    for path in (*SCORERS, *SELECTORS):  # nobody says nothing of what it gives or takes
        role = "scorer" if path in SCORERS else "selector"
        assert sum(path in pair for pair in PAIRS) > 0, (role, path)


@pytest.mark.parametrize("names", accepted(), ids="-".join)
def test_a_round_runs_with_every_triple_that_is_accepted(given, models, names):
    """Trained, scored, selected, recorded."""
    learner, scorer, selector = names
    entry, settings = composed("pair", {"learner": learner, "scorer": scorer, "selector": selector})
    assert settings == {} and entry.learner == LEARNERS[learner]
    options, learned = options_of(entry), models[learner]
    pool = pool_of(given, learned, options)
    choice = choose("pair", score(pool, entry, options), pool, entry, options)
    assert len(set(choice.rows.tolist())) == B
    assert set(choice.rows.tolist()) <= set(given.unlabeled.tolist())
    labels = np.arange(ROWS + VALIDATION) % 3
    result = evaluate(learned.network, given.batches, labels, 3)
    record = describe({"round": 0}, given, learned, result, Labels(labels))
    assert (record | describe_choice(choice))["selected"] == B


REFUSED = [
    (
        {"scorer": "badge", "selector": "top"},
        "selector stages.strategies.top:top cannot use what scorer stages.strategies.badge:"
        "gradient_factors gives; allowed with it: badge",
    ),
    (
        {"scorer": "entropy", "selector": "badge"},
        "gives; allowed with it: top, adversarial_bim",
    ),
    ({"learner": "ceal"}, "strategy.pair has neither a scorer nor 'use'; allowed: scorer: a stra"),
    ({"scorer": "entropy", "selector": "kmeans"}, "cannot use what scorer stages.strategies.unc"),
    ({"scorer": "kmeans", "selector": "kcenter"}, "cannot use what scorer stages.strategies.feat"),
    (
        {"scorer": "bald_ensemble"},
        "needs 'members', which learner stages.learners.super",
    ),
    (
        {"learner": "ceal", "scorer": "margin_ensemble"},
        "needs 'members', which learner stages.le",
    ),
    ({"learner": "cela", "scorer": "margin"}, "unknown learner 'cela'; did you mean 'ceal'?"),
    ({"learner": "ceal", "scorer": "margn"}, "unknown scorer 'margn'; did you mean 'margin'?"),
    ({"scorer": "margin", "selector": "tpo"}, "unknown selector 'tpo'"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_what_does_not_go_together_is_refused_before_anything_runs(given, said):
    with pytest.raises(UserError) as caught:
        composed("pair", given)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_learner_that_fails_the_scorer_at_last_is_one_line(given, models):
    """Whatever was not declared is noticed when it is asked for."""
    pool = pool_of(given, models["supervised"], {})
    with pytest.raises(UserError, match="this scorer needs 'members'"):
        list(pool.committee_blocks())

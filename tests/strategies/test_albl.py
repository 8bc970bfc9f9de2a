"""ALBL: the bandit's arithmetic by hand, its draws, and its state through a chain."""

from __future__ import annotations

import importlib
import math
import shutil
import sys

import numpy as np
import pytest
from pools import pool_of
from study import grow, tree, write_params

from stages.catalogue import STRATEGIES
from stages.geometry.bandit import Bandit, least_share, reward, shares_of, updated
from stages.geometry.measures import entropy_of
from stages.machine.errors import UserError
from stages.models import build, initialise
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Pool
from stages.rounds.selection import score
from stages.strategies.albl import Advised, advice, consult, follow_advice
from stages.strategies.top import top
from stages.study import carry, ledger, settings
from stages.study.layout import Layout
from stages.study.settings import Model


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def bandit(**changes: object) -> Bandit:
    """Two strategies, four queries so far, two of them in the last round."""
    values = {
        "log_weights": np.zeros(2),
        "rows": np.array([4, 9, 2, 7]),
        "chances": np.array([0.5, 0.25, 0.2, 0.1]),
        "shares": np.array([0.6, 0.4]),
        "advice": np.array([[0.25, 0.125], [0.0, 0.25]]),
        "total": 10,
    }
    return Bandit(**{**values, **changes})


def test_the_reward_by_hand():
    """Right about 4, 2 and 7: (1/0.5 + 1/0.2 + 1/0.1) / (10 x 8)."""
    right = np.array([True, False, True, True])
    assert reward(bandit(), right, 8) == pytest.approx(17 / 80)


def test_the_update_by_hand():
    """p_min = sqrt(ln 2 / (2 x 8)); credit r psi / q of rows 2 and 7; a width for each query."""
    p_min = math.sqrt(math.log(2) / 16)
    width = math.sqrt(math.log(2 / 0.1) / 16)
    one = p_min / 2 * (0.3 * (0.25 / 0.2 + 0.0 / 0.1) + 2 * width / 0.6)
    other = p_min / 2 * (0.3 * (0.125 / 0.2 + 0.25 / 0.1) + 2 * width / 0.4)
    found = updated(bandit(log_weights=np.array([0.0, -0.5])), 0.3, 8, 0.1)
    top = max(one, other - 0.5)
    np.testing.assert_allclose(found, [one - top, other - 0.5 - top], rtol=1e-12)


def test_shares_by_hand():
    p_min = math.sqrt(math.log(2) / 16)
    found = shares_of(np.log([0.75, 0.25]), 8)
    wanted = [(1 - 2 * p_min) * 0.75 + p_min, (1 - 2 * p_min) * 0.25 + p_min]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert least_share(5, 1) == 1 / 5
    assert shares_of(np.zeros(1), 8).tolist() == [1]


def test_no_weight_falls_below_the_least_share():
    assert shares_of(np.array([0.0, -1e6]), 100).min() == pytest.approx(least_share(2, 100))


def advised(count: int = 6, **changes: object) -> Advised:
    values = {
        "advice": [np.arange(count), np.array([1, 3])],
        "bandit": Bandit.fresh(2, count),
        "rows": 10 * np.arange(count),
        "horizon": 8,
        "carry": {"kcenter/x": np.arange(3)},
    }
    return Advised(**{**values, **changes})


def test_queries_have_the_probabilities_that_are_recorded():
    counts, seen = np.zeros(6), None
    for seed in range(4000):
        chosen = follow_advice(advised(), 1, rng(seed))
        counts[chosen.positions[0]] += 1
        seen = chosen.carry
    shares = shares_of(np.zeros(2), 8)
    wanted = shares[0] / 6 + shares[1] * np.array([0, 0.5, 0, 0.5, 0, 0])
    np.testing.assert_allclose(counts / 4000, wanted, atol=0.02)
    assert seen["chances"][0] == pytest.approx(wanted[seen["rows"][0] // 10])


def test_the_second_query_is_among_what_is_left():
    for seed in range(50):
        chosen = follow_advice(advised(), 2, rng(seed))
        first, second = chosen.positions
        assert first != second
        left = 2 - (first in (1, 3))
        wanted = [1 / 5, (second in (1, 3)) / left]
        assert chosen.carry["advice"][1].tolist() == pytest.approx(wanted)
        shares = chosen.carry["shares"]
        assert chosen.carry["chances"][1] == pytest.approx(shares @ wanted)


@pytest.mark.parametrize("b", [1, 5, 6])
def test_a_batch_may_take_all(b):
    two = [rng(1).permutation(6)[:b], rng(2).permutation(6)[:b]]
    picks = follow_advice(advised(advice=two), b, rng()).positions
    assert len(set(picks.tolist())) == b and set(picks.tolist()) <= set(
        np.concatenate(two).tolist()
    )


def test_more_than_there_is_is_refused():
    with pytest.raises(UserError, match="cannot take 7 of 6 candidates"):
        follow_advice(advised(), 7, rng())


def test_the_state_survives_the_carry(tmp_path):
    carry.write(tmp_path, {"selector": bandit().arrays() | {"kcenter/x": np.arange(3)}})
    found = carry.read(tmp_path)["selector"]
    assert found["kcenter/x"].tolist() == [0, 1, 2]
    back = Bandit.of(found)
    for name, value in vars(bandit()).items():
        assert (np.asarray(getattr(back, name)) == np.asarray(value)).all()


# in a chain


@pytest.fixture(scope="module")
def chain(prepared_study, tmp_path_factory):
    """Four rounds over three strategies, one of which has a state of its own."""
    root = tmp_path_factory.mktemp("albl") / "study"
    shutil.copytree(prepared_study, root)
    write_params(
        root,
        tree(
            strategies=["albl"],
            rounds=[{"n": n, "next": n + 1 if n < 3 else "end"} for n in range(4)],
            strategy={"albl": {"over": ["random", "mcadl", "kcenter"], "horizon": 3}},
        ),
    )
    study = settings.load(root / "params.yaml")
    grow(study, root, "digits", "albl", 0)
    return root


def state(root, n: int, role: str = "selector") -> dict[str, np.ndarray]:
    return carry.read(Layout(root).artifacts("digits", "albl", 0, n))[role]


def test_the_state_grows_with_the_chain(chain):
    queried = ledger.walk(Layout(chain).link("digits", "albl", 0, "end")).labeled[12:]
    assert len(queried) == 18
    for n in (1, 2, 3):
        found = state(chain, n)
        assert found["rows"].tolist() == queried[: 6 * n].tolist()
        assert found["advice"].shape == (6, 3)
        chances = found["chances"]
        assert (chances > 0).all() and (chances <= 1).all()
        np.testing.assert_allclose(chances[-6:], found["advice"] @ found["shares"])
        assert state(chain, n, "scorer")["mcadl/accuracies"].shape == (10,)
        assert found["total"] == state(chain, 1)["total"]
    assert state(chain, 1)["log_weights"].tolist() == [0, 0, 0]


def test_weights_follow_from_the_rewards_of_the_chain(chain):
    """The weights of round 2 from what round 1 handed on and what its model says, in full."""
    from stages.datasets.prepared import Prepared
    from stages.models import build, restore
    from stages.models.batches import classify, embed
    from stages.rounds.opening import check_identity, open_round, training_images

    layout = Layout(chain)
    study = settings.load(chain / "params.yaml")
    walked = ledger.walk(layout.link("digits", "albl", 0, 1))
    data = Prepared(layout.data("digits"))
    check_identity(walked.initial.header, walked.initial.path, data)
    opened = open_round(
        study,
        "digits",
        0,
        1,
        data=data,
        batches=training_images(study, data),
        labeled=walked.labeled,
        validation=walked.validation.indices,
    )
    network = build(opened.task.model, opened.shape, opened.classes)
    network = opened.compute.place(network)
    with np.load(layout.artifacts("digits", "albl", 0, 2) / "model.npz") as weights:
        restore(network, dict(weights))
    before = Bandit.of(state(chain, 1))
    labels = np.load(layout.data("digits") / "train_labels.npy")[before.rows]
    logits = classify(network, embed(network, opened.batches, before.rows), opened.compute)
    gained = (logits.argmax(1) == labels) / before.chances
    gained = gained.sum() / (before.total * 18)
    wanted = updated(before, gained, 18, 0.1)
    np.testing.assert_allclose(state(chain, 2)["log_weights"], wanted, rtol=1e-12)


# its settings


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("entropy", "strategy.albl.over is 'entropy'; allowed: a list of different strategies"),
        ([], "strategy.albl.over is []; allowed"),
        ([1], "strategy.albl.over is [1]; allowed"),
        (["random", "random"], "allowed: a list of different"),
        (["random", "entrop"], "strategy.albl.over: unknown strategy 'entrop'; did you mean"),
        (["random", "albl"], "'albl' is itself a strategy over strategies"),
    ],
)
def test_what_cannot_be_consulted_is_named(tmp_path, over, message):
    path = write_params(tmp_path, tree(strategies=["albl"], strategy={"albl": {"over": over}}))
    with pytest.raises(UserError) as caught:
        settings.load(path)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_another_learner_cannot_be_consulted(tmp_path, monkeypatch):
    own = "from stages.catalogue import Strategy\n"
    own += 'mine = Strategy(learner="other:train", scorer="other:score", family="hybrid")\n'
    (tmp_path / "other_learner.py").write_text(own)
    monkeypatch.syspath_prepend(tmp_path)
    given = {"albl": {"over": ["random", "other_learner:mine"]}}
    path = write_params(tmp_path, tree(strategies=["albl"], strategy=given))
    with pytest.raises(UserError, match="trains its model in another way"):
        settings.load(path)


def test_strategies_that_sample_dropout_need_a_dropout_layer(tmp_path):
    changes = {
        "strategies": ["albl"],
        "strategy": {"albl": {"over": ["random", "bald"]}},
        "task__digits__model__dropout": 0.0,
    }
    path = write_params(tmp_path, tree(**changes))
    with pytest.raises(UserError, match="strategy 'albl' samples by dropout"):
        settings.load(path)


# what is consulted keeps its own settings

FEW = """
from stages.catalogue import Strategy
few = Strategy(scorer="stages.strategies.uncertainty:entropy", source="me", family="hybrid",
               cost="N", candidates=%d)
"""


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A strategy that takes from 20 candidates, by import path."""
    (tmp_path / "few_candidates.py").write_text(FEW % 20)
    monkeypatch.syspath_prepend(tmp_path)
    yield "few_candidates:few"
    sys.modules.pop("few_candidates", None)
    importlib.invalidate_caches()


def a_pool(rows: int = 50) -> Pool:
    network = build(Model(name="small_cnn"), (1, 8, 8), 4)
    initialise(network, rng())
    compute = configure("portable", "cpu", 1)
    images = rng(1).integers(0, 256, (rows + 8, 1, 8, 8)).astype(np.uint8)
    return pool_of(
        compute.place(network),
        Batches(images, [0.5], [0.3], compute),
        np.arange(8, rows + 8),
        np.arange(8),
        np.arange(8) % 4,
        4,
        query_size=5,
    )


@pytest.mark.parametrize("warm", [False, True])
def test_a_consulted_strategy_takes_from_its_own_candidates(few, warm):
    pool = a_pool()
    if warm:
        _ = pool.outputs
    chosen = consult(pool, few, rng(5)).positions
    same = rng(5)
    kept = np.sort(same.choice(50, 20, replace=False))
    scores = entropy_of(pool.probabilities[kept])
    assert chosen.tolist() == kept[top(scores, 5, same)].tolist()
    whole = set(np.argsort(-entropy_of(pool.probabilities))[:5].tolist())
    assert set(chosen.tolist()) != whole


def test_candidates_of_a_consulted_strategy_must_hold_a_query(few, tmp_path):
    given = {"albl": {"over": ["random", few]}}
    changes = {"strategies": ["albl"], "strategy": given}
    settings.load(write_params(tmp_path, tree(**changes)))
    path = write_params(tmp_path, tree(**changes, task__digits__query_size=21))
    with pytest.raises(UserError) as caught:
        settings.load(path)
    assert str(caught.value).endswith(
        "strategy.albl.over (few_candidates:few): candidates is 20, but task.digits.query_size is "
        "21; allowed: 0, or 21 or more"
    )


def test_queries_follow_the_weights_that_were_learned():
    """A strategy that weighs next to nothing is followed as seldom as it must be."""
    learned = Bandit.of(Bandit.fresh(2, 6).arrays() | {"log_weights": np.array([-20.0, 0.0])})
    counts = np.zeros(6)
    for seed in range(1500):
        chosen = follow_advice(advised(bandit=learned, horizon=5000), 1, rng(seed))
        counts[chosen.positions[0]] += 1
    shares = shares_of(np.array([-20.0, 0.0]), 5000)
    assert shares[0] < 0.01
    np.testing.assert_allclose(chosen.carry["shares"], shares)
    assert counts[[1, 3]].sum() > 0.97 * counts.sum()


def test_a_consulted_strategy_finds_what_it_handed_on():
    pool = a_pool()
    clusters = rng(9).integers(0, 7, 50)
    own = {"rows": pool.candidates, "clusters": clusters}
    pool.carry = {"selector": {f"cluster_margin/{key}": value for key, value in own.items()}}
    chosen = consult(pool, "cluster_margin", rng(5))
    assert (chosen.carry["selector"]["clusters"] == clusters).all()
    for other in (
        {"selector": {f"other/{key}": value for key, value in own.items()}},
        {"selector": own},
        {"scorer": {f"cluster_margin/{key}": value for key, value in own.items()}},
    ):
        pool.carry = other
        fresh = consult(pool, "cluster_margin", rng(5)).carry["selector"]["clusters"]
        assert len(fresh) != len(clusters) or (fresh != clusters).any()


def test_each_role_hands_on_for_itself():
    """What consulted parts hand on is nested by name, under the role of each."""
    pool = a_pool()
    over = ["random", "mcadl", "cluster_margin"]
    scored = advice(pool, over=over)
    assert set(scored.carry) == {"mcadl/accuracies"}
    chosen = follow_advice(scored.value, 5, rng())
    of_others = {"cluster_margin/rows", "cluster_margin/clusters"}
    assert set(chosen.carry) == of_others | set(Bandit.fresh(3, 50).arrays())
    told = np.array([0.9, 0.1, 0.2, 0.3])
    pool.carry = {"scorer": {"mcadl/accuracies": told}}
    later = a_pool()
    later.carry = {"scorer": {"accuracies": told}}
    alone = STRATEGIES["mcadl"]
    wanted = top(score(later, alone, alone.settings).value, 5, rng(3))
    assert consult(pool, "mcadl", rng(3)).positions.tolist() == wanted.tolist()

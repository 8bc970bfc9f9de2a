"""What a round hands to the next: every array as it was, from learner and selector alike."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from study import grow, tree, write_params

from stages.machine.errors import UserError
from stages.study import carry, settings
from stages.study.layout import Layout
from stages.tune import tune

ARRAYS = {
    "numbers": np.array([[0.1, -0.0, np.nan, np.inf, 5e-324]]),
    "small": np.arange(6, dtype=np.float32).reshape(1, 2, 3),
    "rows": np.array([3, -1, 2**62]),
    "some/key": np.zeros((0, 4), np.uint8),
    "yes": np.array(True),
}
OWN = """
import numpy as np
from stages.catalogue import Strategy
from stages.catalogue.kinds import Share
from stages.learners import supervised
from stages.rounds.context import Learned
from stages.strategies.handshake import Scored, Selection

given, seen = [], []


def learn(round):
    given.append((round.n, round.carry))
    rounds = round.carry.get("learner", {}).get("rounds", np.empty(0, np.int64))
    after = np.append(rounds, round.n)
    return Learned(supervised.train(round).network, carry={"rounds": after})


def score(pool):
    before = pool.carry.get("scorer", {}).get("calls", np.zeros(1))
    total = pool.carry.get("selector", {}).get("total", np.empty(0)).sum()
    return Scored(total + np.zeros(len(pool.candidates)), {"calls": before + 1})


def select(scores, b, rng, carry, *, share: Share = 0.1):
    seen.append(carry)
    picks = rng.permutation(len(scores))[:b]
    return Selection(picks, {"total": np.array([scores[0] + share])})


strategy = Strategy("own_carry:learn", "own_carry:score", "own_carry:select", "me", "diversity",
                    "N", formula="none")
"""


def test_arrays_come_back_as_they_were(tmp_path):
    carry.write(tmp_path, {"learner": ARRAYS, "scorer": {}, "selector": {"one": np.ones(1)}})
    whole = carry.read(tmp_path)
    assert whole.keys() == {"learner", "selector"} and whole["selector"]["one"].tolist() == [1]
    found = whole["learner"]
    assert found.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        assert found[name].tobytes() == value.tobytes()


def test_nothing_is_an_empty_carry_and_objects_are_refused(tmp_path):
    carry.write(tmp_path, {})
    assert carry.read(tmp_path) == {}
    np.savez(tmp_path / "carry.npz", odd=np.array([{}], object))
    with pytest.raises(UserError, match="carry.npz: damaged"):
        carry.read(tmp_path)


@pytest.mark.parametrize(("content", "line"), [(None, "missing; run dvc"), (b"PK", "damaged")])
def test_a_bad_file_is_named(tmp_path, content, line):
    if content is not None:
        (tmp_path / "carry.npz").write_bytes(content)
    with pytest.raises(UserError, match=f"carry.npz: {line}"):
        carry.read(tmp_path)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A strategy of one's own, whose learner notes what it is given."""
    (tmp_path / "own_carry.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("own_carry")
    del sys.modules["own_carry"]


def study_of(root, share, tuned):
    strategy = {"own": {"use": "own_carry:strategy", "share": share}, "random": {}}
    changes = {"strategies": ["own"], "tuned": tuned, "strategy": strategy}
    return settings.load(write_params(root, tree(**changes, task__digits__epochs=1)))


def test_a_run_hands_on_what_each_part_gave_and_every_part_sees_it(study_copy, own):
    grow(study_of(study_copy, 0.1, []), study_copy, "digits", "own", 0)
    assert [n for n, _ in own.given] == [0, 1, 2]
    assert own.given[0][1] == {}
    for n, found in own.given[1:]:
        assert found["learner"]["rounds"].tolist() == list(range(n))
        assert found["scorer"]["calls"].tolist() == [n]
        assert found["selector"]["total"].tolist() == pytest.approx([0.1 * n], rel=1e-12)
    assert [given for _, given in own.given[:2]] == own.seen  # the last round selects nothing
    last = carry.read(Layout(study_copy).artifacts("digits", "own", 0, "end"))
    assert last.keys() == {"learner"} and last["learner"]["rounds"].tolist() == [0, 1, 2]


def test_each_candidate_that_is_tried_has_a_carry_of_its_own(study_copy, own):
    tune(study_of(study_copy, [0.25, 0.5], ["own"]), study_copy, "digits", "own", 0)
    assert own.given[0] == (0, {})
    found = sorted((n, given["selector"]["total"].item()) for n, given in own.given[1:])
    assert found == [(1, 0.25), (1, 0.5), (2, 0.5), (2, 1.0)]
    assert all(given["learner"]["rounds"].tolist() == list(range(n)) for n, given in own.given[1:])

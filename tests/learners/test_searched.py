"""A search per round: the same trials for all, the best on validation rows, told in the record."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from halves import problem, same, weights
from study import grow, tree, write_params

from stages.checking import records
from stages.datasets.prepared import Prepared
from stages.learners import searched
from stages.learners.searched import BATCHES, draw, task_of, train
from stages.machine.errors import UserError
from stages.models.best import right_answers
from stages.models.fit import fit, fresh
from stages.split import split
from stages.study import settings


def judged(given):
    rows = np.arange(50, 60)
    return dataclasses.replace(
        given, unlabeled=np.arange(20, 50), validation=rows, validation_labels=rows % 2
    )


def small(**changes):
    """Few epochs, quick to part."""
    return judged(problem(how="machine", **{"epochs": 4, **changes}))


def test_trials_depend_on_seed_round_and_number_alone():
    given = problem(round_n=2, seed=5)
    first = [draw(given, number) for number in range(6)]
    other = problem(rows=30, round_n=2, seed=5, learning_rate=0.3)
    assert [draw(other, number) for number in reversed(range(6))] == first[::-1]
    assert len({json.dumps(one) for one in first}) == 6
    for changed in (problem(round_n=3, seed=5), problem(round_n=2, seed=6)):
        assert not [one for number, one in enumerate(first) if draw(changed, number) == one]


def test_trials_are_from_munjals_ranges():
    drawn = [draw(problem(), number) for number in range(300)]
    assert {one["batch_size"] for one in drawn} == set(BATCHES) == {2**n for n in range(3, 11)}
    assert {one["optimizer"] for one in drawn} == {"sgd", "adam"}
    for key, low, high in (("learning_rate", -5, -2), ("weight_decay", -8, -3)):
        powers = np.array([math.log10(one[key]) for one in drawn])
        assert low <= powers.min() and powers.max() <= high
        counts = np.histogram(powers, 3, (low, high))[0]
        assert counts.min() > 70, "not uniform in the logarithm"
        assert all(float(f"{one[key]:.3e}") == one[key] for one in drawn)


def test_the_first_trials_in_numbers():
    """Portable: neither the sampler nor a logarithm may move them."""
    assert [draw(problem(), number) for number in range(2)] == FIRST


FIRST = [
    {
        "learning_rate": 0.003691,
        "weight_decay": 1.804e-05,
        "batch_size": 256,
        "optimizer": "sgd",
    },
    {
        "learning_rate": 0.004764,
        "weight_decay": 2.748e-08,
        "batch_size": 64,
        "optimizer": "sgd",
    },
]


def test_the_levels_of_randaugment_are_drawn_too():
    steps = (
        {"flip": {"rate": 0.5}},
        {"randaugment": {"operations": 2, "magnitude": None, "variant": "munjal"}},
    )
    given = problem()
    augmented = dataclasses.replace(
        given, task=given.task.model_copy(update={"augmentation": steps})
    )
    drawn = [draw(augmented, number) for number in range(150)]
    assert {one["operations"] for one in drawn} == set(range(1, 16))
    assert {one["magnitude"] for one in drawn} == set(range(1, 9))
    plain = draw(given, 0)
    assert {key: drawn[0][key] for key in plain} == plain
    task = task_of(augmented.task, drawn[0])
    levels = {key: drawn[0][key] for key in ("operations", "magnitude")}
    assert task.augmentation == (steps[0], {"randaugment": {**levels, "variant": "munjal"}})
    assert {key: getattr(task, key) for key in plain} == plain


def test_the_best_is_the_argmax_on_validation_rows():
    given = small()
    learned = train(given, trials=6)
    found = learned.parts["search"]
    right = [one["right"] if one["ended"] == "complete" else -1 for one in found["trials"]]
    assert len(right) == 6 and len(set(right)) > 1, "the test sees nothing"
    assert found["chosen"] == right.index(max(right))
    assert right_answers(learned.network, given) == max(right)
    chosen = {key: found["trials"][found["chosen"]][key] for key in draw(given, 0)}
    assert chosen == draw(given, found["chosen"])
    by_hand = dataclasses.replace(given, task=given.task.model_copy(update=chosen))
    network = fresh(by_hand)
    fit(network, by_hand)
    assert same(weights(learned), weights(dataclasses.replace(learned, network=network)))


def test_the_same_search_twice():
    one, other = (train(small(), trials=4) for _ in range(2))
    assert one.parts == other.parts and same(weights(one), weights(other))
    assert not one.carry


def test_bad_trials_are_pruned_and_never_chosen():
    found = train(small(epochs=8), trials=12).parts["search"]
    ends = [one["ended"] for one in found["trials"]]
    assert ends[0] == "complete" and "pruned" in ends
    assert found["trials"][found["chosen"]]["ended"] == "complete"


def test_searching_once_keeps_the_settings():
    first = train(small(), trials=3, when="first")
    chosen = first.parts["search"]["trials"][first.parts["search"]["chosen"]]
    carry = {"learner": first.carry}
    later = dataclasses.replace(small(round_n=1), carry=carry)
    second = train(later, trials=3, when="first").parts["search"]
    assert len(second["trials"]) == 1 and second["chosen"] == 0
    told = second["trials"][0]
    assert {key: told[key] for key in draw(later, 0)} == {
        key: chosen[key] for key in draw(later, 0)
    }


def test_trials_that_diverge_are_told_or_if_all_do_refused(monkeypatch):
    drawn = searched.draw
    monkeypatch.setattr(
        searched,
        "draw",
        lambda given, number: (
            drawn(given, number)
            | (
                {"learning_rate": 1e30, "optimizer": "sgd", "weight_decay": 1e3}
                if number < 1
                else {}
            )
        ),
    )
    found = train(small(), trials=2).parts["search"]
    assert [one["ended"] for one in found["trials"]] == ["diverged", "complete"]
    with pytest.raises(UserError, match="all 1 trials diverged in round 0 of seed 0"):
        train(small(), trials=1)


def test_it_needs_validation_rows(tmp_path):
    with pytest.raises(UserError, match="searched needs validation rows"):
        train(problem())
    study = tree(
        strategies=["mine"],
        strategy__mine={"use": "random", "learner": "searched"},
        task__digits__split__validation=0,
    )
    with pytest.raises(UserError, match="validation is 0; allowed with it: 1 or more"):
        settings.load(write_params(tmp_path, study))


# in a study


def test_the_record_tells_the_trials_and_no_search_sees_the_test_set(study_copy, monkeypatch):
    wanted = {"learner": {"use": "searched", "trials": 2}}
    study = tree(
        strategies=["mine", "theirs"],
        strategy__mine={"use": "random", **wanted},
        strategy__theirs={"use": "entropy", **wanted},
        seeds=[0],
        task__digits__epochs=1,
    )
    study = settings.load(write_params(study_copy, study))
    split(study, study_copy, "digits", 0)
    opened, array = [], Prepared.array

    def noted(self, name):
        opened.append(name)
        return array(self, name)

    trained = searched._best

    def watched(round, trials):
        before = len(opened)
        found = trained(round, trials)
        assert opened[before:] == []
        return found

    monkeypatch.setattr(Prepared, "array", noted)
    monkeypatch.setattr(searched, "_best", watched)
    told = []
    for label in ("mine", "theirs"):
        grow(study, study_copy, "digits", label, 0)
        path = study_copy / f"reports/rounds/digits/{label}/seed-0/round-0.json"
        told.append(json.loads(path.read_text())["search"])
    assert told[0] == told[1] and len(told[0]["trials"]) == 2
    assert any("test" in name for name in opened)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ([], "search is"),
        ({"trials": [], "chosen": 0}, "search is"),
        ({"trials": [{"right": 1, "ended": "lost"}], "chosen": 0}, "search is"),
        ({"trials": [{"right": -1, "ended": "complete"}], "chosen": 0}, "search is"),
        ({"trials": [{"right": 3, "ended": "pruned"}], "chosen": 0}, "search.chosen is 0"),
        (
            {
                "trials": [{"right": 3, "ended": "complete"}, {"right": 3, "ended": "complete"}],
                "chosen": 1,
            },
            "search.chosen is 1",
        ),
    ],
)
def test_a_record_of_a_search_that_contradicts_itself(found, fault):
    assert [one.startswith(fault) for one in records._search(found)] == [True]


def test_a_record_of_a_search_that_holds():
    trials = [{"right": 9, "ended": "pruned"}, {"right": 3, "ended": "complete"}]
    assert not list(records._search({"trials": trials, "chosen": 1}))

"""A model is trained once for all rounds that would train it alike, and for no other."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from study import grow, tree, write_params

from stages.learners import supervised
from stages.protocol import protocol
from stages.round import Run, run_round
from stages.rounds import trained
from stages.study import carry, settings
from stages.study.footprint import Footprint
from stages.study.layout import END, Layout

TWO = ["random", "entropy"]


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(seed, labeled rows) of each model that was really trained."""
    done: list[tuple[int, int]] = []
    real = supervised.train

    def counted(round):
        done.append((round.seed, len(round.labeled)))
        return real(round)

    counted.repeatable = counted.continues = True
    monkeypatch.setattr(supervised, "train", counted)
    return done


def study_of(root: Path, rounds: int = 2, **changes):
    """The prepared study with its protocol written."""
    numbered = [{"n": n, "next": n + 1 if n + 1 < rounds else END} for n in range(rounds)]
    study = settings.load(
        write_params(root, tree(strategies=TWO, rounds=numbered, seeds=[0, 1], **changes))
    )
    protocol(study, root, "digits")
    return study


def left(root: Path) -> dict[str, bytes]:
    """Every file that a round leaves and that DVC hashes."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in ("splits", "reports", "artifacts")
        for path in (root / folder).rglob("*")
        if path.is_file() and ".trained" not in path.parts and "seconds" not in path.name
        if path.suffix != ".lock"
    }


def test_the_first_model_of_a_seed_is_trained_once_and_nothing_else_changes(study_copy, trainings):
    study = study_of(study_copy)
    sizes = [len(np.loadtxt(Layout(study_copy).shared_split("digits", 0) / "initial.txt"))]
    sizes.append(sizes[0] + study.task["digits"].query_size)
    for strategy in TWO:
        grow(study, study_copy, "digits", strategy, 0)
    assert trainings == [(0, sizes[0]), (0, sizes[1]), (0, sizes[1])]
    with_it = left(study_copy)
    for path in (study_copy / "artifacts/.trained").rglob("*.json"):
        path.unlink()
    grow(study, study_copy, "digits", "entropy", 0)
    assert len(trainings) == 5 and left(study_copy) == with_it


def test_another_seed_another_setting_and_other_code_are_trained(
    study_copy, trainings, monkeypatch
):
    grow(study_of(study_copy), study_copy, "digits", "random", 0)
    assert len(trainings) == 2
    grow(study_of(study_copy), study_copy, "digits", "entropy", 1)
    assert len(trainings) == 4
    slower = {"task__digits__learning_rate": 0.001}
    grow(study_of(study_copy, **slower), study_copy, "digits", "entropy", 0)
    assert len(trainings) == 6
    real = Footprint.reached
    monkeypatch.setattr(Footprint, "reached", lambda self, starts: real(self, starts) | {"x": "y"})
    grow(study_of(study_copy, **slower), study_copy, "digits", "random", 0)
    assert len(trainings) == 8


def test_the_key_is_of_all_that_training_can_depend_on(study_copy, monkeypatch):
    study = study_of(study_copy)
    rounds: list = []
    real = supervised.train
    monkeypatch.setattr(supervised, "train", lambda round: rounds.append(round) or real(round))
    supervised.train.repeatable = True
    grow(study, study_copy, "digits", "random", 0)
    run, learner = Run(study, Layout(study_copy), "digits", "random", 0), {"learner": "a.b:c"}
    monkeypatch.setattr(Footprint, "reached", lambda self, starts: {})
    known = rounds[0]
    others = {
        "seed": 1,
        "n": 1,
        "labeled": known.labeled[::-1],
        "labels": known.labels[::-1],
        "unlabeled": known.unlabeled[1:],
        "validation": known.unlabeled[:1],
        "validation_labels": known.labels[:1],
        "carry": {"learner": {"x": np.zeros(1)}},
    }
    keys = [trained.key_of(run, known, learner)]
    keys += [
        trained.key_of(run, dataclasses.replace(known, **{name: value}), learner)
        for name, value in others.items()
    ]
    keys.append(trained.key_of(run, known, learner | {"settings": {"x": 1}}))
    monkeypatch.setattr(Footprint, "reached", lambda self, starts: {"a.b": "other code"})
    keys.append(trained.key_of(run, known, learner))
    assert len(set(keys)) == len(keys) == len(others) + 3


def test_what_a_learner_hands_on_is_never_lost(study_copy, trainings):
    study, layout = study_of(study_copy, task__digits__initialise="last"), Layout(study_copy)
    for strategy in TWO:
        grow(study, study_copy, "digits", strategy, 0)
    assert len(trainings) == 4
    first, other = (
        carry.read(layout.artifacts("digits", strategy, 0, 1))["learner"] for strategy in TWO
    )
    assert first and {name: array.tobytes() for name, array in first.items()} == {
        name: array.tobytes() for name, array in other.items()
    }


def test_an_extended_study_does_not_train_its_last_round_again(study_copy, trainings):
    grow(study_of(study_copy), study_copy, "digits", "entropy", 0)
    longer = study_of(study_copy, rounds=3)
    run = Run(longer, Layout(study_copy), "digits", "entropy", 0)
    run_round(run, 1, 2)
    assert len(trainings) == 2  # round 1 was the last one, and its weights were kept
    run_round(run, 2, END)
    assert len(trainings) == 3
    kept = left(study_copy)
    for name in (".trained", "digits"):
        (study_copy / "artifacts" / name).rename(study_copy / f"moved-{name}")
    grow(longer, study_copy, "digits", "entropy", 0)
    fresh = left(study_copy)
    assert {name: kept[name] for name in fresh} == fresh


@pytest.mark.parametrize("damage", ["weights", "note", "no weights"])
def test_what_is_damaged_is_trained_again(study_copy, trainings, damage):
    study = study_of(study_copy)
    grow(study, study_copy, "digits", "random", 0)
    first = next((study_copy / "artifacts/.trained/digits/seed-0").glob("first-*.npz"))
    if damage == "weights":
        first.write_bytes(first.read_bytes()[:-7] + b"\0" * 7)
    elif damage == "note":
        first.with_suffix(".json").write_text("{")
    else:
        first.unlink()
    grow(study, study_copy, "digits", "entropy", 0)
    assert len(trainings) == 4


def test_a_found_model_has_the_seconds_that_its_training_took(study_copy, trainings):
    study, layout = study_of(study_copy), Layout(study_copy)
    for strategy in TWO:
        grow(study, study_copy, "digits", strategy, 0)
    first, again = (
        json.loads(layout.seconds("digits", strategy, 0, 0).read_text())["train"]
        for strategy in TWO
    )
    assert first == again > 0


def test_a_learner_that_makes_more_than_a_network_is_always_trained(study_copy):
    assert trained.parts.is_repeatable("stages.learners.supervised:train")
    for learner in ("committee", "ceal", "adversarial"):
        assert not trained.parts.is_repeatable(f"stages.learners.{learner}:train")

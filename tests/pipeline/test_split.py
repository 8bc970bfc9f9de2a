"""What the first stages write, by value: against NumPy's own streams and a plain reading of files.

`numpy.random.SeedSequence(seed, spawn_key=(purpose, round))` with the purposes' numbers written out
here, so that neither stages.machine.randomness nor stages.split is asked what they should have
drawn.
"""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from study import tree, write_params

from stages.machine.errors import UserError
from stages.machine.randomness import Purpose, generator
from stages.protocol import protocol
from stages.split import draw_balanced, split
from stages.start import start
from stages.study import settings, task_code, tuning
from stages.study.layout import Layout

PURPOSES = {
    "VALIDATION": 0, "INITIAL_SET": 1, "INITIALISATION": 2, "BATCHES": 3, "AUGMENTATION": 4,
    "DROPOUT": 5, "MC_DROPOUT": 6, "SELECT": 7, "SCORER": 8, "INSPECT": 9, "DISCRIMINATOR": 30,
    "DISCRIMINATOR_BATCHES": 31, "DISCRIMINATOR_SUBSET": 32, "GCN": 33, "GCN_DROPOUT": 34,
    "GCN_SUBSET": 35, "CANDIDATES": 40, "ADVICE": 41, "HYBRID_DISCRIMINATOR": 51,
}  # fmt: skip


def stream(*key: int, seed: int) -> np.random.Generator:
    """NumPy's own, without anything of the package."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def test_every_purpose_has_its_number_for_ever():
    found = {purpose.name: purpose.value for purpose in Purpose}
    assert {name: found[name] for name in PURPOSES} == PURPOSES
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("name", PURPOSES)
@pytest.mark.parametrize(("seed", "n", "part"), [(0, 0, 0), (3, 2, 0), (2**40, 7, 4)])
def test_a_stream_is_of_seed_purpose_round_and_part(name, seed, n, part):
    key = (PURPOSES[name], n, part) if part else (PURPOSES[name], n)
    expected = stream(*key, seed=seed).integers(0, 2**62, 5)
    assert (generator(seed, Purpose[name], n, part).integers(0, 2**62, 5) == expected).all()


def rows_of(path) -> list[int]:
    """The indices of a link, read by NumPy alone."""
    return np.loadtxt(path, np.int64, ndmin=1).tolist()


def header_of(path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))


def by_turns(rows: list[int], labels: np.ndarray, size: int) -> list[int]:
    """The classes in turn, each with its next row of ``rows``; within a turn as ``rows`` stand."""
    taken: list[int] = []
    left = list(rows)
    while len(taken) < size:
        seen: set[int] = set()
        for row in list(left):
            if labels[row] not in seen:
                seen.add(labels[row])
                taken.append(row)
                left.remove(row)
    return taken[:size]


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize(("initial", "validation"), [(12, 5), (33, 47), (7, 0)])
def test_the_shared_sets_are_numpys_permutations(balanced, seed, initial, validation, study_copy):
    changes = {"initial": initial, "validation": validation, "balanced": balanced}
    study = tree(seeds=[seed], task__digits__split=changes)
    split(settings.load(write_params(study_copy, study)), study_copy, "digits", seed)
    labels = np.load(study_copy / "data/digits/train_labels.npy")
    first = stream(0, 0, seed=seed).permutation(np.arange(1438)).tolist()
    aside = by_turns(first, labels, validation) if balanced else first[:validation]
    rest = np.array([row for row in range(1438) if row not in set(aside)])
    second = stream(1, 0, seed=seed).permutation(rest).tolist()
    begin = by_turns(second, labels, initial) if balanced else second[:initial]
    folder = study_copy / f"splits/digits/seed-{seed}"
    assert rows_of(folder / "validation.txt") == aside
    assert rows_of(folder / "initial.txt") == begin
    assert not set(aside) & set(begin)
    said = header_of(folder / "initial.txt")
    assert (said["count"], said["total"], said["rows"]) == (str(initial), str(initial), "1438")
    assert (said["task"], said["strategy"], said["seed"], said["round"]) == (
        "digits", "shared", str(seed), "initial"
    )  # fmt: skip
    aside_said = header_of(folder / "validation.txt")
    assert (aside_said["count"], aside_said["total"]) == (str(validation), "0")
    assert aside_said["parent"] == "none" and said["parent"].startswith("validation.txt sha256:")


@pytest.mark.parametrize("sizes", [[40, 40, 40], [50, 3, 40], [1, 1, 90], [0, 5, 60]])
def test_balanced_draws_differ_by_one_until_a_class_runs_out(sizes):
    labels = np.repeat(np.arange(3), sizes)
    rows = np.arange(len(labels))
    for size in range(0, len(rows) + 1, 7):
        taken = draw_balanced(rows, labels, size, np.random.default_rng(size))
        counts = np.bincount(labels[taken], minlength=3)
        assert len(set(taken.tolist())) == size
        open_classes = counts < sizes
        if open_classes.any():
            assert counts[open_classes].max() - counts[open_classes].min() <= 1
            assert counts.max() <= counts[open_classes].min() + 1


def test_balanced_draws_favour_no_class_with_what_is_left_over():
    """10 of 3 classes: which class has the fourth is each class's turn as often."""
    labels = np.repeat(np.arange(3), 30)
    fourth = np.zeros(3)
    for seed in range(600):
        taken = draw_balanced(np.arange(90), labels, 10, np.random.default_rng(seed))
        fourth[np.bincount(labels[taken]).argmax()] += 1
    assert (abs(fourth - 200) < 4 * np.sqrt(600 * 2 / 9)).all()


def test_a_protocol_says_each_setting_by_value(study_copy):
    changes = {"epochs": 9, "milestones": [4, 7], "decay": 0.25, "weight_decay": 0.125}
    study = tree(threads=1, **{f"task__digits__{key}": value for key, value in changes.items()})
    protocol(settings.load(write_params(study_copy, study)), study_copy, "digits")
    manifest = json.loads((study_copy / "data/digits/manifest.json").read_text())
    assert json.loads((study_copy / "data/digits/protocol.json").read_text()) == {
        "data": f"digits sha256:{manifest['digest']}",
        "reproducible": "portable",
        "device": "cpu",
        "split": {"initial": 12, "validation": 5, "balanced": False},
        "query_size": 6,
        "model": {"name": "small_cnn", "dropout": 0.3},
        "epochs": 9,
        "batch_size": 8,
        "optimizer": "adam",
        "learning_rate": 0.003,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.125,
        "weight_decay_on": "all",
        "schedule": "steps",
        "schedule_by": "epoch",
        "milestones": [4, 7],
        "decay": 0.25,
        "clip_norm": 0.0,
        "label_smoothing": 0.0,
        "class_weights": "none",
        "initialise": "fresh",
        "choose_epoch": "last",
        "averaging": "none",
        "ema_decay": 0.999,
        "swa_epochs": 50,
        "swa_learning_rate": 0.0005,
        "swa_every": 50,
        "augmentation": "none",
        "padding": 4,
        "amp": False,
        "channels_last": False,
        "compile": False,
        "code": {"model": task_code.of_model(settings.Model(name="small_cnn"))},
    }


def test_a_run_starts_with_no_rows_of_its_own_and_an_empty_carry(study_copy):
    study = settings.load(study_copy / "params.yaml")
    start(study, study_copy, "digits", "entropy", 1)
    link = study_copy / "splits/digits/entropy/seed-1/round-0.txt"
    said = header_of(link)
    initial = header_of(study_copy / "splits/digits/seed-1/initial.txt")
    assert {key: said[key] for key in ("task", "strategy", "seed", "round", "count", "total")} == {
        "task": "digits", "strategy": "entropy", "seed": "1", "round": "0", "count": "0",
        "total": "12",
    }  # fmt: skip
    assert (said["data"], said["rows"]) == (initial["data"], "1438")
    assert said["parent"].startswith("../../seed-1/initial.txt sha256:") and "tuned" not in said
    with np.load(study_copy / "artifacts/digits/entropy/seed-1/round-0/carry.npz") as carry:
        assert carry.files == []


def test_a_run_on_sets_that_overlap_does_not_start(study_copy):
    folder = study_copy / "splits/digits/seed-0"
    row = rows_of(folder / "validation.txt")[0]
    text = (folder / "initial.txt").read_text().splitlines()
    (folder / "initial.txt").write_text("\n".join([*text[:-1], str(row)]) + "\n")
    with pytest.raises(UserError, match=f"{row}"):
        start(settings.load(study_copy / "params.yaml"), study_copy, "digits", "random", 0)
    assert not (study_copy / "splits/digits/random").exists()


MIXED = {"use": "hybrid", "combination": "mean", "alpha": [0.1, 0.5, 0.9]}


@pytest.mark.parametrize(
    ("right", "alpha"),
    [
        ([[3, 1, 2], [0, 1, 2]], 0.9),  # 3, 2, 4: over all seeds, not the first one's
        ([[3, 1, 2], [1, 2, 2]], 0.1),  # 4, 3, 4: the one written first of equals
        ([[0, 2, 1], [0, 0, 1]], 0.5),  # 0, 2, 2
        ([[0, 0, 0], [0, 0, 0]], 0.1),
    ],
)
def test_the_candidate_with_most_right_over_all_seeds_is_chosen(right, alpha, study_copy):
    params = tree(strategies=["random", "mixed"], tuned=["mixed"], strategy__mixed=MIXED)
    study = settings.load(write_params(study_copy, params))
    for seed, counts in enumerate(right):
        path = study_copy / f"reports/tuned/digits/mixed/seed-{seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        found = [
            {"values": {"alpha": value}, "correct": correct}
            for value, correct in zip([0.1, 0.5, 0.9], counts, strict=True)
        ]
        path.write_text(json.dumps({"candidates": found[::-1]}))  # by value, not by place
    layout = Layout(study_copy)
    assert tuning.chosen(study, layout, "digits", "mixed") == {"alpha": alpha}
    assert tuning.chosen(study, layout, "digits", "random") == {}
    start(study, study_copy, "digits", "mixed", 1)
    said = header_of(study_copy / "splits/digits/mixed/seed-1/round-0.txt")
    assert json.loads(said["tuned"]) == {"alpha": alpha}
    shutil.rmtree(study_copy / "reports/tuned/digits/mixed")
    with pytest.raises(UserError, match="seed-0.json: missing; run dvc repro"):
        tuning.chosen(study, layout, "digits", "mixed")

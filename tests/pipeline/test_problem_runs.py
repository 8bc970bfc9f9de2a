"""Studies with a noisy oracle, another pool or another start, from split to verify."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
from study import grow, reseal, rounds, tree, write_params

from stages.checking import plan
from stages.checking.study import Study
from stages.datasets.prepared import Prepared
from stages.full import full
from stages.machine.errors import UserError
from stages.protocol import protocol
from stages.round import Run
from stages.rounds.opening import open_round, posed_by, training_images
from stages.rounds.oracle import Oracle
from stages.split import split
from stages.study import ledger, problem, settings
from stages.study.layout import Layout
from stages.tune import Tuning

QUICK = {"reproducible": "machine", "task__digits__epochs": 1, "seeds": [0]}
NOISY = {"task__digits__oracle": {"noise": 0.3}}
MUNJAL = {"task__digits__oracle": {"noise": 0.5, "noise_as": "munjal"}}
POOL = {
    "task__digits__pool": {
        "imbalance": {"shape": "linear", "ratio": 5}, "copies": 2, "size": 200
    },
    "task__digits__query_size": [4, 9],
}  # fmt: skip
OPEN = {
    "task__digits__pool": {"open_set": {"classes": [0, 9]}},
    "task__digits__oracle": {"noise": 0.4, "validation": "noisy"},
    "task__digits__class_weights": "balanced",
    "task__digits__metrics": ["auroc", "macro_f1", "balanced_accuracy"],
    "strategies": ["random", "entropy", "albl", "ceal"],
}
PROBLEMS = {"noisy": NOISY, "munjal": MUNJAL, "pool": POOL, "open": OPEN}


def prepared(source, root, **changes):
    """A copy of the prepared study with other settings, split anew."""
    shutil.copytree(source, root)
    shutil.rmtree(root / "splits")
    study = settings.load(write_params(root, tree(**{**QUICK, **changes})))
    protocol(study, root, "digits")
    for seed in study.seeds:
        split(study, root, "digits", seed)
    return study


@pytest.fixture(scope="module", params=PROBLEMS)
def grown(request, prepared_study, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param) / "study"
    study = prepared(prepared_study, root, **PROBLEMS[request.param])
    for name in study.strategies:
        grow(study, root, "digits", name, 0)
    full(study, root, "digits", 0)
    return request.param, root, study


def faults(root):
    return Study(root, plan.read(plan.find(root))).check().faults


def posed_of(root, study):
    shared = ledger.read_shared(Layout(root).shared_split("digits", 0))
    return posed_by(study, "digits", 0, Prepared(root / "data/digits"), shared), shared


def records_of(root, name):
    paths = sorted((root / "reports/rounds/digits" / name / "seed-0").glob("round-*.json"))
    return [json.loads(path.read_text()) for path in paths]


def test_everything_is_verified(grown):
    _, root, study = grown
    found = Study(root, plan.read(plan.find(root))).check()
    assert not found.faults and not found.notices
    assert len(found.fingerprints) == len(study.strategies)
    assert found.records == 3 * len(study.strategies) + 1


def test_nothing_left_out_is_ever_seen(grown):
    _, root, study = grown
    posed, shared = posed_of(root, study)
    for name in study.strategies:
        chain = ledger.walk(Layout(root).link("digits", name, 0, 1))
        given = open_round(
            study, "digits", 0, 1, data=posed, batches=training_images(study, posed),
            labeled=chain.labeled, validation=chain.validation.indices,
        )  # fmt: skip
        parts = [given.labeled, given.refused, given.unlabeled, given.validation, shared.left_out]
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(posed.rows))


def test_a_row_has_the_same_wrong_label_for_every_strategy(grown):
    kind, root, study = grown
    if kind == "munjal":
        return  # places of a batch are, whatever lies there
    posed, _ = posed_of(root, study)
    answered = Oracle(posed).labels(np.arange(posed.rows))
    for name in study.strategies:
        rows = ledger.walk(Layout(root).link("digits", name, 0, "end")).labeled
        asked = answered[rows] >= 0
        counts = np.bincount(answered[rows][asked], minlength=posed.classes).tolist()
        assert records_of(root, name)[-1]["labeled_per_class"] == counts


def test_the_record_counts_what_was_wrong(grown):
    kind, root, study = grown
    raw = np.load(root / "data/digits/train_labels.npy")
    for name in study.strategies:
        chain = ledger.walk(Layout(root).link("digits", name, 0, "end"))
        for n, record in enumerate(records_of(root, name)):
            rows = chain.labeled[: chain.links[n].total]
            assert record["labeled"] == len(rows)
            assert ("mislabeled" in record) == (kind != "pool")
            assert ("none_of_these" in record) == (kind == "open")
            if kind == "open":
                others = np.isin(raw[rows], [0, 9])
                assert record["none_of_these"] == others.sum()
                assert sum(record["labeled_per_class"]) == (~others).sum()
                assert len(record["per_class_test"]) == 8
            if kind == "munjal":
                assert record["mislabeled"] <= (0 if n == 0 else 3)


def test_a_noisy_study_has_its_share(grown):
    kind, root, study = grown
    if kind not in ("noisy", "open"):
        return
    share = study.task["digits"].oracle.noise
    posed, shared = posed_of(root, study)
    oracle, rows = Oracle(posed), np.arange(posed.rows)
    wrong = oracle.labels(rows) != oracle.true(rows)
    validation = shared.validation.indices
    pool = np.setdiff1d(rows[oracle.true(rows) >= 0], validation)
    assert wrong[pool].sum() == problem.how_many(share, len(pool))
    noisy = kind == "open"
    assert wrong[validation].sum() == (problem.how_many(share, 5) if noisy else 0)
    record = json.loads((root / "reports/rounds/digits/seed-0/full.json").read_text())
    assert record["mislabeled"] == wrong[pool].sum()
    labels = Oracle(posed).labels(validation)
    assert np.array_equal(Tuning(Run(study, Layout(root), "digits", "random", 0)).validation,
                          validation)  # fmt: skip
    assert (labels >= 0).all()


def test_a_record_that_says_otherwise_is_noticed(grown, tmp_path):
    kind, root, _ = grown
    if kind == "pool":
        return
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    path = copy / "reports/rounds/digits/random/seed-0/round-2.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"mislabeled": record["mislabeled"] + 1}))
    reseal(copy)
    assert any("mislabeled is" in fault and "round-2" in fault for fault in faults(copy))
    del record["mislabeled"]
    path.write_text(json.dumps(record))
    reseal(copy)
    assert any("mislabeled is missing" in fault for fault in faults(copy))


def test_a_pool_of_other_rows_is_noticed(grown, tmp_path):
    kind, root, _ = grown
    if kind != "pool":
        return
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    folder = copy / "splits/digits/seed-0"
    taken = np.concatenate(
        [ledger.read(folder / f"{name}.txt").indices for name in ("pool", "initial", "validation")]
    )
    lines = (folder / "pool.txt").read_text().splitlines()
    free = np.setdiff1d(np.arange(2 * 1438), taken)[0]
    (folder / "pool.txt").write_text("\n".join([*lines[:-1], str(free)]) + "\n")
    assert any("pool.txt: changed after validation.txt" in fault for fault in faults(copy))
    # Sealed anew it is sound, but no row that this seed leaves out.
    shared = copy / "splits/digits"
    write_anew(shared / "seed-0", ["pool", "validation", "initial"])
    found = faults(copy)
    assert any("pool.txt: not the rows that seed 0 leaves out (2 differ" in one for one in found)


def write_anew(folder, names):
    parent = None
    for name in names:
        link = ledger.read(folder / f"{name}.txt")
        said = link.header
        parent = ledger.write(
            link.path, link.indices, data=said["data"], rows=int(said["rows"]), task=said["task"],
            strategy=said["strategy"], seed=int(said["seed"]), round_n=name, parent=parent,
            total=link.total, problem=ledger.problem_of(link) if name == "pool" else None,
        )  # fmt: skip


def test_other_settings_do_not_fit_these_sets(grown, tmp_path):
    kind, root, study = grown
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    changes = PROBLEMS[kind] | {"task__digits__oracle": {"noise": 0.11}}
    other = settings.load(write_params(copy, tree(**{**QUICK, **changes})))
    assert any("pool.txt: pool and oracle are" in fault for fault in faults(copy))
    with pytest.raises(UserError, match="pool.txt: not that of params.yaml"):
        grow(other, copy, "digits", "random", 0)


def test_both_copies_show_one_image(grown):
    kind, root, study = grown
    posed, _ = posed_of(root, study)
    batches = training_images(study, posed)
    assert len(batches) == posed.rows == 1438 * (2 if kind == "pool" else 1)
    if kind == "pool":
        rows = np.array([0, 5, 1437])
        assert (batches.raw(rows) == batches.raw(rows + 1438)).all()
        assert not (batches.raw(rows) == batches.raw(rows + 1437)).all()


def test_sizes_of_a_list(grown):
    kind, root, study = grown
    wanted = [4, 9] if kind == "pool" else [6, 6]
    for name in study.strategies:
        chain = ledger.walk(Layout(root).link("digits", name, 0, "end"))
        assert [len(link.indices) for link in chain.links[1:-1]] == wanted


def test_the_kept_classes_have_the_ratios_of_the_settings(grown):
    kind, root, study = grown
    if kind != "pool":
        return
    labels = np.load(root / "data/digits/train_labels.npy")
    gone = problem.removed(study.task["digits"].problem, labels, 10, 0)
    counts = np.bincount(labels[~gone], minlength=10)
    np.testing.assert_allclose(counts / counts.max(), (1 + 4 * np.arange(10) / 9) / 5, atol=0.01)


# without a problem


def test_without_a_problem_nothing_is_new(prepared_study, tmp_path):
    study = prepared(prepared_study, tmp_path / "study")
    assert not (tmp_path / "study/splits/digits/seed-0/pool.txt").exists()
    said = json.loads((tmp_path / "study/data/digits/protocol.json").read_text())
    assert not {"oracle", "pool", "metrics"} & set(said) and "start" not in said["split"]
    for name in ("validation", "initial"):
        path = f"splits/digits/seed-0/{name}.txt"
        assert (tmp_path / "study" / path).read_bytes() == (prepared_study / path).read_bytes()
    assert study.task["digits"].problem == problem.PLAIN


def test_a_pool_of_before_goes(prepared_study, tmp_path):
    root = tmp_path / "study"
    prepared(prepared_study, root, **NOISY)
    assert (root / "splits/digits/seed-0/pool.txt").exists()
    study = settings.load(write_params(root, tree(**QUICK)))
    split(study, root, "digits", 0)
    assert not (root / "splits/digits/seed-0/pool.txt").exists()


# starts


def initial_of(root):
    return ledger.read(root / "splits/digits/seed-0/initial.txt").indices


@pytest.mark.parametrize(
    ("start", "counts"),
    [
        ("balanced", [2] * 10),
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 11], [1] * 9 + [11]),
        ({"shape": "step", "ratio": 3, "rare": 5}, [3] * 5 + [1] * 5),
    ],
)
def test_the_start_has_the_classes_that_were_asked_for(start, counts, prepared_study, tmp_path):
    root, size = tmp_path / "study", sum(counts)
    changes = {"task__digits__split__start": start, "task__digits__split__initial": size}
    prepared(prepared_study, root, **changes)
    labels = np.load(root / "data/digits/train_labels.npy")
    assert np.bincount(labels[initial_of(root)], minlength=10).tolist() == counts


def test_the_start_of_a_file(prepared_study, tmp_path):
    root = tmp_path / "study"
    content = "# mine\n" + "\n".join(map(str, range(100, 112))) + "\n"
    start = {"file": "start-{seed}.txt", "sha256": [hashlib.sha256(content.encode()).hexdigest()]}
    shutil.copytree(prepared_study, root)
    for seed in (0, 1):
        (root / f"start-{seed}.txt").write_text(content)
    changes = {"task__digits__split__start": start}
    study = settings.load(write_params(root, tree(**{**QUICK, **changes})))
    split(study, root, "digits", 0)
    assert initial_of(root).tolist() == list(range(100, 112))
    validation = ledger.read(root / "splits/digits/seed-0/validation.txt").indices
    assert len(validation) == 5 and not np.isin(validation, initial_of(root)).any()
    (root / "start-0.txt").write_text(content + "112\n")
    with pytest.raises(UserError, match=r"start-0.txt: SHA-256 is \w+, task.digits.split.start"):
        split(study, root, "digits", 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1\n1\n", "a row stands there twice"),
        ("1\nx\n", "'x' is no row"),
        ("1\n1438\n", "'1438' is no row"),
        ("1\n2\n", "2 rows, task.digits.split.initial is 12"),
    ],
)
def test_a_file_that_is_no_start(content, said, prepared_study, tmp_path):
    root = tmp_path / "study"
    shutil.copytree(prepared_study, root)
    (root / "start.txt").write_text(content)
    start = {"file": "start.txt", "sha256": hashlib.sha256(content.encode()).hexdigest()}
    changes = QUICK | {"task__digits__split__start": start}
    study = settings.load(write_params(root, tree(**changes)))
    with pytest.raises(UserError, match=said):
        split(study, root, "digits", 0)


def test_a_pool_that_is_too_small(prepared_study, tmp_path):
    changes = {
        "task__digits__pool": {"imbalance": [1] * 9 + [100]}, "task__digits__query_size": 70,
        "rounds": rounds(3),
    }  # fmt: skip
    with pytest.raises(UserError, match="2 selections are 140 rows, larger than the pool of"):
        prepared(prepared_study, tmp_path / "study", **changes)

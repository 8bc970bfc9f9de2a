"""Studies with a noisy oracle, another pool or another start, from split to verify."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from study import grow, reseal, rounds, tree, write_params

from stages.checking import plan
from stages.checking.study import Study
from stages.datasets.prepared import Prepared
from stages.full import full
from stages.machine.errors import UserError
from stages.models import build
from stages.protocol import protocol
from stages.reporting.read.overlap import read_overlap
from stages.reporting.read.records import read_full, read_rounds
from stages.round import Run
from stages.rounds.evaluation import on_test_set
from stages.rounds.opening import open_round, posed_by, training_images
from stages.rounds.oracle import Oracle
from stages.split import split
from stages.study import drawn, ledger, problem, settings
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
    assert wrong[pool].sum() == drawn.how_many(share, len(pool))
    noisy = kind == "open"
    assert wrong[validation].sum() == (drawn.how_many(share, 5) if noisy else 0)
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
    gone = drawn.removed(study.task["digits"].problem, labels, 10, 0)
    counts = np.bincount(labels[~gone], minlength=10)
    np.testing.assert_allclose(counts / counts.max(), (1 + 4 * np.arange(10) / 9) / 5, atol=0.01)


def test_the_report_reads_what_it_is_about(grown):
    kind, root, study = grown
    about = ["accuracy", "balanced_accuracy", *(["macro_f1", "auroc"] if kind == "open" else [])]
    for metric in about:
        chosen = study.report.model_copy(update={"metric": metric})
        asked = study.model_copy(update={"report": chosen})
        rounds, whole = read_rounds(asked, root), read_full(asked, root)
        own = rounds[rounds["strategy"] == "random"]["accuracy"].tolist()
        found = records_of(root, "random")
        if metric == "balanced_accuracy" and kind != "open":
            wanted = [
                np.mean(np.divide(one["per_class_correct"], one["per_class_test"])) for one in found
            ]
            np.testing.assert_allclose(own, wanted, atol=1e-6)
        else:
            assert own == [one[metric] for one in found]
        assert len(whole) == 1
    other = study.model_copy(
        update={"report": study.report.model_copy(update={"metric": "worst_group"})}
    )
    with pytest.raises(UserError, match="'worst_group', which reports/rounds/.*round-0.json does"):
        read_rounds(other, root)
    table = read_overlap(study, root)["overlap"]
    posed, shared = posed_of(root, study)
    chosen = sum(study.task["digits"].selects(n) for n in range(2))
    pool = posed.rows - sum(
        len(one) for one in (shared.validation.indices, shared.initial.indices, shared.left_out)
    )
    assert table["by_chance"].iloc[0] == pytest.approx(chosen / (2 * pool - chosen))


def test_a_measure_that_nobody_asked_for_is_noticed(grown, tmp_path):
    kind, root, _ = grown
    if kind != "open":
        return
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    changes = {**QUICK, **OPEN, "task__digits__metrics": ["auroc"]}
    write_params(copy, tree(**changes))
    found = faults(copy)
    assert any("macro_f1 is there, but no setting asks for it" in fault for fault in found)
    assert any("protocol.json: metrics is" in fault for fault in found)


def test_groups_of_the_test_set_are_counted(grown):
    kind, root, study = grown
    posed, _ = posed_of(root, study)
    labels = np.load(root / "data/digits/test_labels.npy")
    groups = SimpleNamespace(
        test=labels % 2, names=("even", "odd"), mismatch=(False, True), train=None
    )
    fake = SimpleNamespace(**{
        name: getattr(posed.prepared, name) for name in ("manifest", "array", "classes", "rows")
    }, groups=groups)  # fmt: skip
    other = dataclasses.replace(posed, prepared=fake)
    batches = training_images(study, posed)
    network = build(study.task["digits"].model, (1, 8, 8), posed.classes)
    found = on_test_set(network, other, batches)
    known = labels[~np.isin(labels, posed.problem.open_set)]
    assert [one["test"] for one in found["groups"].values()] == [
        (known % 2 == 0).sum(), (known % 2 == 1).sum()
    ]  # fmt: skip
    assert sum(one["correct"] for one in found["groups"].values()) == found["correct"]
    assert found["groups"]["odd"]["mismatch"] is True
    assert "groups" not in on_test_set(network, posed, batches)


def test_the_problem_stands_in_the_pool_s_file_alone(grown, tmp_path):
    _, root, _ = grown
    content = (root / "splits/digits/seed-0/validation.txt").read_bytes()
    at = content.index(b"# total: 0\n") + len(b"# total: 0\n")
    with pytest.raises(UserError, match="header problem: allowed: in pool.txt, and only there"):
        ledger.parse(tmp_path / "x.txt", content[:at] + b"# problem: {}\n" + content[at:])
    pool = (root / "splits/digits/seed-0/pool.txt").read_bytes()
    line = next(one for one in pool.split(b"\n") if one.startswith(b"# problem"))
    with pytest.raises(UserError, match="header problem: allowed: in pool.txt"):
        ledger.parse(tmp_path / "x.txt", pool.replace(line + b"\n", b""))
    bad = ledger.parse(tmp_path / "x.txt", pool.replace(line, b'# problem: {"nose": 1}'))
    with pytest.raises(UserError, match="x.txt: problem: .* describes no problem"):
        ledger.problem_of(bad)


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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"oracle": {"noise": 1}}, "oracle.noise is 1; allowed: 0 or more, below 1"),
        ({"oracle": {"noise_as": "munjl"}}, "noise_as is 'munjl'; did you mean 'munjal'?"),
        ({"oracle": {"noise": 0.1, "noise_as": "munjal", "validation": "noisy"}},
         "noise_as: munjal is noise of the newest batch alone"),
        ({"oracle": {"noise": 0.1, "validation": "noisy"}, "split__validation": 0},
         "oracle.validation is 'noisy', but task.digits.split.validation is 0"),
        ({"pool": {"imbalance": [1, 2]}}, "a list of 2 sizes, but there are 10 classes"),
        ({"pool": {"imbalance": {"shape": "tail", "ratio": 3}}}, "is no imbalance; allowed: a"),
        ({"pool": {"open_set": {"classes": [10]}}}, "classes is [10], but there are 10 classes"),
        ({"pool": {"open_set": {"classes": list(range(9))}}}, "so that two or more are asked for"),
        ({"pool": {"open_set": {"classes": [1, 1]}}}, "allowed: a list of different classes"),
        ({"pool": {"size": 3}}, "query_size is 6, larger than the pool; allowed: up to 3"),
        ({"pool": {"copies": 0}}, "pool.copies is 0"),
        ({"query_size": [4, 9, 1]}, "query_size has 3 sizes, but there are 2 selections"),
        ({"query_size": [4, 0]}, "query_size is [4, 0]; allowed: a number from 1"),
        ({"query_size": [4, 1422]}, "query_size is 1422, larger than the pool; allowed: up to"),
        ({"split__balanced": True, "split__start": "uniform"}, "both say how the initial set"),
        ({"split__start": [1, 2, 3]}, "split.start: a list of 3 sizes, but there are 10 classes"),
        ({"split__start": {"file": "x{seed}", "sha256": ["0" * 64] * 2}},
         "start.sha256 has 2 digests, but there are 1 seeds"),
        ({"split__start": {"file": "x{seed}", "sha256": "0" * 64}}, "is no start; allowed: unif"),
        ({"metrics": ["auroc", "f1"]}, "metrics: 'f1' is no measure; allowed"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(changes, said, tmp_path):
    given = {f"task__digits__{key}": value for key, value in changes.items()}
    with pytest.raises(UserError) as found:
        settings.load(write_params(tmp_path, tree(**{**QUICK, **given})))
    assert said in str(found.value) and len(found.value.faults) == 1


def test_a_report_about_what_is_not_measured(tmp_path):
    with pytest.raises(UserError, match="report.metric is 'auroc', but task.digits.metrics does"):
        settings.load(write_params(tmp_path, tree(**QUICK, report__metric="auroc")))
    settings.load(write_params(tmp_path, tree(**QUICK, report__metric="balanced_accuracy")))

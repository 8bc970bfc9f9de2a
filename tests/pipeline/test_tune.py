"""Settings chosen on the validation set: the stage tune, and what start and round make of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from repository import commit, contents, dvc, git, make_repository, ran
from study import REPO, grow, tree, write_params

from stages import catalogue, tune
from stages.catalogue import hybrids
from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError
from stages.models import build, restore
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.evaluation import evaluate_rows
from stages.start import start
from stages.study import ledger, settings, tuning
from stages.study.layout import Layout

ALPHAS = [0.1, 0.5, 0.9]
MIXED = {
    "use": "hybrid",
    "uncertainty": "entropy",
    "diversity": "minimum_distance",
    "combination": "mean",
    "passes": 3,
    "alpha": ALPHAS,
}
STAGED = {**MIXED, "combination": "uncertainty_first", "gamma": [1, 4], "alpha": 0.5}


def params(root: Path, strategy: dict | None = None, **changes) -> settings.Settings:
    """A study that tunes `mixed`."""
    study = {
        "strategies": ["random", "mixed"],
        "tuned": ["mixed"],
        "strategy": {"random": {}, "mixed": MIXED if strategy is None else strategy},
        **changes,
    }
    return settings.load(write_params(root, tree(**study)))


def found(root: Path, seed: int = 0) -> dict:
    return json.loads(Layout(root).tuned("digits", "mixed", seed).read_text())


def pretend(root: Path, right: list[list[int]], values: list[dict] | None = None) -> None:
    """Files as if the candidates had been tried, a list of right answers for each seed."""
    values = values or [{"alpha": alpha} for alpha in ALPHAS]
    for seed, counts in enumerate(right):
        path = Layout(root).tuned("digits", "mixed", seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        candidates = [{"values": v, "correct": n} for v, n in zip(values, counts, strict=True)]
        path.write_text(json.dumps({"candidates": candidates}))


# measuring


def by_whole_runs(root: Path, strategy: dict, value: dict) -> int:
    """Right answers on the validation set after an ordinary run with the candidate fixed."""
    study = params(root, {**strategy, **value}, tuned=[])
    for path in (root / "splits/digits/mixed", root / "artifacts/digits/mixed"):
        shutil.rmtree(path, ignore_errors=True)
    grow(study, root, "digits", "mixed", 0)
    data = Prepared(root / "data/digits")
    compute = configure("portable", "cpu", 1)
    network = build(study.task["digits"].model, tuple(data.manifest["shape"]), data.classes)
    with np.load(Layout(root).artifacts("digits", "mixed", 0, "end") / "model.npz") as arrays:
        restore(network.double(), dict(arrays))
    network = compute.place(network)
    rows = ledger.read(Layout(root).shared_split("digits", 0) / "validation.txt").indices
    labels = np.asarray(data.array("train_labels"))[rows]
    images = Batches(
        data.array("train_images"), data.manifest["mean"], data.manifest["std"], compute
    )
    return evaluate_rows(network, images, rows, labels, data.classes)["correct"]


@pytest.fixture
def roomy(study_copy) -> Path:
    """The study with a validation set that can tell candidates apart."""
    from stages.split import split

    changes = {"task__digits__split__validation": 200, "task__digits__epochs": 4}
    study = params(study_copy, **changes)
    shutil.rmtree(study_copy / "splits")
    for seed in study.seeds:
        split(study, study_copy, "digits", seed)
    return study_copy


@pytest.mark.parametrize("strategy", [MIXED, STAGED], ids=["weights", "stages"])
def test_a_candidate_is_measured_as_by_a_whole_run(roomy, strategy):
    study = params(roomy, strategy, task__digits__split__validation=200, task__digits__epochs=2)
    tune.tune(study, roomy, "digits", "mixed", 0)
    result = found(roomy)
    assert (result["labeled"], result["validation"], result["seed"]) == (24, 200, 0)
    assert [item["values"] for item in result["candidates"]] == study.grid("mixed")
    for item in result["candidates"]:
        assert item["correct"] == by_whole_runs(roomy, strategy, item["values"])
    assert len({item["correct"] for item in result["candidates"]}) > 1


def test_candidates_that_agree_share_a_model(study_copy, monkeypatch):
    """Three candidates, two selections: the first model once, not three times."""
    trained = []
    learn = catalogue.load(catalogue.SUPERVISED)

    def count(round):
        trained.append(round.n)
        return learn(round)

    monkeypatch.setattr("stages.learners.supervised.train", count)
    tune.tune(params(study_copy), study_copy, "digits", "mixed", 0)
    assert trained.count(0) == 1 and 1 <= trained.count(1) <= 3 and 1 <= trained.count(2) <= 3


def test_tuning_twice_gives_the_same_bytes(study_copy):
    study = params(study_copy)
    path = Layout(study_copy).tuned("digits", "mixed", 0)
    tune.tune(study, study_copy, "digits", "mixed", 0)
    first = path.read_bytes()
    tune.tune(study, study_copy, "digits", "mixed", 0)
    assert path.read_bytes() == first


def test_no_label_of_the_pool_plays_a_part(study_copy):
    study = params(study_copy)
    tune.tune(study, study_copy, "digits", "mixed", 0)
    before, layout = found(study_copy), Layout(study_copy)
    tuned = tune.Tuning(tune.Run(study, layout, "digits", "mixed", 0))
    for item in study.rounds[:-1]:
        tuned._grow(item.n)
    shared = layout.shared_split("digits", 0)
    seen = [ledger.read(shared / f"{name}.txt").indices for name in ("initial", "validation")]
    seen += [trial.labeled for trial in tuned.trials]
    path = study_copy / "data/digits/train_labels.npy"
    labels = np.load(path)
    hidden = np.setdiff1d(np.arange(len(labels)), np.concatenate(seen))
    labels[hidden] = 0
    np.save(path, labels)
    tune.tune(study, study_copy, "digits", "mixed", 0)
    assert found(study_copy) == before


# choosing


@pytest.mark.parametrize(
    ("right", "alpha"),
    [
        ([[3, 2, 1], [0, 0, 0]], 0.1),
        ([[5, 4, 0], [0, 4, 5]], 0.5),  # the mean over the seeds, not the best seed
        ([[1, 2, 2], [1, 2, 2]], 0.5),  # among equals the first
        ([[0, 0, 0], [0, 0, 0]], 0.1),
    ],
)
def test_the_most_right_over_all_seeds_is_chosen(study_copy, right, alpha):
    study = params(study_copy)
    pretend(study_copy, right)
    assert tuning.chosen(study, Layout(study_copy), "digits", "mixed") == {"alpha": alpha}
    assert tuning.chosen(study, Layout(study_copy), "digits", "random") == {}


def test_the_first_link_names_the_choice_and_rounds_use_it(study_copy):
    study = params(study_copy)
    pretend(study_copy, [[0, 0, 9], [0, 0, 9]])
    grow(study, study_copy, "digits", "mixed", 0)
    layout = Layout(study_copy)
    first = ledger.read(layout.link("digits", "mixed", 0, 0))
    assert first.header["tuned"] == '{"alpha": 0.9}'
    assert ledger.tuned_settings(first) == {"alpha": 0.9}
    tuned = ledger.walk(layout.link("digits", "mixed", 0, "end"))
    assert tuned.sealed
    for alpha in (0.9, 0.1):
        fixed = params(study_copy, {**MIXED, "alpha": alpha}, tuned=[])
        grow(fixed, study_copy, "digits", "mixed", 0)
        chain = ledger.walk(layout.link("digits", "mixed", 0, "end"))
        assert "tuned" not in chain.links[0].header
        assert (chain.labeled.tolist() == tuned.labeled.tolist()) == (alpha == 0.9)


def test_a_link_that_names_something_else_is_refused(study_copy):
    study = params(study_copy)
    pretend(study_copy, [[1, 0, 0], [1, 0, 0]])
    start(study, study_copy, "digits", "mixed", 0)
    layout = Layout(study_copy)
    for changed in (
        params(study_copy, {**MIXED, "alpha": [0.2, 0.3]}),
        params(study_copy, {**MIXED, "alpha": 0.1}, tuned=[]),
    ):
        chain = ledger.walk(layout.link("digits", "mixed", 0, 0))
        with pytest.raises(UserError, match=r'says tuned {"alpha": 0.1}, which is none of'):
            tuning.in_force(changed, "mixed", chain)
    start(
        params(study_copy, tuned=[], strategy={**MIXED, "alpha": 0.1}),
        study_copy,
        "digits",
        "mixed",
        0,
    )
    chain = ledger.walk(layout.link("digits", "mixed", 0, 0))
    with pytest.raises(UserError, match="says tuned {}, which is none of the candidates"):
        tuning.in_force(study, "mixed", chain)
    path = layout.link("digits", "mixed", 0, 0)
    path.write_text(path.read_text() + "# tuned: [1]\n")
    with pytest.raises(UserError):
        tuning.in_force(study, "mixed", ledger.walk(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"tuned/digits/mixed/seed-1.json: missing; run dvc repro"),
        ("{", r"seed-1.json: not JSON; run dvc repro"),
        ("[]", r"seed-1.json: not about the candidates in params.yaml"),
        ('{"candidates": [{"values": {"alpha": 0.1}, "correct": 1}]}', r"not about the candidates"),
        ('{"candidates": 3}', r"not about the candidates"),
    ],
)
def test_bad_files_are_named(study_copy, content, message):
    study = params(study_copy)
    pretend(study_copy, [[1, 2, 3], [1, 2, 3]])
    path = Layout(study_copy).tuned("digits", "mixed", 1)
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError, match=message):
        start(study, study_copy, "digits", "mixed", 0)


# settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tuned": []}, r"strategy.mixed.alpha is a list of candidates, but 'mixed' is not in"),
        ({"tuned": ["mixt"]}, "tuned: 'mixt' is not in 'strategies'; did you mean 'mixed'"),
        ({"tuned": ["mixed", "mixed"]}, "tuned: 'mixed' stands there twice"),
        ({"tuned": ["mixed", "random"]}, "tuned: strategy.random has nothing to tune"),
        ({"strategy__mixed__alpha": []}, r"strategy.mixed.alpha is \[\]; allowed: a value"),
        (
            {"strategy__mixed__alpha": [0.5, 2]},
            "strategy.mixed.alpha is 2; allowed: a number from 0 to 1, such",
        ),
        ({"strategy__mixed__alpha": [0.5, "x"]}, "strategy.mixed.alpha is 'x'; allowed: a number"),
        ({"strategy__mixed__alfa": [0.5]}, "strategy.mixed: unknown key 'alfa'; did you mean 'alp"),
        (
            {"strategy__mixed__gamma": [0, 1]},
            "strategy.mixed.gamma is 0; allowed: a whole num",
        ),
        ({"strategy__mixed__diversity": "far"}, "strategy.mixed.diversity is 'far'; allowed: disc"),
        ({"task__digits__split__validation": 0}, "tuned: 'mixed' is tuned on validation rows, but"),
    ],
)
def test_bad_settings_are_one_line(tmp_path, changes, message):
    strategy = {"random": {}, "mixed": dict(MIXED)}
    path = write_params(
        tmp_path,
        tree(
            **{"strategies": ["random", "mixed"], "tuned": ["mixed"], "strategy": strategy}
            | changes
        ),
    )
    with pytest.raises(UserError, match=message) as raised:
        settings.load(path)
    assert "\n" not in str(raised.value)


def test_a_grid_is_a_product_in_the_order_written(tmp_path):
    study = params(tmp_path, {**MIXED, "alpha": [0.9, 0.1], "passes": [2, 3]})
    assert study.grid("mixed") == [
        {"passes": 2, "alpha": 0.9},
        {"passes": 2, "alpha": 0.1},
        {"passes": 3, "alpha": 0.9},
        {"passes": 3, "alpha": 0.1},
    ]
    assert study.grid("random") == [{}]
    assert study.chosen("mixed")[1]["uncertainty"] == "entropy"


def test_a_strategy_that_is_not_tuned_is_named(study_copy, capsys):
    params(study_copy)
    common = ["--task", "digits", "--seed", "0", "--root", str(study_copy), "--strategy"]
    for strategy, line in (
        ("random", "error: strategy 'random' is not in params.yaml's tuned; allowed: mixed\n"),
        ("mixt", "error: strategy 'mixt' is not in params.yaml; did you mean 'mixed'? allowed: "),
    ):
        with pytest.raises(SystemExit):
            tune.main([*common, strategy])
        assert capsys.readouterr().err.startswith(line)


# the 54


def test_the_54_have_names_and_candidates(tmp_path):
    every = hybrids.hybrids()
    assert len(every) == 54 and len(hybrids.single()) == 6
    text = yaml.safe_load(hybrids.lines())
    study = settings.load(write_params(tmp_path, tree(**text, seeds=[0])))
    assert len(study.strategies) == 61 and study.tuned == list(every)
    for label in study.strategies:
        options = study.chosen(label)[1]
        sizes = {"gamma": 5} if label.endswith("_first") else {"alpha": 9, "beta": 9}
        if label in every:
            (key,) = study.grid(label)[0]
            assert len(study.grid(label)) == sizes[key]
            assert label == "_".join(
                options[part] for part in ("uncertainty", "diversity", "combination")
            )


@pytest.mark.parametrize("path", sorted((REPO / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_study_has_every_key_that_dvc_yaml_needs(path):
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in ("tasks", "strategies", "tuned", "seeds", "full", "rounds"):
        assert isinstance(raw[key], list)
    settings.load(path)


# with DVC


@pytest.mark.slow
def test_a_tuned_strategy_from_nothing_and_a_changed_tuning(tmp_path):
    root = tmp_path / "repository"
    make_repository(root)
    tiny = {
        "seeds": [0, 1],
        "task__digits__epochs": 1,
        "rounds": [{"n": 0, "next": 1}, {"n": 1, "next": "end"}],
    }
    params(root, strategies=["random"], tuned=[], strategy={"random": {}}, **tiny)
    commit(root)
    said = dvc(root, "repro")
    assert not [name for name in ran(said) if name.startswith("tune")]
    commit(root)
    before = contents(root, "splits")

    params(root, **tiny)
    said = dvc(root, "repro")
    names = ran(said)
    assert [name for name in names if name.startswith("tune")] == [
        "tune@digits-mixed-0",
        "tune@digits-mixed-1",
    ]
    assert "round@digits-mixed-1-round1" in names
    assert not [name for name in names if name.startswith("round@digits-random")]
    after = contents(root, "splits")
    assert {name: after[name] for name in before} == before
    assert git(root, "status", "--porcelain", "--untracked-files=all").count("tuned/digits") == 2
    commit(root)
    assert ran(dvc(root, "repro")) == []
    git(tmp_path, "clone", "--quiet", str(root), "clone")
    assert ran(dvc(tmp_path / "clone", "repro", "--allow-missing", "--dry")) == []

    # Other candidates: another choice, so all that follows runs again, and nothing else.
    params(root, {**MIXED, "alpha": [0.3]}, **tiny)
    names = ran(dvc(root, "repro"))
    assert {name for name in names if "random" not in name} == {
        *(f"{stage}@digits-mixed-{seed}" for stage in ("tune", "start") for seed in (0, 1)),
        *(f"round@digits-mixed-{seed}-round{n}" for seed in (0, 1) for n in (0, 1)),
        "recipes",
        "report",
    }
    assert not [name for name in names if name.startswith("round@digits-random")]
    first = (root / "splits/digits/mixed/seed-0/round-0.txt").read_text()
    assert '# tuned: {"alpha": 0.3}\n' in first

    # And back to a fixed value: nothing is tuned, and the first link says so.
    params(root, {**MIXED, "alpha": 0.3}, tuned=[], **tiny)
    names = ran(dvc(root, "repro"))
    assert not [name for name in names if name.startswith("tune")]
    assert "round@digits-mixed-0-round1" in names
    assert "tuned" not in (root / "splits/digits/mixed/seed-0/round-0.txt").read_text()

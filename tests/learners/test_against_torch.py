"""Training and whole rounds against plain torch: weights, records, scores and what was selected.

Grids are taken away, so that ``portable`` is plain float64 and has to agree to rounding errors; the
chain, the data on disk and the labels are those of a whole run, end to end.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import plain
import pytest
from PIL import Image
from scipy.spatial.distance import pdist
from scipy.stats import entropy
from study import grow, tree, write_params

from stages.datasets.images import PARTS, Images
from stages.full import full
from stages.learners import committee
from stages.learners.supervised import train
from stages.machine.files import write_array, write_json
from stages.models import state
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.rounds.context import Round
from stages.rounds.evaluation import evaluate
from stages.split import split
from stages.study import ledger, settings
from stages.study.layout import Layout
from stages.study.settings import Task
from stages.tune import Run, Tuning, tune

SHAPES = {"small_cnn": (1, 8, 9), "lenet": (3, 12, 14), "nin": (1, 28, 28)}
CLASSES = 3
CLOSE = {"rtol": 0, "atol": 1e-8}


@pytest.fixture(scope="module", autouse=True)
def no_grids():
    """Sums are rounded as in any float64 arithmetic."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stages.models.exact.quantise", lambda values, bits: values)
        yield


def data(model: str = "small_cnn", rows: int = 130, tests: int = 71) -> plain.Data:
    """Classes of unequal size that brightness tells apart; test images are brighter by far."""
    rng = np.random.default_rng(5)
    labels = rng.choice(CLASSES, rows + tests, p=[0.5, 0.3, 0.2])
    labels[:CLASSES] = labels[rows : rows + CLASSES] = np.arange(CLASSES)
    images = rng.integers(0, 90, (rows + tests, *SHAPES[model]))
    images[:, :, 2:6, 1:5] += 30 * labels[:, None, None, None]
    images[rows:] += 60
    images = images.astype(np.uint8)
    return plain.Data(images[:rows], labels[:rows], images[rows:], labels[rows:])


def task(recipe: plain.Recipe, **changes: Any) -> dict[str, Any]:
    """The recipe as settings of a task."""
    return {
        "dataset": {"name": "digits"},
        "split": {"initial": 14, "validation": 20, "balanced": False},
        "query_size": 7,
        "model": {"name": recipe.model, "dropout": recipe.dropout},
        "milestones": list(recipe.milestones),
        **{
            name: getattr(recipe, name)
            for name in (
                "epochs",
                "batch_size",
                "optimizer",
                "learning_rate",
                "momentum",
                "nesterov",
                "weight_decay",
                "decay",
                "augmentation",
                "padding",
            )
        },
        **changes,
    }


def problem(
    recipe: plain.Recipe, rows: np.ndarray, how: str = "portable", seed: int = 3, n: int = 2
) -> Round:
    """Training on some rows, as a round would be given it."""
    given, compute = data(recipe.model), configure(how, "cpu", 1)
    scaled = given.images.astype(np.float64) / 255
    mean, std = scaled.mean((0, 2, 3)).tolist(), scaled.std((0, 2, 3)).tolist()
    return Round(
        batches=Batches(given.images, mean, std, compute),
        labeled=rows,
        labels=given.labels[rows],
        unlabeled=np.setdiff1d(np.arange(len(given.images)), rows),
        classes=CLASSES,
        shape=SHAPES[recipe.model],
        task=Task(**task(recipe)),
        seed=seed,
        n=n,
        compute=compute,
    )


def assert_equal(found: dict[str, np.ndarray], wanted: plain.Arrays, **close: float) -> None:
    assert {name for name in found if "num_batches" not in name} == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, err_msg=name, **(close or CLOSE))


# training, setting by setting

ADAM = {"optimizer": "adam", "learning_rate": 0.01}
RECIPES = {
    "sgd": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.8, "nesterov": True, "weight_decay": 0.02},
    "weight decay": {"weight_decay": 0.1},
    "adam": ADAM,
    "adam, weight decay": {**ADAM, "weight_decay": 0.1},
    "milestones": {"epochs": 4, "milestones": (1, 3), "decay": 0.3},
    "milestones, adam": {**ADAM, "epochs": 3, "milestones": (2,), "decay": 0.01},
    "crop": {"augmentation": "crop", "padding": 2},
    "crop and flip": {"augmentation": "crop_flip"},
    "dropout": {"dropout": 0.4},
    "large batch": {"batch_size": 50},
    "all": {
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 0.01,
        "epochs": 3,
        "milestones": (2,),
        "augmentation": "crop_flip",
        "padding": 3,
        "dropout": 0.5,
        "batch_size": 5,
    },
}
ROWS = np.random.default_rng(1).permutation(130)[:21]


@pytest.mark.parametrize("changes", RECIPES.values(), ids=RECIPES)
def test_training_is_a_plain_loop(changes):
    recipe = plain.Recipe(**changes)
    found = state(train(problem(recipe, ROWS)).network)
    assert_equal(found, plain.trained(data(), ROWS, CLASSES, recipe, 3, 2))


@pytest.mark.parametrize("changes", RECIPES.values(), ids=RECIPES)
def test_every_setting_of_a_recipe_matters_to_the_loop(changes):
    """Or the test before this one could not tell whether the setting is in use."""
    whole = plain.trained(data(), ROWS, CLASSES, plain.Recipe(**changes), 3, 2)
    for name in changes.keys() - {"optimizer"}:
        gone = (name, "nesterov") if name == "momentum" else (name,)
        less = plain.Recipe(**{key: value for key, value in changes.items() if key not in gone})
        without = plain.trained(data(), ROWS, CLASSES, less, 3, 2)
        assert np.abs(whole["body.0.weight"] - without["body.0.weight"]).max() > 1e-5, name


@pytest.mark.parametrize("rows", [2, 9, 16, 17])
def test_the_last_batch_is_trained_on_whatever_its_size(rows):
    recipe = plain.Recipe(momentum=0.9, augmentation="crop", dropout=0.3)
    found = state(train(problem(recipe, ROWS[:rows])).network)
    assert_equal(found, plain.trained(data(), ROWS[:rows], CLASSES, recipe, 3, 2))


def test_one_labeled_row_is_a_batch_of_two():
    recipe = plain.Recipe(momentum=0.9)
    found = state(train(problem(recipe, ROWS[:1])).network)
    twice = np.repeat(ROWS[:1], 2)
    assert_equal(found, plain.trained(data(), twice, CLASSES, recipe, 3, 2))


@pytest.mark.parametrize("model", ["lenet", "nin"])
def test_other_networks_train_as_plain_loops(model):
    recipe = plain.Recipe(model=model, dropout=0.2, momentum=0.9, batch_size=6, epochs=2)
    rows = ROWS[:13]
    learned = train(problem(recipe, rows))
    wanted = plain.trained(data(model), rows, CLASSES, recipe, 3, 2)
    assert_equal(state(learned.network), wanted)
    compute, given = configure("portable", "cpu", 1), data(model)
    scaled = given.images / 255
    images = Batches(
        given.test_images, *(list(x((0, 2, 3))) for x in (scaled.mean, scaled.std)), compute
    )
    record = evaluate(learned.network, images, given.test_labels, CLASSES)
    assert_recorded(record, wanted, model, given.normal(given.test_images), given.test_labels)


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_every_precision_is_near_the_plain_loop(how, monkeypatch):
    monkeypatch.undo()
    recipe = plain.Recipe(**RECIPES["all"])
    found = state(train(problem(recipe, ROWS, how)).network)
    assert_equal(found, plain.trained(data(), ROWS, CLASSES, recipe, 3, 2), rtol=0, atol=2e-4)


def test_members_of_a_committee_have_streams_of_their_own():
    recipe = plain.Recipe(augmentation="crop", dropout=0.3)
    learned = committee.train(problem(recipe, ROWS), members=2)
    for part, network in enumerate((learned.network, *learned.parts["members"])):
        wanted = plain.trained(data(), ROWS, CLASSES, recipe, 3, 2, part)
        assert_equal(state(network), wanted)


# whole runs


def assert_recorded(record, arrays, model, images, labels) -> None:
    """Every measure, to the six decimals of a record."""
    wanted = plain.measures(plain.chances_of(images, arrays, model), labels, CLASSES)
    for name, value in wanted.items():
        assert record[name] == (
            pytest.approx(value, abs=6e-7) if isinstance(value, float) else value
        ), name
    assert record["ece"] > 0 and 0 < record["accuracy"] < 1


@dataclass
class Grown:
    """A run of three rounds, and what it left on disk."""

    root: Path
    strategy: str
    recipe: plain.Recipe

    @cached_property
    def data(self) -> plain.Data:
        return plain.Data.read(self.root / "data/digits")

    @property
    def validation(self) -> np.ndarray:
        return self.indices(self.root / "splits/digits/seed-1/validation.txt")

    def labeled(self, n: int) -> np.ndarray:
        """Rows in order of selection, at the start of round ``n``."""
        chain = self.root / f"splits/digits/{self.strategy}/seed-1"
        links = [chain / f"round-{at}.txt" for at in range(n + 1)]
        first = self.indices(self.root / "splits/digits/seed-1/initial.txt")
        return np.concatenate([first, *map(self.indices, links)])

    def pool(self, n: int) -> np.ndarray:
        known = set(self.labeled(n).tolist()) | set(self.validation.tolist())
        return np.array([row for row in range(len(self.data.labels)) if row not in known])

    @staticmethod
    def indices(path: Path) -> np.ndarray:
        lines = path.read_text().split("\n")
        return np.array(
            [int(x) for line in lines if not line.startswith("#") for x in line.split()], np.int64
        )

    def record(self, n: int) -> dict[str, Any]:
        path = f"reports/rounds/digits/{self.strategy}/seed-1/round-{n}.json"
        return json.loads((self.root / path).read_text())

    def left(self, n: int) -> Path:
        """Folder of the artifacts of round ``n``."""
        name = {2: "end"}.get(n, n + 1)
        return self.root / f"artifacts/digits/{self.strategy}/seed-1/round-{name}"

    def arrays(self, n: int) -> plain.Arrays:
        with np.load(self.left(n) / "model.npz") as stored:
            return dict(stored)


RUN = plain.Recipe(
    model="small_cnn",
    dropout=0.3,
    epochs=3,
    momentum=0.9,
    milestones=(2,),
    augmentation="crop_flip",
)
STRATEGIES = {
    "random": {},
    "entropy": {},
    "some": {"use": "entropy", "candidates": 40},
    "badge": {},
    "five": {"use": "entropy_ensemble", "members": 2},
}


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> dict[str, Grown]:
    """Runs of several strategies on data of our own, written as prepare would, and full."""
    root = tmp_path_factory.mktemp("grown")
    given = data()
    names = tuple(map(str, range(CLASSES)))
    images = Images(
        given.images,
        given.labels,
        given.test_images,
        given.test_labels,
        names,
        "ours",
        "ours",
        "none",
    )
    for part in PARTS:
        write_array(root / f"data/digits/{part}.npy", getattr(images, part))
    write_json(root / "data/digits/manifest.json", images.manifest())
    path = write_params(
        root,
        tree(strategies=list(STRATEGIES), strategy=STRATEGIES, seeds=[1], task__digits=task(RUN)),
    )
    study = settings.load(path)
    split(study, root, "digits", 1)
    for strategy in STRATEGIES:
        grow(study, root, "digits", strategy, 1)
    full(study, root, "digits", 1)
    return {name: Grown(root, name, RUN) for name in STRATEGIES}


def test_the_sets_at_the_start_are_the_first_of_their_streams(grown):
    run, rest = grown["random"], np.arange(130)
    for purpose, size, found in ((0, 20, run.validation), (1, 14, run.labeled(0))):
        wanted = plain.stream(1, purpose).permutation(rest)[:size]
        assert found.tolist() == wanted.tolist()
        rest = np.setdiff1d(rest, wanted)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_round_trains_as_a_plain_loop_on_the_rows_of_its_chain(grown, strategy, n):
    run = grown[strategy]
    wanted = plain.trained(run.data, run.labeled(n), CLASSES, RUN, 1, n)
    assert_equal(run.arrays(n), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_record_is_what_the_weights_achieve_on_the_test_images(grown, strategy, n):
    run, record = grown[strategy], grown[strategy].record(n)
    images = run.data.normal(run.data.test_images)
    assert_recorded(record, run.arrays(n), "small_cnn", images, run.data.test_labels)
    rows = run.labeled(n)
    assert record["labeled"] == len(rows) == 14 + 7 * n
    counts = [int((run.data.labels[rows] == c).sum()) for c in range(CLASSES)]
    assert record["labeled_per_class"] == counts
    assert record["selected"] == (0 if n == 2 else 7)
    assert (record["task"], record["strategy"], record["seed"], record["round"]) == (
        "digits",
        strategy,
        1,
        n,
    )


def test_what_is_labeled_is_new_and_never_of_the_validation_set(grown):
    for run in grown.values():
        rows = run.labeled(2)
        assert len(rows) == len(set(rows.tolist())) == 28
        assert not set(rows.tolist()) & set(run.validation.tolist())


def test_full_trains_on_all_but_the_validation_rows(grown):
    run = grown["random"]
    rows = np.array([row for row in range(130) if row not in set(run.validation.tolist())])
    with np.load(run.root / "artifacts/digits/seed-1/full/model.npz") as stored:
        arrays = dict(stored)
    assert_equal(arrays, plain.trained(run.data, rows, CLASSES, RUN, 1, 0), rtol=0, atol=1e-6)
    record = json.loads((run.root / "reports/rounds/digits/seed-1/full.json").read_text())
    images = run.data.normal(run.data.test_images)
    assert_recorded(record, arrays, "small_cnn", images, run.data.test_labels)
    assert record["labeled"] == 110 and record["round"] is None and record["strategy"] == "full"
    counts = [int((run.data.labels[rows] == c).sum()) for c in range(CLASSES)]
    assert record["labeled_per_class"] == counts
    assert (record["task"], record["seed"]) == ("digits", 1)


@pytest.mark.parametrize("n", [0, 1])
def test_uniform_picks_are_the_first_of_a_permutation_of_the_pool(grown, n):
    run = grown["random"]
    order = plain.stream(1, plain.SELECT, n).permutation(len(run.pool(n)))
    assert run.labeled(n + 1)[14 + 7 * n :].tolist() == run.pool(n)[order[:7]].tolist()


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("strategy", ["entropy", "some", "five"])
def test_scores_and_picks_are_those_of_the_candidates(grown, strategy, n):
    run = grown[strategy]
    pool = run.pool(n)
    candidates = np.arange(len(pool))
    if strategy == "some":
        drawn = plain.stream(1, plain.CANDIDATES, n).choice(len(pool), 40, replace=False)
        candidates = np.sort(drawn)
    images = run.data.normal(run.data.images[pool[candidates]])
    networks = [run.arrays(n)]
    if strategy == "five":  # the members choose, not the model that is evaluated
        networks = [
            plain.trained(run.data, run.labeled(n), CLASSES, RUN, 1, n, part) for part in (1, 2)
        ]
    chances = np.mean([plain.chances_of(images, one, "small_cnn") for one in networks], 0)
    wanted = np.full(len(pool), np.nan)
    wanted[candidates] = entropy(chances, axis=1)
    scores = np.load(run.left(n) / "scores.npy")
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-6)
    best = pool[np.argsort(-np.nan_to_num(scores, nan=-1), kind="stable")[:7]]
    assert run.labeled(n + 1)[14 + 7 * n :].tolist() == best.tolist()


def test_the_last_round_scores_nothing_and_selects_nothing(grown):
    for run in grown.values():
        assert not (run.left(2) / "scores.npy").exists()
        assert not {"selection", "first_selected"} & run.record(2).keys()
        assert (
            run.indices(
                run.left(2).parents[3].parent / f"splits/digits/{run.strategy}/seed-1/round-end.txt"
            ).tolist()
            == []
        )


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_selection_looks_like(grown, strategy, n):
    run = grown[strategy]
    picks, arrays = run.labeled(n + 1)[14 + 7 * n :], run.arrays(n)
    images = run.data.images[picks]
    units = plain.embeddings_of(run.data.normal(images), arrays, "small_cnn")
    p = plain.chances_of(run.data.normal(images), arrays, "small_cnn")
    moved = plain.cropped(images, RUN, plain.stream(1, plain.INSPECT, n), picks)
    q = plain.chances_of(run.data.normal(moved), arrays, "small_cnn")
    seen = run.record(n)["selection"]
    assert seen["diversity"] == pytest.approx(pdist(units).mean(), abs=2e-6)
    assert seen["uncertainty"] == pytest.approx((1 - p.max(1)).mean(), abs=2e-6)
    wanted = np.abs(p - q).sum(1).mean() / 2
    assert seen["inconsistency"] == pytest.approx(wanted, abs=2e-6) and wanted > 1e-3


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_thumbnails_are_the_images_that_were_selected(grown, strategy):
    run = grown[strategy]
    found = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
        for text in run.record(0)["first_selected"]
    ]
    assert np.array_equal(np.stack(found), run.data.images[run.labeled(1)[14:], 0])
    assert "first_selected" not in run.record(1)


def test_labels_of_unselected_rows_play_no_part(grown, tmp_path):
    """The labels of the pool may be anything; those of labeled rows may not."""
    for strategy in ("entropy", "badge"):
        run, root = grown[strategy], tmp_path / strategy
        shutil.copytree(run.root, root)
        path = root / "data/digits/train_labels.npy"
        labels = np.load(path)
        hidden = np.setdiff1d(np.arange(130), run.labeled(2))
        labels[hidden] = (labels[hidden] + 1) % CLASSES
        np.save(path, labels)
        study = settings.load(root / "params.yaml")
        grow(study, root, "digits", strategy, 1)
        again = Grown(root, strategy, RUN)
        assert again.labeled(2).tolist() == run.labeled(2).tolist()
        assert again.record(2) == run.record(2)


def test_scores_are_as_many_as_the_pool_and_the_chain_is_sealed(grown):
    for strategy in ("entropy", "some"):
        run = grown[strategy]
        assert [len(np.load(run.left(n) / "scores.npy")) for n in (0, 1)] == [96, 89]
        assert ledger.walk(Layout(run.root).link("digits", strategy, 1, "end")).sealed


# settings chosen on the validation set

MIXED = {
    "use": "hybrid",
    "uncertainty": "entropy",
    "diversity": "minimum_distance",
    "combination": "mean",
    "passes": 2,
    "candidates": 40,
}


def study_of(root: Path, alpha: float | list[float], names: list[str]) -> settings.Settings:
    """A study of one strategy and one seed; ``names``: what is tuned of it."""
    strategy = {"random": {}, "mixed": {**MIXED, "alpha": alpha}}
    changes = {"strategies": ["mixed"], "tuned": names, "strategy": strategy, "seeds": [1]}
    return settings.load(write_params(root, tree(**changes, task__digits=task(RUN))))


def tuned(root: Path) -> list[dict[str, Any]]:
    """What the stage tune measures of two candidates."""
    tune(study_of(root, [0.0, 1.0], ["mixed"]), root, "digits", "mixed", 1)
    return json.loads(Layout(root).tuned("digits", "mixed", 1).read_text())["candidates"]


@pytest.fixture
def copy_of_grown(grown, tmp_path) -> Path:
    root = tmp_path / "copy"
    shutil.copytree(grown["random"].root, root)
    return root


def test_candidates_run_as_rounds_do_and_are_measured_on_the_validation_rows(copy_of_grown):
    found = tuned(copy_of_grown)
    assert [item["values"] for item in found] == [{"alpha": 0.0}, {"alpha": 1.0}]
    study = study_of(copy_of_grown, [0.0, 1.0], ["mixed"])
    trials = Tuning(Run(study, Layout(copy_of_grown), "digits", "mixed", 1))
    for n in (0, 1):
        trials._grow(n)
    for item, trial in zip(found, trials.trials, strict=True):
        study = study_of(copy_of_grown, item["values"]["alpha"], [])
        grow(study, copy_of_grown, "digits", "mixed", 1)
        run = Grown(copy_of_grown, "mixed", RUN)
        assert trial.labeled.tolist() == run.labeled(2).tolist()
        wanted = plain.trained(run.data, run.labeled(2), CLASSES, RUN, 1, 2)
        images = run.data.normal(run.data.images[run.validation])
        chances = plain.chances_of(images, wanted, "small_cnn")
        right = chances.argmax(1) == run.data.labels[run.validation]
        assert item["correct"] == right.sum()


def test_tuning_looks_at_the_labels_of_validation_rows_and_at_no_test_image(copy_of_grown):
    before, folder = tuned(copy_of_grown), copy_of_grown / "data/digits"
    for part in ("test_images", "test_labels"):
        np.save(folder / f"{part}.npy", np.zeros_like(np.load(folder / f"{part}.npy")))
    assert tuned(copy_of_grown) == before
    labels = np.load(folder / "train_labels.npy")
    rows = Grown(copy_of_grown, "random", RUN).validation
    total = np.array([item["correct"] for item in before])
    for shift in (1, 2):  # every row is right under one of three labels
        changed = labels.copy()
        changed[rows] = (labels[rows] + shift) % CLASSES
        np.save(folder / "train_labels.npy", changed)
        total += [item["correct"] for item in tuned(copy_of_grown)]
    assert total.tolist() == [20, 20]

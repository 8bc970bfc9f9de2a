"""What every strategy of the catalogue must do, and what none may: look at a label of the pool."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from study import REPO, tree, write_params

from stages import catalogue
from stages.catalogue.parts import fit_together, missing_parts, section
from stages.datasets.images import PARTS, Images
from stages.datasets.sources import load
from stages.machine.errors import UserError
from stages.machine.files import write_array, write_json
from stages.round import run_round
from stages.rounds.opening import Run
from stages.rounds.selection import check_selection
from stages.split import split
from stages.start import start
from stages.study import ledger, settings
from stages.study.layout import Layout

NAMES = list(catalogue.STRATEGIES)
SEEDS = (0, 1)
B = 6
QUICK = {"dal": {"epochs": 5}}  # what would take minutes


def images(hide_from: np.ndarray | None = None) -> Images:
    """The first digits; with ``hide_from``, the labels of all other training rows are permuted."""
    whole = load(settings.Dataset(name="digits"))
    labels = whole.train_labels[:150].copy()
    if hide_from is not None:
        hidden = np.setdiff1d(np.arange(150), hide_from)
        labels[hidden] = np.random.default_rng(5).permutation(labels[hidden])
    return dataclasses.replace(
        whole,
        train_images=whole.train_images[:150],
        train_labels=labels,
        test_images=whole.test_images[:40],
        test_labels=whole.test_labels[:40],
    )


def write_data(folder: Path, content: Images) -> None:
    for part in PARTS:
        write_array(folder / f"{part}.npy", getattr(content, part))
    write_json(folder / "manifest.json", content.manifest())


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Small data and the shared sets of two seeds, all strategies in the settings."""
    root = tmp_path_factory.mktemp("catalogue")
    repository = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))["strategy"]
    read = settings.load(
        write_params(
            root,
            tree(
                strategies=NAMES,
                strategy={name: QUICK.get(name, repository.get(name)) or {} for name in NAMES},
            ),
        )
    )
    write_data(root / "data/digits", images())
    for seed in SEEDS:
        split(read, root, "digits", seed)
    return root


@pytest.fixture(scope="module")
def first_rounds(study):
    """Runs the first round of a strategy and a seed, once."""
    done: dict[tuple[str, int], Path] = {}

    def run(name: str, seed: int) -> Path:
        if (name, seed) not in done:
            first_round(study, name, seed)
            done[name, seed] = study
        return study

    return run


def first_round(root: Path, name: str, seed: int) -> None:
    read = settings.load(root / "params.yaml")
    start(read, root, "digits", name, seed)
    run_round(Run(read, Layout(root), "digits", name, seed), 0, 1)


def picks_of(root: Path, name: str, seed: int) -> np.ndarray:
    return ledger.read(Layout(root).link("digits", name, seed, 1)).indices


def scores_of(root: Path, name: str, seed: int) -> bytes | None:
    path = Layout(root).artifacts("digits", name, seed, 1) / "scores.npy"
    return path.read_bytes() if path.exists() else None


def result_of(root: Path, name: str, seed: int) -> dict:
    return json.loads(Layout(root).result("digits", name, seed, 0).read_text())


# the table


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_complete(name):
    entry = catalogue.STRATEGIES[name]
    assert entry.source.strip() and entry.cost.strip()
    assert entry.family in ("uncertainty", "diversity", "hybrid", "baseline")
    functions = [catalogue.load(path) for path in (entry.learner, entry.scorer, entry.selector)]
    assert all(callable(function) and function.__doc__ for function in functions)
    for role, path in entry.parts.items():
        taken = inspect.signature(catalogue.load(path)).parameters
        for key in section(path).kinds:
            assert entry.name(role, key) in entry.kinds
            assert taken[key].kind == inspect.Parameter.KEYWORD_ONLY, f"{path}: {key}"
    assert set(entry.settings) <= set(entry.kinds)


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_of_an_entry_fit_together(name):
    entry = catalogue.STRATEGIES[name]
    given, taken = (
        inspect.signature(catalogue.load(path)) for path in (entry.scorer, entry.selector)
    )
    assert given.return_annotation is not inspect.Signature.empty
    assert next(iter(taken.parameters.values())).annotation is not inspect.Signature.empty
    assert fit_together(entry.scorer, entry.selector)
    assert not missing_parts(entry.learner, entry.scorer)


LIGHT = """
import sys
from stages.catalogue.parts import section
from stages.catalogue.table import modules
found = [getattr(module, "ENTRIES", {}) for module in modules("strategies")]
entries = [one for some in found for one in some.values()]
[section(path) for entry in entries for path in (entry.scorer, entry.selector)]
heavy = ("torch", "faiss", "sklearn", "scipy.optimize", "scipy.sparse", "scipy.linalg")
print(len(entries), [name for name in heavy if name in sys.modules])
"""


def test_the_files_of_strategies_are_light_to_import():
    """What is heavy is imported by the function that needs it."""
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], cwd=REPO, capture_output=True, text=True, check=True
    )
    count, heavy = done.stdout.split(maxsplit=1)
    assert heavy.strip() == "[]" and int(count) > 30


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_allowed(name):
    entry = catalogue.STRATEGIES[name]
    assert catalogue.complete(name, entry, dict(entry.settings)) == entry.settings


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_that_samples_dropout_says_so(name):
    """Without a dropout layer all passes would be equal."""
    entry = catalogue.STRATEGIES[name]
    assert entry.draws_masks(entry.settings) == ("passes" in entry.settings)


def test_a_hybrid_of_diversity_alone_samples_none():
    entry = catalogue.STRATEGIES["hybrid"]
    for combination in entry.kinds["combination"].choices:
        asked = entry.draws_masks(entry.settings | {"combination": combination})
        assert asked == (combination != "diversity")


SCORERS = {
    "random": "constant",
    "least_confidence": "least_confidence",
    "margin": "margin",
    "entropy": "entropy",
    "least_confidence_dropout": "least_confidence",
    "margin_dropout": "margin",
    "entropy_dropout": "entropy",
    "bald": "bald",
    "mean_std": "mean_std",
    "variation_ratio": "variation_ratio",
    "kmeans": "embedding",
    "kcenter": "embedding_and_labeled",
    "badge": "gradient_factors",
}


@pytest.mark.parametrize("name", SCORERS)
def test_a_name_stands_for_its_score(name):
    assert catalogue.STRATEGIES[name].scorer.rpartition(":")[2] == SCORERS[name]


# the contract


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_takes_the_right_number_of_unlabeled_rows(name, first_rounds):
    root = first_rounds(name, 0)
    chain = ledger.walk(Layout(root).link("digits", name, 0, 1))
    picks = chain.links[-1].indices
    assert len(picks) == len(set(picks.tolist())) == B
    assert ((picks >= 0) & (picks < 150)).all()
    assert not np.isin(picks, chain.initial.indices).any()
    assert not np.isin(picks, chain.validation.indices).any()
    assert len(chain.labeled) == 12 + B


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_repeats_itself(name, first_rounds, tmp_path):
    root = first_rounds(name, 0)
    shutil.copytree(root / "data", tmp_path / "data")
    shutil.copytree(root / "splits/digits/seed-0", tmp_path / "splits/digits/seed-0")
    shutil.copy(root / "params.yaml", tmp_path)
    first_round(tmp_path, name, 0)
    assert (picks_of(tmp_path, name, 0) == picks_of(root, name, 0)).all()
    assert scores_of(tmp_path, name, 0) == scores_of(root, name, 0)
    assert result_of(tmp_path, name, 0) == result_of(root, name, 0)


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_gives_another_choice(name, first_rounds):
    one, other = (picks_of(first_rounds(name, seed), name, seed) for seed in SEEDS)
    assert set(one.tolist()) != set(other.tolist())


@pytest.mark.parametrize("name", NAMES)
def test_no_strategy_looks_at_a_label_of_the_pool(name, first_rounds, tmp_path):
    """With the labels of all unlabeled rows permuted, scores and choice stay."""
    root = first_rounds(name, 0)
    shared = Layout(root).shared_split("digits", 0)
    labeled = ledger.read(shared / "initial.txt").indices
    validation = ledger.read(shared / "validation.txt").indices
    changed = images(hide_from=np.concatenate([labeled, validation]))
    assert (changed.train_labels != images().train_labels).sum() > 90
    write_data(tmp_path / "data/digits", changed)
    # The digest of the data differs, so the same sets are drawn again under the new one.
    shutil.copy(root / "params.yaml", tmp_path)
    split(settings.load(tmp_path / "params.yaml"), tmp_path, "digits", 0)
    assert (
        ledger.read(Layout(tmp_path).shared_split("digits", 0) / "initial.txt").indices == labeled
    ).all()
    first_round(tmp_path, name, 0)
    assert scores_of(tmp_path, name, 0) == scores_of(root, name, 0)
    assert (picks_of(tmp_path, name, 0) == picks_of(root, name, 0)).all()


def test_strategies_with_one_learner_start_from_one_result(first_rounds):
    """Comparisons are paired: same initial set, same first model."""
    by_learner: dict[str, dict[str, str]] = {}
    for name in NAMES:
        root = first_rounds(name, 0)
        result = {
            key: value
            for key, value in result_of(root, name, 0).items()
            if key != "strategy" and "select" not in key
        }
        by_learner.setdefault(catalogue.STRATEGIES[name].learner, {})[name] = json.dumps(result)
    for results in by_learner.values():
        assert len(set(results.values())) == 1, sorted(results)
    assert len(by_learner[catalogue.SUPERVISED]) > 2


def test_strategies_choose_differently(first_rounds):
    choices = {tuple(picks_of(first_rounds(name, 0), name, 0)) for name in NAMES}
    assert len(choices) > len(NAMES) / 2


def test_a_strategy_beyond_the_first_round_knows_what_was_bought(study, tmp_path):
    shutil.copytree(study, tmp_path / "study")
    root = tmp_path / "study"
    read = settings.load(root / "params.yaml")
    start(read, root, "digits", "margin", 1)
    for item in read.rounds:
        run_round(Run(read, Layout(root), "digits", "margin", 1), item.n, item.next)
    chain = ledger.walk(Layout(root).link("digits", "margin", 1, "end"))
    assert chain.sealed and len(chain.labeled) == 12 + 2 * B
    labels = np.load(root / "data/digits/train_labels.npy")
    for n, count in enumerate((12, 12 + B, 12 + 2 * B)):
        result = json.loads(Layout(root).result("digits", "margin", 1, n).read_text())
        assert result["labeled"] == count
        assert (
            result["labeled_per_class"]
            == np.bincount(labels[chain.labeled[:count]], minlength=10).tolist()
        )
    assert result["selected"] == 0


# one's own


OWN = """
from typing import Annotated
import numpy as np
from pydantic import Field
from stages.catalogue import Strategy

def reverse(pool, power: Annotated[int, Field(ge=0)] = 1, shift=0):
    return -(pool.candidates.astype(float) ** power) - shift

def flawed(scores, b, rng):
    return np.zeros(b, int)

HERE = "own_strategies:"
SAID = {"source": "nobody", "family": "hybrid", "cost": "N"}
my_strategy = Strategy(scorer=HERE + "reverse", **SAID)
bad_strategy = Strategy(scorer=HERE + "reverse", selector=HERE + "flawed", **SAID)
nan_strategy = Strategy(scorer=HERE + "nothing", **SAID)

def nothing(pool):
    return np.full(len(pool.candidates), np.nan)
"""


@pytest.fixture
def own(study, tmp_path, monkeypatch) -> Path:
    (tmp_path / "own_strategies.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    root = tmp_path / "study"
    shutil.copytree(study, root)
    names = {"mine": "my_strategy", "bad": "bad_strategy", "nan": "nan_strategy"}
    write_params(
        root,
        tree(
            strategies=list(names),
            strategy={name: {"use": f"own_strategies:{which}"} for name, which in names.items()},
        ),
    )
    yield root
    sys.modules.pop("own_strategies", None)
    importlib.invalidate_caches()


def test_a_strategy_of_ones_own_by_import_path(own):
    first_round(own, "mine", 0)
    shared = Layout(own).shared_split("digits", 0)
    taken = [ledger.read(shared / f"{name}.txt").indices for name in ("initial", "validation")]
    free = np.setdiff1d(np.arange(150), np.concatenate(taken))
    assert picks_of(own, "mine", 0).tolist() == free[:B].tolist()


@pytest.mark.parametrize(
    ("key", "value"),
    [("power", -1), ("power", 1.5), ("power", "all"), ("shift", True), ("shift", 10**10)],
)
def test_a_strategy_of_ones_own_has_settings(own, key, value):
    mine = {"use": "own_strategies:my_strategy", key: value}
    write_params(own, tree(strategies=["mine"], strategy={"mine": mine}))
    with pytest.raises(UserError, match=f"strategy.mine.{key} is '?{value}'?; allowed: a whole"):
        settings.load(own / "params.yaml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bad", "strategy 'bad': its selector must give 6 different positions below 133"),
        ("nan", "score of candidate 0 is nan, not a finite number"),
    ],
)
def test_a_flawed_strategy_leaves_no_link(own, name, message):
    with pytest.raises(UserError, match=message):
        first_round(own, name, 0)
    links = [path.name for path in Layout(own).chain("digits", name, 0).iterdir()]
    assert links == ["round-0.txt"]


@pytest.mark.parametrize(
    "positions",
    [
        [0, 1],
        [0, 1, 2, 3],
        [0, 1, 1],
        [0, 1, 10],
        [-1, 0, 1],
        [0.0, 1.0, 2.0],
        [[0, 1, 2]],
        [True, False, True],
        [],
    ],
)
def test_bad_positions_are_refused(positions):
    with pytest.raises(UserError, match="must give 3 different positions below 10"):
        check_selection(np.array(positions), 3, 10, "mine")


def test_good_positions_are_not():
    check_selection(np.array([9, 0, 5]), 3, 10, "mine")
    check_selection([9, 0, 5], 3, 10, "mine")


def test_a_package_that_is_not_installed_is_named(tmp_path, monkeypatch):
    (tmp_path / "needs_more.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="needs the package 'a_package_that_nobody_has', which"):
        catalogue.load("needs_more:thing")

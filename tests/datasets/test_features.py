"""Frozen features: embeddings of a trained network, or of files, in the place of images."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from sealed import thumbnail
from study import grow, rounds, tree, write_params

from stages import prepare, protocol, report, split
from stages.catalogue import DATA_SETS
from stages.datasets import sources
from stages.datasets.features import Features
from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError
from stages.models import Network, build, initialise, state
from stages.models.batches import Batches, embed
from stages.models.compute import configure
from stages.models.frozen import scaled
from stages.study import settings, task_code
from stages.study.settings import Dataset, Model
from stages.verify import verify


def network_of(seed: int = 0) -> Network:
    network = build(Model(name="small_cnn"), (1, 8, 8), 10)
    initialise(network, np.random.default_rng(seed))
    return network


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "net.npz"
    np.savez(path, **state(network_of()))
    return path


def section(net: Path, **changes) -> dict:
    digest = hashlib.sha256(net.read_bytes()).hexdigest()
    model = {"name": "small_cnn", "weights": str(net), "sha256": digest}
    return {"name": "features", "of": {"name": "digits"}, "model": model} | changes


@pytest.fixture(scope="module")
def computed(net: Path) -> Features:
    return sources.load(Dataset(**section(net)))


def study_of(tmp_path: Path, dataset: dict, **changes) -> settings.Settings:
    changes = {"task__digits__model": {"name": "linear", "dropout": 0.2}} | changes
    return settings.load(write_params(tmp_path, tree(task__digits__dataset=dataset, **changes)))


def faults_of(tmp_path: Path, dataset: dict, **changes) -> str:
    with pytest.raises(UserError) as caught:
        study_of(tmp_path, dataset, **changes)
    return "\n".join(caught.value.faults)


def test_features_are_the_networks_embeddings(computed):
    digits = sources.load(Dataset(name="digits"))
    compute = configure("machine", "cpu", 1)
    mean, std = digits.statistics()
    for part in ("train", "test"):
        images = getattr(digits, f"{part}_images")
        wanted = embed(network_of(), Batches(images, mean, std, compute), np.arange(len(images)))
        found = getattr(computed, f"{part}_images")
        assert found.shape == (len(images), 128, 1, 1) and found.dtype == np.float32
        np.testing.assert_allclose(found[:, :, 0, 0], wanted, rtol=1e-3, atol=2e-3)
        labels = f"{part}_labels"
        assert (getattr(computed, labels) == getattr(digits, labels)).all()
    assert computed.classes == digits.classes and computed.license == digits.license
    assert computed.name == "digits_features" and "net.npz" in computed.source


@pytest.mark.slow
def test_exact_features_are_the_same_with_any_number_of_threads(net, computed, monkeypatch):
    from stages.models import frozen

    monkeypatch.setattr(frozen, "configure", lambda how, device: configure(how, device, 3))
    try:
        assert sources.load(Dataset(**section(net))).digest() == computed.digest()
    finally:
        configure("portable", "cpu", 1)


def test_the_embedding_of_a_linear_head_is_what_goes_in(computed):
    compute = configure("machine", "cpu", 1)
    mean, std = computed.statistics()
    network = build(Model(name="linear"), (128, 1, 1), 10)
    batches = Batches(computed.train_images[:50], mean, std, compute)
    found = embed(network, batches, np.arange(50))
    assert (found == computed.train_images[:50, :, 0, 0]).all()
    assert not batches.pictures and batches.scale == 1
    raw = batches.raw(np.arange(3))
    batches.normalise(raw)
    assert (raw.numpy() == computed.train_images[:3]).all()


def test_scaling():
    rng = np.random.default_rng(0)
    train, test = 3 + 2 * rng.normal(size=(40, 5)), rng.normal(size=(7, 5))
    train[:, 2] = test[:, 2] = 1.1
    train[3] = 0
    train[3, 2] = 1.1
    found = scaled(train, test, "standard")
    deviation = np.where(np.arange(5) == 2, 1, train.std(0))
    np.testing.assert_allclose(found[0], (train - train.mean(0)) / deviation, atol=1e-6)
    np.testing.assert_allclose(found[1], (test - train.mean(0)) / deviation, atol=1e-6)
    train[3] = 0
    found = scaled(train, test, "unit")
    lengths = np.linalg.norm(train, axis=1, keepdims=True)
    np.testing.assert_allclose(found[0], train / np.where(lengths, lengths, 1), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found[1], axis=1), 1)
    assert scaled(train, test, "none")[0] is train


# from files


def written(folder: Path, labels: bool, rows: int = 20, **changes) -> str:
    """Two files of features, and two of labels; gives their digest."""
    rng = np.random.default_rng(1)
    arrays = {
        "train_features": rng.normal(size=(rows, 6)).astype(np.float32),
        "test_features": rng.normal(size=(8, 6)).astype(np.float32),
    }
    if labels:
        arrays |= {"train_labels": np.arange(rows) % 3, "test_labels": np.arange(8) % 3}
    total = hashlib.sha256()
    for name, array in (arrays | changes).items():
        np.save(folder / f"{name}.npy", array)
        total.update((folder / f"{name}.npy").read_bytes())
    return total.hexdigest()


def test_features_from_files(tmp_path):
    digest = written(tmp_path, labels=True)
    found = sources.load(Dataset(name="features", root=str(tmp_path), sha256=digest))
    assert (found.train_images[:, :, 0, 0] == np.load(tmp_path / "train_features.npy")).all()
    assert found.test_labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert found.classes == ("0", "1", "2") and found.name == "features"


def test_labels_of_a_data_set(tmp_path):
    rng = np.random.default_rng(0)
    parts = {
        "train_features": rng.normal(size=(1438, 3)),
        "test_features": rng.normal(size=(359, 3)),
    }
    digest = written(tmp_path, labels=False, **parts)
    asked = Dataset(name="features", root=str(tmp_path), sha256=digest, of={"name": "digits"})
    found = sources.load(asked)
    assert len(found.classes) == 10 and found.train_images.shape == (1438, 3, 1, 1)
    digest = written(tmp_path, labels=False, rows=9)
    with pytest.raises(UserError, match="train_images are 9 .* allowed: as many labels as images"):
        sources.load(asked.model_copy(update={"sha256": digest}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"train_features": np.zeros((20, 2, 3), np.float32)},
            r"float32 of shape \(20, 2, 3\); all",
        ),
        (
            {"test_features": np.zeros((8, 6), int)},
            r"int64 of shape \(8, 6\); allowed: floating-po",
        ),
        ({"train_features": np.full((20, 6), np.inf)}, "train features are not finite numbers"),
        ({"train_labels": np.zeros(20)}, "train_labels.npy: allowed: labels from 0"),
        ({"test_features": np.zeros((8, 5))}, "allowed: one shape"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path, changes, words):
    digest = written(tmp_path, labels=True, **changes)
    with pytest.raises(UserError, match=words):
        sources.load(Dataset(name="features", root=str(tmp_path), sha256=digest))


def test_files_are_held_against_their_digest(tmp_path):
    digest = written(tmp_path, labels=True)
    with pytest.raises(UserError, match=f"sha256 is missing; that of its files one .* is {digest}"):
        sources.load(Dataset(name="features", root=str(tmp_path)))
    with pytest.raises(UserError, match=f"sha256 is 0000.*; that of .* is {digest}"):
        sources.load(Dataset(name="features", root=str(tmp_path), sha256="0" * 64))
    (tmp_path / "test_labels.npy").unlink()
    with pytest.raises(UserError, match=r"test_labels\.npy: missing"):
        sources.load(Dataset(name="features", root=str(tmp_path), sha256=digest))
    np.save(tmp_path / "train_features.npy", np.array([print], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"train_features\.npy: not a whole \.npy file"):
        sources.load(Dataset(name="features", root=str(tmp_path), sha256=digest))


# settings


def test_settings_are_complete_and_say_what_is_known(net, tmp_path):
    dataset = study_of(tmp_path, section(net)).task["digits"].dataset
    assert dataset.settings["of"] == {"name": "digits", "root": None}
    assert dataset.settings["model"]["dropout"] == 0
    facts = DATA_SETS["features"].known(dataset.settings)
    assert (facts.rows, facts.shape, facts.classes) == (1438, None, 10)
    assert facts.features and facts.portable
    reached = task_code.of_data(dataset)
    for part in ("datasets.digits", "models.architectures.small_cnn", "models.frozen"):
        assert f"stages.{part}" in reached


def test_what_is_wrong_is_said_before_anything_is_computed(net, tmp_path):
    def lines(**changes) -> str:
        return faults_of(tmp_path, section(net, **changes))

    model = section(net)["model"]
    where = "task.digits.dataset"
    assert f"{where} has neither model nor root; allowed:" in lines(model=None)
    assert f"{where} has model and root; allowed:" in lines(root="here")
    assert f"{where}.of is missing" in lines(of=None)
    assert f"{where}.model.weights is missing" in lines(model={"name": "small_cnn"})
    unknown = {"name": "small_cnn", "weights": "x.npz"}
    assert f"{where}.model.weights is 'x.npz'; allowed" in lines(model=unknown)
    assert f"{where}.sha256 is that of files" in lines(sha256="0" * 64)
    assert f"{where}.exact is False, which needs 'reproducible: machine'" in lines(exact=False)
    assert f"{where}.of.name is 'digit'; did you mean 'digits'?" in lines(of={"name": "digit"})
    assert f"unknown key '{where}.model.dropouts'" in lines(model=model | {"dropouts": 1})
    assert f"{where}.of is 'digits'; allowed: a section" in lines(of="digits")
    assert f"{where}.scale is 'units'" in lines(scale="units")


def test_features_are_not_augmented(net, tmp_path):
    said = faults_of(tmp_path, section(net), task__digits__augmentation="crop")
    assert said.endswith(
        "task.digits.augmentation is 'crop', but the data are features of a network, which have "
        "no pixels; allowed: none"
    ) and "\n" not in said  # fmt: skip


def test_a_network_for_pictures_is_refused_when_the_features_are_there(net, tmp_path):
    study = study_of(tmp_path, section(net), task__digits__model={"name": "lenet"})
    prepare.prepare(study, tmp_path, "digits")
    with pytest.raises(
        UserError, match="lenet needs images of 12 pixels or more a side; these have 1"
    ):
        protocol.protocol(study, tmp_path, "digits")


# a study


def test_a_study_on_features_from_end_to_end(net, tmp_path):
    study = study_of(
        tmp_path, section(net), strategies=["random", "badge"], seeds=[0], full=[],
        rounds=rounds(2), keep="none",
    )  # fmt: skip
    prepare.prepare(study, tmp_path, "digits")
    data = Prepared(tmp_path / "data/digits")
    assert data.features and data.array("train_images").dtype == np.float32
    protocol.protocol(study, tmp_path, "digits")
    split.split(study, tmp_path, "digits", 0)
    for strategy in study.strategies:
        grow(study, tmp_path, "digits", strategy, 0)
    path = tmp_path / "reports/rounds/digits/badge/seed-0/round-0.json"
    record = json.loads(path.read_text())
    assert record["first_selected"] == [] and record["selection"]["inconsistency"] == 0
    assert record["selection"]["diversity"] > 0
    report.report(study, tmp_path)
    assert 'id="first"' not in (tmp_path / "reports/index.html").read_text()
    assert verify(tmp_path).faults == []
    record["first_selected"] = [thumbnail()]
    path.write_text(json.dumps(record))
    assert any("first_selected has 1 images, but" in fault for fault in verify(tmp_path).faults)

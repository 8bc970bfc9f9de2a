"""Pre-trained weights: by digest, all of the body or none, and nothing of a file is run."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from study import tree, write_params
from torch import nn
from torchvision.models import resnet18
from torchvision.models.vgg import cfgs, make_layers

from stages import catalogue, prepare, protocol
from stages.machine.errors import UserError
from stages.models import Network, build, initialise, state, weights
from stages.models.batches import Batches
from stages.models.compute import configure
from stages.models.fit import fresh
from stages.rounds.context import Round
from stages.study import settings
from stages.study.settings import Model, Task

SHAPE = (1, 8, 8)


def network_of(model: Model, seed: int = 0, classes: int = 3, shape=SHAPE) -> Network:
    network = build(model, shape, classes)
    initialise(network, np.random.default_rng(seed))
    return network


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model_of(path: Path, name: str = "small_cnn", digest: str | None = None, **more) -> Model:
    return Model(name=name, weights=str(path), sha256=digest or digest_of(path), **more)


def saved(folder: Path, seed: int = 5, ending: str = ".npz", classes: int = 3, **changes) -> Path:
    """A trained network's file, as rounds leave it."""
    arrays = state(network_of(Model(name="small_cnn"), seed, classes)) | changes
    arrays = {name: value for name, value in arrays.items() if value is not None}
    path = folder / f"net{ending}"
    if ending == ".npz":
        np.savez(path, **arrays)
    else:
        torch.save({name: torch.from_numpy(value) for name, value in arrays.items()}, path)
    return path


@pytest.mark.parametrize("ending", [".npz", ".pt", ".pth"])
def test_the_body_is_the_files_and_the_classifier_the_seeds(tmp_path, ending):
    path = saved(tmp_path, ending=ending)
    network = network_of(Model(name="small_cnn"), seed=0)
    left_out = weights.load(network, model_of(path))
    found, drawn = state(network), state(network_of(Model(name="small_cnn"), seed=0))
    given = state(network_of(Model(name="small_cnn"), seed=5))
    assert left_out == ["classifier.weight", "classifier.bias"]
    for name, value in found.items():
        assert (value == (drawn if name.startswith("classifier.") else given)[name]).all(), name
    assert any((drawn[name] != given[name]).any() for name in found if name.startswith("body."))


def test_a_file_for_other_classes_serves(tmp_path):
    weights.load(network_of(Model(name="small_cnn")), model_of(saved(tmp_path, classes=9)))


def test_torchvisions_names_are_ours(tmp_path):
    with torch.random.fork_rng(devices=[]):
        theirs = resnet18(num_classes=5)
    path = tmp_path / "theirs.pth"
    torch.save({"state_dict": theirs.state_dict()}, path)
    model = model_of(path, "resnet18", stem="7x7", max_pool=True)
    network = network_of(model, shape=(3, 64, 64)).eval()
    assert weights.load(network, model) == ["fc.weight", "fc.bias"]
    theirs.fc, images = nn.Identity(), torch.rand(2, 3, 64, 64)
    assert torch.equal(network.embed(images), theirs.eval()(images))


@pytest.mark.parametrize("units", [0, 6])
def test_vggs_layers_before_the_classifier_are_taken_where_there_are_any(tmp_path, units):
    with torch.random.fork_rng(devices=[]):
        theirs = nn.Sequential()
        theirs.features = make_layers(cfgs["D"], batch_norm=True)
        theirs.avgpool = nn.AdaptiveAvgPool2d(7 if units else 1)
        theirs.flat = nn.Flatten()
        theirs.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 6), nn.ReLU(), nn.Dropout(),
            nn.Linear(6, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 4),
        )  # fmt: skip
    path, images = tmp_path / "vgg.pth", torch.rand(1, 3, 32, 32)
    torch.save(theirs.state_dict(), path)
    model = model_of(path, "vgg16", units=units)
    network = network_of(model, shape=(3, 32, 32)).eval()
    left_out = weights.load(network, model)
    theirs.classifier = theirs.classifier[:6] if units else nn.Identity()
    torch.testing.assert_close(network.embed(images), theirs.eval()(images))
    heads = {0: 6, 6: 2}  # a weight and a bias of each layer that we have no place for
    assert len(left_out) == heads[units] and all(n.startswith("classifier.") for n in left_out)


def test_every_architecture_with_published_weights_has_names_for_them():
    for name, entry in catalogue.ARCHITECTURES.items():
        assert bool(entry.published) == bool(entry.keys), name


# refused, never silently random


def same(network: Network, before: dict[str, np.ndarray]) -> bool:
    return all((value == before[name]).all() for name, value in state(network).items())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"body.0.bias": None}, r"it has no body\.0\.bias$"),
        ({"body.9.bias": np.zeros(2)}, r"it has unknown body\.9\.bias$"),
        (
            {"body.0.bias": np.zeros(31)},
            r"it has body\.0\.bias of shape \(31,\), not \(32,\)$",
        ),
        (
            {f"body.{n}.{part}": None for n in (0, 3) for part in ("weight", "bias")},
            r"it has no body\.0\.weight, body\.0\.bias, body\.3\.weight and 1 more$",
        ),
        ({"body.0.bias": np.full(32, np.nan)}, "body.0.bias' has values that are no finite numbe"),
    ],
)
def test_what_does_not_fit_is_a_line_and_changes_nothing(tmp_path, changes, words):
    network = network_of(Model(name="small_cnn"))
    before = {name: value.copy() for name, value in state(network).items()}
    with pytest.raises(UserError, match=words) as caught:
        weights.load(network, model_of(saved(tmp_path, **changes)))
    assert len(caught.value.faults) == 1 and "net.npz" in str(caught.value)
    assert same(network, before)


def test_another_digest_is_refused(tmp_path):
    path = saved(tmp_path)
    with pytest.raises(UserError, match=rf"net.npz: SHA-256 is {digest_of(path)}, not 0000"):
        weights.load(network_of(Model(name="small_cnn")), model_of(path, digest="0" * 64))


def test_a_file_that_is_missing_or_of_another_kind_is_refused(tmp_path):
    network = network_of(Model(name="small_cnn"))
    with pytest.raises(UserError, match=r"weights .*gone.npz: missing$"):
        weights.load(network, model_of(tmp_path / "gone.npz", digest="0" * 64))
    other = tmp_path / "net.txt"
    other.write_text("weights")
    with pytest.raises(
        UserError, match=r"ending '\.txt'; allowed: \.bin, \.npz, \.pt, \.pth, \.sa"
    ):
        weights.load(network, model_of(other))
    for ending in (".npz", ".pt"):
        other = tmp_path / f"bad{ending}"
        other.write_bytes(b"no weights at all")
        with pytest.raises(UserError, match=rf"bad{ending}: not a file of plain arrays \("):
            weights.load(network, model_of(other))
    torch.save([torch.zeros(2)], other)
    with pytest.raises(UserError, match="holds a list, not arrays by name"):
        weights.load(network, model_of(other))
    torch.save({"body.0.bias": 3}, other)
    with pytest.raises(UserError, match="'body.0.bias' is a int, not an array"):
        weights.load(network, model_of(other))


class Trap:
    """An object whose reading makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("ending", [".pt", ".npz"])
def test_a_file_that_would_run_something_runs_nothing(tmp_path, ending):
    path, sprung = tmp_path / f"trap{ending}", tmp_path / "sprung"
    if ending == ".pt":
        path.write_bytes(pickle.dumps({"body.0.bias": Trap(sprung)}, protocol=2))
    else:
        with open(path, "wb") as stream:
            np.savez(stream, allow_pickle=True, a=np.array([Trap(sprung)], object))
    with pytest.raises(UserError, match="not a file of plain arrays"):
        weights.load(network_of(Model(name="small_cnn")), model_of(path))
    assert not sprung.exists()


def test_published_weights_are_looked_for_and_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("ALEDGER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    model = Model(name="resnet18", weights="IMAGENET1K_V1")
    with pytest.raises(UserError) as caught:
        weights.located(model)
    words = str(caught.value)
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in words
    assert str(tmp_path / "data") in words and str(tmp_path / "torch") in words
    cached = tmp_path / "torch/hub/checkpoints/resnet18-f37072fd.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"not the published bytes")
    assert weights.located(model) == (cached, "f37072fd")
    with pytest.raises(UserError, match=f"SHA-256 is {digest_of(cached)}, not f37072fd"):
        weights.read(*weights.located(model))


# in a study


def test_settings_say_what_is_wrong(tmp_path):
    def lines(name: str = "resnet18", **model):
        study = tree(task__digits__model={"name": name, **model})
        with pytest.raises(UserError) as caught:
            settings.load(write_params(tmp_path, study))
        return str(caught.value)

    found = lines(weights="IMAGENET1K_V3")
    assert "model.weights is 'IMAGENET1K_V3'; allowed: weights of resnet18 by torch" in found
    assert "(IMAGENET1K_V1), or a file's path, and its SHA-256" in found
    assert "torchvision's name (none)" in lines("small_cnn", weights="net.npz")
    assert "model.sha256 stands there without weights" in lines(sha256="0" * 64)
    assert "task.digits.model.sha256" in lines(weights="net.npz", sha256="0" * 63)


def test_every_round_begins_with_them(tmp_path):
    path = saved(tmp_path)
    task = Task(
        dataset={"name": "digits"}, split={"initial": 3}, query_size=1, epochs=1, batch_size=2,
        model={"name": "small_cnn", "weights": str(path), "sha256": digest_of(path)},
        optimizer="sgd", learning_rate=0.1,
    )  # fmt: skip
    compute = configure("portable", "cpu", 1)
    batches = Batches(np.zeros((4, *SHAPE), np.uint8), [0.5], [0.5], compute)
    round = Round(
        batches=batches, labeled=np.arange(3), labels=np.arange(3), unlabeled=np.arange(3, 4),
        classes=3, shape=SHAPE, task=task, seed=0, n=0, compute=compute,
    )  # fmt: skip
    first, second = (state(fresh(dataclasses.replace(round, n=n))) for n in (0, 1))
    given = state(network_of(Model(name="small_cnn"), seed=5))
    for name, value in first.items():
        if name.startswith("body."):
            assert (value == given[name]).all() and (second[name] == given[name]).all()
        else:
            assert (value != second[name]).any() and (value != given[name]).any()


def test_the_protocol_names_the_digest_and_looks_at_the_file(tmp_path, capsys):
    path = saved(tmp_path, classes=10)
    model = {"name": "small_cnn", "weights": str(path), "sha256": digest_of(path)}
    study = settings.load(write_params(tmp_path, tree(task__digits__model=model)))
    prepare.prepare(study, tmp_path, "digits")
    protocol.main(["--task", "digits", "--root", str(tmp_path)])
    assert (
        "taken for the body; the classifier is drawn; classifier.weight" in capsys.readouterr().out
    )
    protocol.check(study, tmp_path, "digits")
    other = saved(tmp_path, seed=6, classes=10)
    with pytest.raises(UserError, match="SHA-256 is"):
        protocol.protocol(study, tmp_path, "digits")
    changed = tree(task__digits__model=model | {"sha256": digest_of(other)})
    study = settings.load(write_params(tmp_path, changed))
    with pytest.raises(UserError, match="not that of params.yaml; run dvc repro"):
        protocol.check(study, tmp_path, "digits")
    with pytest.raises(SystemExit) as left:
        os.remove(other)
        protocol.main(["--task", "digits", "--root", str(tmp_path)])
    assert left.value.code == 1 and capsys.readouterr().err.count("\n") == 1


def test_a_published_files_digest_stands_in_the_protocol(tmp_path):
    model = {"name": "resnet18", "weights": "IMAGENET1K_V1"}
    study = settings.load(write_params(tmp_path, tree(task__digits__model=model)))
    prepared = prepare.prepare(study, tmp_path, "digits") and protocol.Prepared(
        protocol.Layout(tmp_path).data("digits")
    )
    said = protocol.content(study, "digits", prepared)
    assert (
        said["weights"] == "resnet18-f37072fd.pth" and said["model"]["weights"] == "IMAGENET1K_V1"
    )
    plain = settings.load(write_params(tmp_path, tree()))
    assert "weights" not in protocol.content(plain, "digits", prepared)
    assert "weights" not in protocol.content(plain, "digits", prepared)["model"]

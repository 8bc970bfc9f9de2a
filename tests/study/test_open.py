"""Architectures and data sets of one's own, by import path: from settings to arrays and weights."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from study import REPO, tree, write_params

from stages import prepare, protocol
from stages.catalogue import ARCHITECTURES, DATA_SETS, STRATEGIES, find_architecture, find_data_set
from stages.catalogue.table import modules
from stages.datasets import sources
from stages.datasets.prepared import Prepared
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose, generator
from stages.models import Network, build, initialise, state
from stages.models.compute import configure
from stages.study import footprint, settings, task_code
from stages.study.layout import Layout
from stages.study.settings import Dataset, Model

NETS = '''"""Networks of one's own."""

from typing import Annotated

from pydantic import Field

from stages.catalogue import Architecture
from stages.catalogue.kinds import Rate


def wide(shape, classes, *, depth: Annotated[int, Field(ge=1, le=5)], dropout: Rate = 0.2):
    from torch import nn

    from stages.models import Network

    from .layers import block

    layers = [layer for at in range(depth) for layer in block(shape[0] if at == 0 else 6)]
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Network(body, 6, classes, dropout)


bounded = Architecture(build=f"{__name__}:wide", smallest=8, largest=16, width=6)
plain = {"no": "function"}


def odd(shape, classes):
    return shape


def named(shape, classes, *, name: str = "x"):
    return shape


def strange(shape, classes, *, depth: dict = {}):
    return shape


def chancy(shape, classes):
    from torch import nn

    from stages.models import Network

    size = shape[0] * shape[1] * shape[2]
    return Network(nn.Sequential(nn.Flatten(), nn.Dropout(0.1)), size, classes, 0)


def bare(shape, classes):
    from torch import nn

    from stages.models import Network

    return Network(nn.Sequential(nn.Flatten(), nn.PReLU()), shape[1] * shape[2], classes, 0)
'''
LAYERS = """from torch import nn


def block(channels):
    return [nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()]
"""
DATA = '''"""Data of one's own."""

from typing import Literal

import numpy as np

from stages.catalogue import DataSet, Facts
from stages.datasets.images import Images

CHANGE = {}


def stripes(root, *, rows: int = 60, part: Literal["all", "half"] = "all"):
    """Where the bright half is says the class; ``root``: a file with the seed."""
    seed = int((root / "seed.txt").read_text()) if root else 0
    rng = np.random.default_rng(seed)
    count = rows if part == "all" else rows // 2
    labels = np.arange(2 * count) % 3
    images = rng.integers(0, 99, (2 * count, 1, 9, 9)).astype(np.uint8)
    images[np.arange(2 * count), 0, labels * 3] += 150
    whole = dict(
        train_images=images[:count],
        train_labels=labels[:count],
        test_images=images[count:],
        test_labels=labels[count:],
        classes=("top", "middle", "bottom"),
        name="stripes",
        source="made up",
        license="none",
    )
    return Images(**whole | CHANGE)


def nothing(root):
    return None


counted = DataSet(load=f"{__name__}:stripes", facts=Facts(60, (1, 9, 9), 3), root="the seed")
'''
NUMBERS = itertools.count()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package of one's own beside the study; each test has another."""
    name = f"openlab{next(NUMBERS)}"
    folder = tmp_path / "lab" / name
    folder.mkdir(parents=True)
    for file, text in (("__init__", ""), ("nets", NETS), ("layers", LAYERS), ("data", DATA)):
        (folder / f"{file}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "lab"))
    yield name
    for module in [one for one in sys.modules if one.partition(".")[0] == name]:
        del sys.modules[module]


def study_of(root: Path, lab: str, **changes: object) -> settings.Settings:
    model = {"name": f"{lab}.nets:wide", "depth": 2, "dropout": 0.3}
    own = {"task__digits__model": model, "task__digits__dataset": {"name": f"{lab}.data:stripes"}}
    return settings.load(write_params(root, tree(**own | changes)))


# from settings to arrays, protocol and weights


@pytest.mark.parametrize("depth", [1, 3])
def test_a_model_and_data_of_ones_own_go_all_the_way(tmp_path, lab, depth):
    data = {"name": f"{lab}.data:stripes", "root": str(tmp_path), "part": "half"}
    (tmp_path / "seed.txt").write_text("5")
    model = {"name": f"{lab}.nets:wide", "depth": depth}
    study = study_of(tmp_path, lab, task__digits__model=model, task__digits__dataset=data)
    task = study.task["digits"]
    assert task.model.settings == {"depth": depth, "dropout": 0.2}
    assert task.dataset.settings == {"rows": 60, "part": "half"}
    prepare.prepare(study, tmp_path, "digits")
    prepared = Prepared(tmp_path / "data/digits")
    expected = np.random.default_rng(5).integers(0, 99, (60, 1, 9, 9)).astype(np.uint8)
    expected[np.arange(60), 0, np.arange(60) % 3 * 3] += 150
    assert (prepared.array("train_images") == expected[:30]).all()
    assert prepared.identity.startswith("stripes sha256:")
    protocol.protocol(study, tmp_path, "digits")
    said = json.loads((tmp_path / "data/digits/protocol.json").read_text())
    assert said["model"] == {"name": f"{lab}.nets:wide", "depth": depth, "dropout": 0.2}
    network = build(task.model, (1, 9, 9), 3)
    initialise(network, generator(0, Purpose.INITIALISATION))
    assert isinstance(network, Network) and network.dropout == 0.2
    convolutions = [one for one in network.body if isinstance(one, torch.nn.Conv2d)]
    assert len(convolutions) == depth and convolutions[0].in_channels == 1
    weight = state(network)["body.0.weight"]
    again = build(task.model, (1, 9, 9), 3)
    initialise(again, generator(0, Purpose.INITIALISATION))
    assert (state(again)["body.0.weight"] == weight).all() and np.abs(weight).max() <= 1 / 3
    assert configure("portable", "cpu", 1).place(network)(
        torch.zeros((2, 1, 9, 9), dtype=torch.float64)
    ).shape == (2, 3)


def test_an_entry_says_what_is_known_without_files(tmp_path, lab):
    name = {"name": f"{lab}.data:counted", "root": "x"}
    changes = {"task__digits__dataset": name, "task__digits__split__initial": 40}
    assert study_of(tmp_path, lab, **changes).task["digits"].dataset.entry.facts.rows == 60
    with pytest.raises(UserError, match=r"task.digits.split: initial 56 \+ validation 5 is larger"):
        study_of(tmp_path, lab, **changes | {"task__digits__split__initial": 56})
    with pytest.raises(UserError, match=r"task.digits.dataset.root must name the seed"):
        study_of(tmp_path, lab, **changes | {"task__digits__dataset": {"name": name["name"]}})
    small = {"task__digits__dataset": {"name": "folder", "root": "x", "size": [7, 9]}}
    model = {"task__digits__model": {"name": f"{lab}.nets:bounded", "depth": 1}}
    with pytest.raises(UserError, match=r"bounded needs images of 8 to 16 pixels a side; these"):
        study_of(tmp_path, lab, **small | model)


# what is wrong, in one line


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"depth": 6}, "task.digits.model.depth is 6; allowed: a whole number from 1 to 5"),
        ({"depth": "2"}, "task.digits.model.depth is '2'; allowed: a whole number from 1 to 5"),
        ({}, "'task.digits.model.depth' is missing"),
        ({"dept": 2}, "unknown key 'task.digits.model.dept'; did you mean 'depth'? allowed: depth"),
        ({"depth": 2, "dropout": 1}, "task.digits.model.dropout is 1; allowed: a number from 0"),
        ({"name": "LAB.nets:wider"}, "'LAB.nets:wider': 'LAB.nets' has no 'wider'"),
        ({"name": "LAB.net:wide"}, "'LAB.net:wide': there is no module 'LAB.net'"),
        (
            {"name": "LAB.nets:plain"},
            "'LAB.nets:plain' is a dict; allowed: a function, or a",
        ),
        ({"name": "LAB.nets:named"}, "its function has a setting 'name'"),
        ({"name": "LAB.nets:strange"}, "its settings cannot be read: <class 'dict'> is no kind"),
        ({"name": "LAB nets:wide"}, "is not an import path; allowed: 'module:name'"),
    ],
)
def test_what_is_wrong_with_a_model_of_ones_own_is_one_line(tmp_path, lab, model, said):
    given = {"name": f"{lab}.nets:wide", **model}
    given["name"] = given["name"].replace("LAB", lab)
    with pytest.raises(UserError) as raised:
        study_of(tmp_path, lab, task__digits__model=given)
    assert len(raised.value.faults) == 1 and "task.digits.model" in str(raised.value)
    assert said.replace("LAB", lab) in str(raised.value)


def test_other_faults_are_told_beside_those_of_a_model(tmp_path, lab):
    with pytest.raises(UserError) as raised:
        study_of(
            tmp_path, lab, task__digits__model={"name": f"{lab}.nets:wide"}, seeds=[-1],
            strategies=["bald", "nobody"], task__digits__dataset={"name": "digit"},
        )  # fmt: skip
    faults = "\n".join(raised.value.faults)
    for said in ("model.depth' is missing", "seeds.0 is -1", "'nobody' has", "did you mean 'digit"):
        assert said in faults
    assert len(raised.value.faults) == 4


def test_a_model_without_dropout_is_nothing_for_a_strategy_that_samples_by_it(tmp_path, lab):
    with pytest.raises(UserError, match=r"but task.digits.model.dropout is no setting of .*:odd"):
        study_of(
            tmp_path, lab, strategies=["bald"], task__digits__model={"name": f"{lab}.nets:odd"}
        )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("odd", "nets:odd is a tuple; allowed: a stages.models.Network"),
        ("chancy", "body.1 is a Dropout, whose masks no seed of the study decides"),
        ("bare", "body.1 is a PReLU, and nothing says how its weights begin"),
    ],
)
def test_a_network_that_could_not_be_repeated_is_refused(lab, name, said):
    with pytest.raises(UserError, match=said):
        build(Model(name=f"{lab}.nets:{name}"), (1, 8, 8), 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train_images": None}, "train_images is a NoneType; allowed: uint8 of shape"),
        ({"test_images": np.zeros((60, 1, 9, 9))}, "test_images is float64 of shape"),
        ({"test_images": np.zeros((60, 1, 9, 8), np.uint8)}, "allowed: one shape"),
        ({"train_labels": np.zeros(60)}, "train_labels is float64 of shape"),
        ({"train_labels": np.zeros(59, np.int64)}, "train_labels 59; allowed: as many labels"),
        ({"test_labels": np.full(60, 3)}, "test_labels are 3 to 3; allowed: 0 to 2, the places"),
        ({"test_labels": np.full(60, -1)}, "test_labels are -1 to -1; allowed: 0 to 2"),
        ({"classes": ("a", "a", "b")}, "allowed: two or more different names"),
        ({"classes": ("a",)}, "allowed: two or more different names"),
        ({"name": "two\nlines"}, "name is 'two.nlines'; allowed: a line of text"),
        ({"license": None}, "license is None; allowed: a line of text"),
    ],
)
def test_data_of_ones_own_that_are_not_whole_are_refused(lab, change, said):
    dataset = Dataset(name=f"{lab}.data:stripes")
    sources.load(dataset)
    sys.modules[f"{lab}.data"].CHANGE.update(change)
    with pytest.raises(UserError, match=said) as raised:
        sources.load(dataset)
    assert all(fault.startswith(f"data set {lab}.data:") for fault in raised.value.faults)


def test_a_function_that_gives_no_images_is_named(lab):
    with pytest.raises(UserError, match="data:nothing is a NoneType; allowed: stages.datasets"):
        sources.load(Dataset(name=f"{lab}.data:nothing"))


# code


def changed(path: Path, text: str = "\nNEW = 1\n") -> None:
    """Edit a file, as if a new process saw it."""
    path.write_text(path.read_text() + text)
    for cached in (footprint._text, footprint._parsed, footprint.digest):
        cached.cache_clear()


def test_a_protocol_names_the_models_code_and_changes_with_it(tmp_path, lab):
    study = study_of(tmp_path, lab)
    prepare.prepare(study, tmp_path, "digits")
    protocol.protocol(study, tmp_path, "digits")
    named = task_code.in_protocol(Layout(tmp_path), "digits")
    own = {name for name in named if not name.startswith("stages")}
    assert own == {lab, f"{lab}.nets", f"{lab}.layers"}
    assert "stages.models.networks" in named
    assert "stages.models.architectures.lenet" not in named
    protocol.check(study, tmp_path, "digits")
    changed(tmp_path / "lab" / lab / "layers.py", "\n# why\n")
    changed(tmp_path / "lab" / lab / "data.py")
    protocol.check(study, tmp_path, "digits")
    changed(tmp_path / "lab" / lab / "layers.py")
    with pytest.raises(UserError, match=rf"{lab}.layers is not the code that it names; run dvc"):
        protocol.check(study, tmp_path, "digits")
    protocol.protocol(study, tmp_path, "digits")
    protocol.check(study, tmp_path, "digits")
    other = study_of(tmp_path, lab, task__digits__model__depth=3)
    with pytest.raises(UserError, match="not that of params.yaml"):
        protocol.check(other, tmp_path, "digits")


def test_the_recipes_of_a_task(tmp_path, lab):
    study = study_of(tmp_path, lab)
    before = task_code.recipes(study, "digits")
    assert set(before) == {"data-digits", "model-digits", "split-digits"}
    named = before["data-digits"]["code"]
    assert {one for one in named if not one.startswith("stages")} == {lab, f"{lab}.data"}
    assert {"stages.prepare", "stages.datasets.images"} < set(named)
    changed(tmp_path / "lab" / lab / "data.py")
    after = task_code.recipes(study, "digits")
    assert after["data-digits"] != before["data-digits"]
    assert after["model-digits"] == before["model-digits"]
    changed(tmp_path / "lab" / lab / "layers.py")
    assert task_code.recipes(study, "digits")["model-digits"] != before["model-digits"]
    assert after["split-digits"] == before["split-digits"]  # settings alone


def test_an_entry_and_its_function_count_both(tmp_path, lab):
    (tmp_path / "lab" / lab / "entry.py").write_text(
        "from stages.catalogue import Architecture\n"
        f"mine = Architecture('.'.join(['{lab}', 'nets']) + ':wide')\n"
    )
    named = task_code.of_model(Model(name=f"{lab}.entry:mine", depth=1))
    assert {f"{lab}.entry", f"{lab}.nets", f"{lab}.layers"} < set(named)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_the_code_of_a_model_of_ours_is_its_own_file(name):
    model = task_code.of_model(Model(name=name))
    rooms = {one for one in model if one.startswith("stages.models.architectures.")}
    assert rooms == {ARCHITECTURES[name].build.partition(":")[0]}
    assert "stages.models.dropout" in model


@pytest.mark.parametrize("name", sorted(DATA_SETS))
def test_the_code_of_a_data_set_of_ours_is_that_of_no_other(name):
    places = {one: entry.load.partition(":")[0] for one, entry in DATA_SETS.items()}
    reached = set(task_code.of_data(Dataset(name=name)))
    drawn_from = {places["cifar10"]} if name in ("cifar10_imb", "cifar100_imb") else set()
    assert reached & set(places.values()) == {places[name]} | drawn_from
    assert not [one for one in reached if one.startswith("stages.reporting")]


def test_a_strategys_code_holds_no_architecture():
    starts = ["stages.round", "stages.full"]
    reached = footprint.Footprint().reached(starts)
    assert "stages.models.networks" in reached
    assert not [one for one in reached if one.startswith("stages.models.architectures")]


# tables


def test_the_tables_are_complete():
    assert set(ARCHITECTURES) == {
        "small_cnn", "lenet", "resnet18", "resnet50", "resnext50", "vgg16", "wrn28_2",
        "shake_shake", "nin", "nin_10", "linear", "mlp",
    }  # fmt: skip
    assert set(DATA_SETS) >= {"digits", "mnist", "fashion_mnist", "cifar10", "folder", "features"}
    for room, entries in (("models.architectures", ARCHITECTURES), ("datasets", DATA_SETS)):
        found = [name for module in modules(room) for name in getattr(module, "ENTRIES", ())]
        assert sorted(found) == sorted(entries)  # none twice
    for name, entry in ARCHITECTURES.items():
        assert find_architecture(name) is entry and Model(name=name).entry is entry
    for name, entry in DATA_SETS.items():
        assert find_data_set(name) is entry and Dataset(name=name).entry is entry
    with pytest.raises(UserError, match="unknown model 'lenett'; did you mean 'lenet'"):
        find_architecture("lenett")
    with pytest.raises(UserError, match="unknown data set 'folders'; did you mean 'folder'"):
        find_data_set("folders")
    assert list(STRATEGIES)[0] == "random"


def test_settings_are_checked_without_torch():
    program = (
        "import sys; from stages.study.settings import Dataset, Model; from stages.catalogue "
        "import ARCHITECTURES, DATA_SETS; [Model(name=n) for n in ARCHITECTURES]; "
        "[Dataset(name=n) for n in DATA_SETS]; "
        "print([m for m in ('torch', 'torchvision', 'sklearn', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr

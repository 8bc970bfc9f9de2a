"""Bad settings end in one line that says what is wrong and what is allowed, before computing."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from study import DROP, REPO, edit, rounds, tree, write_params

from stages import full, prepare, split, start
from stages import protocol as protocol_stage
from stages import round as round_stage
from stages.catalogue import ARCHITECTURES, DATA_SETS, Facts
from stages.datasets import sources
from stages.machine.errors import UserError, nearest
from stages.models import build
from stages.models.compute import configure
from stages.protocol import protocol
from stages.study import settings
from stages.study.posed import Oracle, Pool

EXAMPLES = [REPO / "params.yaml", *sorted((REPO / "studies").glob("*.yaml"))]


def fault(root: Path, **changes: object) -> str:
    """The message for changed settings, without the path in front."""
    path = write_params(root, tree(**changes))
    with pytest.raises(UserError) as raised:
        settings.load(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_studies_of_this_repository_are_valid(path):
    assert settings.load(path).tasks


def test_the_tiny_study_of_these_tests_is_valid(tmp_path):
    study = settings.load(write_params(tmp_path, tree()))
    assert study.budget_rounds == 2
    assert study.chosen("entropy")[1] == {}


@pytest.mark.parametrize(
    ("changes", "begin", "parts"),
    [
        # names
        (
            {"strategies": ["random", "entopy"]},
            "strategies: 'entopy' has no entry under 'strategy:'",
            ["did you mean 'entropy'?", "least_confidence"],
        ),
        (
            {"tasks": ["digit"]},
            "tasks: 'digit' has no entry under 'task:'",
            ["did you mean 'digits'?", "allowed: digits"],
        ),
        (
            {"strategies": ["mine"], "strategy__mine": {"use": "badg"}},
            "unknown strategy 'badg'",
            ["did you mean 'badge'?"],
        ),
        ({"strategies": ["mine"], "strategy__mine": {}}, "unknown strategy 'mine'", ["random"]),
        (
            {"task__digits__dataset__name": "mnits"},
            "task.digits.dataset.name is 'mnits'",
            ["did you mean 'mnist'?", "cifar10"],
        ),
        (
            {"task__digits__model__name": "resnet81"},
            "task.digits.model.name is 'resnet81'",
            ["did you mean 'resnet18'?", "lenet"],
        ),
        (
            {"task__digits__optimizer": "adma"},
            "task.digits.optimizer is 'adma'",
            ["did you mean 'adam'?", "sgd"],
        ),
        ({"reproducible": "portible"}, "reproducible is 'portible'", ["did you mean 'portable'?"]),
        ({"device": "gpu"}, "device is 'gpu'", ["allowed: auto, cpu, cuda"]),
        # keys, at each level
        ({"thread": 2}, "unknown key 'thread'", ["did you mean 'threads'?"]),
        ({"task__digits__epoch": 3}, "unknown key 'task.digits.epoch'", ["did you mean 'epochs'?"]),
        (
            {"task__digits__split__intial": 3},
            "unknown key 'task.digits.split.intial'",
            ["did you mean 'initial'?", "balanced"],
        ),
        (
            {"task__digits__model__drop_out": 3},
            "unknown key 'task.digits.model.drop_out'",
            ["did you mean 'dropout'?"],
        ),
        (
            {"task__digits__dataset": {"name": "folder", "rot": "x"}},
            "unknown key 'task.digits.dataset.rot'",
            ["did you mean 'root'?", "channels"],
        ),
        (
            {"task__digits__model": {"nmae": "lenet", "dropout": 0.1}},
            "unknown key 'task.digits.model.nmae'",
            ["did you mean 'name'?"],
        ),
        ({"task__digits__model": {"dropout": 0.1}}, "'task.digits.model.name' is missing", []),
        (
            {"task__digits__model": {"name": "lenet", "dropout": 2, "stem": "3x3"}},
            "unknown key 'task.digits.model.stem'",
            ["allowed: dropout, name", "task.digits.model.dropout is 2; allowed: a number from 0"],
        ),
        (
            {"task__digits__dataset": {"name": "folder", "root": "x", "channels": 2}},
            "task.digits.dataset.channels is 2",
            ["allowed: 1, 3"],
        ),
        (
            {"task__digits__dataset__folder": "x"},
            "unknown key 'task.digits.dataset.folder'",
            ["name", "root"],
        ),
        (
            {"rounds": [{"n": 0, "nxt": "end"}]},
            "unknown key 'rounds.0.nxt'",
            ["did you mean 'next'?"],
        ),
        (
            {"rounds": [{"n": 0, "next": "end", "more": 1}]},
            "unknown key 'rounds.0.more'",
            ["allowed: n, next"],
        ),
        (
            {"report__baselin": "random"},
            "unknown key 'report.baselin'",
            ["did you mean 'baseline'?"],
        ),
        ({"task__digits__epochs": DROP}, "'task.digits.epochs' is missing", []),
        ({"seeds": DROP}, "'seeds' is missing", []),
        # types and ranges
        ({"task__digits__epochs": "many"}, "task.digits.epochs is 'many'", ["integer"]),
        ({"task__digits__epochs": 0}, "task.digits.epochs is 0", ["1"]),
        ({"task__digits__epochs": 2.5}, "task.digits.epochs is 2.5", ["integer"]),
        ({"task__digits__query_size": 0}, "task.digits.query_size is 0", ["1"]),
        ({"task__digits__learning_rate": 0}, "task.digits.learning_rate is 0", ["greater than 0"]),
        ({"task__digits__model__dropout": 1}, "task.digits.model.dropout is 1", ["below 1"]),
        ({"task__digits__split": 20}, "task.digits.split is 20", []),
        ({"task__digits__dataset": "digits"}, "task.digits.dataset is 'digits'", []),
        ({"task__digits": None}, "task.digits is None", []),
        ({"seeds": [0, -1]}, "seeds.1 is -1", ["0"]),
        ({"seeds": 3}, "seeds is 3", ["list"]),
        ({"seeds": []}, "seeds is []", []),
        ({"tasks": []}, "tasks is []", []),
        ({"strategies": []}, "strategies is []", []),
        ({"rounds": []}, "rounds is []", []),
        ({"strategy__entropy": 3}, "strategy.entropy is 3", []),
        ({"task__digits__milestones": [3, "x"]}, "task.digits.milestones.1 is 'x'", ["integer"]),
        # rounds
        ({"rounds": [{"n": 1, "next": "end"}]}, "rounds: entry 0 has n: 1", ["expected n: 0"]),
        (
            {"rounds": [{"n": 0, "next": 1}, {"n": 1, "next": 2}]},
            "rounds: they have no end",
            ["next: end", "(n: 1)"],
        ),
        (
            {"rounds": [{"n": 0, "next": 2}, {"n": 1, "next": "end"}]},
            "rounds: they do not chain",
            ["expected next: 1"],
        ),
        (
            {"rounds": [{"n": 0, "next": "end"}, {"n": 1, "next": "end"}]},
            "rounds: they do not chain",
            ["expected next: 1"],
        ),
        (
            {"rounds": [{"n": 0, "next": 1}, {"n": 2, "next": "end"}]},
            "rounds: entry 1 has n: 2",
            ["expected n: 1"],
        ),
        ({"rounds": [{"n": 0, "next": "END"}]}, "rounds.0.next is 'END'", []),
        # twice, reserved
        ({"seeds": [0, 1, 0]}, "seeds: 0 stands there twice", []),
        ({"strategies": ["random", "random"]}, "strategies: 'random' stands there twice", []),
        ({"tasks": ["digits", "digits"]}, "tasks: 'digits' stands there twice", []),
        (
            {"strategies": ["full"], "strategy__full": {"use": "random"}},
            "strategies: 'full' cannot be a name",
            ["letters, digits and '_'"],
        ),
        (
            {"strategies": ["seed-1"], "strategy__seed-1": {"use": "random"}},
            "strategies: 'seed-1' cannot be a name",
            [],
        ),
        (
            {"strategies": ["a/b"], "strategy__a/b": {"use": "random"}},
            "strategies: 'a/b' cannot be a name",
            [],
        ),
        (
            {"strategies": [".."], "strategy__..": {"use": "random"}},
            "strategies: '..' cannot be",
            [],
        ),
        # what belongs together
        (
            {"strategies": ["bald"], "task__digits__model__dropout": 0.0},
            "strategy 'bald' samples by dropout, but task.digits.model.dropout is 0",
            ["above 0"],
        ),
        (
            {
                "strategies": ["mine"],
                "strategy__mine": {"use": "entropy_dropout"},
                "task__digits__model__dropout": DROP,
            },
            "strategy 'mine' samples by dropout",
            [],
        ),
        ({"task__digits__amp": True}, "task.digits.amp needs 'reproducible: off'", ["'portable'"]),
        (
            {"task__digits__channels_last": True, "reproducible": "machine"},
            "task.digits.channels_last needs 'reproducible: off'",
            ["'machine'"],
        ),
        (
            {"task__digits__compile": True},
            "task.digits.compile needs 'reproducible: off'",
            ["'portable'"],
        ),
        (
            {"task__digits__schedule": "cosine", "task__digits__milestones": [1]},
            "task.digits.milestones are of schedule: steps, not 'cosine'",
            ["allowed with it: []"],
        ),
        (
            {"task__digits__weight_decay_on": "kernels"},
            "task.digits.weight_decay_on: kernels needs a weight_decay above 0",
            [],
        ),
        (
            {"task__digits__choose_epoch": "best", "task__digits__split__validation": 0},
            "task.digits.choose_epoch is 'best', by the validation rows, but "
            "task.digits.split.validation is 0",
            ["allowed: 1 or more"],
        ),
        (
            {
                "task__digits__averaging": "swa",
                "task__digits__swa_epochs": 3,
                "task__digits__swa_every": 7,  # 12 rows are two batches of up to 8
            },
            "task.digits: averaging: swa makes 6 steps in 3 epochs over 12 rows",
            ["allowed: up to 6"],
        ),
        (
            {
                "task__digits__initialise": "last",
                "strategies": ["mine"],
                "strategy__mine": {
                    "learner": "stages.learners.adversarial:with_adversarial",
                    "scorer": "entropy",
                },
            },
            "strategy 'mine' trains by stages.learners.adversarial:with_adversarial, which starts "
            "afresh in each round, but task.digits.initialise is 'last'",
            ["allowed with it: fresh"],
        ),
        ({"task__digits__nesterov": True}, "task.digits.nesterov needs a momentum above 0", []),
        ({"task__digits__milestones": [5, 3]}, "task.digits.milestones must rise", ["[5, 3]"]),
        ({"task__digits__milestones": [3, 3]}, "task.digits.milestones must rise", []),
        (
            {"task__digits__dataset__size": [8, 8]},
            "unknown key 'task.digits.dataset.size'",
            ["allowed: name, root"],
        ),
        # settings of strategies
        (
            {"strategies": ["bald"], "strategy__bald": {"pases": 5}},
            "strategy.bald: unknown key 'pases'",
            ["did you mean 'passes'?", "use"],
        ),
        (
            {"strategies": ["random"], "strategy__random": {"passes": 5}},
            "strategy.random: unknown key 'passes'",
            ["allowed: candidates, use"],
        ),
        (
            {"strategies": ["bald"], "strategy__bald": {"passes": "ten"}},
            "strategy.bald.passes is 'ten'",
            ["a whole number from 2 to", "10"],
        ),
        (
            {"strategies": ["bald"], "strategy__bald": {"passes": 2.5}},
            "strategy.bald.passes is 2.5",
            ["a whole number from 2 to"],
        ),
        (
            {"strategies": ["bald"], "strategy__bald": {"passes": True}},
            "strategy.bald.passes is True",
            ["a whole number from 2 to"],
        ),
        (
            {"strategies": ["bald"], "strategy__bald": {"passes": -1}},
            "strategy.bald.passes is -1",
            [],
        ),
        (
            {"strategies": ["bald"], "strategy__bald": {"passes": 0}},
            "strategy.bald.passes is 0",
            ["2"],
        ),
        (
            {"strategies": ["kmeans"], "strategy__kmeans": {"iterations": 0}},
            "strategy.kmeans.iterations is 0",
            ["1"],
        ),
        (
            {"strategies": ["kmeans"], "strategy__kmeans": {"backend": 3}},
            "strategy.kmeans.backend is 3",
            ["allowed: auto, exact"],
        ),
        (
            {"strategies": ["kmeans"], "strategy__kmeans": {"backend": "fais"}},
            "strategy.kmeans.backend is 'fais'",
            ["did you mean 'faiss'?", "scipy"],
        ),
        # a strategy of the user's own
        (
            {"strategies": ["mine"], "strategy__mine": {"use": "no_such_module:x"}},
            "'no_such_module:x': there is no module 'no_such_module'",
            [],
        ),
        (
            {"strategies": ["mine"], "strategy__mine": {"use": "json:no_such_name"}},
            "'json:no_such_name': 'json' has no 'no_such_name'",
            [],
        ),
        (
            {"strategies": ["mine"], "strategy__mine": {"use": "json:dumps"}},
            "'json:dumps' is a function, not a Strategy",
            [],
        ),
        ({"strategies": ["mine"], "strategy__mine": {"use": ":dumps"}}, "':dumps'", []),
        ({"strategies": ["mine"], "strategy__mine": {"use": ".json:dumps"}}, "'.json:dumps'", []),
        ({"strategies": ["mine"], "strategy__mine": {"use": 5}}, "strategy.mine.use is 5", []),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path, changes, begin, parts):
    message = fault(tmp_path, **changes)
    assert message.startswith(begin)
    for part in parts:
        assert part in message


SEVEN = {
    "device": "gpu",
    "seeds": [0, 1, 1],
    "strategies": ["random", "entopy", "bald"],
    "task__digits__epoch": 3,
    "task__digits__epochs": DROP,
    "task__digits__learning_rate": -1,
    "task__digits__model__name": "lenet",
    "strategy__bald": {"passes": 1},
}


def test_all_faults_of_a_file_are_told_together(tmp_path, capsys):
    path = write_params(tmp_path, tree(**SEVEN))
    with pytest.raises(UserError) as raised:
        settings.load(path)
    assert [fault.removeprefix(f"{path}: ").split("; ")[0] for fault in raised.value.faults] == [
        "device is 'gpu'",
        "task.digits.learning_rate is -1",
        "unknown key 'task.digits.epoch'",
        "strategies: 'entopy' has no entry under 'strategy:'",
        "seeds: 1 stands there twice",
        "task.digits.model.name: model lenet needs images of 12 pixels or more a side",
        "strategy.bald.passes is 1",
    ]
    with pytest.raises(SystemExit) as stop:
        split.main(["--task", "digits", "--seed", "0", "--root", str(tmp_path)])
    assert stop.value.code == 1
    said = capsys.readouterr().err.splitlines()
    assert said == [f"error: {fault}" for fault in raised.value.faults]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        # one misspelt key is not missing too
        ({"task__digits__epoch": 3, "task__digits__epochs": DROP}, ["unknown key"]),
        ({"task__digits__epoch": 3}, ["unknown key"]),
        ({"tasks": ["digit"], "strategies": ["bald"]}, ["tasks: 'digit' has no entry"]),
        ({"strategies": ["mixd"], "tuned": ["mixed"], "strategy__mixed": {"use": "hybrid"}},
         ["strategies: 'mixd' has no entry"]),
        ({"strategies": ["bald"], "strategy__bald": {"candidates": 2, "passes": "x"}},
         ["strategy.bald.passes is 'x'"]),
        ({"task__digits__query_size": "x", "strategy__random": {"candidates": 2}},
         ["task.digits.query_size is 'x'"]),
        ({"task__digits__split": 5}, ["task.digits.split is 5"]),
        ({"task__digits__dataset": None, "task__digits__model__name": "nin"},
         ["task.digits.dataset is None"]),
        ({"reproducible": "of", "task__digits__amp": True}, ["reproducible is 'of'"]),
        ({"rounds": 5}, ["rounds is 5"]),
        ({"strategy": {"random": {}, "entropy": {}, "a\nb": 5}}, ["strategy.a b is 5; input"]),
        ({"strategies": ["a\nb"], "strategy": {"a\nb": {"x": 5}}}, ["strategies: 'a\\nb' cannot"]),
        ({"rounds": [{"n": 1, "next": 3}, {"n": 7, "next": "x"}]}, ["rounds.1.next is 'x'"]),
        ({"rounds": [{"n": 1, "next": 3}, {"n": 7, "next": "end"}]}, ["rounds: entry 0 has n: 1"]),
        ({"strategies": ["bald", "mean_std"], "task__digits__model__dropout": 0},
         ["strategies 'bald', 'mean_std' sample by dropout"]),
        ({"task__digits__milestones": [1, "x", 0]},
         ["task.digits.milestones.1 is 'x'", "task.digits.milestones.2 is 0"]),
        ({"tasks": 5, "strategies": [], "seeds": ["x"]},
         ["tasks is 5", "seeds.0 is 'x'", "strategies is []"]),
        ({"task__digits__split__initial": 2000, "task__digits__query_size": 5000},
         ["task.digits.split: initial 2000 + validation 5 is larger"]),
    ],
)  # fmt: skip
def test_what_follows_from_a_fault_is_not_told_again(tmp_path, changes, said):
    path = write_params(tmp_path, tree(**changes))
    with pytest.raises(UserError) as raised:
        settings.load(path)
    found = [fault.removeprefix(f"{path}: ") for fault in raised.value.faults]
    assert len(found) == len(said), found
    assert all(one.startswith(begin) for one, begin in zip(found, said, strict=True)), found


def test_of_very_many_faults_the_first_are_told(tmp_path):
    path = write_params(tmp_path, tree(strategies=[f"no_{n}" for n in range(3000)]))
    with pytest.raises(UserError) as raised:
        settings.load(path)
    assert len(raised.value.faults) == 41
    assert raised.value.faults[-1].endswith("more faults than are worth telling")
    path = write_params(tmp_path, tree(seeds=["x"] * 3000))
    with pytest.raises(UserError) as raised:
        settings.load(path)
    assert len(raised.value.faults) == 41


def test_faults_of_the_file_and_of_its_content_are_told_together(tmp_path):
    path = write_params(tmp_path, tree(device="gpu"))
    path.write_text(path.read_text().replace("batch_size: 8", "batch_size: 010\n    batch_size: 9"))
    with pytest.raises(UserError) as raised:
        settings.load(path)
    found = [fault.removeprefix(f"{path}: ") for fault in raised.value.faults]
    begins = ["line ", "line ", "device is 'gpu'; did"]
    assert all(map(str.startswith, found, begins)) and len(found) == 3, found
    assert ": '010' means different things" in found[0] and "'batch_size' is in line " in found[1]


HUGE = 10**400
FOLDER = {"name": "folder", "root": "images"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        *(({f"task__digits__{key}": value}, f"task.digits.{key.replace('__', '.')} is ")
          for key in ("epochs", "batch_size", "query_size", "split__initial", "split__validation",
                      "learning_rate", "weight_decay", "padding", "momentum", "decay")
          for value in (10**30, HUGE, float("inf"), float("nan"), -1, True, "1")),
        *(({key: value}, f"{key} is ") for key in ("threads",) for value in (1025, HUGE, -1, 1.0)),
        *(({"seeds": [value]}, "seeds.0 is ") for value in (2**63, HUGE, -1, 1.0, "0", None)),
        *(({"report__margin": value}, "report.margin is ") for value in (1.1, HUGE, math.nan, -1)),
        *(({"report__alpha": value}, "report.alpha is ") for value in (0, 1, math.inf, math.nan)),
        ({"task__digits__milestones": [10**30]}, "task.digits.milestones.0 is "),
        ({"task__digits__dataset": FOLDER | {"size": [4097, 8]}},
         "task.digits.dataset.size is [4097, 8]; allowed: a list of 2, each a whole number from 1"),
        ({"task__digits__dataset": FOLDER | {"size": [8, HUGE]}}, "task.digits.dataset.size is "),
        ({"task__digits__dataset": FOLDER | {"size": [8]}}, "task.digits.dataset.size is [8]; a"),
        ({"task__digits__dataset": FOLDER | {"root": ""}}, "task.digits.dataset.root is ''"),
        ({"task__digits__dataset": FOLDER | {"root": "x" * 256}}, "task.digits.dataset.root is "),
        ({"task__digits__dataset": FOLDER | {"root": "x/" * 3000}}, "task.digits.dataset.root is "),
        ({"task__digits__dataset": {"name": "folder"}}, "task.digits.dataset.root must name the"),
        ({"rounds": [{"n": 10**30, "next": "end"}]}, "rounds.0.n is "),
        ({"rounds": [{"n": 0, "next": HUGE}]}, "rounds.0.next is "),
        ({"seeds": list(range(20_000)), "task__digits__epochs": 1}, "1 tasks, 2 strategies, 20000"),
        ({"strategies": ["n" * 65], "strategy": {"n" * 65: {"use": "random"}}}, "strategies: 'nnn"),
        ({"strategies": ["CON"], "strategy": {"CON": {"use": "random"}}}, "strategies: 'CON' cann"),
        ({"strategies": ["a", "A"], "strategy": {"a": {"use": "random"}, "A": {"use": "random"}}},
         "strategies: 'A' and 'a' are one folder where file names ignore case"),
        ({"strategies": ["random\n"], "strategy": {"random\n": {"use": "random"}}}, "strategies: "),
        # settings that contradict the data, or each other
        ({"task__digits__model__name": "nin"}, "task.digits.model.name: model nin needs images of "
         "28 to 43 pixels a side; these have 8x8"),
        ({"task__digits__dataset": FOLDER | {"size": [7, 9]}, "task__digits__model__name":
          "resnet18"}, "task.digits.model.name: model resnet18 needs images of 8 pixels or more"),
        ({"task__digits__augmentation": "crop", "task__digits__padding": 8},
         "task.digits.padding is 8, but images are 8x8"),
        ({"task__digits__dataset": FOLDER | {"size": [28, 8]}, "task__digits__augmentation": "crop",
          "task__digits__padding": 8}, "task.digits.padding is 8, but images are 28x8"),
        ({"task__digits__query_size": 1000}, "task.digits: 2 selections of 1000 are 2000, larger"),
        ({"strategies": ["kdpp"], "strategy__kdpp": {"rank": 4}}, "strategy.kdpp.rank is 4, but t"),
        ({"strategies": ["kdpp"], "strategy__kdpp": {"kernel": "linear"},
          "task__digits__query_size": 129}, "strategy.kdpp.kernel is 'linear', but task.digits.que"
         "ry_size is 129 and embeddings of small_cnn have 128 numbers"),
        ({"tuned": ["h"], "strategies": ["h"], "strategy__h": {"use": "hybrid", "alpha":
          [n / 2000 for n in range(1, 1002)]}}, "strategy.h has 1001 combinations of candidates"),
        ({"tuned": ["h"], "strategies": ["h"], "strategy__h": {"use": "coreset", **{key: list(
          range(1, 1000)) for key in ("steps", "moves", "nodes", "nonzeros", "programs", "pca")}}},
         "strategy.h has 994014980014994001 combinations of candidates; allowed: up to 1000"),
        # code of the user's own that cannot be imported
        ({"strategies": ["mine"], "strategy__mine": {"use": "tests.no_such:x"}}, "'tests.no_such"),
        ({"strategies": ["mine"], "strategy__mine": {"use": "broken_syntax:x"}}, "'broken_syntax:x'"
         ": importing 'broken_syntax' fails: SyntaxError"),
        ({"strategies": ["mine"], "strategy__mine": {"use": "broken_exit:x"}}, "'broken_exit:x': "
         "importing 'broken_exit' fails: SystemExit"),
        ({"strategies": ["mine"], "strategy__mine": {"use": "broken_lookup:x"}}, "'broken_lookup:x'"
         ": importing 'broken_lookup' fails: 'list' object has no attribute 'nothing'"),
        ({"strategies": ["mine"], "strategy__mine": {"use": "m" * 5000 + ":x"}}, "'mmm"),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_numbers_beyond_any_machine_and_contradictions_are_one_line(
    tmp_path, monkeypatch, changes, said
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_syntax.py").write_text("x =")
    (tmp_path / "broken_exit.py").write_text("raise SystemExit(0)")
    (tmp_path / "broken_lookup.py").write_text("[].nothing")
    path = write_params(tmp_path / "study", tree(**changes))
    with pytest.raises(UserError) as raised:
        settings.load(path)
    assert len(raised.value.faults) == 1, raised.value.faults
    message = raised.value.faults[0].removeprefix(f"{path}: ")
    assert message.startswith(said), message
    assert len(message) < 1000 and "\n" not in message


@pytest.mark.parametrize(
    "changes",
    [
        {"task__digits__epochs": 10**6}, {"task__digits__batch_size": 10**9},
        {"task__digits__learning_rate": 1000}, {"task__digits__weight_decay": 1000.0},
        {"threads": 1024}, {"threads": 0}, {"seeds": [2**63 - 1]}, {"report__margin": 1},
        {"task__digits__dataset": FOLDER | {"size": [4096, 4]}},
        {"task__digits__augmentation": "crop", "task__digits__padding": 7},
        {"task__digits__padding": 4096},
        {"task__digits__averaging": "swa", "task__digits__swa_epochs": 3,
         "task__digits__swa_every": 6},
        {"task__digits__initialise": "last", "strategies": ["random", "ceal", "adversarial_bim"]},
        {"task__digits__milestones": [1, 10**6]},  # beyond the epochs it plays no part
        {"strategies": ["kdpp"], "strategy__kdpp": {"rank": 6}},
        {"strategies": ["kdpp"], "strategy__kdpp": {"kernel": "linear"},
         "task__digits__query_size": 128},
        {"strategies": ["n" * 64], "strategy": {"n" * 64: {"use": "random"}}},
        {"strategies": ["_"], "strategy": {"_": {"use": "random"}}},
        {"task__digits__dataset": FOLDER, "task__digits__query_size": 10**9},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_at_a_bound_is_allowed(tmp_path, changes):
    settings.load(write_params(tmp_path, tree(**changes)))


def test_defaults_by_value(tmp_path):
    """What a file leaves out: a changed default would change studies in silence."""
    study = tree(task__digits__model={"name": "small_cnn"}, task__digits__split={"initial": 12})
    for key in ("device", "threads", "tuned", "report"):
        del study[key]
    found = settings.load(write_params(tmp_path, study))
    task = found.task["digits"]
    left_out = {key: getattr(task, key) for key in type(task).model_fields if key not in study[
        "task"]["digits"]}  # fmt: skip
    assert left_out == {
        "momentum": 0, "nesterov": False, "weight_decay": 0, "weight_decay_on": "all",
        "schedule": "steps", "schedule_by": "epoch", "milestones": (), "decay": 0.1,
        "clip_norm": 0, "label_smoothing": 0, "class_weights": "none",
        "initialise": "fresh", "choose_epoch": "last", "averaging": "none", "ema_decay": 0.999,
        "swa_epochs": 50, "swa_learning_rate": 5e-4, "swa_every": 50,
        "augmentation": "none", "padding": 4, "amp": False, "channels_last": False,
        "compile": False, "oracle": Oracle(), "pool": Pool(), "metrics": (),
        "thumbnails": "auto",
    }  # fmt: skip
    assert task.model.model_dump() == {
        "name": "small_cnn", "dropout": 0
    }  # fmt: skip
    assert task.split.model_dump() == {"initial": 12, "validation": 0, "balanced": False}
    assert task.dataset.model_dump() == {
        "name": "digits", "root": None
    }  # fmt: skip
    assert found.report.model_dump() == {
        "margin": 0.005, "alpha": 0.05, "baseline": "random", "primary": "auto",
        "metric": "accuracy",
    }  # fmt: skip
    assert (found.device, found.threads, found.tuned) == ("auto", 0, [])


def test_reproducible_off_needs_no_quotes(tmp_path):
    """DVC reads `off` as a word, and so do we; YAML 1.1 would make it False."""
    path = write_params(tmp_path, tree(task__digits__amp=True, reproducible="off"))
    path.write_text(path.read_text().replace("reproducible: 'off'", "reproducible: off"))
    assert "reproducible: off\n" in path.read_text()
    assert settings.load(path).reproducible == "off"


@pytest.mark.parametrize("name", ["cifar10", "digits", "fashion_mnist", "mnist"])
def test_what_is_known_of_published_data_is_true(name, tmp_path):
    if name == "digits":
        images = sources.load(settings.Dataset(name=name))
        rows, shape = images.train_images.shape[0], images.train_images.shape[1:]
        assert DATA_SETS[name].facts == Facts(rows, shape, len(images.classes))
    else:
        sizes = {"mnist": (60_000, (1, 28, 28)), "cifar10": (50_000, (3, 32, 32))}
        expected = sizes.get(name, (60_000, (1, 28, 28)))  # as their authors publish them
        assert DATA_SETS[name].facts == Facts(*expected, 10)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_the_widths_of_embeddings_are_those_of_the_networks(name):
    side, model = ARCHITECTURES[name].smallest, settings.Model(name=name)
    network = build(model, (3, side, side), 7)
    assert network.embedding_size == model.entry.wide(model.settings, (3, side, side), 7)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model__name": "lenet"}, "task.digits.model.name: model lenet needs images of 12 pixels"),
        ({"augmentation": "crop", "padding": 8}, "task.digits.padding is 8, but images are 8x8"),
        ({"query_size": 1430}, "task.digits.query_size is 1430, larger than the pool; allowed: up"),
        ({"split__initial": 1438}, "task.digits.split: initial 1438 + validation 5 is larger than"),
        ({"split__initial": 1434}, "task.digits.split: initial 1434 + validation 5 is larger than"),
    ],
)
@pytest.mark.parametrize("stage", ["protocol", "split"])
def test_what_a_folder_does_not_allow_is_said_as_soon_as_it_is_prepared(
    stage, changes, said, study_copy, capsys
):
    """Data whose size settings cannot know: here the digits, called a folder."""
    changes = {f"task__digits__{key}": value for key, value in changes.items()}
    study = tree(seeds=[5], task__digits__dataset=FOLDER)
    write_params(study_copy, edit(study, changes))
    arguments = ["--task", "digits", "--root", str(study_copy)]
    if stage == "protocol":
        found = said_by(protocol_stage.main, arguments, capsys)
    else:
        found = said_by(split.main, [*arguments, "--seed", "5"], capsys)
    assert found.startswith(f"error: {said}")
    assert not (study_copy / "data/digits/protocol.json").exists()
    assert not (study_copy / "splits/digits/seed-5").exists()


def test_threads_beyond_this_machine_are_refused_where_it_is_known(study_copy, capsys, monkeypatch):
    monkeypatch.setattr("stages.machine.hardware.cores", lambda: 2)
    study = settings.load(write_params(study_copy, tree(threads=33)))
    with pytest.raises(UserError, match="threads is 33, but this machine has 2 cores; .* up to 32"):
        protocol(study, study_copy, "digits")
    with pytest.raises(UserError, match="threads is 33"):
        configure("portable", "cpu", 33)
    write_params(study_copy, tree(threads=32))
    protocol(settings.load(study_copy / "params.yaml"), study_copy, "digits")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_named_by_the_first_stage_that_needs_it(study_copy, capsys):
    write_params(study_copy, tree(device="cuda"))
    arguments = ["--task", "digits", "--root", str(study_copy)]
    said = said_by(protocol_stage.main, arguments, capsys)
    assert said.startswith("error: device is 'cuda', but torch sees no CUDA device; allowed here: ")


def test_a_package_that_is_not_there_is_named_before_any_training(study_copy, monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "faiss" else found(name)
    )
    study = tree(strategies=["kmeans"], strategy__kmeans={"backend": "faiss"})
    write_params(study_copy, study)
    arguments = ["--task", "digits", "--strategy", "kmeans", "--seed", "0"]
    said = said_by(start.main, [*arguments, "--root", str(study_copy)], capsys)
    assert said.startswith("error: strategy.kmeans.backend is 'faiss', which needs the package 'fa")
    assert not (study_copy / "splits/digits/kmeans").exists()


def test_a_task_may_be_named_like_a_word_of_the_validator(tmp_path):
    tasks = tree()["task"]
    tasks["constrained"] = {**tasks["digits"], "epochs": "x"}
    assert fault(tmp_path, task=tasks).startswith("task.constrained.epochs is 'x'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: [digits", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("", "expected settings"),
        ("- a\n- b\n", "expected settings"),
        ("just words", "expected settings"),
        (b"tasks: [\xff\xfe]", "not"),
        (b"tasks: [\x00]", "not valid YAML"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as raised:
        settings.load(path)
    assert str(raised.value).startswith(f"{path}: {message}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="params.yaml: missing"):
        settings.load(tmp_path / "params.yaml")


def test_names_outside_ascii_are_read_in_any_locale(tmp_path):
    path = write_params(tmp_path, tree(task__digits__dataset={"name": "folder", "root": "Bïlder"}))
    path.write_text(path.read_text().replace('"B\\xEFlder"', "Bïlder"), encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from stages.study.settings import load; "
            "print(ascii(load(sys.argv[1]).task['digits'].dataset.root))",
            str(path),
        ],
        cwd=REPO,
        env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "'B\\xeflder'", done.stderr


def test_nearest_names_come_first_then_all():
    assert nearest("entopy", ["random", "entropy"]) == (
        "did you mean 'entropy'? allowed: random, entropy"
    )
    assert nearest("zzz", ["random"]) == "allowed: random"
    assert nearest("x", []) == "allowed: none"


def test_one_strategy_twice_with_other_settings(tmp_path):
    study = settings.load(
        write_params(
            tmp_path,
            tree(strategies=["bald", "bald_50"], strategy__bald_50={"use": "bald", "passes": 50}),
        )
    )
    (one, few), (other, many) = study.chosen("bald"), study.chosen("bald_50")
    assert one is other
    assert (few["passes"], many["passes"]) == (10, 50)


ROUND = ["--task", "digits", "--strategy", "random", "--seed", "0", "--round", "0", "--next", "1"]
COMMANDS = {
    "prepare": (prepare.main, ["--task", "digits"]),
    "split": (split.main, ["--task", "digits", "--seed", "0"]),
    "start": (start.main, ["--task", "digits", "--strategy", "random", "--seed", "0"]),
    "round": (round_stage.main, ROUND),
    "full": (full.main, ["--task", "digits", "--seed", "0"]),
}


def said_by(main, arguments, capsys) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ") and said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize("stage", COMMANDS)
def test_every_stage_refuses_bad_settings_and_writes_nothing(stage, tmp_path, capsys):
    main, arguments = COMMANDS[stage]
    write_params(tmp_path, tree(task__digits__epochs=0))
    message = said_by(main, [*arguments, "--root", str(tmp_path)], capsys)
    assert "task.digits.epochs is 0" in message
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    ("stage", "option", "value", "message"),
    [
        (
            "prepare",
            "--task",
            "digit",
            "task 'digit' is not in params.yaml; did you mean 'digits'?",
        ),
        ("split", "--seed", "7", "seed 7 is not in params.yaml; allowed: 0, 1"),
        ("start", "--strategy", "rondom", "strategy 'rondom' is not in params.yaml; did you mean"),
        ("round", "--strategy", "badge", "strategy 'badge' is not in params.yaml"),
        ("round", "--next", "2", "round 0 with next 2 is not in params.yaml's rounds"),
        ("round", "--next", "fin", "round 0 with next fin is not in params.yaml's rounds"),
        ("full", "--seed", "7", "seed 7 is not in params.yaml"),
    ],
)
def test_every_stage_refuses_what_the_study_does_not_name(
    stage, option, value, message, tmp_path, capsys
):
    main, arguments = COMMANDS[stage]
    arguments = list(arguments)
    arguments[arguments.index(option) + 1] = value
    write_params(tmp_path, tree())
    assert message in said_by(main, [*arguments, "--root", str(tmp_path)], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize("stage", ["split", "start", "round", "full"])
def test_a_stage_without_what_it_builds_on_says_what_is_missing(stage, tmp_path, capsys):
    main, arguments = COMMANDS[stage]
    write_params(tmp_path, tree())
    assert "missing" in said_by(main, [*arguments, "--root", str(tmp_path)], capsys)


def test_from_the_shell_there_is_no_traceback(tmp_path):
    write_params(tmp_path, tree(strategies=["entopy"]))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "stages.split",
            "--task",
            "digits",
            "--seed",
            "0",
            "--root",
            str(tmp_path),
        ],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "did you mean 'entropy'?" in done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"task__digits__split__initial": 2000},
            "initial 2000 + validation 5 is larger than the data",
        ),
        (
            {"task__digits__query_size": 1430},
            "query_size is 1430, larger than the pool; allowed: up",
        ),
        ({"task__digits__query_size": 1000}, "2 selections of 1000 are 2000, larger than the pool"),
    ],
)
def test_a_budget_beyond_the_data_fails_before_anything_is_drawn(
    changes, message, study_copy, capsys
):
    write_params(study_copy, tree(seeds=[5], **changes))
    arguments = ["--task", "digits", "--seed", "5", "--root", str(study_copy)]
    assert message in said_by(split.main, arguments, capsys)
    assert not (study_copy / "splits/digits/seed-5").exists()


def test_a_budget_may_use_up_the_pool(study_copy):
    write_params(study_copy, tree(seeds=[5], rounds=rounds(2), task__digits__query_size=1421))
    split.main(["--task", "digits", "--seed", "5", "--root", str(study_copy)])
    assert (study_copy / "splits/digits/seed-5/initial.txt").exists()


def test_a_protocol_holds_every_setting_and_the_data_but_no_path(prepared_study, tmp_path):
    root = tmp_path / "study"
    shutil.copytree(prepared_study, root)
    study = settings.load(root / "params.yaml")
    protocol(study, root, "digits")
    written = json.loads((root / "data/digits/protocol.json").read_text())
    manifest = json.loads((root / "data/digits/manifest.json").read_text())
    assert written["data"] == f"digits sha256:{manifest['digest']}"
    # Protocols of before keep their bytes.
    only_if_given = {"oracle", "pool", "metrics", "thumbnails"}
    assert set(settings.Task.model_fields) - {"dataset"} - only_if_given < set(written)
    assert not only_if_given & set(written)
    assert {"reproducible", "device"} < set(written) and "threads" not in written
    protocol(study.model_copy(update={"reproducible": "machine"}), root, "digits")
    written = json.loads((root / "data/digits/protocol.json").read_text())
    assert written["threads"] == 1  # where they can change a result
    assert "dataset" not in written

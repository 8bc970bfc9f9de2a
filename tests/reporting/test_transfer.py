"""The table of transfers against the published one, and by hand."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from study import REPO, edit, tree, write_params

from stages.exchanging import imports
from stages.reporting import gathered
from stages.reporting.tables.transfer import COLUMNS, Replay, read_replays, transfer_table
from stages.study import settings

NAMES = ["task", "strategy", "seed", "round", "labeled", "accuracy"]


def table(rows, replays=None, baseline="random") -> pd.DataFrame:
    replays = replays or {"again": Replay("coreset", "vgg16", {})}
    return transfer_table(
        pd.DataFrame(rows, columns=NAMES), replays, {"r18": "resnet18", "wrn": "wrn28_2"}, baseline
    )


def test_cells_of_munjal_2022_table_4():
    """ResNet-18 and WRN-28-2 on what Coreset selected with VGG16, CIFAR-10."""
    published = {
        ("r18", "random"): (75.73, 79.69), ("r18", "again"): (79.27, 82.13),
        ("wrn", "random"): (81.3, 81.98), ("wrn", "again"): (82.32, 84.29),
    }  # fmt: skip
    rows = [
        (task, strategy, 0, n, (10_000, 15_000)[n], value / 100)
        for (task, strategy), values in published.items()
        for n, value in enumerate(values)
    ]
    source = Replay("coreset", "vgg16", {0: [0.7618, 0.8224]})
    found = table(rows, {"again": source})
    assert list(found.columns) == COLUMNS and found["task"].tolist() == ["r18"] * 2 + ["wrn"] * 2
    assert found["model"].tolist() == ["resnet18"] * 2 + ["wrn28_2"] * 2
    assert found["difference"].round(4).tolist() == [0.0354, 0.0244, 0.0102, 0.0231]
    assert found["source_accuracy"].tolist() == [0.7618, 0.8224] * 2
    assert set(found["source_model"]) == {"vgg16"} and set(found["selected_by"]) == {"coreset"}
    assert found["accuracy_std"].isna().all()  # one run, as there


def test_the_difference_is_paired_over_the_seeds_that_both_have():
    rows = [("r18", "again", k, 0, 20, a) for k, a in ((0, 0.5), (1, 0.7), (2, 0.9))]
    rows += [("r18", "random", k, 0, 20, a) for k, a in ((0, 0.4), (1, 0.4), (7, 0.1))]
    (row,) = table(rows).to_dict("records")
    assert row["n"] == 3 and row["accuracy_mean"] == pytest.approx(0.7)
    assert row["accuracy_std"] == pytest.approx(np.std([0.5, 0.7, 0.9], ddof=1))
    assert row["difference"] == pytest.approx(0.2) and row["baseline_mean"] == pytest.approx(0.4)
    assert np.isnan(row["source_accuracy"])


def test_without_a_baseline_there_is_no_difference():
    found = table([("r18", "again", 0, 0, 20, 0.5)], baseline="margin")
    (row,) = found.to_dict("records")
    assert np.isnan(row["difference"]) and np.isnan(row["baseline_mean"])
    assert set(found.columns) == set(gathered.TABLES["transfer"].fields(found))


def test_replays_of_a_study_are_found_with_what_their_source_achieved(tmp_path):
    root = tmp_path / "study"
    study = settings.load(write_params(root, tree(seeds=[0, 1])))
    assert read_replays(study, root) == {}
    part = tmp_path / "source"
    for name in ("splits/digits/seed-0", "splits/digits/entropy/seed-0",
                 "reports/rounds/digits/entropy/seed-0"):  # fmt: skip
        shutil.copytree(REPO / name, part / name)
    shutil.copy(REPO / "params.yaml", part)
    imports.bring(imports.Asked(str(part), "theirs"), root)
    changes = {"strategies": ["random", "again"]}
    changes |= {"strategy__again": {"use": "replay", "source": "theirs"}}
    study = settings.load(write_params(root, edit(tree(seeds=[0]), changes)))
    found = read_replays(study, root)["again"]
    assert (found.selected_by, found.model) == ("entropy", "small_cnn")
    assert len(found.accuracies[0]) == 5 and all(0.3 < x < 1 for x in found.accuracies[0])
